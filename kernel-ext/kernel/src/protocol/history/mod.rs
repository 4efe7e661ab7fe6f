//! What was run, for the arrow keys of consoles and for `history_request`.

mod file;

use super::Message;
use file::HistoryFile;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;

/// Larger cells are not remembered.
const LARGEST: usize = 1 << 20;
/// Characters of a pattern that count.
const LONGEST_PATTERN: usize = 1000;

/// The cells of this kernel, and those of earlier ones when there is a file.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: Vec<Entry>,
    file: Option<HistoryFile>,
}

#[derive(Debug, Clone)]
struct Entry {
    session: i64,
    number: u64,
    input: String,
    output: Option<String>,
}

/// The file of the user's history: `LATHE_HISTORY` (`off` for none), else `lathe/history.jsonl` in the data folder of the
/// desktop's standard (`XDG_DATA_HOME`, `~/.local/share`).
pub fn history_path() -> Option<PathBuf> {
    path_from(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn path_from(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    match variable("LATHE_HISTORY") {
        Some(value) if ["off", "0", "no", "false"].iter().any(|word| value.as_os_str() == *word) => None,
        Some(path) => Some(path),
        None => {
            let absolute = variable("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
            let data = absolute.or_else(|| Some(variable("HOME")?.join(".local/share")))?;
            Some(data.join("lathe/history.jsonl"))
        }
    }
}

impl History {
    /// A history that is kept in `path`; without one it ends with the kernel.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { entries: Vec::new(), file: path.map(HistoryFile::new) }
    }

    pub(super) fn add(&mut self, number: u64, input: &str) {
        if let Some(file) = &mut self.file {
            file.add_input(number, input);
        }
        if input.len() > LARGEST {
            return;
        }
        self.entries.push(Entry { session: 0, number, input: input.to_owned(), output: None });
    }

    /// The text of a cell's value.
    pub(super) fn set_output(&mut self, number: u64, output: &str) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.number == number) {
            entry.output = Some(output[..output.floor_char_boundary(LARGEST)].to_owned());
            if let Some(file) = &mut self.file {
                file.add_output(number, output);
            }
        }
    }

    /// Answers a `history_request`: `tail`, `range` or `search`.
    pub(super) fn answer(&self, request: &Message) -> Vec<Value> {
        let n = request.number("n").map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(0));
        let session = self.file.as_ref().map_or(1, HistoryFile::session);
        let all = self.all(session);
        let chosen: Vec<&Entry> = match request.text("hist_access_type") {
            "range" => {
                // Zero is this kernel, -1 the one before it.
                let wanted = match request.number("session").unwrap_or(0) {
                    relative @ ..=0 => session.saturating_add(relative),
                    absolute => absolute,
                };
                let start = request.number("start").unwrap_or(0).max(0) as u64;
                let stop = request.number("stop").map_or(u64::MAX, |stop| stop.max(0) as u64);
                all.iter().filter(|e| e.session == wanted && e.number >= start && e.number < stop).collect()
            }
            "search" => {
                let text = request.content.get("pattern").and_then(Value::as_str).unwrap_or("*");
                // Matching takes time with the length of both texts.
                let pattern: Vec<char> = text.chars().take(LONGEST_PATTERN).collect();
                let found = all.iter().filter(|e| matches(&pattern, &e.input.chars().collect::<Vec<_>>()));
                last(if request.flag("unique", false) { newest_of_each(found) } else { found.collect() }, n)
            }
            _ => last(all.iter().collect(), n),
        };
        let with_output = request.flag("output", false);
        let line = |entry: &Entry| match with_output {
            true => json!([entry.session, entry.number, [entry.input, entry.output]]),
            false => json!([entry.session, entry.number, entry.input]),
        };
        chosen.into_iter().map(line).collect()
    }

    /// Earlier kernels first, then this one.
    fn all(&self, session: i64) -> Vec<Entry> {
        let mut all: Vec<Entry> = Vec::new();
        let mut places = HashMap::new();
        for line in self.file.as_ref().map(HistoryFile::read).unwrap_or_default() {
            let place = (line.session, line.number);
            if let Some(input) = line.input {
                places.insert(place, all.len());
                all.push(Entry { session: line.session, number: line.number, input, output: None });
            } else if let Some(&at) = places.get(&place) {
                all[at].output = line.output;
            }
        }
        // Kernels that ran at the same time wrote in turns.
        all.sort_by_key(|entry| entry.session);
        all.extend(self.entries.iter().map(|entry| Entry { session, ..entry.clone() }));
        all
    }
}

/// Of equal cells the last one, in order.
fn newest_of_each<'a>(entries: impl DoubleEndedIterator<Item = &'a Entry>) -> Vec<&'a Entry> {
    let mut seen = std::collections::HashSet::new();
    let mut newest: Vec<&Entry> = entries.rev().filter(|entry| seen.insert(entry.input.as_str())).collect();
    newest.reverse();
    newest
}

fn last(mut entries: Vec<&Entry>, n: usize) -> Vec<&Entry> {
    entries.drain(..entries.len().saturating_sub(n));
    entries
}

/// Glob: `*` any text, `?` any character; the whole text has to match.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            (p, t) = (star_p + 1, star_t + 1);
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str, text: &str) -> bool {
        matches(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn globs_match_whole_texts() {
        assert!(
            glob("6?7*", "6*7") && glob("*", "") && glob("*let*=*", "// x\nlet a = 1;") && glob("a*b*c", "aXbXbXc")
        );
        assert!(!glob("6?7", "6*78") && !glob("a", "") && !glob("a*b", "a"));
    }

    #[test]
    fn tail_range_and_search() {
        let mut history = History::new(None);
        for (number, input) in [(1, "a"), (2, "b"), (3, "a")] {
            history.add(number, input);
        }
        history.set_output(2, "two");
        let ask = |content: Value| {
            let Value::Object(content) = content else { panic!("an object") };
            history.answer(&Message { content, ..Default::default() })
        };
        assert_eq!(ask(json!({"hist_access_type": "tail", "n": 2})), [json!([1, 2, "b"]), json!([1, 3, "a"])]);
        let range = json!({"hist_access_type": "range", "session": 0, "start": 2, "stop": 3, "output": true});
        assert_eq!(ask(range), [json!([1, 2, ["b", "two"]])]);
        assert_eq!(ask(json!({"hist_access_type": "range", "session": -1, "start": 0})), Vec::<Value>::new());
        let search = json!({"hist_access_type": "search", "pattern": "*", "unique": true, "n": 5});
        assert_eq!(ask(search), [json!([1, 2, "b"]), json!([1, 3, "a"])]);
    }

    #[test]
    fn earlier_kernels_are_found_by_tail_range_and_search() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let ask = |history: &History, content: Value| {
            history.answer(&Message { content: content.as_object().cloned().unwrap_or_default(), ..Default::default() })
        };
        let mut first = History::new(Some(path.clone()));
        first.add(1, "let a = 1;");
        first.add(2, "6*7");
        first.set_output(2, "42");
        drop(first);
        let mut second = History::new(Some(path));
        let last = json!({"hist_access_type": "tail", "n": 1, "output": true});
        assert_eq!(ask(&second, last.clone()), [json!([1, 2, ["6*7", "42"]])]);
        let before = json!({"hist_access_type": "range", "session": -1, "start": 1, "stop": 2});
        assert_eq!(ask(&second, before.clone()), [json!([1, 1, "let a = 1;"])]);
        second.add(1, "6*7");
        assert_eq!(ask(&second, before), [json!([1, 1, "let a = 1;"])]);
        assert_eq!(ask(&second, last), [json!([2, 1, ["6*7", null]])]);
        let here = json!({"hist_access_type": "range", "session": 0});
        assert_eq!(ask(&second, here), [json!([2, 1, "6*7"])]);
        let absolute = json!({"hist_access_type": "range", "session": 1, "start": 2});
        assert_eq!(ask(&second, absolute), [json!([1, 2, "6*7"])]);
        let search = json!({"hist_access_type": "search", "pattern": "6?7"});
        assert_eq!(ask(&second, search), [json!([1, 2, "6*7"]), json!([2, 1, "6*7"])]);
        let unique = json!({"hist_access_type": "search", "pattern": "*", "unique": true});
        assert_eq!(ask(&second, unique), [json!([1, 1, "let a = 1;"]), json!([2, 1, "6*7"])]);
    }

    #[test]
    fn the_place_of_the_file() {
        let place = |variables: &[(&str, &str)]| {
            path_from(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        let home = ("HOME", "/home/a");
        assert_eq!(place(&[home]), Some("/home/a/.local/share/lathe/history.jsonl".into()));
        assert_eq!(place(&[home, ("XDG_DATA_HOME", "/d")]), Some("/d/lathe/history.jsonl".into()));
        assert_eq!(
            place(&[home, ("XDG_DATA_HOME", "relative")]),
            Some("/home/a/.local/share/lathe/history.jsonl".into())
        );
        assert_eq!(place(&[home, ("LATHE_HISTORY", "off")]), None);
        assert_eq!(place(&[home, ("LATHE_HISTORY", "/h")]), Some("/h".into()));
        assert_eq!(place(&[]), None);
    }
}
