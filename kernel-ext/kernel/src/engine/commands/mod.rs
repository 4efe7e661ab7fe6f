//! The `:commands` and `!shell` lines at the top of a cell.

pub(super) mod dep;
mod gpu;
mod shell;
mod table;
mod vars;

use super::fate::End;
use super::{EvcxrEngine, PRELUDE, note, render};
use crate::api::{Outcome, Output};
use lathe_events::frame::Bundle;
use table::{COMMANDS, Doer, REFUSED};

/// What is left to do with a cell after its commands.
pub(super) enum Todo {
    /// Compile this: the cell with our own commands blanked, line by line the same.
    Compile(String),
    /// Only commands.
    Nothing,
    /// A command failed, so nothing below it runs.
    Stop(Outcome),
}

/// A command or shell line.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    /// From 1.
    number: usize,
    what: What<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum What<'a> {
    Command {
        name: &'a str,
        args: &'a str,
    },
    Shell(&'a str),
    /// `%time`: not ours.
    Magic(&'a str),
}

/// Runs what a cell asks before its Rust code.
pub(super) fn run(engine: &mut EvcxrEngine, code: &str, out: &mut dyn FnMut(Output)) -> Todo {
    let lines = read(code);
    // A wrong name stops the cell before anything is done.
    for line in &lines {
        if let Err((name, text)) = check(&line.what) {
            return Todo::Stop(failure(code, line, name, &text));
        }
    }
    let mut rest: Vec<&str> = code.lines().collect();
    for line in &lines {
        let result = match line.what {
            What::Command { name, args } => match COMMANDS.iter().find(|command| command.names.contains(&name)) {
                Some(command) if command.names[0] == ":dep" => match dep::known(&engine.prepared, args) {
                    Some((text, skip)) => {
                        note(out, &text);
                        if !skip {
                            continue;
                        }
                        Ok(())
                    }
                    None => continue,
                },
                Some(command) if command.doer == Doer::Evcxr => continue,
                Some(command) => ours(engine, command.names[0], args, out),
                None => continue,
            },
            What::Shell(command) => shell::run(engine, command, out),
            What::Magic(_) => continue,
        };
        if engine.control.is_requested() {
            let text = "stopped; variables keep what they held at that moment";
            return Todo::Stop(Outcome::Interrupted(render::failure("Interrupted", text, Vec::new())));
        }
        if let Err((name, text)) = result {
            return Todo::Stop(failure(code, line, name, &text));
        }
        rest[line.number - 1] = "";
    }
    let is_code = |line: &&str| !line.trim().is_empty() && !line.starts_with("//");
    if lines.is_empty() {
        Todo::Compile(code.to_owned())
    } else if rest.iter().any(is_code) {
        Todo::Compile(rest.join("\n"))
    } else {
        Todo::Nothing
    }
}

/// Kind of error and text.
type Failed = (&'static str, String);

fn failure(code: &str, line: &Line<'_>, name: &str, text: &str) -> Outcome {
    Outcome::Error(render::failure(name, text, render::point_at("cell", code, line.number, None, "")))
}

/// The lines above the Rust code that are no comments.
fn read(code: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let text = line.trim();
        let what = if text.is_empty() || line.starts_with("//") {
            continue;
        } else if let Some(command) = line.strip_prefix('!') {
            What::Shell(command.trim())
        } else if text.starts_with(':') && !text.starts_with("::") {
            let (name, args) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            What::Command { name, args: args.trim() }
        } else if text.starts_with('%') {
            What::Magic(text)
        } else {
            break;
        };
        lines.push(Line { number: index + 1, what });
    }
    lines
}

fn check(what: &What<'_>) -> Result<(), Failed> {
    let name = match what {
        What::Shell(_) => return Ok(()),
        What::Magic(text) => {
            let time = text.contains("time");
            let instead = if time { "`//! time` in the first line, or `:time`" } else { "`:help` lists the commands" };
            return Err(("UnknownCommand", format!("`{text}` is a command of IPython; here: {instead}")));
        }
        What::Command { name, .. } => *name,
    };
    if COMMANDS.iter().any(|command| command.names.contains(&name)) {
        return Ok(());
    }
    if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Err(("CommandNotUsed", format!("`{name}` has no use here: {instead}")));
    }
    let nearest = COMMANDS
        .iter()
        .flat_map(|command| command.names)
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let hint = nearest.map_or_else(
        || String::from("`:help` lists the commands"),
        |(_, known)| format!("did you mean `{known}`? `:help` lists them all"),
    );
    Err(("UnknownCommand", format!("there is no command `{name}`; {hint}")))
}

/// How many characters must be changed, added, removed or swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = same.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// Our own commands, by their first name.
fn ours(engine: &mut EvcxrEngine, name: &str, args: &str, out: &mut dyn FnMut(Output)) -> Result<(), Failed> {
    match name {
        ":help" => show(out, table::help()),
        ":vars" => show(out, vars::table(engine)),
        ":gpu" => show(out, gpu::table()),
        ":time" => {
            engine.timing = match args {
                "" => !engine.timing,
                "on" | "1" => true,
                "off" | "0" => false,
                other => return Err(("BadArgument", format!("`:time {other}`: say `on` or `off`"))),
            };
            let state = if engine.timing { "on: every cell says how long it took" } else { "off" };
            note(out, &format!("time: {state}\n"));
        }
        ":restart" => {
            let before = engine.variables.clone();
            evaluate(engine, ":restart")?;
            // evcxr goes on believing in them.
            engine.absent.extend(before.iter().map(|(name, _)| name.clone()));
            engine.variables.clear();
            engine.memory.fates.learn(engine.number, End::Died, &before, &[], &[]);
            note(out, &format!("new process. {}\n", super::death::lost(&before)));
        }
        ":clear" => {
            let before = engine.variables.clone();
            evaluate(engine, ":clear")?;
            evaluate(engine, PRELUDE)?;
            engine.memory.clear();
            engine.memory.fates.learn(engine.number, End::Died, &before, &[], &[]);
            note(out, "cleared: no variables, functions, types or `:dep` crates; the prelude is loaded\n");
        }
        _ => {}
    }
    Ok(())
}

fn show(out: &mut dyn FnMut(Output), (text, html): (String, String)) {
    out(Output::Display { bundle: Bundle::text(text).with("text/html", html), id: None });
}

/// Runs something of ours in evcxr; its output is thrown away.
fn evaluate(engine: &mut EvcxrEngine, code: &str) -> Result<String, Failed> {
    let mut printed = String::new();
    let done = engine.run_quietly(code, &mut printed).map_err(|error| ("EngineDied", error))?;
    match done {
        Ok(()) => Ok(printed),
        Err(error) => Err(("CommandFailed", error)),
    }
}

/// Text for HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Rows as aligned text and as an HTML table; the first row is the head.
pub(super) fn two_forms(caption: &str, rows: &[Vec<String>]) -> (String, String) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    let mut html = format!("<table><caption>{}</caption>", escape(caption));
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        let (open, close) = if number == 0 { ("<th scope=\"col\"", "</th>") } else { ("<td", "</td>") };
        html.push_str(if number == 0 { "<thead><tr>" } else { "<tr>" });
        for cell in row {
            html.push_str(&format!("{open} style=\"text-align:left\">{}{close}", escape(cell)));
        }
        html.push_str(if number == 0 { "</tr></thead><tbody>" } else { "</tr>" });
    }
    html.push_str("</tbody></table>");
    (text.trim_end().to_owned(), html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_above_the_code_are_read() {
        let code = "// c\n:time on\n\n!ls -l\n  :vars\nlet a = 1;\n:help";
        let found = read(code);
        assert_eq!(found.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!(found[0].what, What::Command { name: ":time", args: "on" });
        assert_eq!(found[1].what, What::Shell("ls -l"));
        assert_eq!(read("::std::mem::drop(1);\n:vars"), []);
    }

    #[test]
    fn wrong_names_are_answered_with_the_nearest() {
        let error = |text: &str| check(&read(text)[0].what).unwrap_err();
        assert!(error(":vras").1.contains("did you mean `:vars`"));
        assert!(error(":zzzzzzzz").1.contains("`:help`"));
        assert!(error(":opt 2").1.contains("//! opt"));
        assert!(error("%%time").1.contains("//! time"));
        assert_eq!(check(&read(":dep x = \"1\"")[0].what), Ok(()));
        assert_eq!(distance(":vras", ":vars"), 1);
    }

    #[test]
    fn tables_are_aligned_and_escaped() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let (text, html) = two_forms("c", &[row("name", "type"), row("longer", "Vec<u8>")]);
        assert_eq!(text, "name    type\nlonger  Vec<u8>");
        assert!(html.contains("<th scope=\"col\"") && html.contains("Vec&lt;u8&gt;") && html.ends_with("</table>"));
    }
}
