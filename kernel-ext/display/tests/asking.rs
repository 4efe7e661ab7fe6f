//! Questions where there is no kernel of ours: at a pipe, and under stock evcxr.

use std::io::Write;
use std::process::{Command, Stdio};

use display::{input, password};
use lathe_events::frame::NONCE_ENV;

const ROLE: &str = "LATHE_DISPLAY_TEST_ASKS";

/// What a process prints that asks three times and is told this.
fn asked(told: &str, evcxr: bool) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "acts_as_a_cell", "--nocapture", "--test-threads=1"]).env(ROLE, "1");
    command.env_remove(NONCE_ENV).env_remove("EVCXR_IS_RUNTIME");
    if evcxr {
        command.env("EVCXR_IS_RUNTIME", "1");
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(told.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Not a test of its own: what the child does.
#[test]
fn acts_as_a_cell() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    println!("name {:?}", input("name? ").unwrap());
    println!("key {:?}", password("key: the secret one\nor none? ").unwrap());
    println!("end {}", input("more? ").unwrap_err());
}

#[test]
fn at_a_pipe_lines_are_answers_and_the_end_is_an_error() {
    let said = asked("Ada π\r\nsecret\n", false);
    for part in ["name? name \"Ada π\"\n", "key \"secret\"\n", "more? end the input has ended"] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
}

#[test]
fn stock_evcxr_is_asked_by_its_own_protocol() {
    let said = asked("Ada\nsecret\n", true);
    let lines: Vec<&str> = said.lines().collect();
    for line in ["EVCXR_INPUT_REQUEST:name? ", "name \"Ada\"", "EVCXR_INPUT_REQUEST_PASSWORD:key", "key \"secret\""] {
        assert!(lines.contains(&line), "{line:?} in {said}");
    }
}
