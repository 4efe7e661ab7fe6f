//! Hooks inside the process that runs cells: panics, interrupts, flushing.
//!
//! The kernel calls [`init`] once per process and [`begin`] before each cell; a learner's own loop calls [`check`].

use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::sync::Once;
use std::time::Duration;

use lathe_events::frame::Frame;
use lathe_events::interrupt;

use crate::out::{self, Place};

pub mod early;
pub mod store;

/// The environment variable with two inherited file descriptors, `"r,w"`: a byte read from `r` asks for a flush of std's
/// stdout, which is answered by a byte on `w`.
pub const FLUSH_FDS_ENV: &str = "LATHE_FLUSH_FDS";

/// Prepares this process for cells: fonts, panic hook, SIGINT handler, flushing. Safe to call again, and outside a kernel
/// (where it leaves hooks and signals alone).
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        crate::font::register();
        if out::place() == Place::Kernel {
            std::panic::set_hook(Box::new(report_panic));
            crate::crash::install(out::nonce().unwrap_or_default());
            crate::inbox::start();
            // Not fatal when it fails: text then only appears at newlines and at the cell's end.
            let _ = std::thread::Builder::new().name("lathe-flush".into()).spawn(flush_forever);
            if let Some((ask, answer)) = std::env::var(FLUSH_FDS_ENV).ok().as_deref().and_then(parse_fds) {
                let _ = std::thread::Builder::new()
                    .name("lathe-flush-ask".into())
                    .spawn(move || answer_flushes(ask, answer));
            }
        }
        if matches!(out::place(), Place::Kernel | Place::Evcxr) {
            handle_sigint();
        }
    });
}

/// What the kernel told this process, and nobody else, so that its marks among the prints cannot be mistaken for data;
/// empty outside our kernel.
pub fn nonce() -> &'static str {
    out::nonce().unwrap_or_default()
}

/// Forgets an interrupt that came while nothing ran; the kernel calls it before each cell.
pub fn begin() {
    interrupt::clear();
}

/// What every cell does first: [`init`], [`begin`], and `mark` on a line of stdout tells the kernel that its own code runs.
///
/// One call, so that each cell has less to compile.
pub fn enter(mark: &str) {
    init();
    begin();
    println!("{mark}{}", nonce());
}

/// What every cell does last: `mark` tells the kernel, and everything printed leaves this process.
pub fn leave(mark: &str) {
    println!("{mark}{}", nonce());
    // A closed stdout is the kernel's end, and soon this process's.
    let _ = std::io::stdout().flush();
}

/// Stops the cell here when the user has pressed "interrupt"; variables keep their values. For loops of your own:
///
/// ```
/// for step in 0..1_000 {
///     display::check();
///     // a long step
///     # let _ = step;
/// }
/// ```
pub fn check() {
    if interrupt::requested() {
        // Not a panic: no hook runs, destructors do.
        std::panic::resume_unwind(Box::new(interrupt::Interrupted));
    }
}

fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload_text(payload);
    let (file, line, column) =
        info.location().map_or((String::new(), 0, 0), |at| (at.file().to_owned(), at.line(), at.column()));
    // Symbolising a stack takes seconds with a library of this size, so it is only made on request.
    let wanted = std::env::var_os("LATHE_BACKTRACE").is_some();
    let mut backtrace = crate::crash::calls_line(info.location());
    if wanted {
        backtrace.push_str(&std::backtrace::Backtrace::force_capture().to_string());
    }
    out::send(&Frame::Panic { message, file, line, column, backtrace });
}

/// What a panic says. A `panic_any` may carry anything: numbers, characters and errors are shown too.
fn payload_text(payload: &(dyn std::any::Any + Send)) -> String {
    macro_rules! shown {
        ($($kind:ty),*) => {
            $(if let Some(value) = payload.downcast_ref::<$kind>() {
                return format!("panicked with the value {value:?} ({})", stringify!($kind));
            })*
        };
    }
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    if let Some(text) = payload.downcast_ref::<String>() {
        return text.clone();
    }
    if let Some(error) = payload.downcast_ref::<Box<dyn std::error::Error + Send + Sync>>() {
        return early::error(&**error).replace(early::CAUSE, "\ncaused by: ");
    }
    shown!(i32, u8, usize, i64, u64, i8, i16, u16, u32, isize, i128, u128, f64, f32, bool, char, ());
    String::from("panicked with a value that is no text: a panic! with a message says more")
}

fn flush_forever() {
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let _ = std::io::stdout().flush();
    }
}

/// `"r,w"`, both non-negative.
pub(crate) fn parse_fds(text: &str) -> Option<(i32, i32)> {
    let (ask, answer) = text.split_once(',')?;
    let (ask, answer) = (ask.trim().parse().ok()?, answer.trim().parse().ok()?);
    (ask >= 0 && answer >= 0).then_some((ask, answer))
}

pub(crate) fn answer_flushes(ask: i32, answer: i32) {
    // SAFETY: the kernel made these descriptors for this thread alone; they are only borrowed (never closed here), so a
    // wrong number gives an error on read or write and nothing worse.
    let (mut ask, mut answer) = unsafe {
        (ManuallyDrop::new(std::fs::File::from_raw_fd(ask)), ManuallyDrop::new(std::fs::File::from_raw_fd(answer)))
    };
    let mut byte = [0];
    loop {
        match ask.read(&mut byte) {
            Ok(1) => {
                let _ = std::io::stdout().flush();
                if answer.write_all(&byte).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

extern "C" fn on_sigint(_: libc::c_int) {
    interrupt::request();
}

fn handle_sigint() {
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe; the struct is fully initialised by zeroing
    // and the three fields set here; SA_RESTART keeps system calls of other threads from failing with EINTR.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_sigint as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGINT, &action, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, pipe};
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn panics_of_any_kind_say_something() {
        let said = |value: Box<dyn std::any::Any + Send>| payload_text(&*value);
        assert_eq!(said(Box::new("text")), "text");
        assert_eq!(said(Box::new(String::from("made"))), "made");
        assert_eq!(said(Box::new(5)), "panicked with the value 5 (i32)");
        assert_eq!(said(Box::new('x')), "panicked with the value 'x' (char)");
        assert!(said(Box::new(vec![1])).contains("no text"));
    }

    #[test]
    fn descriptors_are_read_with_care() {
        assert_eq!(parse_fds("3,4"), Some((3, 4)));
        for wrong in ["", "3", "3,x", "-1,4", "3,4,5"] {
            assert_eq!(parse_fds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn each_request_for_a_flush_is_answered_until_the_pipe_closes() -> std::io::Result<()> {
        let ((ask, mut asking), (mut answered, answer)): ((PipeReader, PipeWriter), (PipeReader, PipeWriter)) =
            (pipe()?, pipe()?);
        let thread = std::thread::spawn(move || {
            answer_flushes(ask.as_raw_fd(), answer.as_raw_fd());
        });
        for byte in [7, 8] {
            asking.write_all(&[byte])?;
            let mut got = [0];
            answered.read_exact(&mut got)?;
            assert_eq!(got, [byte]);
        }
        drop(asking);
        thread.join().map_err(|_| std::io::Error::other("the flush thread panicked"))?;
        assert_eq!(answered.read(&mut [0])?, 0);
        Ok(())
    }
}
