//! Verdicts as text: readable without colour, coloured when someone looks at a terminal.

use crate::catalogue::Exercise;
use crate::verdict::{Part, State, Verdict};
use std::fmt::Write;
use std::io::IsTerminal;

/// Lines of an answer's own output that are shown.
const PRINTED_LINES: usize = 20;

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    colour: bool,
    width: usize,
}

impl Style {
    /// Plain text.
    pub const PLAIN: Style = Style { colour: false, width: 100 };

    /// Coloured if standard output is a terminal and `NO_COLOR` is not set.
    pub fn detect() -> Style {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Style { colour: wanted && !dumb && std::io::stdout().is_terminal(), width: 100 }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }

    /// Emphasised.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// A state in its colour; the word says it too.
    pub fn state(self, state: State) -> String {
        let code = match state {
            State::Right => "32",
            State::Wrong | State::DoesNotCompile => "31",
            State::Unfinished => "33",
            State::NotStarted => "2",
        };
        self.paint(code, state.words())
    }

    /// Breaks text into lines that fit, each after `indent` spaces.
    pub fn wrapped(self, text: &str, indent: usize) -> String {
        let mut out = String::new();
        for paragraph in text.split('\n') {
            let mut column = self.width;
            for word in paragraph.split_whitespace() {
                let long = word.chars().count();
                if column + 1 + long > self.width {
                    if !out.is_empty() {
                        out.push('\n');
                    }
                    let _ = write!(out, "{:indent$}{word}", "");
                    column = indent + long;
                } else {
                    let _ = write!(out, " {word}");
                    column += 1 + long;
                }
            }
        }
        out + "\n"
    }
}

/// The whole verdict: state, where, what does not hold and why.
pub fn verdict(exercise: &Exercise, answer: &str, verdict: &Verdict, style: Style) -> String {
    let mut out = format!("{}  {}  ", style.bold(&exercise.name), style.state(verdict.state));
    let _ = writeln!(out, "({answer}, {:.1} s)", verdict.seconds);
    match verdict.state {
        State::NotStarted => {
            let text = format!("Next: the TODO list in {answer} ({}).", exercise.title);
            out.push_str(&style.wrapped(&text, 2));
        }
        State::DoesNotCompile => {
            for error in &verdict.compiler {
                let _ = writeln!(out, "\n{}", error.trim_end());
            }
        }
        State::Right => {}
        State::Unfinished | State::Wrong => {
            for (i, p) in verdict.parts.iter().enumerate() {
                part(&mut out, p, &verdict.parts[..i], style);
            }
            for warning in &verdict.compiler {
                let _ = writeln!(out, "\n{}", warning.trim_end());
            }
        }
    }
    if let Some(note) = &verdict.note {
        out.push('\n');
        out.push_str(&style.wrapped(note, 2));
    }
    printed(&mut out, &verdict.printed);
    out
}

fn part(out: &mut String, part: &Part, before: &[Part], style: Style) {
    let words = if part.state == State::NotStarted { "still todo!()" } else { part.state.words() };
    let code = if part.state == State::Right { "32" } else { "31" };
    let _ = writeln!(out, "  {}: {}", style.bold(&part.name), style.paint(code, words));
    if let Some(first) = part.violations.first() {
        out.push_str(&style.wrapped(&format!("should hold: {}", first.property), 4));
        out.push_str(&style.wrapped(&first.message, 6));
        if let Some(more) = part.violations.len().checked_sub(1).filter(|n| *n > 0) {
            let _ = writeln!(
                out,
                "    ({more} more {} not hold)",
                if more == 1 { "property does" } else { "properties do" }
            );
        }
    }
    let same = |p: &&Part| p.mistake.as_ref().map(|m| &m.id) == part.mistake.as_ref().map(|m| &m.id);
    if let Some(mistake) = &part.mistake {
        if let Some(other) = before.iter().find(same) {
            out.push_str(&style.wrapped(&format!("The same mistake as in {}: {}.", other.name, mistake.title), 4));
            return;
        }
        let origin = match mistake.source.strip_prefix("none: ") {
            Some(words) => words.to_string(),
            None => format!("error {} of the source articles", mistake.source),
        };
        let title = format!("A known mistake: {} ({origin}).", mistake.title);
        out.push_str(&style.wrapped(&title, 4));
        out.push_str(&style.wrapped(&mistake.why, 6));
        out.push_str(&style.wrapped(&format!("Look at: {}", mistake.hint), 6));
    }
}

fn printed(out: &mut String, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    let _ = writeln!(out, "  your program printed:");
    let mut lines = text.trim_end().lines();
    for line in lines.by_ref().take(PRINTED_LINES) {
        let _ = writeln!(out, "    | {line}");
    }
    let rest = lines.count();
    if rest > 0 {
        let _ = writeln!(out, "    | ... and {rest} lines more");
    }
}
