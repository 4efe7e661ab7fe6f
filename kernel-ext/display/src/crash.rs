//! Where a cell was when it panicked in a library, or when its process ended: by a signal, for want of memory, by `exit`.
//!
//! Only addresses leave the process; the kernel finds the lines. In the handler of a signal almost nothing is allowed, so
//! everything that can be made before is made in [`install`].

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lathe_events::frame::{CALLS, ENDED, Frame};

/// Calls of the cell that are told, the innermost first.
const TOLD: usize = 64;
/// Calls that are walked: a panic may come from deep inside a library.
const WALKED: usize = 2_000;
/// Of the handler's own stack: the cell's may be full.
const STACK: usize = 256 << 10;
/// Signals that mean that the program is wrong.
const SIGNALS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

unsafe extern "C" {
    // Of the library that unwinds panics; every Rust program has it.
    fn _Unwind_Backtrace(step: extern "C" fn(*mut c_void, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

/// The frame that is written from a handler, around the addresses.
static FRAME: OnceLock<(String, String)> = OnceLock::new();
/// An address near the top of the main thread's stack, and how far that stack may grow.
static TOP: AtomicUsize = AtomicUsize::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(0);

/// Addresses of calls, as offsets in the cell's library.
struct Calls {
    library: Option<(usize, usize)>,
    walked: usize,
    told: usize,
    at: [usize; TOLD],
}

impl Calls {
    fn now() -> Self {
        let mut calls = Self { library: None, walked: 0, told: 0, at: [0; TOLD] };
        // SAFETY: both functions call back before they return, with the pointer that they are given; `calls` outlives them.
        unsafe {
            let data = (&raw mut calls).cast::<c_void>();
            libc::dl_iterate_phdr(Some(newest_cell), data);
            if calls.library.is_some() {
                _Unwind_Backtrace(step, data);
            }
        }
        calls
    }

    /// Writes the offsets into a buffer on the stack; allocates nothing.
    fn write(&self, out: &mut Buffer) {
        for at in &self.at[..self.told] {
            // The buffer is large enough, and if it were not the rest is left out.
            let _ = write!(out, " {at:x}");
        }
    }
}

/// The library of the cell that runs is the one that was loaded last.
unsafe extern "C" fn newest_cell(info: *mut libc::dl_phdr_info, _: libc::size_t, data: *mut c_void) -> c_int {
    // SAFETY: the loader gives valid data; `data` is the `Calls` of `Calls::now`.
    unsafe {
        let (info, calls) = (&*info, &mut *data.cast::<Calls>());
        if info.dlpi_name.is_null() || !is_cell(info.dlpi_name) {
            return 0;
        }
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        let end = loaded.map(|header| (header.p_vaddr + header.p_memsz) as usize).max().unwrap_or(0);
        let base = info.dlpi_addr as usize;
        calls.library = Some((base, base + end));
    }
    0
}

unsafe fn is_cell(path: *const c_char) -> bool {
    // SAFETY: the loader's names are C strings.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    path.rsplit(|b| *b == b'/').next().is_some_and(|name| name.starts_with(b"libcode_"))
}

extern "C" fn step(context: *mut c_void, data: *mut c_void) -> c_int {
    const GO_ON: c_int = 0;
    const END_OF_STACK: c_int = 5;
    // SAFETY: `data` is the `Calls` of `Calls::now`, the context is the unwinder's own.
    let (calls, ip) = unsafe { (&mut *data.cast::<Calls>(), _Unwind_GetIP(context)) };
    calls.walked += 1;
    // The address is the one after the call.
    let call = ip.wrapping_sub(1);
    if let Some((base, end)) = calls.library
        && (base..end).contains(&call)
        && calls.told < TOLD
    {
        calls.at[calls.told] = call - base;
        calls.told += 1;
    }
    if calls.told == TOLD || calls.walked == WALKED { END_OF_STACK } else { GO_ON }
}

/// A text on the stack.
struct Buffer {
    bytes: [u8; TOLD * 17 + 32],
    length: usize,
}

impl std::fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.bytes.get_mut(self.length..self.length + text.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: [0; TOLD * 17 + 32], length: 0 }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// For a panic: the line that the kernel reads, or nothing outside a cell.
pub(crate) fn calls_line() -> String {
    let calls = Calls::now();
    let mut buffer = Buffer::new();
    calls.write(&mut buffer);
    if buffer.length == 0 { String::new() } else { format!("{CALLS}{}\n", String::from_utf8_lossy(buffer.text())) }
}

/// Tells the kernel where the cell was when its process ends; once per process, from the thread that runs cells.
pub(crate) fn install(nonce: &str) {
    const ADDRESSES: &str = "@addresses@";
    let frame = Frame::Panic {
        message: String::new(),
        file: ENDED.to_owned(),
        line: 0,
        column: 0,
        backtrace: format!("{CALLS}{ADDRESSES}"),
    };
    let text = frame.encode(nonce);
    let Some((before, after)) = text.split_once(ADDRESSES) else { return };
    if FRAME.set((before.to_owned(), after.to_owned())).is_err() {
        return;
    }
    let here = 0_u8;
    TOP.store((&raw const here) as usize, Relaxed);
    // SAFETY: the structures are filled before use; the alternative stack is never freed; the handlers do only what is said
    // at each of them.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_STACK, &mut limit) == 0 {
            SIZE.store(usize::try_from(limit.rlim_cur).unwrap_or(0), Relaxed);
        }
        let stack = libc::stack_t {
            ss_sp: Box::leak(vec![0_u8; STACK].into_boxed_slice()).as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: STACK,
        };
        libc::sigaltstack(&stack, std::ptr::null_mut());
        for signal in SIGNALS {
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_signal;
            action.sa_sigaction = handler as usize;
            // Reset: a fault inside the handler ends the process.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
        libc::atexit(on_exit);
    }
}

extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: writes and unwinds; no allocation, no lock of ours. Should the unwinder hang on a lock that the cell held, the
    // alarm ends the process. The signal is raised again, and blocked until this handler returns.
    unsafe {
        libc::alarm(3);
        let overflow = signal == libc::SIGSEGV && !info.is_null() && at_stacks_end((*info).si_addr() as usize);
        tell(overflow);
        libc::alarm(0);
        libc::raise(signal);
    }
}

extern "C" fn on_exit() {
    // The kernel's own end of this process has no cell on the stack.
    if Calls::now().told > 0 {
        tell(false);
    }
}

fn tell(overflow: bool) {
    let Some((before, after)) = FRAME.get() else { return };
    let mut buffer = Buffer::new();
    if overflow {
        // Fits.
        let _ = buffer.write_str(" overflow");
    }
    Calls::now().write(&mut buffer);
    for part in [before.as_bytes(), buffer.text(), after.as_bytes()] {
        // SAFETY: a plain write of valid bytes; if the pipe is closed nobody is there to be told.
        unsafe { libc::write(1, part.as_ptr().cast(), part.len()) };
    }
}

/// Is this address where the main thread's stack may not grow any further?
fn at_stacks_end(address: usize) -> bool {
    const SLACK: usize = 2 << 20;
    let (top, size) = (TOP.load(Relaxed), SIZE.load(Relaxed));
    let end = top.saturating_sub(size);
    size > 0 && (end.saturating_sub(SLACK)..end.saturating_add(SLACK)).contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_a_cell_there_is_nothing_to_tell() {
        assert_eq!(calls_line(), "");
    }

    #[test]
    fn the_buffer_keeps_what_fits() {
        let mut buffer = Buffer::new();
        let calls = Calls { library: None, walked: 0, told: TOLD, at: [usize::MAX; TOLD] };
        calls.write(&mut buffer);
        assert_eq!(buffer.length, TOLD * 17);
        assert!(buffer.text().starts_with(b" ffffffffffffffff ffff"));
        assert!(buffer.write_str(&"x".repeat(100)).is_err());
    }

    #[test]
    fn the_end_of_the_stack_is_known() {
        TOP.store(100 << 20, Relaxed);
        SIZE.store(8 << 20, Relaxed);
        assert!(at_stacks_end((92 << 20) - 4096) && at_stacks_end((92 << 20) + 4096));
        assert!(!at_stacks_end(8) && !at_stacks_end(99 << 20));
    }
}
