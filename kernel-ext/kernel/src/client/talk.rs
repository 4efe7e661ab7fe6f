use super::ClientError;
use super::launch::{Launch, Process};
use crate::protocol::{Codec, Message};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zmq::{Context, DONTWAIT, POLLIN, Socket, SocketType};

/// A message from the kernel, and where it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A reply to a request.
    Shell(Message),
    /// A broadcast.
    Iopub(Message),
}

/// A kernel that was started here, and the sockets to talk to it.
pub struct KernelClient {
    process: Process,
    context: Context,
    codec: Codec,
    shell: Socket,
    iopub: Socket,
    info: Map<String, Value>,
}

/// What another thread needs to stop a cell.
#[derive(Clone)]
pub(super) struct Stopper {
    context: Context,
    codec: Codec,
    endpoint: Arc<str>,
    pid: libc::pid_t,
}

/// Look this often whether the kernel still lives.
const STEP: Duration = Duration::from_millis(250);
/// How long a subscription may take to reach the kernel before it is asked again.
const SUBSCRIBED: Duration = Duration::from_millis(50);

impl KernelClient {
    /// Starts a kernel and waits until it answers `kernel_info_request` on both channels. Its engine starts meanwhile.
    ///
    /// # Errors
    /// [`ClientError`], when it cannot be started, dies, or does not answer in time.
    pub fn start(launch: &Launch, patience: Duration) -> Result<Self, ClientError> {
        let process = Process::start(launch)?;
        let context = Context::new();
        let connect = |kind, port| -> Result<Socket, ClientError> {
            let socket = context.socket(kind)?;
            socket.set_linger(0)?;
            // The kernel does not listen yet; with the default of 100 ms we would be told late.
            socket.set_reconnect_ivl(5)?;
            socket.set_rcvhwm(0)?;
            if kind == SocketType::SUB {
                socket.set_subscribe(b"")?;
            }
            socket.connect(&process.connection.endpoint(port))?;
            Ok(socket)
        };
        let shell = connect(SocketType::DEALER, process.connection.shell_port)?;
        let iopub = connect(SocketType::SUB, process.connection.iopub_port)?;
        let codec = Codec::new(&process.connection.key, "lathe-client");
        let mut client = Self { process, context, codec, shell, iopub, info: Map::new() };
        client.greet(patience)?;
        Ok(client)
    }

    /// What the kernel says of itself (`kernel_info_reply`).
    pub fn info(&self) -> &Map<String, Value> {
        &self.info
    }

    /// The kernel's process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The last lines that the kernel printed on its own stdout and stderr.
    pub fn words(&self) -> String {
        self.process.words()
    }

    /// Sends a request on shell; gives its id.
    ///
    /// # Errors
    /// [`ClientError::Zmq`].
    pub fn request(&self, kind: &str, content: Value) -> Result<String, ClientError> {
        let message = self.codec.message(kind, content, &Map::new());
        self.shell.send_multipart(self.codec.encode(&message), 0)?;
        Ok(message.id().to_owned())
    }

    /// The next message, broadcasts first; `None` when none comes in time. Messages with a wrong signature are left out.
    ///
    /// # Errors
    /// [`ClientError::Died`] when the kernel has ended and everything that it sent was handed out.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Heard>, ClientError> {
        let deadline = Instant::now() + patience;
        loop {
            for (socket, wrap) in [(&self.iopub, Heard::Iopub as fn(Message) -> Heard), (&self.shell, Heard::Shell)] {
                while let Ok(frames) = socket.recv_multipart(DONTWAIT) {
                    if let Ok(message) = self.codec.decode(frames) {
                        return Ok(Some(wrap(message)));
                    }
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = left.min(STEP).as_millis() as i64;
            let mut items = [self.iopub.as_poll_item(POLLIN), self.shell.as_poll_item(POLLIN)];
            match zmq::poll(&mut items, wait) {
                Ok(0) => {
                    if let Some(died) = self.process.ended() {
                        return Err(died);
                    }
                    if left.is_zero() {
                        return Ok(None);
                    }
                }
                Ok(_) | Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks until both the reply and the broadcast of one request were heard: a subscription takes effect some time after
    /// the connection.
    fn greet(&mut self, patience: Duration) -> Result<(), ClientError> {
        let deadline = Instant::now() + patience;
        let (mut asked, mut heard) = (vec![self.request("kernel_info_request", json!({}))?], false);
        while !heard || self.info.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClientError::Silent { after: patience, words: self.words() });
            }
            let wait = if self.info.is_empty() { left } else { left.min(SUBSCRIBED) };
            match self.next(wait)? {
                Some(Heard::Shell(message)) if message.kind() == "kernel_info_reply" => self.info = message.content,
                Some(Heard::Iopub(message)) => heard |= asked.iter().any(|id| id == parent(&message)),
                Some(_) => {}
                None if self.info.is_empty() => {}
                None => asked.push(self.request("kernel_info_request", json!({}))?),
            }
        }
        Ok(())
    }

    /// Waits for the reply to a request, and hands what is heard about it to `on`, until the kernel is idle again.
    ///
    /// # Errors
    /// [`ClientError::Silent`] when the reply does not come in time, [`ClientError::Died`] when it never will.
    pub fn finish(
        &mut self,
        id: &str,
        patience: Option<Duration>,
        on: &mut dyn FnMut(Message),
    ) -> Result<Message, ClientError> {
        let began = Instant::now();
        let (mut reply, mut idle) = (None, false);
        loop {
            match self.next(STEP)? {
                Some(Heard::Shell(message)) if parent(&message) == id => reply = Some(message),
                Some(Heard::Iopub(message)) => {
                    idle |= parent(&message) == id && message.text("execution_state") == "idle";
                    on(message);
                }
                _ => {}
            }
            if idle && let Some(reply) = reply.take() {
                return Ok(reply);
            }
            if let Some(after) = patience.filter(|patience| began.elapsed() > *patience) {
                return Err(ClientError::Silent { after, words: self.words() });
            }
        }
    }

    pub(super) fn stopper(&self) -> Stopper {
        let connection = &self.process.connection;
        Stopper {
            context: self.context.clone(),
            codec: self.codec.clone(),
            endpoint: connection.endpoint(connection.control_port).into(),
            pid: libc::pid_t::try_from(self.process.id()).unwrap_or(0),
        }
    }

    /// Asks the kernel to end and waits some seconds; `false`: it still lives, and dies when this is dropped.
    pub fn shutdown(&mut self) -> bool {
        let asked = self.stopper().ask("shutdown_request", json!({"restart": false}));
        asked.is_ok() && self.process.wait(Duration::from_secs(5))
    }
}

impl Stopper {
    /// A request on control; waits a second for the reply.
    pub fn ask(&self, kind: &str, content: Value) -> Result<bool, ClientError> {
        let socket = self.context.socket(SocketType::DEALER)?;
        socket.set_linger(500)?;
        socket.connect(&self.endpoint)?;
        socket.send_multipart(self.codec.encode(&self.codec.message(kind, content, &Map::new())), 0)?;
        Ok(socket.poll(POLLIN, 1000)? > 0)
    }

    /// Ends the kernel at once.
    pub fn kill(&self) {
        if self.pid > 0 {
            // SAFETY: sends a signal; the client that made us still owns the process, so the number is not another's.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
    }
}

/// The id of the request that a message is about.
pub(super) fn parent(message: &Message) -> &str {
    message.parent.get("msg_id").and_then(Value::as_str).unwrap_or_default()
}
