//! The thread that owns evcxr's context: it compiles and runs one cell after the other.

use super::answer::answer;
use super::aside::Aside;
use super::record::{Kind, Writer};
use super::{EngineError, shim};
use crate::api::{Answer, Question};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use evcxr::{CommandContext, CompilationError, Error, EvalContext, EvalOutputs};
use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Its types are those of any first cell.
const WARM_UP: &str = "let warm = vec![1.0_f32].iter().map(|x| x * 2.0).collect::<Vec<f32>>(); warm.le";

/// After this time without a job the worker warms up.
const IDLE: Duration = Duration::from_millis(400);
const FOREVER: Duration = Duration::from_secs(3600);

/// What the worker is asked.
pub(super) enum Job {
    /// `types`: the cell has variables whose type must be found out.
    Execute {
        code: String,
        token: u64,
        opt: Opt,
        types: bool,
        done: Sender<Done>,
    },
    Ask {
        question: Question,
        done: Sender<Answer>,
    },
}

/// How a cell is compiled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Opt {
    /// 0 to 3, as `-C opt-level`.
    pub level: u8,
    /// Without debug assertions and checks of overflow.
    pub release: bool,
}

impl Opt {
    /// As the compiler's shim reads it.
    fn to_text(self) -> String {
        format!("{}{}", self.level, if self.release { " release" } else { "" })
    }

    /// Unreadable text is the default.
    pub fn from_text(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let level = words.next().and_then(|level| level.parse().ok()).unwrap_or(0);
        Self { level, release: words.next() == Some("release") }
    }
}

/// How the engine wants code to be run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How {
    pub opt: Opt,
    /// It may make variables, whose types must be found out.
    pub types: bool,
    /// An interrupt need not wait for rust-analyzer.
    pub leave: bool,
}

/// How a cell ended, as evcxr saw it.
#[derive(Debug)]
pub(super) struct Done {
    pub result: Ended,
    /// Name and type of every stored variable.
    pub variables: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) enum Ended {
    /// It ran (or there was nothing to run); what a `:command` printed.
    Ok(HashMap<String, String>),
    /// It does not compile.
    Compile(Vec<CompilationError>),
    /// evcxr's own message.
    Message(String),
    /// The process that runs cells ended.
    Terminated(String),
}

/// Starts evcxr and its child; the caller has set the environment that evcxr reads.
pub(super) fn start(child: Command) -> Result<CommandContext, EngineError> {
    let (context, outputs) =
        EvalContext::with_subprocess_command(child).map_err(|error| EngineError::Start(error.to_string()))?;
    // The pump takes everything that cells print; what still comes here are the kernel's own troubles.
    for channel in [outputs.stdout, outputs.stderr] {
        std::thread::Builder::new()
            .name(String::from("evcxr output"))
            .spawn(move || channel.iter().for_each(|line| eprintln!("{line}")))
            .map_err(EngineError::Thread)?;
    }
    Ok(CommandContext::with_eval_context(context))
}

/// Works until the engine is gone.
pub(super) fn work(context: CommandContext, folder: &Path, jobs: &Receiver<Job>, aside: &Aside) {
    let mut context = Box::new(context);
    serve(&mut context, folder, jobs, aside);
    aside.retract();
}

/// What rust-analyzer knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// Nothing: evcxr started on an empty package. Enough for cells without a `let`.
    Nothing,
    /// It reads the libraries at the next cell or question.
    Libraries,
    /// It has answered a question about a type.
    Warm,
}

/// Lets rust-analyzer read the libraries with the next source that it is given.
///
/// It looks at the package again when its manifest changes; evcxr writes its level of optimisation there, which the shim
/// does not heed.
fn learn(context: &mut CommandContext, folder: &Path) {
    // Where this fails, types must be written.
    let _ = std::fs::write(folder.join(shim::READING), "");
    let _ = std::fs::remove_file(folder.join(shim::UNREAD));
    let _ = context.set_opt_level("1");
}

fn serve(context: &mut CommandContext, folder: &Path, jobs: &Receiver<Job>, aside: &Aside) {
    let mut sync = Writer::open(&folder.join(shim::FIFO)).ok();
    let (mut loaded, mut known) = (false, Knowledge::Nothing);
    loop {
        let job = match jobs.recv_timeout(if loaded && known != Knowledge::Warm { IDLE } else { FOREVER }) {
            Ok(job) => job,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                // rust-analyzer takes seconds before its first answer: better while nobody waits than in a cell.
                if loaded && known != Knowledge::Warm {
                    if known == Knowledge::Nothing {
                        learn(context, folder);
                    }
                    known = Knowledge::Warm;
                    let _ = catch_unwind(AssertUnwindSafe(|| context.completions(WARM_UP, WARM_UP.len())));
                    let _ = std::fs::remove_file(folder.join(shim::READING));
                    aside.publish(context);
                }
                continue;
            }
        };
        if known == Knowledge::Nothing && matches!(job, Job::Ask { .. } | Job::Execute { types: true, .. }) {
            learn(context, folder);
            known = Knowledge::Libraries;
            aside.publish(context);
        }
        match job {
            Job::Execute { code, token, opt, types: _, done } => {
                // When it cannot be written the cell runs with the last level.
                let _ = std::fs::write(folder.join(shim::OPT_LEVEL), opt.to_text());
                let result = execute(context, &code);
                let variables = context.variables_and_types().map(|(n, t)| (n.to_owned(), t.to_owned())).collect();
                if let Some(sync) = &mut sync {
                    // Everything that the cell printed is in the FIFO before this mark.
                    let _ = sync.send(Kind::Sync, &token.to_le_bytes());
                }
                if known == Knowledge::Libraries {
                    let _ = std::fs::remove_file(folder.join(shim::READING));
                }
                // The engine may have given up on us.
                let _ = done.send(Done { result, variables });
                // The first cell is the prelude.
                loaded = true;
            }
            Job::Ask { question, done } => {
                let _ = done.send(answer(context, &question));
            }
        }
    }
}

fn execute(context: &mut CommandContext, code: &str) -> Ended {
    match catch_unwind(AssertUnwindSafe(|| context.execute(code))) {
        Ok(Ok(EvalOutputs { content_by_mime_type, .. })) => Ended::Ok(content_by_mime_type),
        Ok(Err(Error::CompilationErrors(errors))) => Ended::Compile(errors),
        Ok(Err(Error::SubprocessTerminated(message))) => Ended::Terminated(message),
        Ok(Err(error)) => Ended::Message(error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
            Ended::Message(format!(
                "the kernel's own code failed on this cell: {text}\nThe cell was not run; if the next one fails too, restart the kernel"
            ))
        }
    }
}

/// What a child needs in its environment, and where it starts.
#[derive(Debug, Clone)]
pub(super) struct ChildPlan {
    pub exe: PathBuf,
    pub working_dir: Option<PathBuf>,
    pub variables: Vec<(String, std::ffi::OsString)>,
}

impl ChildPlan {
    pub fn command(&self) -> Command {
        let mut command = super::original_env::command(&self.exe);
        // What `ps` and `top` show.
        command.arg0("lathe-cell");
        if let Some(dir) = &self.working_dir {
            command.current_dir(dir);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}
