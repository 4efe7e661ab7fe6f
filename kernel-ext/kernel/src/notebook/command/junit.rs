//! A summary of a run in the JUnit format, which CI systems show.

use super::Finished;
use crate::notebook::{Notebook, terminal};
use std::fmt::Write;
use std::path::Path;

/// Text for XML 1.0, which has no other control characters than these three.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in terminal::plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// One suite for each notebook, one case for each of its cells that is to be run.
pub(super) fn report<'a>(notebooks: impl Iterator<Item = (&'a Path, Option<&'a Finished>)>) -> String {
    let (mut suites, mut tests, mut failures, mut seconds) = (String::new(), 0, 0, 0.0);
    for (path, finished) in notebooks {
        let suite = suite(path, finished);
        tests += suite.tests;
        failures += suite.failures;
        seconds += suite.seconds;
        suites.push_str(&suite.text);
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"notebooks\" tests=\"{tests}\" failures=\"{failures}\" \
         time=\"{seconds:.3}\">\n{suites}</testsuites>\n"
    )
}

struct Suite {
    text: String,
    tests: usize,
    failures: usize,
    seconds: f64,
}

fn suite(path: &Path, finished: Option<&Finished>) -> Suite {
    let name = escape(&path.display().to_string());
    let class = escape(&path.file_stem().unwrap_or_default().to_string_lossy());
    let mut cases = String::new();
    let (mut tests, mut failures, mut skipped, mut seconds) = (0, 0, 0, 0.0);
    let mut single = |title: &str, inside: &str| {
        // Writing to a string cannot fail.
        _ = writeln!(cases, "    <testcase classname=\"{class}\" name=\"{title}\" time=\"0\">{inside}</testcase>");
    };
    match finished {
        None => {
            (tests, skipped) = (1, 1);
            single("notebook", "<skipped message=\"the run ended before it\"/>");
        }
        Some(Finished { outcome: Err(error), .. }) => {
            (tests, failures) = (1, 1);
            single("notebook", &format!("<failure message=\"{}\" type=\"Notebook\"/>", escape(&error.to_string())));
        }
        Some(Finished { outcome: Ok(ran), .. }) => {
            let report = &ran.report;
            seconds = report.elapsed.as_secs_f64();
            for (number, (index, title)) in titles(&ran.notebook).enumerate() {
                let timing = report.timings.iter().find(|timing| timing.index == index);
                let failure = report.failure.as_ref().filter(|failure| failure.index == index);
                let time = timing.map_or(0.0, |timing| timing.elapsed.as_secs_f64());
                _ = write!(
                    cases,
                    "    <testcase classname=\"{class}\" name=\"[{}] {}\" time=\"{time:.3}\"",
                    number + 1,
                    escape(title)
                );
                tests += 1;
                match failure {
                    Some(failure) => {
                        failures += 1;
                        let error = &failure.error;
                        let text = format!("{}\n\n{}", failure.source, error.traceback.join("\n"));
                        _ = writeln!(
                            cases,
                            ">\n      <failure message=\"{}\" type=\"{}\">{}</failure>\n    </testcase>",
                            escape(&error.evalue),
                            escape(&error.ename),
                            escape(&text).replace("&#10;", "\n"),
                        );
                    }
                    None if timing.is_none() => {
                        skipped += 1;
                        cases.push_str("><skipped message=\"not run\"/></testcase>\n");
                    }
                    None => cases.push_str("/>\n"),
                }
            }
        }
    }
    let text = format!(
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" time=\"{seconds:.3}\">\n\
         {cases}  </testsuite>\n"
    );
    Suite { text, tests, failures, seconds }
}

/// Position and first line of each cell that is to be run.
fn titles(notebook: &Notebook) -> impl Iterator<Item = (usize, &str)> {
    let cells = notebook.cells.iter().enumerate().filter(|(_, cell)| cell.runs());
    cells.map(|(index, cell)| (index, cell.source.trim().lines().next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn xml_holds_whatever_a_cell_prints() {
        let text = super::escape("\u{1b}[31ma < \"b\" & c\u{1b}[0m\u{0}\u{ffff}\nd");
        assert_eq!(text, "a &lt; &quot;b&quot; &amp; c\u{fffd}\u{fffd}&#10;d");
    }
}
