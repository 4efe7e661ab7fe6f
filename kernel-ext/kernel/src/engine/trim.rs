//! Leaves variables that a cell does not use where they are.
//!
//! evcxr takes every variable out of its store before each cell and puts it back afterwards, so each cell is compiled with
//! code for all of them: with a model and a frame alive `1 + 1` takes twice as long. A variable whose name does not stand
//! in the cell's function cannot be used by it; its lines are emptied, so no line moves.
//! When the compiler then misses something, the whole source is compiled after all.

use super::patch::FUNCTION;

const CHECK: &str = "vars_ok &= evcxr_variable_store.check_variable::<";
const TAKE: &str = " = evcxr_variable_store.take_variable::<";
const PUT: &str = "evcxr_variable_store.put_variable::<";

/// evcxr's conversion of errors, which only `?` needs, and its last line: checking it means looking at every `From`.
const ERRORS: &str = "impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {";

/// A source without what its cell does not use.
pub(super) struct Lean<'a> {
    pub text: String,
    variables: Vec<&'a str>,
    without_errors: bool,
}

impl Lean<'_> {
    /// Do these messages of the compiler say that something was used all the same? `include!` and macros may hide it.
    pub fn misses(&self, messages: &str) -> bool {
        let missed = |name: &&str| messages.contains(&format!("cannot find value `{name}`"));
        (self.without_errors && messages.contains("EvcxrUserCodeError")) || self.variables.iter().any(missed)
    }
}

/// Leaves out the variables that the cell does not name, and the conversion of errors when there is no `?`.
///
/// Variables to drop stay: evcxr forgets one only when it finds that it cannot be stored again.
pub(super) fn trim<'a>(source: &'a str, drop: &[String]) -> Lean<'a> {
    let function = source.rfind(FUNCTION).unwrap_or(source.len());
    let (before, function) = source.split_at(function);
    let lines: Vec<(&str, Option<&str>)> = function.lines().map(|line| (line, variable(line))).collect();
    let mut names: Vec<&str> = lines.iter().filter_map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    for word in lines.iter().filter(|(_, name)| name.is_none()).flat_map(|(line, _)| words(line)) {
        names.retain(|name| *name != word);
    }
    // The compiler takes some different spellings of other names for the same one.
    names.retain(|name| name.is_ascii() && !drop.iter().any(|dropped| dropped == name));
    let mut text = before.to_owned();
    let mut without_errors = false;
    if !function.contains('?')
        && let Some(start) = before.find(ERRORS)
        && let Some(length) = end_of_block(&before[start..])
    {
        let lines = before[start..start + length].matches('\n').count();
        text.replace_range(start..start + length, &"\n".repeat(lines));
        without_errors = true;
    }
    for (line, name) in lines {
        if name.is_none_or(|name| !names.contains(&name)) {
            text.push_str(line);
        }
        text.push('\n');
    }
    Lean { text, variables: names, without_errors }
}

/// Length of the text up to the bracket that closes its first one. For text without brackets in literals but `{}`.
fn end_of_block(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The variable that this line of evcxr's loads or stores.
fn variable(line: &str) -> Option<&str> {
    let line = line.trim();
    let generated =
        line.starts_with(CHECK) || line.starts_with(PUT) || (line.starts_with("let ") && line.contains(TAKE));
    if !generated {
        return None;
    }
    let (_, name) = line.rsplit_once("stringify!(")?;
    name.split([')', ',']).next()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '#')).flat_map(|word| {
        // `r#type`, but also a `#` before a name.
        [word, word.rsplit('#').next().unwrap_or(word)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"fn helper(net: u8) {}
impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {
    fn from(error: T) -> Self {
        eprintln!("{}", error);
    }
}
pub extern "C" fn run_user_code_5(
{let mut vars_ok = true;
vars_ok &= evcxr_variable_store.check_variable::<Vec<f32>>(stringify!(net));
vars_ok &= evcxr_variable_store.check_variable::<(A, B)>(stringify!(frame));
if !vars_ok {return evcxr_variable_store;}}
let mut net = evcxr_variable_store.take_variable::<Vec<f32>>(stringify!(net));
let frame = evcxr_variable_store.take_variable::<(A, B)>(stringify!(frame));
CELL
evcxr_variable_store.put_variable::<Vec<f32>>(stringify!(net), net);
evcxr_variable_store.put_variable::<(A, B)>(stringify!(frame), frame);
"##;

    fn trimmed(cell: &str) -> Vec<String> {
        let source = SOURCE.replace("CELL", cell);
        let lean = trim(&source, &[]);
        assert_eq!(lean.text.lines().count(), source.lines().count(), "no line moves");
        for name in &lean.variables {
            assert!(!lean.text.contains(&format!("stringify!({name})")), "{}", lean.text);
        }
        assert_eq!(lean.text.contains("From<T>"), cell.contains('?'), "{}", lean.text);
        lean.variables.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_not_named_is_left_out() {
        assert_eq!(trimmed("1 + 1"), ["frame", "net"]);
        assert_eq!(trimmed("println!(\"{net:?}\");"), ["frame"]);
        assert_eq!(trimmed("let frame = frames(net_2);"), ["net"]);
        assert!(trimmed("frame.add(&net)?").is_empty());
        assert_eq!(trimmed("quote!(#net)"), ["frame"]);
    }

    #[test]
    fn other_alphabets_are_left_alone() {
        let source = SOURCE.replace("CELL", "1").replace("frame", "größe");
        assert_eq!(trim(&source, &[]).variables, ["net"]);
    }

    #[test]
    fn what_was_used_all_the_same_is_seen_in_the_messages() {
        let source = SOURCE.replace("CELL", "include!(\"more.rs\")");
        let lean = trim(&source, &[]);
        assert!(lean.misses("cannot find value `net` in this scope"));
        assert!(lean.misses("couldn't convert the error to `EvcxrUserCodeError`"));
        assert!(!lean.misses("cannot find value `other` in this scope"));
        let kept = trim(&source, &[String::from("net")]);
        assert!(kept.text.contains("take_variable::<Vec<f32>>(stringify!(net))") && kept.variables == ["frame"]);
        let all = trim("fn f() {}", &[]);
        assert!(all.text == "fn f() {}" && !all.misses("cannot find value `net`"));
    }
}
