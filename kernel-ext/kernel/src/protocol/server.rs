//! The sockets, and the loop that serves them.

use super::connection::ConnectionFile;
use super::gate::Gate;
use super::history::History;
use super::message::Codec;
use super::session::{Channel, Session};
use super::sockets::Sockets;
use super::worker::{self, Event, Job};
use super::{ConnectionError, Setup};
use crossbeam_channel::{Receiver, Sender};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use zmq::{DONTWAIT, POLLIN, PollItem};

/// Why the kernel cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The connection file is unusable.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A socket cannot listen.
    #[error(
        "the {name} socket cannot listen on {endpoint}: {source}; when the port is taken, start the kernel again; an `ipc` \
        path needs a folder that exists and at most 107 bytes"
    )]
    Bind {
        /// Which socket.
        name: &'static str,
        /// Its address.
        endpoint: String,
        /// What zmq says.
        source: zmq::Error,
    },
    /// zmq failed.
    #[error("zmq: {0}")]
    Zmq(#[from] zmq::Error),
    /// The system refused something.
    #[error("cannot set up the kernel: {0}")]
    System(#[from] std::io::Error),
}

/// Without anything to do, look this often whether Jupyter is still there.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// How long the engine may take to end.
const GRACE: Duration = Duration::from_secs(2);
/// Messages of one socket, and events of the engine, that are handled before the others are looked at.
const MESSAGES: usize = 512;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static TERMINATED: AtomicBool = AtomicBool::new(false);

/// From now on, SIGINT interrupts the running cell and SIGTERM ends [`serve`], instead of killing this process.
pub fn handle_signals() {
    extern "C" fn on_signal(signal: libc::c_int) {
        let flag = if signal == libc::SIGINT { &INTERRUPTED } else { &TERMINATED };
        flag.store(true, Ordering::SeqCst);
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: an all-zero sigaction is valid; the handler only stores to an atomic. Without SA_RESTART, so that polling
        // returns at once.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// An eventfd: any thread can wake the loop with it.
struct Wake(OwnedFd);

impl Wake {
    fn new() -> std::io::Result<Self> {
        // SAFETY: makes a new descriptor.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: nobody else owns the new descriptor.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn wake(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: writes 8 bytes of a local array; a full counter means that the loop is awake anyway.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    fn reset(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: reads 8 bytes into a local array; the descriptor does not block.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

struct Server {
    sockets: Sockets,
    wake: Arc<Wake>,
    events: Receiver<Event>,
    jobs: Sender<Job>,
    codec: Codec,
    gate: Gate,
    session: Session,
    /// Our parent at the start; `None` when nobody asked us to watch it.
    parent: Option<libc::pid_t>,
}

/// Serves a front end until it asks for the end or goes away. Messages that are not signed right are dropped with a line in
/// the log (stderr). Does not end the process; call [`kill_descendants`](super::kill_descendants) afterwards.
///
/// # Errors
/// [`ServeError`], mostly when a port is taken.
pub fn serve(connection: &ConnectionFile, setup: Setup) -> Result<(), ServeError> {
    let sockets = Sockets::bind(connection)?;
    let wake = Arc::new(Wake::new()?);
    let waker = Arc::clone(&wake);
    let (jobs, questions, events) = worker::spawn(setup.start, Arc::new(move || waker.wake()))?;
    let codec = Codec::new(&connection.key, "lathe");
    let history = History::new(setup.history);
    let session = Session::new(codec.clone(), setup.is_complete, setup.rust_version, jobs.clone(), questions, history);
    let gate = Gate::new(codec.clone());
    // SAFETY: getppid cannot fail.
    let parent = std::env::var_os("JPY_PARENT_PID").map(|_| unsafe { libc::getppid() });
    let server = Server { sockets, wake, events, jobs, codec, gate, session, parent };
    server.run()
}

impl Server {
    fn run(mut self) -> Result<(), ServeError> {
        loop {
            self.send();
            if self.session.ended || TERMINATED.load(Ordering::SeqCst) || self.is_orphan() {
                break;
            }
            let wait = match self.session.due() {
                _ if !self.events.is_empty() => Duration::ZERO,
                Some(due) => due.saturating_duration_since(Instant::now()).min(LONGEST_WAIT) + Duration::from_millis(1),
                None => LONGEST_WAIT,
            };
            let mut items = [
                PollItem::from_fd(self.wake.0.as_raw_fd(), POLLIN),
                self.sockets.control.as_poll_item(POLLIN),
                self.sockets.shell.as_poll_item(POLLIN),
                self.sockets.stdin.as_poll_item(POLLIN),
                self.sockets.heartbeat.as_poll_item(POLLIN),
                self.sockets.iopub.as_poll_item(POLLIN),
            ];
            match zmq::poll(&mut items, wait.as_millis() as i64) {
                Ok(_) | Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.wake.reset();
            self.step();
        }
        self.end();
        Ok(())
    }

    /// Everything that has arrived, the urgent first.
    fn step(&mut self) {
        if INTERRUPTED.swap(false, Ordering::SeqCst) {
            self.session.interrupt(Instant::now());
        }
        while let Ok(beat) = self.sockets.heartbeat.recv_multipart(DONTWAIT) {
            // The peer may be gone; the next beat tells.
            _ = self.sockets.heartbeat.send_multipart(beat, DONTWAIT);
        }
        self.receive(Channel::Stdin);
        for topic in self.sockets.subscriptions() {
            self.session.welcome(&topic);
        }
        self.receive(Channel::Control);
        // Before the engine's events: a failing cell aborts the cells that were sent along with it.
        self.receive(Channel::Shell);
        for _ in 0..MESSAGES {
            let Ok(event) = self.events.try_recv() else { break };
            self.session.on_event(event, Instant::now());
        }
        self.session.tick(Instant::now());
    }

    fn receive(&mut self, channel: Channel) {
        // Bounded: a flood on one socket must not silence the others.
        for _ in 0..MESSAGES {
            let (socket, name) = match channel {
                Channel::Control => (&self.sockets.control, "control"),
                Channel::Stdin => (&self.sockets.stdin, "stdin"),
                _ => (&self.sockets.shell, "shell"),
            };
            let Ok(frames) = socket.recv_multipart(DONTWAIT) else { return };
            if let Some(message) = self.gate.admit(frames, name) {
                self.session.on_message(channel, message, Instant::now());
            }
        }
    }

    fn send(&mut self) {
        for (channel, message) in self.session.take_outbox() {
            let socket = match channel {
                Channel::Shell => &self.sockets.shell,
                Channel::Control => &self.sockets.control,
                Channel::Iopub => &self.sockets.iopub,
                Channel::Stdin => &self.sockets.stdin,
            };
            if let Err(error) = socket.send_multipart(self.codec.encode(&message), DONTWAIT) {
                eprintln!("lathe-kernel: could not send a {}: {error}", message.kind());
            }
        }
    }

    /// Jupyter was killed and cannot tell us any more.
    fn is_orphan(&self) -> bool {
        // SAFETY: getppid cannot fail.
        self.parent.is_some_and(|parent| parent != unsafe { libc::getppid() })
    }

    /// Lets an idle engine end in order; a busy one is left to [`kill_descendants`](super::kill_descendants).
    fn end(self) {
        _ = self.jobs.send(Job::Shutdown);
        let deadline = Instant::now() + GRACE;
        let busy = self.session.is_busy();
        while !busy && let Ok(event) = self.events.recv_deadline(deadline) {
            if matches!(event, Event::Stopped) {
                break;
            }
        }
    }
}
