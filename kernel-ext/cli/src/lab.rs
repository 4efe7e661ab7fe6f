//! Starts JupyterLab on the learner's notebooks and stays with it until Ctrl-C.

use crate::browser;
use crate::checks::failure;
use crate::json::Json;
use crate::proc::ending;
use crate::progress::Screen;
use crate::root::Places;
use crate::setup::{Ready, environment, write_atomically};
use crate::sys;
use crate::trouble::Trouble;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Where the search for a free port begins: Jupyter's own.
const FIRST_PORT: u16 = 8888;
/// A first start compiles Python's modules and can be slow on a slow disk.
const PATIENCE: Duration = Duration::from_secs(90);

/// Opens the lab. Ends with Ctrl-C, or when JupyterLab is shut down from its own menu.
pub fn open(
    places: &Places,
    screen: &mut Screen,
    ready: &Ready,
    port: Option<u16>,
    open_browser: bool,
) -> Result<(), Trouble> {
    let record = record(places);
    if let Some((running, token)) = running(&record).filter(|r| port.is_none() || port == Some(r.0)) {
        screen.say("JupyterLab is already running for this clone; the new kernel is used when a notebook's kernel is restarted.");
        announce(running, &token, "", open_browser, screen);
        return Ok(());
    }
    let port = choose_port(port)?;
    let token = token().map_err(|e| Trouble::io("reading", "/dev/urandom", &e))?;
    screen.stage("Starting JupyterLab", Duration::from_millis(800));
    let mut server = start(places, &ready.env, port, &token)?;
    let result = attend(places, screen, ready, &mut server, port, &token, open_browser, &record);
    stop(screen, &mut server);
    let _ = std::fs::remove_file(&record);
    result
}

#[allow(clippy::too_many_arguments, reason = "one caller, and a struct for it would say the same twice")]
fn attend(
    places: &Places,
    screen: &mut Screen,
    ready: &Ready,
    server: &mut Child,
    port: u16,
    token: &str,
    open_browser: bool,
    record: &Path,
) -> Result<(), Trouble> {
    let failed = |code: String| {
        let log = places.log("jupyter");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        if tail.contains("is already in use") {
            return Trouble::Port { port, error: "another program has just taken it".into(), privileged: false };
        }
        failure::explain("JupyterLab", &code, &tail, &log, &places.state)
    };
    let begun = Instant::now();
    while !answers(port, token) {
        if let Some(status) = server.try_wait().map_err(|e| Trouble::io("waiting for JupyterLab", &places.root, &e))? {
            return Err(failed(ending(status)));
        }
        if begun.elapsed() > PATIENCE {
            return Err(failed(format!("it does not answer after {} s", PATIENCE.as_secs())));
        }
        if sys::stop_requested() {
            return Ok(());
        }
        screen.tick(None, "", None);
        std::thread::sleep(Duration::from_millis(100));
    }
    let text = format!("{{\"pid\": {}, \"port\": {port}, \"token\": \"{token}\"}}\n", server.id());
    write_atomically(record, text.as_bytes())?;
    // The token opens the lab: nobody else may read it.
    let _ = std::fs::set_permissions(record, std::fs::Permissions::from_mode(0o600));
    let page = if ready.first_time { first_notebook(places) } else { String::new() };
    announce(port, token, &page, open_browser, screen);
    screen.say("Ctrl-C stops it. Notebooks are saved in notebooks/my.");
    loop {
        if sys::stop_requested() {
            return Ok(());
        }
        match server.try_wait().map_err(|e| Trouble::io("waiting for JupyterLab", &places.root, &e))? {
            // Shut down from its menu.
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(failed(ending(status))),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Prints the address on stdout, and opens it.
fn announce(port: u16, token: &str, page: &str, open_browser: bool, screen: &mut Screen) {
    screen.wipe();
    let address = format!("http://127.0.0.1:{port}/lab{page}?token={token}");
    println!("JupyterLab: {address}");
    let _ = std::io::stdout().flush();
    if !open_browser {
        return;
    }
    match browser::open(&address) {
        Ok(()) => screen.say("The browser opens; if it does not, open the address above."),
        Err(why) => screen.say(&format!(
            "Open the address above in a browser ({why}). Over ssh, first: ssh -L {port}:127.0.0.1:{port} <this machine>"
        )),
    }
}

/// `/tree/01-....ipynb`, to begin with.
fn first_notebook(places: &Places) -> String {
    let entries = std::fs::read_dir(places.root.join("notebooks/my")).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let plain = |n: &String| n.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    names.filter(|n| n.ends_with(".ipynb") && plain(n)).min().map(|n| format!("/tree/{n}")).unwrap_or_default()
}

fn start(places: &Places, env: &Path, port: u16, token: &str) -> Result<Child, Trouble> {
    let log = places.log("jupyter");
    let create = |path: &Path| {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        // Jupyter writes its address with the token into its log.
        let file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        Ok((file.try_clone()?, file))
    };
    let (out, err) = create(&log).map_err(|e: std::io::Error| Trouble::io("writing a log", &log, &e))?;
    let mut command = places.command(env.join("bin/python"));
    environment::activate(places, env, &mut command);
    command.args(["-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"]);
    command.arg(format!("--ServerApp.port={port}"));
    command.arg(format!("--ServerApp.root_dir={}", places.root.join("notebooks/my").display()));
    command.arg("--MultiKernelManager.default_kernel_name=lathe");
    if sys::is_root() {
        command.arg("--allow-root");
    }
    // By environment: arguments can be seen by every user of the machine.
    command.env("JUPYTER_TOKEN", token);
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    sys::own_group(&mut command);
    command.spawn().map_err(|e| Trouble::io("starting JupyterLab's Python", env.join("bin/python"), &e))
}

/// SIGTERM lets Jupyter stop its kernels; after ten seconds there is no mercy.
fn stop(screen: &mut Screen, server: &mut Child) {
    if matches!(server.try_wait(), Ok(Some(_))) {
        return;
    }
    screen.stage("Stopping JupyterLab and its kernels", Duration::ZERO);
    sys::signal_one(server.id(), libc::SIGTERM);
    let begun = Instant::now();
    while matches!(server.try_wait(), Ok(None)) {
        if begun.elapsed() > Duration::from_secs(10) {
            sys::signal_group(server.id(), libc::SIGKILL);
            let _ = server.wait();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    screen.wipe();
}

fn record(places: &Places) -> std::path::PathBuf {
    places.state.join("server.json")
}

/// Says before the long steps that a port cannot be had; our own server may hold it.
pub fn check_port(places: &Places, port: Option<u16>) -> Result<(), Trouble> {
    match port {
        Some(port) if running(&record(places)).is_none_or(|r| r.0 != port) => choose_port(Some(port)).map(drop),
        _ => Ok(()),
    }
}

/// The port asked for, or the first free one.
fn choose_port(asked: Option<u16>) -> Result<u16, Trouble> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop);
    match asked {
        Some(port) => match free(port) {
            Ok(()) => Ok(port),
            Err(e) => Err(Trouble::Port {
                port,
                privileged: e.kind() == std::io::ErrorKind::PermissionDenied,
                error: if e.kind() == std::io::ErrorKind::AddrInUse {
                    "another program uses it".into()
                } else {
                    e.to_string()
                },
            }),
        },
        None => (FIRST_PORT..FIRST_PORT + 200).find(|p| free(*p).is_ok()).ok_or(Trouble::Port {
            port: FIRST_PORT,
            error: "neither it nor any of the 200 after it is free".into(),
            privileged: false,
        }),
    }
}

/// 192 bits as hex.
fn token() -> std::io::Result<String> {
    let mut bytes = [0u8; 24];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// Whether a Jupyter server that knows `token` answers on `port`.
fn answers(port: u16, token: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        // In one piece: a small server may look at the first packet only.
        let request = format!(
            "GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: token {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = [0u8; 12];
        stream.read_exact(&mut head)?;
        Ok(String::from_utf8_lossy(&head).into_owned())
    };
    ask().is_ok_and(|head| head.ends_with(" 200"))
}

/// The server that an earlier start left running: (port, token).
fn running(record: &Path) -> Option<(u16, String)> {
    let json = Json::parse(&std::fs::read_to_string(record).ok()?)?;
    let pid = u32::try_from(json.get("pid")?.integer()?).ok()?;
    let port = u16::try_from(json.get("port")?.integer()?).ok()?;
    let token = json.get("token")?.text()?.to_string();
    (sys::signal_one(pid, 0) && answers(port, &token)).then_some((port, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error_only_when_asked_for() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let error = choose_port(Some(port)).unwrap_err();
        assert!(matches!(error, Trouble::Port { port: p, privileged: false, .. } if p == port));
        assert!(error.to_string().contains("another program uses it"), "{error}");
        assert!(choose_port(None).is_ok());
    }

    #[test]
    fn tokens_differ() {
        let (a, b) = (token().unwrap(), token().unwrap());
        assert_eq!(a.len(), 48);
        assert_ne!(a, b);
    }

    #[test]
    fn a_stale_record_is_no_server() {
        let path = std::env::temp_dir().join(format!("lathe-server-{}.json", std::process::id()));
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        drop(held);
        std::fs::write(&path, format!("{{\"pid\": {}, \"port\": {port}, \"token\": \"x\"}}", std::process::id()))
            .unwrap();
        assert_eq!(running(&path), None);
        std::fs::write(&path, "half").unwrap();
        assert_eq!(running(&path), None);
        std::fs::remove_file(&path).unwrap();
    }
}
