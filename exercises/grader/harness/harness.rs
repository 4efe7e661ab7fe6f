//! Lives in the same process as the learner's answer: runs the checks and reports each result on a private descriptor.
//! Compiled anew with every answer, so it is small and uses nothing but std.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// What a check answers: nothing, or the violation in words with the numbers.
pub type Outcome = Result<(), String>;

/// Where and with what words the last panic happened.
static LAST_PANIC: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Hands the results over, one line of JSON each.
pub struct Checks {
    out: File,
    nonce: String,
}

/// One function or type that the learner writes.
pub struct Part<'a> {
    checks: &'a mut Checks,
    name: &'a str,
}

impl Checks {
    /// Checks one function: `body` lists its properties and probes.
    pub fn part(&mut self, name: &str, body: impl FnOnce(&mut Part)) {
        body(&mut Part { checks: self, name });
    }

    fn send(&mut self, fields: &[(&str, &str)], values: Option<&[f64]>) {
        let mut line = format!("{{\"nonce\":{}", quoted(&self.nonce));
        for (key, value) in fields {
            let _ = write!(line, ",{}:{}", quoted(key), quoted(value));
        }
        if let Some(values) = values {
            // As text, because JSON has neither NaN nor infinity.
            let list: Vec<String> = values.iter().map(|v| format!("\"{v:e}\"")).collect();
            let _ = write!(line, ",\"values\":[{}]", list.join(","));
        }
        line.push_str("}\n");
        let _ = self.out.write_all(line.as_bytes());
    }
}

impl Part<'_> {
    /// Checks that something holds; `words` says what, as a sentence about the function.
    pub fn property(&mut self, words: &str, check: impl FnOnce() -> Outcome) {
        let (part, property) = (self.name, words);
        self.checks.send(&[("kind", "begin"), ("part", part), ("property", property)], None);
        match caught(check) {
            Ok(Ok(())) => self.checks.send(&[("kind", "holds"), ("part", part), ("property", property)], None),
            Ok(Err(message)) => {
                let fields = [("kind", "violated"), ("part", part), ("property", property), ("message", &message)];
                self.checks.send(&fields, None);
            }
            Err((message, place)) => {
                let kind = if message.starts_with("not yet implemented") { "todo" } else { "panicked" };
                let fields =
                    [("kind", kind), ("part", part), ("property", property), ("message", &message), ("place", &place)];
                self.checks.send(&fields, None);
            }
        }
    }

    /// Records what the function answers to fixed inputs; the grader compares it with the known mistakes.
    pub fn probe(&mut self, name: &str, values: impl FnOnce() -> Vec<f64>) {
        let fields = [("kind", "begin"), ("part", self.name), ("property", name)];
        self.checks.send(&fields, None);
        match caught(values) {
            Ok(values) => {
                self.checks.send(&[("kind", "probe"), ("part", self.name), ("property", name)], Some(&values))
            }
            Err(_) => self.checks.send(&[("kind", "probe"), ("part", self.name), ("property", name)], None),
        }
    }
}

/// Fails with both numbers unless `got` is within `tolerance` of `expected`, relative to the larger of 1 and |expected|.
pub fn close(what: &str, got: f64, expected: f64, tolerance: f64) -> Outcome {
    let good = if expected.is_finite() {
        (got - expected).abs() <= tolerance * expected.abs().max(1.0)
    } else {
        got == expected
    };
    if good { Ok(()) } else { Err(format!("{what}: expected {}, got {}", number(expected), number(got))) }
}

/// A number as a reader wants it: five digits, an exponent only when it helps.
pub fn number(x: f64) -> String {
    if x != 0.0 && x.is_finite() && !(1e-4..1e7).contains(&x.abs()) {
        return format!("{x:.4e}");
    }
    let text = format!("{x:.5}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.into() }
}

/// Entry point: reads the descriptor and the nonce from standard input, runs the checks, says that it came to the end.
pub fn run(checks: impl FnOnce(&mut Checks)) {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).is_err() {
        std::process::exit(97);
    }
    let mut words = line.split_whitespace();
    let (Some(Ok(descriptor)), Some(nonce)) = (words.next().map(str::parse::<i32>), words.next()) else {
        eprintln!("this program is started by lathe-grader");
        std::process::exit(97);
    };
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("a panic without a message").to_string();
        let place = info.location().map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column())).unwrap_or_default();
        *LAST_PANIC.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some((message, place));
    }));
    let mut checks_out = Checks { out: verdict_pipe(descriptor), nonce: nonce.to_string() };
    checks_out.send(&[("kind", "started")], None);
    checks(&mut checks_out);
    checks_out.send(&[("kind", "done")], None);
}

/// Takes over the pipe that the grader opened, and keeps processes that the answer might start from inheriting it.
#[allow(unsafe_code)]
fn verdict_pipe(descriptor: i32) -> File {
    use std::os::fd::FromRawFd;
    unsafe extern "C" {
        fn fcntl(fd: i32, command: i32, ...) -> i32;
    }
    const F_SETFD: i32 = 2;
    const FD_CLOEXEC: i32 = 1;
    // SAFETY: the grader opened this descriptor for us alone, and this is the only place that takes it.
    unsafe {
        fcntl(descriptor, F_SETFD, FD_CLOEXEC);
        File::from_raw_fd(descriptor)
    }
}

fn caught<T>(run: impl FnOnce() -> T) -> Result<T, (String, String)> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        let last = LAST_PANIC.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        last.unwrap_or_else(|| ("a panic without a message".into(), String::new()))
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
