//! The client's side, against the real kernel: what comes back, how it stops, what is left behind.

use lathe_kernel::api::{Engine, Outcome, Output, Stream};
use lathe_kernel::client::{KernelClient, Launch, RemoteEngine, Transport};
use lathe_kernel::prepared;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

type Failing = Result<(), Box<dyn std::error::Error>>;

fn launch() -> Result<Launch, Box<dyn std::error::Error>> {
    prepared::find_or_build(&mut |step| eprintln!("{step}"))?;
    Ok(Launch::program(Path::new(env!("CARGO_BIN_EXE_lathe-kernel"))))
}

fn printed(outputs: &[Output]) -> String {
    let text = |output: &Output| match output {
        Output::Stream { stream: Stream::Stdout, text } => Some(text.clone()),
        _ => None,
    };
    outputs.iter().filter_map(text).collect()
}

#[test]
fn a_kernel_of_its_own_runs_stops_and_dies_alone() -> Failing {
    let mut engine = RemoteEngine::start(&launch()?)?;
    let mut run = |code: &str| {
        let mut outputs = Vec::new();
        let outcome = engine.execute(code, &mut |output| outputs.push(output));
        (outputs, outcome)
    };
    let (outputs, outcome) = run("print!(\"a\"); let x = 20; x + 22");
    assert_eq!((outcome, printed(&outputs).as_str()), (Outcome::Ok, "a"));
    assert!(
        matches!(&outputs[..], [.., Output::Result { bundle }] if bundle.data["text/plain"] == "42"),
        "{outputs:?}"
    );
    let (_, outcome) = run("let y: u8 = \"text\";");
    assert!(
        matches!(&outcome, Outcome::Error(error) if error.ename == "E0308" && !error.traceback.is_empty()),
        "{outcome:?}"
    );
    let interrupter = engine.interrupter();
    let (done, ended) = crossbeam_channel::bounded::<()>(0);
    // Again each second, as the runner does: the first one may come before the cell's own code runs.
    let stop = std::thread::spawn(move || {
        while ended.recv_timeout(Duration::from_secs(1)) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            interrupter.interrupt();
        }
    });
    let outcome = engine.execute("loop { std::thread::sleep(std::time::Duration::from_millis(10)); }", &mut |_| ());
    drop(done);
    stop.join().map_err(|_| "the interrupter panicked")?;
    assert!(matches!(outcome, Outcome::Interrupted(_)), "{outcome:?}");
    // The kernel is killed: that cell fails with the reason, and so do the ones after it.
    // SAFETY: signals the kernel that we started and that nobody has waited for.
    assert_eq!(unsafe { libc::kill(libc::pid_t::try_from(engine.pid())?, libc::SIGKILL) }, 0);
    let outcome = engine.execute("1 + 1", &mut |_| ());
    assert!(matches!(&outcome, Outcome::Error(error) if error.evalue.contains("signal: 9")), "{outcome:?}");
    let failed = |outcome: Outcome| match outcome {
        Outcome::Error(error) | Outcome::Interrupted(error) => Some(error.ename),
        Outcome::Ok => None,
    };
    assert_eq!(failed(outcome).as_deref(), Some("DeadKernel"));
    assert_eq!(failed(engine.execute("1 + 1", &mut |_| ())).as_deref(), Some("DeadKernel"));
    Ok(())
}

#[test]
fn ports_of_this_machine_work_too_and_nothing_is_left_behind() -> Failing {
    let launch = Launch { transport: Transport::Tcp, ..launch()? };
    let mut client = KernelClient::start(&launch, Duration::from_secs(120))?;
    assert_eq!(client.info().get("implementation"), Some(&json!("lathe")));
    let id = client.request("execute_request", json!({"code": "6 * 7", "silent": false}))?;
    let mut kinds = Vec::new();
    let reply = client.finish(&id, None, &mut |message| kinds.push(message.kind().to_owned()))?;
    assert_eq!(reply.text("status"), "ok");
    assert!(kinds.iter().any(|kind| kind == "execute_result"), "{kinds:?}");
    let pid = client.pid();
    assert!(client.shutdown(), "it ends when asked");
    drop(client);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    Ok(())
}

#[test]
fn a_kernel_that_cannot_start_says_why() {
    let start = |argv: &[&str]| {
        let launch = Launch { argv: argv.iter().map(Into::into).collect(), ..Launch::default() };
        KernelClient::start(&launch, Duration::from_secs(60)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let missing = start(&["/no/such/kernel", "{connection_file}"]);
    assert!(missing.contains("/no/such/kernel"), "{missing}");
    let dying = start(&["/bin/sh", "-c", "echo out of luck >&2; test -f \"$0\" && exit 3", "{connection_file}"]);
    assert!(dying.contains("exit status: 3") && dying.contains("out of luck"), "{dying}");
}

#[test]
fn ctrl_c_keeps_what_was_run() -> Failing {
    launch()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("n.ipynb");
    let mut notebook = lathe_kernel::notebook::Notebook::new();
    for (id, source) in [
        ("a", "print!(\"kept\");"),
        ("b", "std::fs::write(\"waiting\", \"\")?; loop { std::thread::sleep(std::time::Duration::from_millis(10)); }"),
        ("c", "print!(\"never\");"),
    ] {
        notebook.cells.push(lathe_kernel::notebook::Cell::code(id, source));
    }
    notebook.write(&path)?;
    let mut run = Command::new(env!("CARGO_BIN_EXE_lathe-kernel"))
        .arg("run")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // The second cell says that it runs.
    while !folder.path().join("waiting").exists() {
        assert!(run.try_wait()?.is_none(), "it ended before it was stopped");
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = libc::pid_t::try_from(run.id())?;
    // SAFETY: signals our own child, which is not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let output = run.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.starts_with("stopped ") && said.contains("cell 2 of 3"), "{said}");
    let executed = lathe_kernel::notebook::Notebook::read(&path.with_extension("executed.ipynb"))?;
    let stored: Vec<usize> = executed.cells.iter().map(|cell| cell.outputs.len()).collect();
    assert_eq!((stored[0], stored[2]), (1, 0));
    Ok(())
}
