//! JupyterLab is started, found again, and stopped; other programs are started with the learner's arguments.

mod common;
use common::{Ran, World, first_line, free_port, interrupt, until};
use std::io::{Read, Write};
use std::net::TcpListener;

/// Not a test: the stand-in for JupyterLab runs this test binary with a port to serve.
#[test]
fn fake_server() {
    let Ok(port) = std::env::var("LATHE_FAKE_PORT") else { return };
    let token = std::env::var("JUPYTER_TOKEN").unwrap();
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    for stream in listener.incoming() {
        let (mut stream, mut request) = (stream.unwrap(), [0u8; 2000]);
        let n = stream.read(&mut request).unwrap();
        let known = String::from_utf8_lossy(&request[..n]).contains(&format!("Authorization: token {token}\r\n"));
        let _ = write!(stream, "HTTP/1.1 {}\r\n\r\n{{}}", if known { "200 OK" } else { "403 Forbidden" });
    }
}

#[test]
fn the_lab_opens_is_found_again_and_stops() {
    let world = World::new("lab");
    let port = free_port();
    let mut child = world.spawn(&["lab", "--no-browser", "--port", &port.to_string()]);
    let line = first_line(&mut child);
    assert!(
        line.starts_with(&format!("JupyterLab: http://127.0.0.1:{port}/lab/tree/01-normal.ipynb?token=")),
        "{line}"
    );
    let call = world.calls().into_iter().find(|c| c.starts_with("jupyterlab")).unwrap();
    for part in
        ["--ServerApp.ip=127.0.0.1", &format!("root_dir={}/notebooks/my", world.clone.display()), "--no-browser"]
    {
        assert!(call.contains(part), "{part} is missing in {call}");
    }
    let token = line.trim_end().rsplit("token=").next().unwrap().to_string();
    assert!(!call.contains(&token), "the token can be seen in the process list");

    let again = world.run(&["lab", "--no-browser"]).good();
    assert!(again.err.contains("already running") && again.out.contains(&token), "{}\n{}", again.out, again.err);
    world.run(&["lab", "--no-browser", "--port", &port.to_string()]).good();

    interrupt(&child);
    let ran = Ran::from(child.wait_with_output().unwrap()).good();
    assert!(ran.err.contains("Stopping JupyterLab"), "{}", ran.err);
    assert!(!world.exists("clone/target/lathe/server.json"));
    until("the port is free again", || TcpListener::bind(("127.0.0.1", port)).is_ok());
}

#[test]
fn a_taken_port_is_named() {
    let world = World::new("port");
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let ran = world.run(&["lab", "--no-browser", "--port", &port]);
    let ran = ran.bad(1, &[&format!("Port {port} cannot be used"), "leave --port out"]);
    assert_eq!(ran.out, "");
    assert_eq!((world.count("jupyterlab"), world.count("build")), (0, 0), "half an hour later is too late to say so");
}

#[test]
fn a_jupyterlab_that_fails_is_shown_with_its_log() {
    let world = World::new("jupyter");
    world.write("jupyter-fails", "ModuleNotFoundError: No module named 'jupyterlab'\n");
    world.run(&["lab", "--no-browser"]).bad(1, &["JupyterLab failed", "ModuleNotFoundError", "jupyter.log"]);
}

#[test]
fn other_programs_get_arguments_folder_and_exit_status_through() {
    let world = World::new("forward");
    let mut command = world.lathe(&["run", "01.ipynb", "--html"]);
    let ran = Ran::from(command.current_dir(world.clone.join("notebooks")).output().unwrap());
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert_eq!(ran.out, format!("ran in {}\n", world.clone.join("notebooks").display()));
    world.run(&["exercises", "hint", "01", "--lang", "zh"]).good();
    world.run(&["book", "--open"]).good();
    world.run(&["sync", "--check"]).good();
    let calls = world.calls();
    for call in [
        "lathe-kernel run 01.ipynb --html",
        "lathe-grader hint 01 --lang zh",
        "lathe-chapters book --open",
        "lathe-chapters sync --check",
    ] {
        assert!(calls.contains(&call.to_string()), "{call} is missing in {calls:?}");
    }
    assert_eq!(world.count("pip"), 0, "running a notebook needs no Python");
}

#[test]
fn help_and_slips() {
    let world = World::new("help");
    let help = world.run(&["help"]).good().out;
    for command in ["lab", "run", "exercises", "doctor", "--port"] {
        assert!(help.contains(command));
    }
    assert!(world.run(&["--version"]).good().out.starts_with("lathe "));
    world.run(&["labb"]).bad(2, &["There is no command `labb`. Did you mean `lab`?"]);
    world.run(&["lab", "--prot", "1"]).bad(2, &["--prot"]);
}
