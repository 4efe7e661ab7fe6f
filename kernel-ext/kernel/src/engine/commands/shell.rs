//! `!` lines: a shell whose output is shown as it comes.

use super::Failed;
use crate::api::{Output, Stream};
use crate::engine::{EvcxrEngine, original_env};
use crossbeam_channel::bounded;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

/// Runs one line; a status that is not 0 is an error.
pub(super) fn run(engine: &EvcxrEngine, line: &str, out: &mut dyn FnMut(Output)) -> Result<(), Failed> {
    if line.is_empty() {
        return Err(("BadArgument", String::from("`!` needs a command for the shell")));
    }
    let mut shell: Command = original_env::command("sh");
    shell.args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(dir) = &engine.working_dir {
        shell.current_dir(dir);
    }
    // A group of its own, so that an interrupt reaches everything that it starts.
    shell.process_group(0);
    let fail = |error: std::io::Error| ("ShellError", format!("cannot run the shell: {error}"));
    let mut child = shell.spawn().map_err(fail)?;
    engine.control.set_shell(child.id().cast_signed());
    // A slow front end makes the program wait.
    let (sender, pieces) = bounded(16);
    let read = |stream: Stream, from: Option<Box<dyn Read + Send>>| {
        let Some(mut from) = from else { return };
        let sender = sender.clone();
        let reader = std::thread::Builder::new().name(String::from("shell output"));
        // Without the thread the output of this pipe is lost; the program still runs.
        let _ = reader.spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                if sender.send((stream, buffer[..read].to_vec())).is_err() {
                    return;
                }
            }
        });
    };
    read(Stream::Stdout, child.stdout.take().map(|pipe| Box::new(pipe) as _));
    read(Stream::Stderr, child.stderr.take().map(|pipe| Box::new(pipe) as _));
    drop(sender);
    let mut pending = crate::engine::output::Pending::default();
    for (stream, bytes) in pieces {
        pending.text(stream, &bytes, out);
        pending.flush(out);
    }
    pending.finish(out);
    let status = child.wait().map_err(fail);
    engine.control.set_shell(0);
    let status = status?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(("ShellError", format!("`{line}` ended with status {code}"))),
        (None, signal) => Err(("ShellError", format!("`{line}` was ended by signal {}", signal.unwrap_or_default()))),
    }
}
