use super::ClientError;
use crate::protocol::ConnectionFile;
use serde_json::json;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How the messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Sockets in a folder that only this user can enter.
    #[default]
    Ipc,
    /// Ports of 127.0.0.1, as Jupyter does.
    Tcp,
}

/// Which kernel to start, and how.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// The kernelspec's words; `{connection_file}` stands for the file.
    pub argv: Vec<OsString>,
    /// Variables for the kernel, besides those of this process.
    pub env: Vec<(OsString, OsString)>,
    /// Where cells run.
    pub working_dir: Option<PathBuf>,
    /// How the messages travel.
    pub transport: Transport,
}

impl Launch {
    /// The program that runs now, as a kernel; it stays this program even when a build replaces the file.
    pub fn this_program() -> Self {
        Self { argv: kernel_words("/proc/self/exe"), ..Self::default() }
    }

    /// This `lathe-kernel` program.
    pub fn program(path: &Path) -> Self {
        Self { argv: kernel_words(path), ..Self::default() }
    }
}

fn kernel_words(program: impl Into<OsString>) -> Vec<OsString> {
    vec![program.into(), "serve".into(), "-f".into(), "{connection_file}".into()]
}

/// The words of the unix socket's path that the system allows, less the port.
const LONGEST_SOCKET: usize = 100;

/// A kernel's process with the private folder of its connection. Dropping it ends the kernel.
pub(super) struct Process {
    child: Child,
    folder: tempfile::TempDir,
    pub connection: ConnectionFile,
}

impl Process {
    /// Writes the connection file and starts the kernel in a process group of its own, so that Ctrl-C in a terminal does
    /// not reach it. Its words go to a log in the private folder.
    pub fn start(launch: &Launch) -> Result<Self, ClientError> {
        let folder = private_folder()?;
        let key = uuid::Uuid::new_v4().to_string();
        let mut file = match launch.transport {
            Transport::Ipc => {
                json!({"transport": "ipc", "ip": folder.path().join("k"), "shell_port": 1, "control_port": 2,
                "stdin_port": 3, "iopub_port": 4, "hb_port": 5})
            }
            Transport::Tcp => {
                let [shell, control, stdin, iopub, hb] = free_ports()?;
                json!({"transport": "tcp", "ip": "127.0.0.1", "shell_port": shell, "control_port": control,
                    "stdin_port": stdin, "iopub_port": iopub, "hb_port": hb})
            }
        };
        file["key"] = key.into();
        file["signature_scheme"] = "hmac-sha256".into();
        file["kernel_name"] = "lathe".into();
        let path = folder.path().join("connection.json");
        write_private(&path, file.to_string().as_bytes())?;
        let connection = ConnectionFile::read(&path)?;
        let log = File::create(folder.path().join("log"))?;
        let mut words = launch.argv.iter().map(|word| match word.to_str() {
            Some(text) => OsString::from(text.replace("{connection_file}", &path.to_string_lossy())),
            None => word.clone(),
        });
        let program = words.next().unwrap_or_else(|| "lathe-kernel".into());
        let mut command = Command::new(&program);
        // The kernel tells its roles apart by this name.
        command.arg0(if program == "/proc/self/exe" { OsString::from("lathe-kernel") } else { program.clone() });
        command.args(words).envs(launch.env.iter().cloned()).env("JPY_PARENT_PID", std::process::id().to_string());
        if let Some(dir) = &launch.working_dir {
            command.current_dir(dir);
        }
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().map_err(|source| ClientError::Spawn { program: program.into(), source })?;
        Ok(Self { child, folder, connection })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The error to report when the kernel has ended.
    pub fn ended(&mut self) -> Option<ClientError> {
        let status = self.child.try_wait().ok()??;
        Some(ClientError::Died { status: status.to_string(), words: self.words() })
    }

    /// Waits for the end for a while.
    pub fn wait(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return false,
                _ => return true,
            }
        }
    }

    /// The last lines that the kernel printed.
    pub fn words(&self) -> String {
        const ENOUGH: i64 = 4 << 10;
        let mut bytes = Vec::new();
        if let Ok(mut log) = File::open(self.folder.path().join("log")) {
            // A shorter log cannot be sought that far from its end: it is read from its start.
            _ = log.seek(SeekFrom::End(-ENOUGH));
            _ = log.read_to_end(&mut bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            _ = self.child.kill();
            _ = self.child.wait();
        }
        // Cells, rustc and cargo of a kernel that was killed.
        if let Ok(group) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: signals the group that our child led; its number is not given out again while members live, and
            // with no member left nothing happens.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
    }
}

/// A folder that only this user can enter, with a path short enough for sockets.
fn private_folder() -> std::io::Result<tempfile::TempDir> {
    let make = |at: PathBuf| tempfile::Builder::new().prefix("lathe-k").tempdir_in(at);
    let folder = make(std::env::temp_dir())?;
    if folder.path().as_os_str().len() < LONGEST_SOCKET - "/k-5".len() { Ok(folder) } else { make("/tmp".into()) }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

/// Five ports that are free now.
fn free_ports() -> std::io::Result<[u16; 5]> {
    let mut ports = [0; 5];
    // All are held until the last is found, so that they differ.
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
