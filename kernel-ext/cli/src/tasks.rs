//! Does what the command line asked for.

use crate::args::{self, Task};
use crate::progress::Screen;
use crate::root::Places;
use crate::setup::{self, build, copies, lock};
use crate::trouble::Trouble;
use crate::{doctor, lab, sys};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs a task to its end.
pub fn run(task: Task) -> Result<(), Trouble> {
    match task {
        Task::Help => print!("{}", args::HELP),
        Task::Version => println!("lathe {}", env!("CARGO_PKG_VERSION")),
        Task::Lab { browser, port, setup_only, user } => {
            sys::catch_signals();
            let (places, mut screen) = (Places::find()?, Screen::new());
            if !setup_only {
                lab::check_port(&places, port)?;
            }
            let ready = setup::everything(&places, &mut screen, user)?;
            if !setup_only {
                lab::open(&places, &mut screen, &ready, port, browser)?;
            }
        }
        Task::Forward { program, args } => return forward(program, args),
        Task::Reset { notebook } => copies::reset(&Places::find()?, &notebook, &mut Screen::new())?,
        Task::Doctor { clean } => doctor::run(&Places::find()?, clean)?,
        Task::Env => println!("{}", Places::find()?.state.join("env").display()),
    }
    Ok(())
}

/// Builds what is out of date, then becomes the program: its output, signals and exit status are the learner's own.
fn forward(program: &str, args: Vec<OsString>) -> Result<(), Trouble> {
    let places = Places::find()?;
    sys::catch_signals();
    {
        let mut screen = Screen::new();
        let _lock = lock::take(&places, &mut screen)?;
        build::ensure(&places, &mut screen, "")?;
    }
    if sys::stop_requested() {
        return Err(Trouble::Interrupted);
    }
    let path = places.binary(program);
    if !path.is_file() {
        return Err(Trouble::NoBinary { path });
    }
    // Paths among the arguments are relative to where the learner stands, so the working directory stays.
    let mut command = Command::new(&path);
    places.clean(&mut command);
    let error = command.args(args).exec();
    Err(Trouble::io("starting", path, &error))
}
