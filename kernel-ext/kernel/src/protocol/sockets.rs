//! The five sockets of a kernel, bound where the connection file says and nowhere else.

use super::connection::ConnectionFile;
use super::server::ServeError;
use std::path::PathBuf;
use zmq::{DONTWAIT, Socket, SocketType};

/// The sockets; those of `ipc` leave no files behind.
pub(super) struct Sockets {
    pub(super) shell: Socket,
    pub(super) control: Socket,
    pub(super) stdin: Socket,
    pub(super) iopub: Socket,
    pub(super) heartbeat: Socket,
    /// Removed at the end.
    _files: Files,
}

/// Subscriptions that are welcomed in one turn of the loop.
const WELCOMES: usize = 64;

impl Sockets {
    /// # Errors
    /// [`ServeError::Bind`], which names the socket and its address.
    pub(super) fn bind(connection: &ConnectionFile) -> Result<Self, ServeError> {
        let context = zmq::Context::new();
        let mut files = Files(Vec::new());
        let private = PrivateFiles::new();
        let curve = connection.curve()?;
        let mut bind = |kind, port, name| -> Result<Socket, ServeError> {
            let socket = context.socket(kind)?;
            socket.set_linger(1000)?;
            match kind {
                // A front end that reconnects keeps its identity.
                SocketType::ROUTER => socket.set_router_handover(true)?,
                SocketType::XPUB => {
                    // The default of 1000 messages is less than one fast cell; then zmq drops silently.
                    socket.set_sndhwm(100_000)?;
                    // Every subscriber is welcomed, not only the first of a topic.
                    socket.set_xpub_verbose(true)?;
                }
                _ => {}
            }
            if let Some(keys) = &curve {
                socket.set_curve_server(true)?;
                socket.set_curve_publickey(&keys.public)?;
                socket.set_curve_secretkey(&keys.secret)?;
            }
            let endpoint = connection.endpoint(port);
            socket.bind(&endpoint).map_err(|source| ServeError::Bind { name, endpoint, source })?;
            files.0.extend(connection.socket_file(port));
            Ok(socket)
        };
        let shell = bind(SocketType::ROUTER, connection.shell_port, "shell")?;
        let control = bind(SocketType::ROUTER, connection.control_port, "control")?;
        let stdin = bind(SocketType::ROUTER, connection.stdin_port, "stdin")?;
        let iopub = bind(SocketType::XPUB, connection.iopub_port, "iopub")?;
        let heartbeat = bind(SocketType::REP, connection.hb_port, "heartbeat")?;
        drop(private);
        Ok(Self { shell, control, stdin, iopub, heartbeat, _files: files })
    }

    /// The topics that front ends have subscribed to since the last call.
    pub(super) fn subscriptions(&self) -> Vec<String> {
        let mut topics = Vec::new();
        while topics.len() < WELCOMES
            && let Ok(frame) = self.iopub.recv_bytes(DONTWAIT)
        {
            // One byte says whether the topic is subscribed to (1) or given up (0).
            if let [1, topic @ ..] = frame.as_slice()
                && let Ok(topic) = std::str::from_utf8(topic)
            {
                topics.push(topic.to_owned());
            }
        }
        topics
    }
}

/// Files of `ipc` sockets.
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            // zmq may have removed it already.
            _ = std::fs::remove_file(path);
        }
    }
}

/// While this lives, new files belong to the user alone: whoever can open an `ipc` socket can talk to the kernel.
struct PrivateFiles(libc::mode_t);

impl PrivateFiles {
    fn new() -> Self {
        // SAFETY: umask cannot fail.
        Self(unsafe { libc::umask(0o077) })
    }
}

impl Drop for PrivateFiles {
    fn drop(&mut self) {
        // SAFETY: umask cannot fail.
        unsafe { libc::umask(self.0) };
    }
}
