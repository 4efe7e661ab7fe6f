//! A test double of the engine, which reads commands instead of Rust, and a small Jupyter client.
#![allow(dead_code)]

use crossbeam_channel::{Receiver, Sender, unbounded};
use lathe_events::frame::Bundle;
use lathe_kernel::api::{Answer, Asker, CellError, Completion, Engine, Interrupter, Outcome, Output, Question, Stream};
use lathe_kernel::engine::Completeness;
use lathe_kernel::protocol::{Codec, ConnectionFile, Message, ServeError, Setup, StartEngine, serve};
use serde_json::{Map, Value, json};
use std::thread::JoinHandle;

/// Runs one command per line: `print TEXT`, `eprint TEXT`, `result TEXT`, `display ID TEXT`, `update ID TEXT`, `clear`,
/// `clear wait`, `flood LINES`, `answer` (42), `gate` (waits until the test opens it), `wait` (until interrupted), `fail`, `panic`.
/// `\n`, `\r` in texts are the characters.
pub struct Fake {
    gate: Receiver<()>,
    stop: (Sender<()>, Receiver<()>),
}

impl Fake {
    pub fn new() -> (Self, Sender<()>) {
        let (open, gate) = unbounded();
        (Self { gate, stop: unbounded() }, open)
    }
}

pub fn failure(ename: &str) -> CellError {
    CellError {
        ename: ename.into(),
        evalue: "as told".into(),
        traceback: vec!["\u{1b}[31mline 1\u{1b}[0m".into(), "line 2".into()],
    }
}

impl Engine for Fake {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Outcome {
        for line in code.lines() {
            let line = line.replace("\\n", "\n").replace("\\r", "\r");
            let (command, text) = line.split_once(' ').unwrap_or((&line, ""));
            let named = || {
                let (id, text) = text.split_once(' ').unwrap_or((text, ""));
                (id.to_owned(), Bundle::text(text))
            };
            match command {
                "print" => out(Output::Stream { stream: Stream::Stdout, text: text.into() }),
                "eprint" => out(Output::Stream { stream: Stream::Stderr, text: text.into() }),
                "result" => out(Output::Result { bundle: Bundle::text(text) }),
                "display" => {
                    let (id, bundle) = named();
                    out(Output::Display { bundle, id: Some(id) });
                }
                "update" => {
                    let (id, bundle) = named();
                    out(Output::Update { bundle, id });
                }
                "clear" => out(Output::Clear { wait: text == "wait" }),
                "flood" => {
                    for i in 0..text.parse::<u64>().unwrap_or(0) {
                        out(Output::Stream { stream: Stream::Stdout, text: format!("line {i:014}\n") });
                    }
                }
                "answer" => out(Output::Result { bundle: Bundle::text("42") }),
                "gate" => self.gate.recv().expect("the test holds the gate"),
                "wait" => {
                    self.stop.1.recv().expect("we hold the sender");
                    return Outcome::Interrupted(failure("Interrupted"));
                }
                "fail" => return Outcome::Error(failure("E0308")),
                "panic" => panic!("a fault inside the engine"),
                _ => return Outcome::Error(failure("UnknownCommand")),
            }
        }
        Outcome::Ok
    }

    /// Completes the word before the cursor to itself and an exclamation mark.
    fn complete(&mut self, code: &str, cursor: usize) -> Completion {
        let start =
            cursor - code[..cursor].chars().rev().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum::<usize>();
        Completion { matches: vec![format!("{}!", &code[start..cursor]).as_str().into()], start, end: cursor }
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Option<Bundle> {
        (cursor > 0).then(|| Bundle::text(format!("about {}", &code[..cursor])))
    }

    fn interrupter(&self) -> Interrupter {
        let stop = self.stop.0.clone();
        Interrupter::new(move || _ = stop.send(()))
    }

    /// Answers as [`Fake::complete`] with a question mark, but nothing to the question `silent`.
    fn asker(&self) -> Asker {
        Asker::new(|question| {
            let Question::Complete { code, cursor } = question else { return Some(Answer::Inspection(None)) };
            let matches = vec![format!("{}?", &code[..*cursor]).as_str().into()];
            (code != "silent").then_some(Answer::Completion(Completion { matches, start: 0, end: *cursor }))
        })
    }

    fn shutdown(&mut self) {}
}

/// A kernel on a thread of this process, and a client that talks to it.
pub struct Kernel {
    pub codec: Codec,
    pub shell: zmq::Socket,
    pub control: zmq::Socket,
    pub iopub: zmq::Socket,
    pub heartbeat: zmq::Socket,
    /// Opens the gate of a cell.
    pub gate: Sender<()>,
    /// Where the kernel listens.
    pub connection: ConnectionFile,
    pub folder: tempfile::TempDir,
    server: Option<JoinHandle<Result<(), ServeError>>>,
}

pub const KEY: &str = "7c4a8d09-ca37-62af";

pub fn start() -> Kernel {
    let (fake, gate) = Fake::new();
    start_with(gate, Box::new(move |_| Ok(Box::new(fake))))
}

pub fn start_with(gate: Sender<()>, start: StartEngine) -> Kernel {
    start_at(gate, start, Map::new())
}

/// With more in the connection file.
pub fn start_at(gate: Sender<()>, start: StartEngine, more: Map<String, Value>) -> Kernel {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut file = json!({
        "transport": "ipc", "ip": folder.path().join("k"), "key": KEY, "signature_scheme": "hmac-sha256",
        "shell_port": 1, "control_port": 2, "stdin_port": 3, "iopub_port": 4, "hb_port": 5, "kernel_name": "lathe",
    });
    file.as_object_mut().expect("an object").extend(more);
    let path = folder.path().join("connection.json");
    std::fs::write(&path, file.to_string()).expect("a writable folder");
    let connection = ConnectionFile::read(&path).expect("a right connection file");
    let context = zmq::Context::new();
    let connect = |kind, port| {
        let socket = context.socket(kind).expect("a socket");
        socket.set_rcvtimeo(30_000).expect("a time limit");
        socket.set_linger(0).expect("no linger");
        if kind == zmq::SUB {
            socket.set_subscribe(b"").expect("a subscription");
        }
        if let (Some(public), Some(secret)) = (&connection.curve_publickey, &connection.curve_secretkey) {
            // As jupyter_client does: the client has the server's keys.
            let [public, secret] = [public, secret].map(|key| zmq::z85_decode(key).expect("Z85"));
            socket.set_curve_serverkey(&public).expect("a key");
            socket.set_curve_publickey(&public).expect("a key");
            socket.set_curve_secretkey(&secret).expect("a key");
        }
        socket.connect(&connection.endpoint(port)).expect("a connection");
        socket
    };
    let (shell, control) = (connect(zmq::DEALER, 1), connect(zmq::DEALER, 2));
    let (iopub, heartbeat) = (connect(zmq::SUB, 4), connect(zmq::REQ, 5));
    let is_complete = |code: &str| match code {
        "open {" => Completeness::Incomplete { indent: "    ".into() },
        "wrong" => Completeness::Invalid,
        _ => Completeness::Complete,
    };
    let setup = Setup { start, is_complete, rust_version: "1.95.0".into(), history: None };
    let served = connection.clone();
    let server = Some(std::thread::spawn(move || serve(&served, setup)));
    let codec = Codec::new(KEY, "test");
    let kernel = Kernel { codec, shell, control, iopub, heartbeat, gate, connection, folder, server };
    kernel.wait_for_iopub();
    kernel
}

impl Kernel {
    /// A subscription takes effect some time after the connection: asks until an answer is heard.
    fn wait_for_iopub(&self) {
        for _ in 0..300 {
            let id = self.send(&self.shell, "kernel_info_request", json!({}));
            let _reply = self.receive(&self.shell);
            while self.iopub.poll(zmq::POLLIN, 100).expect("poll") > 0 {
                let message = self.receive(&self.iopub);
                if parent(&message) == id && message.text("execution_state") == "idle" {
                    return;
                }
            }
        }
        panic!("no message on iopub");
    }

    /// Sends a request; returns its id.
    pub fn send(&self, socket: &zmq::Socket, kind: &str, content: Value) -> String {
        let message = self.codec.message(kind, content, &Map::new());
        socket.send_multipart(self.codec.encode(&message), 0).expect("sending");
        message.id().to_owned()
    }

    pub fn execute(&self, code: &str) -> String {
        self.send(&self.shell, "execute_request", json!({"code": code}))
    }

    pub fn receive(&self, socket: &zmq::Socket) -> Message {
        let frames = socket.recv_multipart(0).expect("an answer within 30 s");
        self.codec.decode(frames).expect("a signed message")
    }

    /// The reply on shell to this request; replies come in order.
    pub fn reply(&self, id: &str) -> Message {
        let reply = self.receive(&self.shell);
        assert_eq!(parent(&reply), id, "{reply:?}");
        reply
    }

    /// Everything on iopub about this request, until its idle.
    pub fn heard(&self, id: &str) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let message = self.receive(&self.iopub);
            if parent(&message) == id {
                let idle = message.text("execution_state") == "idle";
                all.push(message);
                if idle {
                    return all;
                }
            }
        }
    }

    /// Waits for the first message of this type about this request.
    pub fn wait_for(&self, id: &str, kind: &str) -> Message {
        loop {
            let message = self.receive(&self.iopub);
            if parent(&message) == id && message.kind() == kind {
                return message;
            }
        }
    }

    /// Runs a cell to its end: reply and broadcast.
    pub fn run(&self, code: &str) -> (Message, Vec<Message>) {
        let id = self.execute(code);
        (self.reply(&id), self.heard(&id))
    }

    /// Asks something on shell and returns the reply.
    pub fn ask(&self, kind: &str, content: Value) -> Message {
        let id = self.send(&self.shell, kind, content);
        self.reply(&id)
    }

    /// Ends the kernel in order.
    pub fn shutdown(mut self, restart: bool) -> Message {
        self.end(restart)
    }

    /// Like [`Kernel::shutdown`], to look at what is left afterwards.
    pub fn end(&mut self, restart: bool) -> Message {
        let id = self.send(&self.control, "shutdown_request", json!({"restart": restart}));
        let reply = self.receive(&self.control);
        assert_eq!(parent(&reply), id);
        let ended = self.server.take().expect("a server").join().expect("the server does not panic");
        assert!(ended.is_ok(), "{ended:?}");
        reply
    }
}

/// The id of the request that this message answers.
pub fn parent(message: &Message) -> &str {
    message.parent.get("msg_id").and_then(Value::as_str).unwrap_or_default()
}

/// Types of messages, statuses by their state.
pub fn kinds(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| if m.kind() == "status" { m.text("execution_state") } else { m.kind() }).collect()
}
