//! Where a cell was when it panicked in a library, or when its process ended: by a signal, for want of memory, by `exit`.
//!
//! Only addresses leave the process; the kernel finds the lines. In the handler of a signal almost nothing is allowed, so
//! everything that can be made before is made in [`install`].

use std::ffi::{CStr, c_int, c_void};
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lathe_events::frame::{CALLS, ENDED, Frame, HOME};

/// Calls of the cell that are told, the innermost first.
const TOLD: usize = 64;
/// Calls that are walked: a panic may come from deep inside a library.
const WALKED: usize = 2_000;
/// Libraries of cells that are looked through.
const LIBRARIES: usize = 256;
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

/// A loaded library of a cell.
#[derive(Clone, Copy, Default)]
struct Library {
    start: usize,
    end: usize,
    /// evcxr's number of it.
    number: usize,
}

/// The libraries of cells; all of them stay loaded, and these are the newest.
struct Libraries {
    seen: usize,
    at: [Library; LIBRARIES],
}

impl Libraries {
    fn now() -> Self {
        let mut libraries = Self { seen: 0, at: [Library::default(); LIBRARIES] };
        // SAFETY: the function calls back before it returns, with the pointer that it is given; `libraries` outlives it.
        unsafe { libc::dl_iterate_phdr(Some(note_cell), (&raw mut libraries).cast()) };
        libraries
    }

    /// The library in which an address lies.
    fn find(&self, address: usize) -> Option<Library> {
        self.at.iter().copied().find(|library| (library.start..library.end).contains(&address))
    }
}

/// Addresses of calls, as offsets in the libraries of cells.
struct Calls {
    libraries: Libraries,
    walked: usize,
    told: usize,
    at: [(usize, usize); TOLD],
}

impl Calls {
    fn now() -> Self {
        let mut calls = Self { libraries: Libraries::now(), walked: 0, told: 0, at: [(0, 0); TOLD] };
        if calls.libraries.seen > 0 {
            // SAFETY: the function calls back before it returns, with the pointer that it is given; `calls` outlives it.
            unsafe { _Unwind_Backtrace(step, (&raw mut calls).cast()) };
        }
        calls
    }

    /// Writes numbers and offsets into a buffer on the stack; allocates nothing.
    fn write(&self, out: &mut Buffer) {
        for (library, at) in &self.at[..self.told] {
            // The buffer is large enough, and if it were not the rest is left out.
            let _ = write!(out, " {library}:{at:x}");
        }
    }
}

unsafe extern "C" fn note_cell(info: *mut libc::dl_phdr_info, _: libc::size_t, data: *mut c_void) -> c_int {
    // SAFETY: the loader gives valid data; `data` is the `Libraries` of `Libraries::now`.
    unsafe {
        let (info, libraries) = (&*info, &mut *data.cast::<Libraries>());
        if info.dlpi_name.is_null() {
            return 0;
        }
        let Some(number) = number_of_cell(CStr::from_ptr(info.dlpi_name).to_bytes()) else { return 0 };
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        let end = loaded.map(|header| (header.p_vaddr + header.p_memsz) as usize).max().unwrap_or(0);
        let start = info.dlpi_addr as usize;
        libraries.at[libraries.seen % LIBRARIES] = Library { start, end: start + end, number };
        libraries.seen += 1;
    }
    0
}

/// 12 for `/folder/libcode_12.so`.
fn number_of_cell(path: &[u8]) -> Option<usize> {
    let name = path.rsplit(|b| *b == b'/').next()?;
    let number = name.strip_prefix(b"libcode_")?.strip_suffix(b".so")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

extern "C" fn step(context: *mut c_void, data: *mut c_void) -> c_int {
    const GO_ON: c_int = 0;
    const END_OF_STACK: c_int = 5;
    // SAFETY: `data` is the `Calls` of `Calls::now`, the context is the unwinder's own.
    let (calls, ip) = unsafe { (&mut *data.cast::<Calls>(), _Unwind_GetIP(context)) };
    calls.walked += 1;
    // The address is the one after the call.
    let call = ip.wrapping_sub(1);
    if let Some(library) = calls.libraries.find(call)
        && calls.told < TOLD
    {
        calls.at[calls.told] = (library.number, call - library.start);
        calls.told += 1;
    }
    if calls.told == TOLD || calls.walked == WALKED { END_OF_STACK } else { GO_ON }
}

/// Each call is a number of up to ten digits, an address of up to sixteen, and two signs.
const BUFFER: usize = TOLD * 28 + 32;

/// A text on the stack.
struct Buffer {
    bytes: [u8; BUFFER],
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
        Self { bytes: [0; BUFFER], length: 0 }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// For a panic at a place in the source: the line that the kernel reads, or nothing outside a cell.
pub(crate) fn calls_line(place: Option<&std::panic::Location<'_>>) -> String {
    let calls = Calls::now();
    let mut buffer = Buffer::new();
    // The name of the file lies in the library whose source it is.
    let home = place.and_then(|place| calls.libraries.find(place.file().as_ptr() as usize));
    if let Some(home) = home {
        // Fits.
        let _ = write!(buffer, " {HOME}{}", home.number);
    }
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
        assert_eq!(calls_line(Some(std::panic::Location::caller())), "");
    }

    #[test]
    fn cells_are_known_by_their_libraries() {
        assert_eq!(number_of_cell(b"/tmp/a b/out/libcode_12.so"), Some(12));
        assert_eq!(number_of_cell(b"libcode_3.so (deleted)"), None);
        assert_eq!(number_of_cell(b"/prepared/liblathe.so"), None);
    }

    #[test]
    fn the_buffer_keeps_what_fits() {
        let mut buffer = Buffer::new();
        let libraries = Libraries { seen: 1, at: [Library::default(); LIBRARIES] };
        let calls = Calls { libraries, walked: 0, told: TOLD, at: [(9_999_999_999, usize::MAX); TOLD] };
        calls.write(&mut buffer);
        assert_eq!(buffer.length, TOLD * 28);
        assert!(buffer.text().starts_with(b" 9999999999:ffffffffffffffff 9999999999:ffff"));
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
