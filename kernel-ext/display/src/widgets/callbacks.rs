//! The thread on which callbacks of widgets run, one after the other.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};

use lathe_events::frame::Frame;
use lathe_events::interrupt::{self, Interrupted};

use super::model::Model;
use crate::inbox::lock;
use crate::out;

struct Task {
    model: Arc<Model>,
    token: String,
    idle: bool,
}

/// Queues the model's callback; the kernel is told when it has ended.
pub(super) fn run(model: Arc<Model>, token: String, idle: bool) {
    static TASKS: OnceLock<Option<Sender<Task>>> = OnceLock::new();
    let tasks = TASKS.get_or_init(|| {
        let (tasks, queue) = channel();
        let work = move || queue.into_iter().for_each(call);
        std::thread::Builder::new().name("lathe-widgets".into()).spawn(work).ok().map(|_| tasks)
    });
    let task = Task { model, token, idle };
    match tasks {
        Some(tasks) => _ = tasks.send(task),
        None => finish(task.token),
    }
}

fn call(task: Task) {
    // Taken out, so that the callback may set another one; values that change meanwhile are seen by the next call.
    let callback = lock(&task.model.callback).take();
    if let Some(mut callback) = callback {
        if task.idle {
            // No cell runs whose stop this could be.
            interrupt::clear();
        }
        // Panics are told by the hook.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(&mut callback))
            && panic.is::<Interrupted>()
        {
            eprintln!("the callback was stopped");
        }
        lock(&task.model.callback).get_or_insert(callback);
    }
    finish(task.token);
}

fn finish(token: String) {
    // What the callback printed belongs before its end.
    let _ = std::io::stdout().flush();
    out::send(&Frame::CommDone { token });
}
