use serde_json::{Value, json};

/// The cells of this session, for the arrow keys of consoles.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    input: String,
    output: Option<String>,
}

/// There is one session: the running kernel.
const SESSION: i64 = 1;

impl History {
    pub(super) fn add(&mut self, number: u64, input: &str) {
        self.entries.push(Entry { number, input: input.to_owned(), output: None });
    }

    /// The text of a cell's value.
    pub(super) fn set_output(&mut self, number: u64, output: &str) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.number == number) {
            entry.output = Some(output.to_owned());
        }
    }

    /// Answers a `history_request`: `tail`, `range` or `search`.
    pub(super) fn answer(&self, request: &super::Message) -> Vec<Value> {
        let n = request.number("n").map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(0));
        let chosen: Vec<&Entry> = match request.text("hist_access_type") {
            "range" => {
                let session = request.number("session").unwrap_or(0);
                let start = request.number("start").unwrap_or(0).max(0) as u64;
                let stop = request.number("stop").map_or(u64::MAX, |stop| stop.max(0) as u64);
                let ours = session == 0 || session == SESSION;
                self.entries.iter().filter(|e| ours && (start..stop).contains(&e.number)).collect()
            }
            "search" => {
                let pattern: Vec<char> = request.text("pattern").chars().collect();
                let mut found: Vec<&Entry> = Vec::new();
                for entry in &self.entries {
                    if matches(&pattern, &entry.input.chars().collect::<Vec<_>>()) {
                        if request.flag("unique", false) {
                            found.retain(|earlier| earlier.input != entry.input);
                        }
                        found.push(entry);
                    }
                }
                last(found, n)
            }
            _ => last(self.entries.iter().collect(), n),
        };
        let with_output = request.flag("output", false);
        let line = |entry: &Entry| match with_output {
            true => json!([SESSION, entry.number, [entry.input, entry.output]]),
            false => json!([SESSION, entry.number, entry.input]),
        };
        chosen.into_iter().map(line).collect()
    }
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
        let mut history = History::default();
        for (number, input) in [(1, "a"), (2, "b"), (3, "a")] {
            history.add(number, input);
        }
        history.set_output(2, "two");
        let ask = |content: Value| {
            let Value::Object(content) = content else { panic!("an object") };
            history.answer(&super::super::Message { content, ..Default::default() })
        };
        assert_eq!(ask(json!({"hist_access_type": "tail", "n": 2})), [json!([1, 2, "b"]), json!([1, 3, "a"])]);
        let range = json!({"hist_access_type": "range", "session": 0, "start": 2, "stop": 3, "output": true});
        assert_eq!(ask(range), [json!([1, 2, ["b", "two"]])]);
        assert_eq!(ask(json!({"hist_access_type": "range", "session": -1, "start": 0})), Vec::<Value>::new());
        let search = json!({"hist_access_type": "search", "pattern": "*", "unique": true, "n": 5});
        assert_eq!(ask(search), [json!([1, 2, "b"]), json!([1, 3, "a"])]);
    }
}
