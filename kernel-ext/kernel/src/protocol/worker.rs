//! The thread on which the engine lives.

use super::StartEngine;
use crate::api::{Answer, Asker, Completion, Engine, Interrupter, Messenger, Outcome, Output, Question};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use lathe_events::frame::Bundle;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What the engine is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Code, and the number of the cell.
    Execute(String, u64),
    Complete(String, usize),
    Inspect(String, usize),
    /// What is known about the name at the end.
    Page(String),
    Shutdown,
}

/// What it answers, in order.
pub(super) enum Event {
    /// Something for the user to read while the engine starts.
    Note(String),
    Started(Result<(Interrupter, Messenger), String>),
    Output(Output),
    Done(Outcome),
    Completed(Completion),
    Inspected(Option<Bundle>),
    Paged(Option<Bundle>),
    /// What was asked while a cell runs; `None` when it could not be answered.
    Aside(Option<Answer>),
    /// A fault of the kernel itself: the engine is gone.
    Crashed(String),
    Stopped,
}

/// Events in flight; a cell that prints faster than we send has to wait.
const CAPACITY: usize = 1024;

/// Starts the engine's thread. `wake` is called after each event, from that thread.
pub(super) fn spawn(
    start: StartEngine,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> std::io::Result<(Sender<Job>, Sender<Question>, Receiver<Event>)> {
    let (jobs, todo) = unbounded();
    let (questions, asked) = unbounded();
    let (events, receiver) = bounded(CAPACITY);
    let send: Report = Arc::new(move |event| {
        // Nobody listens any more once the server has ended.
        let sent = events.send(event).is_ok();
        wake();
        sent
    });
    // Compiler front ends recurse deeply.
    std::thread::Builder::new().name("engine".into()).stack_size(64 << 20).spawn(move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(start, &todo, &asked, &send))) {
            send(Event::Crashed(panic_text(panic.as_ref())));
        }
        send(Event::Stopped);
    })?;
    Ok((jobs, questions, receiver))
}

/// The engine's thread and the thread of the questions use it.
type Report = Arc<dyn Fn(Event) -> bool + Send + Sync>;

/// Answers questions while a cell runs.
fn answer(asker: &Asker, asked: &Receiver<Question>, send: &Report) {
    for question in asked {
        if !send(Event::Aside(asker.ask(&question))) {
            break;
        }
    }
}

fn work(start: StartEngine, todo: &Receiver<Job>, asked: &Receiver<Question>, send: &Report) {
    let mut engine: Box<dyn Engine> = match start(&mut |note| _ = send(Event::Note(note))) {
        Ok(engine) => engine,
        Err(reason) => {
            send(Event::Started(Err(reason)));
            return;
        }
    };
    let (asker, asked, for_answers) = (engine.asker(), asked.clone(), Arc::clone(send));
    // rust-analyzer recurses deeply. Without this thread questions wait until the cell has ended.
    let spawned = std::thread::Builder::new()
        .name("questions".into())
        .stack_size(64 << 20)
        .spawn(move || answer(&asker, &asked, &for_answers));
    if let Err(error) = spawned {
        eprintln!("lathe-kernel: no completion while cells run: {error}");
    }
    send(Event::Started(Ok((engine.interrupter(), engine.messenger()))));
    let stirred = engine.stirred();
    loop {
        let job = crossbeam_channel::select! {
            recv(todo) -> job => job,
            // Between cells: threads that go on, callbacks of widgets.
            recv(stirred) -> sign => {
                if sign.is_err() {
                    break;
                }
                engine.background(&mut |output| _ = send(Event::Output(output)));
                continue;
            }
        };
        let Ok(job) = job else { break };
        let answer = match job {
            Job::Execute(code, number) => {
                engine.set_cell_number(number);
                Event::Done(engine.execute(&code, &mut |output| _ = send(Event::Output(output))))
            }
            Job::Complete(code, cursor) => Event::Completed(engine.complete(&code, cursor)),
            Job::Inspect(code, cursor) => Event::Inspected(engine.inspect(&code, cursor)),
            Job::Page(name) => Event::Paged(engine.inspect(&name, name.len())),
            Job::Shutdown => break,
        };
        if !send(answer) {
            break;
        }
    }
    engine.shutdown();
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("unknown reason").to_owned()
}
