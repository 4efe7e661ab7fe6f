//! One engine for all tests of a file: a start takes seconds.
#![allow(dead_code)]

use lathe_kernel::api::{CellError, Engine, Outcome, Output};
use lathe_kernel::engine::{EngineOptions, EvcxrEngine};
use lathe_kernel::prepared;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

static ENGINE: Mutex<Option<EvcxrEngine>> = Mutex::new(None);

pub fn start() -> EvcxrEngine {
    let prepared = prepared::find_or_build(&mut |step| eprintln!("{step}")).expect("the prelude can be prepared");
    let exe = PathBuf::from(env!("CARGO_BIN_EXE_lathe-kernel"));
    let options = EngineOptions { exe: Some(exe), quick: true, ..EngineOptions::default() };
    EvcxrEngine::start(prepared, &options).expect("the engine starts")
}

pub fn with_engine(test: impl FnOnce(&mut EvcxrEngine)) {
    let mut engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    test(engine.get_or_insert_with(start));
}

pub fn run(engine: &mut EvcxrEngine, code: &str) -> (Vec<Output>, Outcome) {
    let mut outputs = Vec::new();
    let outcome = engine.execute(code, &mut |output| outputs.push(output));
    (outputs, outcome)
}

/// Runs a cell that must succeed.
pub fn check(engine: &mut EvcxrEngine, code: &str) -> Vec<Output> {
    let (outputs, outcome) = run(engine, code);
    match outcome {
        Outcome::Ok => outputs,
        Outcome::Error(error) | Outcome::Interrupted(error) => panic!("{code}\n{}", plain(&error)),
    }
}

/// Everything printed.
pub fn shown(outputs: &[Output]) -> String {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Stream { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// The plain text of the results or displays.
pub fn text_of(outputs: &[Output], kind: &str) -> Vec<String> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Result { bundle } if kind == "Result" => Some(bundle),
            Output::Display { bundle, .. } if kind == "Display" => Some(bundle),
            _ => None,
        })
        .map(|bundle| bundle.data["text/plain"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// The traceback without colours.
pub fn plain(error: &CellError) -> String {
    let mut text = String::new();
    let joined = error.traceback.join("\n");
    let mut rest = joined.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        text.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    text + rest
}
