//! What the kernel decides: which request runs when, and what is answered. No sockets here.

mod asides;
mod background;
mod cells;
mod comms;
mod questions;
mod send;
mod stdin;
mod steps;

use crate::api::{CellError, Interrupter, Messenger, Outcome, Question};
use crate::engine::Completeness;
use crate::protocol::history::History;
use crate::protocol::message::{Codec, Message};
use crate::protocol::outputs::OutputBuffer;
use crate::protocol::replies;
use crate::protocol::worker::{Event, Job};
use crossbeam_channel::Sender;
use serde_json::{Map, Value};
use std::collections::{HashSet, VecDeque};
use std::time::Instant;
use steps::{Expressions, Step};

/// The sockets on which messages leave; requests come from the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::protocol) enum Channel {
    Shell,
    Control,
    Iopub,
    Stdin,
}

/// Bytes of code about which completion and inspection may be asked.
const LONGEST_QUESTION: usize = 1 << 20;

/// A request and where its reply goes.
struct Request {
    channel: Channel,
    message: Message,
}

/// The cell that has the engine, or waits for its start.
struct Running {
    request: Request,
    step: Step,
    expressions: Expressions,
    /// For the reply: pages of documentation.
    payload: Vec<Value>,
    count: u64,
    /// It is in the history.
    stored: bool,
    silent: bool,
    stop_on_error: bool,
    output: OutputBuffer,
}

enum EngineState {
    Starting,
    Ready(Interrupter),
    Gone(CellError),
}

pub(in crate::protocol) struct Session {
    codec: Codec,
    is_complete: fn(&str) -> Completeness,
    rust_version: String,
    jobs: Sender<Job>,
    engine: EngineState,
    queue: VecDeque<Request>,
    running: Option<Running>,
    /// Completions and inspections; the engine works on the first one when `asking`.
    asks: VecDeque<Request>,
    asking: bool,
    /// Questions that came while a cell runs; the first one is being answered when `asking_aside`.
    asides: VecDeque<Request>,
    asking_aside: bool,
    questions: Sender<Question>,
    history: History,
    count: u64,
    last_note: Option<String>,
    unknown: HashSet<String>,
    messenger: Messenger,
    prompts: stdin::Prompts,
    comms: comms::Comms,
    background: Option<background::Background>,
    /// The header of the last cell that was not silent.
    last_cell: Option<Map<String, Value>>,
    outbox: Vec<(Channel, Message)>,
    /// Set once somebody asked the kernel to end.
    pub(in crate::protocol) ended: bool,
}

impl Session {
    pub(in crate::protocol) fn new(
        codec: Codec,
        is_complete: fn(&str) -> Completeness,
        rust_version: String,
        jobs: Sender<Job>,
        questions: Sender<Question>,
        history: History,
    ) -> Self {
        let mut session = Self {
            codec,
            is_complete,
            rust_version,
            jobs,
            engine: EngineState::Starting,
            queue: VecDeque::new(),
            running: None,
            asks: VecDeque::new(),
            asking: false,
            asides: VecDeque::new(),
            asking_aside: false,
            questions,
            history,
            count: 0,
            last_note: None,
            unknown: HashSet::new(),
            messenger: Messenger::none(),
            prompts: stdin::Prompts::default(),
            comms: comms::Comms::default(),
            background: None,
            last_cell: None,
            outbox: Vec::new(),
            ended: false,
        };
        session.status("starting", &Map::new());
        session
    }

    /// The messages to send, in order.
    pub(in crate::protocol) fn take_outbox(&mut self) -> Vec<(Channel, Message)> {
        std::mem::take(&mut self.outbox)
    }

    /// A message came in.
    pub(in crate::protocol) fn on_message(&mut self, channel: Channel, message: Message, now: Instant) {
        let request = Request { channel, message };
        match request.message.kind() {
            "execute_request" => {
                self.queue.push_back(request);
                self.pump(now);
            }
            "complete_request" | "inspect_request" => {
                self.status("busy", &request.message.header);
                let too_long = request.message.text("code").len() > LONGEST_QUESTION;
                if too_long || matches!(self.engine, EngineState::Gone(_)) {
                    self.answer_unasked(&request);
                } else {
                    self.asks.push_back(request);
                    self.pump(now);
                    self.ask_aside();
                }
            }
            "input_reply" => self.on_input_reply(&request.message),
            "comm_open" | "comm_msg" | "comm_close" => self.on_comm(&request, now),
            _ => self.answer_at_once(&request, now),
        }
    }

    /// Stops the running cell; the cells behind it are aborted when it ends.
    pub(in crate::protocol) fn interrupt(&mut self, now: Instant) {
        if self.running.is_none() && self.comms.due().is_none() {
            return;
        }
        match &self.engine {
            EngineState::Ready(interrupter) => {
                // Stopping may take a while (the compiler, then the process); the sockets must not wait for it.
                let interrupter = interrupter.clone();
                let spawned =
                    std::thread::Builder::new().name("interrupt".into()).spawn(move || interrupter.interrupt());
                if let Err(error) = spawned {
                    eprintln!("lathe-kernel: cannot interrupt: {error}");
                }
            }
            _ => {
                let cause = replies::error("Interrupted", "interrupted before the cell was started", &[]);
                self.finish(Outcome::Interrupted(cause), now);
                self.pump(now);
            }
        }
    }

    /// The engine has something to say.
    pub(in crate::protocol) fn on_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Note(note) => {
                self.last_note = Some(note);
                self.show_note(now);
            }
            Event::Started(Ok((interrupter, messenger))) => {
                self.messenger = messenger;
                self.engine = EngineState::Ready(interrupter);
                if self.running.is_some() {
                    self.start_step(now);
                    self.ask_aside();
                } else {
                    self.pump(now);
                }
            }
            Event::Started(Err(reason)) => {
                eprintln!("lathe-kernel: the engine did not start: {reason}");
                let hint = ["Nothing was run. Correct the cause, then restart the kernel (menu Kernel, Restart)."];
                self.engine_gone(replies::error("EngineNotStarted", &reason, &hint), now);
            }
            Event::Output(output) => self.on_output(output, now),
            Event::Paged(found) => {
                self.on_page(found, now);
                self.pump(now);
            }
            Event::Done(outcome) => {
                self.finish(outcome, now);
                self.pump(now);
            }
            Event::Completed(completion) => {
                self.answer_ask(|message| replies::completion_reply(message, &completion), now)
            }
            Event::Aside(answer) => self.answer_aside(answer, now),
            Event::Inspected(found) => self.answer_ask(|_| replies::inspection_reply(found.as_ref()), now),
            Event::Crashed(text) => {
                let evalue = format!("a fault inside the kernel: {text}");
                let hint =
                    ["This is not your mistake. The variables are lost: restart the kernel (menu Kernel, Restart)."];
                self.engine_gone(replies::error("KernelFault", &evalue, &hint), now);
            }
            Event::Stopped => {
                if !matches!(self.engine, EngineState::Gone(_)) {
                    self.engine_gone(
                        replies::error("KernelFault", "the engine has ended", &["Restart the kernel."]),
                        now,
                    );
                }
            }
        }
    }

    /// Time has passed.
    pub(in crate::protocol) fn tick(&mut self, now: Instant) {
        if let Some(running) = &mut self.running {
            let mut out = Vec::new();
            running.output.tick(now, &mut out);
            self.publish_outputs(out);
        }
        self.tick_background(now);
        self.settle_comms(now);
    }

    /// When [`Session::tick`] has something to do.
    pub(in crate::protocol) fn due(&self) -> Option<Instant> {
        let running = self.running.as_ref().and_then(|running| running.output.due());
        [running, self.background_due(), self.comms.due()].into_iter().flatten().min()
    }

    /// Is the engine at work, so that it would not hear that it should end?
    pub(in crate::protocol) fn is_busy(&self) -> bool {
        self.running.is_some() || self.asking || matches!(self.engine, EngineState::Starting)
    }

    /// Gives the engine the next thing to do, when it is free: cells before questions.
    fn pump(&mut self, now: Instant) {
        while self.running.is_none() && !self.asking {
            if let Some(request) = self.queue.pop_front() {
                self.begin(request, now);
                self.ask_aside();
            } else if let (Some(ask), EngineState::Ready(_)) = (self.asks.front(), &self.engine) {
                let job = match asides::question(&ask.message) {
                    Question::Complete { code, cursor } => Job::Complete(code, cursor),
                    Question::Inspect { code, cursor } => Job::Inspect(code, cursor),
                };
                self.asking = true;
                self.send_job(job, now);
            } else {
                return;
            }
        }
    }
}
