//! Questions, comms and late output over zmq, with a test double for the engine.

mod protocol_support;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use lathe_events::frame::{Bundle, Comm, CommAction};
use lathe_kernel::api::{Completion, Engine, Interrupter, Inward, Messenger, Outcome, Output, Stream};
use lathe_kernel::protocol::Message;
use protocol_support::{Kernel, failure, kinds, parent, start_with};
use serde_json::{Map, Value, json};

/// Runs `ask PROMPT` (prints the answer or the refusal), `open ID`, `lose`; what is sent in can be looked at, what comes
/// from the background is told by the test.
struct Talker {
    inward: (Sender<Inward>, Receiver<Inward>),
    seen: Sender<Inward>,
    background: Receiver<Output>,
    stirred: Receiver<()>,
}

struct Test {
    kernel: Kernel,
    /// What the front end sent into the process, but for answers.
    seen: Receiver<Inward>,
    background: Sender<Output>,
    stir: Sender<()>,
}

impl Engine for Talker {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Outcome {
        let (command, text) = code.split_once(' ').unwrap_or((code, ""));
        match command {
            "ask" => {
                out(Output::Stream { stream: Stream::Stdout, text: "before ".into() });
                out(Output::Input { id: "q".into(), prompt: text.into(), password: text == "secret" });
                let said = match self.inward.1.recv() {
                    Ok(Inward::Answer { answer: Ok(answer), .. }) => format!("said {answer}"),
                    Ok(Inward::Answer { answer: Err(reason), .. }) => format!("refused {reason}"),
                    other => format!("{other:?}"),
                };
                out(Output::Stream { stream: Stream::Stdout, text: said });
            }
            "open" => {
                let action = CommAction::Open { target: "jupyter.widget".into() };
                let metadata = Map::from_iter([("version".to_owned(), "2.1.0".into())]);
                let comm = Comm { comm_id: text.into(), action, data: json!({"state": {}}), metadata };
                out(Output::Comm { comm, token: None });
            }
            "lose" => out(Output::ProcessLost),
            _ => return Outcome::Error(failure("UnknownCommand")),
        }
        Outcome::Ok
    }

    fn complete(&mut self, _: &str, _: usize) -> Completion {
        Completion::default()
    }

    fn inspect(&mut self, _: &str, _: usize) -> Option<Bundle> {
        None
    }

    fn interrupter(&self) -> Interrupter {
        Interrupter::new(|| {})
    }

    fn messenger(&self) -> Messenger {
        let (answers, seen) = (self.inward.0.clone(), self.seen.clone());
        Messenger::new(move |message| match message {
            Inward::Answer { .. } => answers.send(message).is_ok(),
            Inward::Comm { .. } => seen.send(message).is_ok(),
        })
    }

    fn stirred(&self) -> Receiver<()> {
        self.stirred.clone()
    }

    fn background(&mut self, out: &mut dyn FnMut(Output)) {
        self.background.try_iter().for_each(out);
    }

    fn shutdown(&mut self) {}
}

impl Test {
    fn start() -> Self {
        let ((see, seen), (background, late), (stir, stirred)) = (unbounded(), unbounded(), bounded(1));
        let talker = Talker { inward: unbounded(), seen: see, background: late, stirred };
        let kernel = start_with(unbounded().0, Box::new(move |_| Ok(Box::new(talker))));
        Self { kernel, seen, background, stir }
    }

    fn shows_late(&self, outputs: impl IntoIterator<Item = Output>) {
        outputs.into_iter().for_each(|output| self.background.send(output).expect("the engine lives"));
        self.stir.try_send(()).ok();
    }

    fn comm(&self, kind: &str, content: Value) -> String {
        self.kernel.send(&self.kernel.shell, kind, content)
    }

    /// The token and the message that reached the process.
    fn arrived(&self) -> (String, Comm) {
        match self.seen.recv_timeout(std::time::Duration::from_secs(30)) {
            Ok(Inward::Comm { comm, token }) => (token, comm),
            other => panic!("{other:?}"),
        }
    }
}

fn print(text: &str) -> Output {
    Output::Stream { stream: Stream::Stdout, text: text.into() }
}

fn text(messages: &[Message]) -> String {
    messages.iter().map(|message| message.text("text")).collect()
}

#[test]
fn a_question_goes_to_the_front_end_that_sent_the_cell_and_its_answer_comes_back() {
    let test = Test::start();
    let kernel = &test.kernel;
    let context = zmq::Context::new();
    let [shell, stdin] = [1, 3].map(|port| {
        let socket = context.socket(zmq::DEALER).expect("a socket");
        socket.set_identity(b"front end").expect("an identity");
        socket.set_rcvtimeo(30_000).expect("a time limit");
        socket.set_linger(0).expect("no linger");
        socket.connect(&kernel.connection.endpoint(port)).expect("a connection");
        socket
    });
    // The kernel knows the stdin socket once it has heard from it; an answer to nothing is dropped.
    kernel.send(&stdin, "input_reply", json!({"value": "too early"}));
    std::thread::sleep(std::time::Duration::from_millis(200));
    for (prompt, password) in [("name? ", false), ("secret", true)] {
        let id = kernel.send(&shell, "execute_request", json!({"code": format!("ask {prompt}"), "allow_stdin": true}));
        let request = kernel.receive(&stdin);
        assert_eq!((request.kind(), parent(&request)), ("input_request", id.as_str()));
        assert_eq!(Value::from(request.content.clone()), json!({"prompt": prompt, "password": password}));
        let mut wrong = kernel.codec.message("input_reply", json!({"value": "of another question"}), &Map::new());
        wrong.parent.insert("msg_id".into(), "another".into());
        stdin.send_multipart(kernel.codec.encode(&wrong), 0).expect("sending");
        let answer = kernel.codec.message("input_reply", json!({"value": "Ada"}), &request.header);
        stdin.send_multipart(kernel.codec.encode(&answer), 0).expect("sending");
        assert_eq!(kernel.receive(&shell).text("status"), "ok");
        let heard = kernel.heard(&id);
        assert_eq!(text(&heard), "before said Ada");
        assert_eq!(heard.iter().filter(|m| m.kind() == "stream").count(), 2, "shown before the question");
    }
}

#[test]
fn where_nobody_can_be_asked_the_cell_is_told_why() {
    let test = Test::start();
    for content in [json!({"code": "ask name? ", "allow_stdin": false}), json!({"code": "ask name? "})] {
        let id = test.kernel.send(&test.kernel.shell, "execute_request", content);
        test.kernel.reply(&id);
        let said = text(&test.kernel.heard(&id));
        assert!(said.contains("refused") && said.contains("allow_stdin") && said.contains("JupyterLab"), "{said}");
    }
}

#[test]
fn a_comm_message_is_busy_until_the_process_has_dealt_with_it() {
    let test = Test::start();
    let (_, heard) = test.kernel.run("open w");
    let cell = parent(&heard[0]).to_owned();
    let opened = heard.iter().find(|m| m.kind() == "comm_open").expect("opened");
    assert_eq!((opened.text("target_name"), &opened.metadata["version"]), ("jupyter.widget", &json!("2.1.0")));
    let info = test.kernel.ask("comm_info_request", json!({"target_name": "jupyter.widget"}));
    assert_eq!(info.content["comms"], json!({"w": {"target_name": "jupyter.widget"}}));
    assert_eq!(test.kernel.ask("comm_info_request", json!({"target_name": "x"})).content["comms"], json!({}));

    let id = test.comm("comm_msg", json!({"comm_id": "w", "data": {"method": "update"}}));
    let (token, comm) = test.arrived();
    assert_eq!((comm.action, comm.data), (CommAction::Message, json!({"method": "update"})));
    let echo = Comm { comm_id: "w".into(), action: CommAction::Message, data: json!(1), metadata: Map::new() };
    let update = Output::Update { bundle: Bundle::text("new"), id: "d".into() };
    let done = Output::CommDone { token: token.clone() };
    test.shows_late([Output::Comm { comm: echo, token: Some(token) }, print("from the callback"), update, done]);
    // The print belongs to the cell that made the widget: there a front end shows it.
    let print = test.kernel.wait_for(&cell, "stream");
    assert_eq!(print.text("text"), "from the callback");
    let mut seen = vec![];
    while !seen.iter().any(|m: &Message| m.text("execution_state") == "idle") {
        seen.push(test.kernel.receive(&test.kernel.iopub));
    }
    assert!(seen.iter().all(|m| parent(m) == id), "{seen:?}");
    assert_eq!(kinds(&seen).last(), Some(&"idle"));
    assert!(kinds(&seen).contains(&"update_display_data"), "{:?}", kinds(&seen));
}

#[test]
fn unknown_comms_are_closed_or_ignored_and_a_dead_process_closes_all() {
    let test = Test::start();
    let id = test.comm("comm_open", json!({"comm_id": "x", "target_name": "nobody.knows", "data": {}}));
    assert_eq!(kinds(&test.kernel.heard(&id)), ["busy", "comm_close", "idle"]);
    let id = test.comm("comm_msg", json!({"comm_id": "x", "data": {}}));
    assert_eq!(kinds(&test.kernel.heard(&id)), ["busy", "idle"]);
    let id = test.comm("comm_open", json!({"comm_id": "c", "target_name": "jupyter.widget.control"}));
    assert_eq!(test.arrived().1.action, CommAction::Open { target: "jupyter.widget.control".into() });
    let (_, heard) = test.kernel.run("lose");
    let closed: Vec<_> = heard.iter().filter(|m| m.kind() == "comm_close").map(|m| m.text("comm_id")).collect();
    assert_eq!(closed, ["c"]);
    assert_eq!(test.kernel.ask("comm_info_request", json!({})).content["comms"], json!({}));
    let ask = test.comm("comm_msg", json!({"comm_id": "c", "data": {}}));
    assert_eq!(kinds(&test.kernel.heard(&ask)), ["busy", "idle"], "{id}");
}

#[test]
fn what_comes_after_a_cell_is_shown_with_it_at_once() {
    let test = Test::start();
    let (_, heard) = test.kernel.run("open w");
    let cell = parent(&heard[0]).to_owned();
    test.shows_late([print("late")]);
    assert_eq!(test.kernel.wait_for(&cell, "stream").text("text"), "late");
    test.shows_late([Output::Display { bundle: Bundle::text("later"), id: None }]);
    assert_eq!(test.kernel.wait_for(&cell, "display_data").content["data"]["text/plain"], "later");
    // A question from there has nobody to ask: the process is told, and the next cell is not disturbed.
    test.shows_late([Output::Input { id: "t".into(), prompt: "?".into(), password: false }]);
    let (reply, heard) = test.kernel.run("ask ");
    assert_eq!(reply.text("status"), "ok");
    assert!(text(&heard).contains("no cell runs"), "{}", text(&heard));
}
