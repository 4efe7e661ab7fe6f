use super::talk::parent;
use super::widgets::Widgets;
use super::{ClientError, KernelClient, Launch};
use crate::api::{CellError, Completion, Engine, Interrupter, Outcome, Output, Stream};
use crate::protocol::Message;
use crate::protocol::{byte_offset, char_offset};
use lathe_events::frame::Bundle;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The kernel answers at once; only a machine that swaps takes this long.
const ANSWER: Duration = Duration::from_secs(60);
/// The engine behind it starts in seconds; this is for a prelude that has to be compiled first.
const ENGINE: Duration = Duration::from_secs(1800);
/// So many interrupts without an effect, and the kernel is killed: it asks the cell twice, then ends its process.
const PATIENCE: u32 = 8;

/// A kernel in a process of its own, seen as an engine: cells go as `execute_request`, outputs come as messages.
pub struct RemoteEngine {
    client: KernelClient,
    widgets: Widgets,
    /// Interrupts since the cell began.
    interrupts: Arc<AtomicU32>,
    dead: Option<CellError>,
}

impl RemoteEngine {
    /// Starts a kernel and waits until its engine is ready, so that the first cell's time is its own.
    ///
    /// # Errors
    /// [`ClientError`], also with the kernel's words when its engine does not start.
    pub fn start(launch: &Launch) -> Result<Self, ClientError> {
        let client = KernelClient::start(launch, ANSWER)?;
        let mut engine = Self { client, widgets: Widgets::default(), interrupts: Arc::default(), dead: None };
        let ready = json!({"code": "()", "silent": true, "store_history": false, "allow_stdin": false});
        let id = engine.client.request("execute_request", ready)?;
        let reply = engine.client.finish(&id, Some(ENGINE), &mut |_| ())?;
        if reply.text("status") == "error" {
            let words = reply.text("evalue").to_owned();
            return Err(ClientError::Died { status: reply.text("ename").to_owned(), words });
        }
        Ok(engine)
    }

    /// The kernel's process.
    pub fn pid(&self) -> u32 {
        self.client.pid()
    }

    fn run(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome, ClientError> {
        let content = json!({"code": code, "silent": false, "store_history": true, "user_expressions": {},
            "allow_stdin": false, "stop_on_error": true});
        let id = self.client.request("execute_request", content)?;
        let (mut error, widgets) = (None, &mut self.widgets);
        let reply = self.client.finish(&id, None, &mut |message| match message.kind() {
            "comm_open" | "comm_msg" | "comm_close" => widgets.take(&message),
            // Another cell's display may be updated, also by what runs between cells; everything else has to be ours.
            kind if kind != "update_display_data" && parent(&message) != id => {}
            "error" => error = Some(failure(&message)),
            _ => output(message).into_iter().for_each(&mut *out),
        })?;
        if reply.text("status") == "ok" {
            return Ok(Outcome::Ok);
        }
        let error = error.unwrap_or_else(|| failure(&reply));
        let stopped = self.interrupts.load(Ordering::SeqCst) > 0;
        Ok(if stopped { Outcome::Interrupted(error) } else { Outcome::Error(error) })
    }

    /// The answer to a question, or nothing when there is none.
    fn question(&mut self, kind: &str, content: Value) -> Map<String, Value> {
        let id = self.client.request(kind, content);
        let reply = id.and_then(|id| self.client.finish(&id, Some(ANSWER), &mut |_| ()));
        reply.map(|reply| reply.content).unwrap_or_default()
    }
}

/// What a broadcast shows.
fn output(mut message: Message) -> Option<Output> {
    let kind = message.kind().to_owned();
    let id = message.content.get("transient").and_then(|t| t.get("display_id")).and_then(Value::as_str);
    let id = id.map(str::to_owned);
    let mut map = |field: &str| match message.content.remove(field) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    match kind.as_str() {
        "stream" => {
            let stream = if message.text("name") == "stderr" { Stream::Stderr } else { Stream::Stdout };
            Some(Output::Stream { stream, text: message.text("text").to_owned() })
        }
        "clear_output" => Some(Output::Clear { wait: message.flag("wait", false) }),
        "execute_result" | "display_data" | "update_display_data" => {
            let bundle = Bundle { data: map("data"), metadata: map("metadata") };
            match (kind.as_str(), id) {
                ("execute_result", _) => Some(Output::Result { bundle }),
                ("display_data", id) => Some(Output::Display { bundle, id }),
                (_, Some(id)) => Some(Output::Update { bundle, id }),
                _ => None,
            }
        }
        _ => None,
    }
}

fn failure(message: &Message) -> CellError {
    let lines = message.content.get("traceback").and_then(Value::as_array);
    CellError {
        ename: message.text("ename").to_owned(),
        evalue: message.text("evalue").to_owned(),
        traceback: lines.into_iter().flatten().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
    }
}

impl Engine for RemoteEngine {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Outcome {
        if let Some(dead) = &self.dead {
            return Outcome::Error(dead.clone());
        }
        self.interrupts.store(0, Ordering::SeqCst);
        let outcome = self.run(code, out).unwrap_or_else(|error| {
            let text = error.to_string();
            let mut lines = text.lines().map(str::to_owned);
            let evalue = lines.next().unwrap_or_default();
            let dead =
                CellError { ename: "DeadKernel".into(), evalue, traceback: text.lines().map(str::to_owned).collect() };
            self.dead = Some(dead.clone());
            Outcome::Error(dead)
        });
        match outcome {
            Outcome::Error(error) if self.interrupts.load(Ordering::SeqCst) > 0 => Outcome::Interrupted(error),
            outcome => outcome,
        }
    }

    fn complete(&mut self, code: &str, cursor: usize) -> Completion {
        let answer = self.question("complete_request", json!({"code": code, "cursor_pos": char_offset(code, cursor)}));
        let place = |field: &str| {
            let at = answer.get(field).and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
            at.map_or(cursor, |at| byte_offset(code, at))
        };
        let texts = answer.get("matches").and_then(Value::as_array).into_iter().flatten();
        let matches = texts.filter_map(|text| text.as_str().map(Into::into)).collect();
        Completion { matches, start: place("cursor_start"), end: place("cursor_end") }
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Option<Bundle> {
        let question = json!({"code": code, "cursor_pos": char_offset(code, cursor), "detail_level": 0});
        let mut answer = self.question("inspect_request", question);
        let found = answer.get("found").and_then(Value::as_bool).unwrap_or(false);
        match answer.remove("data") {
            Some(Value::Object(data)) if found => Some(Bundle { data, ..Bundle::default() }),
            _ => None,
        }
    }

    fn interrupter(&self) -> Interrupter {
        let (stopper, count) = (self.client.stopper(), Arc::clone(&self.interrupts));
        Interrupter::new(move || {
            let before = count.fetch_add(1, Ordering::SeqCst);
            // A kernel that does not react, whatever it is doing, must not hold the run.
            if before >= PATIENCE || stopper.ask("interrupt_request", json!({})).is_err() {
                stopper.kill();
            }
        })
    }

    fn widget_state(&self) -> Option<Value> {
        self.widgets.metadata()
    }

    fn shutdown(&mut self) {
        self.client.shutdown();
    }
}
