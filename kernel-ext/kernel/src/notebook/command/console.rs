//! Lines for a terminal, and for the log of a machine.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Where lines go.
pub struct Console<'a> {
    /// One line per notebook, and errors of cells.
    pub out: &'a mut dyn Write,
    /// May lines have colours?
    pub colour: bool,
    /// How far the run is.
    pub status: Status<'a>,
}

/// How progress is shown.
pub enum Status<'a> {
    /// Not at all.
    Off,
    /// A line that is overwritten (a terminal).
    Line(&'a mut dyn Write),
    /// A line for each step that is worth one (the log of a machine).
    Log(&'a mut dyn Write),
}

impl Console<'_> {
    pub(super) fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Overwrites the terminal's line.
    pub(super) fn line(&mut self, text: &str) {
        if let Status::Line(status) = &mut self.status {
            let line: String = text.chars().take(width().saturating_sub(1)).collect();
            // A terminal that is gone is no reason to stop.
            _ = write!(status, "\r\u{1b}[2K{line}").and_then(|()| status.flush());
        }
    }

    /// Adds a line to the log.
    pub(super) fn log(&mut self, text: &str) {
        if let Status::Log(status) = &mut self.status {
            _ = writeln!(status, "{text}").and_then(|()| status.flush());
        }
    }

    /// Adds a block to what is printed.
    pub(super) fn print(&mut self, text: &str) -> io::Result<()> {
        self.line("");
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// Columns of the terminal on stderr.
fn width() -> usize {
    // SAFETY: an all-zero winsize is valid, and the call writes nothing else.
    let columns = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        if libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &raw mut size) == 0 { size.ws_col } else { 0 }
    };
    if columns == 0 { 100 } else { columns.into() }
}

/// Where one notebook is.
struct Running {
    index: usize,
    name: String,
    at: String,
    told: Instant,
}

/// How far all of them are.
pub(super) struct Board {
    began: Instant,
    running: Vec<Running>,
    notebooks: usize,
    finished: usize,
    /// Cells that are to be run, and those that are done.
    cells: usize,
    done: usize,
}

/// A notebook says so often in a log where it is.
const TELL: Duration = Duration::from_secs(10);

impl Board {
    pub fn new(cells: impl Iterator<Item = usize>) -> Self {
        let (notebooks, cells) = cells.fold((0, 0), |(n, sum), cells| (n + 1, sum + cells));
        Self { began: Instant::now(), running: Vec::new(), notebooks, finished: 0, cells, done: 0 }
    }

    /// A notebook starts, or does something else before its first cell.
    pub fn note(&mut self, index: usize, name: &str, note: &str, console: &mut Console<'_>) {
        match self.running.iter_mut().find(|running| running.index == index) {
            Some(running) => running.at = note.to_owned(),
            None => {
                console.log(&format!("started {name}"));
                let told = Instant::now();
                self.running.push(Running { index, name: name.to_owned(), at: note.to_owned(), told });
            }
        }
        self.show(console);
    }

    /// Cell `number` of `of` starts.
    pub fn cell(&mut self, index: usize, number: usize, of: usize, source: &str, console: &mut Console<'_>) {
        self.done += usize::from(number > 1);
        if let Some(running) = self.running.iter_mut().find(|running| running.index == index) {
            let first = source.trim().lines().next().unwrap_or_default();
            running.at = format!("cell {number} of {of}: {first}");
            if running.told.elapsed() > TELL {
                running.told = Instant::now();
                let line = format!("running {}: {}", running.name, running.at);
                console.log(&line);
            }
        }
        self.show(console);
    }

    /// A notebook has ended; `left` of its cells were not run.
    pub fn finish(&mut self, index: usize, left: usize, ran: bool, console: &mut Console<'_>) {
        self.running.retain(|running| running.index != index);
        self.finished += 1;
        self.done += usize::from(ran);
        self.cells = self.cells.saturating_sub(left);
        self.show(console);
    }

    /// Draws the line of the terminal.
    pub fn show(&self, console: &mut Console<'_>) {
        if !matches!(console.status, Status::Line(_)) || self.running.is_empty() {
            return;
        }
        let mut line = String::new();
        if self.notebooks > 1 {
            line = format!("[{} of {} done", self.finished, self.notebooks);
            line += &self.left().map_or_else(String::new, |left| format!(", about {left} left"));
            line += "] ";
        } else if let Some(left) = self.left() {
            line = format!("[about {left} left] ");
        }
        let parts: Vec<String> = self.running.iter().map(|r| format!("{} {}", r.name, r.at)).collect();
        console.line(&(line + &parts.join(" | ")));
    }

    /// The time left if the other cells take as long as those before; nothing while that would be a guess.
    fn left(&self) -> Option<String> {
        let elapsed = self.began.elapsed();
        if self.done < 4 || elapsed < Duration::from_secs(4) {
            return None;
        }
        let seconds = elapsed.as_secs_f64() / self.done as f64 * self.cells.saturating_sub(self.done) as f64;
        Some(if seconds < 100.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) })
    }
}
