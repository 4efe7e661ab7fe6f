//! What the engine asks the shim to change in the source that evcxr generated, beyond the fixed patch: variables whose
//! type the cell defines anew are dropped when the cell begins, and a stopped statement keeps the variables before it.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// In an engine's folder: the plan of the next cell.
pub(super) const PLAN: &str = "plan.json";
/// In an engine's folder: number of the statement that an interrupt stopped; the variables before it were stored.
pub(super) const RESCUED: &str = "rescued";

const CHECK: &str = "vars_ok &= evcxr_variable_store.check_variable::<";
const TAKE: &str = "evcxr_variable_store.take_variable::<";
const PUT: &str = "\nevcxr_variable_store.put_variable::<";
const STORE: &str = "let evcxr_variable_store = unsafe {&mut *evcxr_variable_store};";
const FIELD: &str = "    variables: std::collections::HashMap<";
const BODY: &str = "\nlet _ = (|| -> std::result::Result<(), EvcxrUserCodeError> {";
const BODY_END: &str = "\nOk(())})();";

/// Changes for one cell.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Variables that evcxr believes in and that must not be loaded. They leave the store when the cell's code begins,
    /// which is after it compiled; evcxr forgets them when it finds that they cannot be stored again.
    pub drop: Vec<String>,
    /// How many of them are there; the others were never made.
    pub redefined: usize,
    /// Said when they are dropped.
    pub note: String,
    /// Statements that may be stopped, in the order of the cell.
    pub watched: Vec<Watched>,
}

/// A statement at the top level of a cell that an interrupt may stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watched {
    /// Its text.
    pub text: String,
    /// Variables that it defines; the flag says `mut`.
    pub defines: Vec<(String, bool)>,
    /// Variables that earlier statements of the cell define and that neither it nor a later one defines anew.
    pub before: Vec<String>,
    /// Variables that it and later statements define: they do not exist after a stop.
    pub after: Vec<String>,
}

impl Plan {
    /// The plan in an engine's folder; an empty one when there is none.
    pub fn read(folder: &Path) -> Self {
        std::fs::read(folder.join(PLAN)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Leaves the plan for the shim.
    pub fn write(&self, folder: &Path) {
        let path = folder.join(PLAN);
        let _ = std::fs::remove_file(folder.join(RESCUED));
        if *self == Self::default() {
            // Usually there is none.
            let _ = std::fs::remove_file(path);
        } else if let Ok(json) = serde_json::to_vec(self) {
            // When it cannot be written evcxr's own checks hold.
            let _ = std::fs::write(path, json);
        }
    }

    /// Variables whose type is defined anew.
    pub fn held(&self) -> &[String] {
        &self.drop[..self.redefined]
    }

    /// Why the compiler does not find a variable that this cell is about to drop; the cell was not run, so it is still there.
    pub fn why_dropped(&self, message: &str) -> Option<String> {
        let name = self.drop.iter().find(|name| message.contains(&format!("`{name}`")))?;
        Some(format!(
            "this cell defines the type of `{name}` anew, and the old value does not fit it: make `{name}` again in this cell"
        ))
    }

    /// Removes the loading of the variables to drop and drops them where the cell begins; no line moves.
    pub fn without_dropped(&self, source: &str) -> String {
        let mut source = source.to_owned();
        if self.drop.is_empty() {
            return source;
        }
        for name in &self.drop {
            let end_mark = format!(">(stringify!({name}));");
            while let Some(at) = source.find(&end_mark) {
                let end = at + end_mark.len();
                let found = |mark: &str| source[..at].rfind(mark);
                let Some(start) = found(CHECK).max(found(TAKE)) else { break };
                let start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
                let kept: String = source[start..end].chars().filter(|c| *c == '\n').collect();
                source.replace_range(start..end, &kept);
            }
        }
        let catch = "::std::panic::catch_unwind(::std::panic::AssertUnwindSafe(|| ::std::mem::drop(old)))";
        let drop = format!(
            "{STORE} for name in {:?} {{ if let ::std::option::Option::Some(old) = \
             evcxr_variable_store.variables.remove(name) {{ let _ = {catch}; }} }} ::std::eprint!(\"{{}}\", {:?});",
            self.drop, self.note
        );
        // The last one: earlier text may be the user's.
        if let Some(at) = source.rfind(STORE) {
            source.replace_range(at..at + STORE.len(), &drop);
        }
        source.replacen(FIELD, &format!("    pub {}", FIELD.trim_start()), 1)
    }

    /// Wraps the watched statements so that a stop stores what was defined before; `None` when there is nothing to do.
    ///
    /// The result may not compile (a closure borrows more than a statement does): then the other source counts.
    pub fn with_rescue(&self, source: &str, folder: &Path) -> Option<String> {
        let start = source.rfind(BODY)? + BODY.len();
        let end = start + source[start..].rfind(BODY_END)?;
        let body = &source[start..end];
        if self.watched.is_empty() || source.contains(".block_on(async {") {
            return None;
        }
        let statements_end = body.find(PUT).unwrap_or(body.len());
        let stores: Vec<(&str, &str)> =
            body[statements_end..].split(PUT).filter_map(|put| Some((stored_name(put)?, put))).collect();
        let mut wrapped = String::from(&source[..start]);
        let (mut at, mut any) = (0, false);
        for (number, watched) in self.watched.iter().enumerate() {
            let Some((from, to)) = find(&body[at..statements_end], &watched.text) else { continue };
            let (from, to) = (at + from, at + to);
            let stores: String = stores
                .iter()
                .filter(|(name, _)| watched.before.iter().any(|before| before == name))
                .map(|(_, put)| format!("{}{put}", PUT.trim_start()))
                .collect();
            // A path is text here: a folder that is not Unicode is left out, and evcxr could not use it either.
            let file = folder.join(RESCUED);
            wrapped.push_str(&body[at..from]);
            wrapped.push_str(&begin());
            wrapped.push_str(&body[from..to]);
            wrapped.push_str(&watched.finish(&stores, &format!("{:?}", file.to_string_lossy()), number));
            at = to;
            any = true;
        }
        wrapped.push_str(&source[start + at..]);
        any.then_some(wrapped)
    }
}

fn begin() -> String {
    String::from(
        " let lathe_result = ::std::panic::catch_unwind(::std::panic::AssertUnwindSafe(\
         || -> ::std::result::Result<_, EvcxrUserCodeError> {",
    )
}

impl Watched {
    /// What follows the statement, on its last line.
    fn finish(&self, stores: &str, file: &str, number: usize) -> String {
        let names: String = self.defines.iter().map(|(name, _)| format!("{name},")).collect();
        let pattern: String = self
            .defines
            .iter()
            .map(|(name, mutable)| format!("{}{name},", if *mutable { "mut " } else { "" }))
            .collect();
        let stores = stores.replace('\n', " ");
        format!(
            " ::std::result::Result::Ok(({names})) }})); let ({pattern}) = match lathe_result {{ \
             ::std::result::Result::Ok(::std::result::Result::Ok(values)) => values, \
             ::std::result::Result::Ok(::std::result::Result::Err(error)) => return ::std::result::Result::Err(error), \
             ::std::result::Result::Err(payload) => {{ \
             if !::lathe::events::interrupt::requested() {{ ::std::panic::resume_unwind(payload) }} \
             {stores} let _ = ::std::fs::write({file}, \"{number}\"); return ::std::result::Result::Ok(()); }} }};"
        )
    }
}

/// The variable of `type>(stringify!(name), name);`.
fn stored_name(put: &str) -> Option<&str> {
    let (_, rest) = put.rsplit_once(">(stringify!(")?;
    rest.split_once(')').map(|(name, _)| name)
}

/// Start and end of a statement that stands alone on its lines, with what evcxr puts around the last one.
fn find(body: &str, text: &str) -> Option<(usize, usize)> {
    let (open, close) = ("\n(\n", "\n).evcxr_display();");
    let mut from = 0;
    while let Some(found) = body[from..].find(&format!("\n{text}")) {
        let (start, end) = (from + found, from + found + 1 + text.len());
        let rest = &body[end..];
        if body[..=start].ends_with(open) && rest.starts_with(close) {
            return Some((start + 1 - open.len(), end + close.len()));
        }
        if rest.is_empty() || rest.starts_with('\n') {
            return Some((start, end));
        }
        from = start + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "pub struct VariableStore {\n    variables: std::collections::HashMap<String, u8>,\n}\n\
        let evcxr_variable_store = unsafe {&mut *evcxr_variable_store};\n{let mut vars_ok = true;\n\
        vars_ok &= evcxr_variable_store.check_variable::<Vec<\nP>>(stringify!(p));\n\
        vars_ok &= evcxr_variable_store.check_variable::<u8>(stringify!(pp));\n\
        let mut p = evcxr_variable_store.take_variable::<Vec<\nP>>(stringify!(p));\n\
        let pp = evcxr_variable_store.take_variable::<u8>(stringify!(pp));\n\
        let _ = (|| -> std::result::Result<(), EvcxrUserCodeError> {\nlet mut m = build();\nlet h = m.fit()?;\n(\n\
        for i in progress(0..3) { m.step(i); }\n).evcxr_display();\n\
        evcxr_variable_store.put_variable::<M>(stringify!(m), m);\n\
        evcxr_variable_store.put_variable::<H>(stringify!(h), h);\nOk(())})();\n";

    #[test]
    fn dropped_variables_are_not_loaded_and_no_line_moves() {
        let plan = Plan { drop: vec![String::from("p")], note: String::from("gone\n"), ..Plan::default() };
        let changed = plan.without_dropped(SOURCE);
        assert_eq!(changed.lines().count(), SOURCE.lines().count());
        assert!(!changed.contains("stringify!(p))") && changed.contains("take_variable::<u8>(stringify!(pp))"));
        assert!(changed.contains("for name in [\"p\"]") && changed.contains("    pub variables: "));
        assert_eq!(Plan::default().without_dropped(SOURCE), SOURCE);
    }

    #[test]
    fn a_stopped_statement_stores_what_came_before_it() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let watched = |text: &str, defines: Vec<(String, bool)>, before: &[&str], after: &[&str]| Watched {
            text: text.to_owned(),
            defines,
            before: names(before),
            after: names(after),
        };
        let plan = Plan {
            watched: vec![
                watched("let h = m.fit()?;", vec![(String::from("h"), false)], &["m"], &["h"]),
                watched("for i in progress(0..3) { m.step(i); }", Vec::new(), &["m", "h"], &[]),
            ],
            ..Plan::default()
        };
        let wrapped = plan.with_rescue(SOURCE, Path::new("/e")).expect("both are found");
        assert_eq!(wrapped.lines().count(), SOURCE.lines().count());
        let line = |number: usize| wrapped.lines().nth(number - 1).unwrap().to_owned();
        assert!(line(13).starts_with("let mut m = build(); let lathe_result"));
        assert!(line(14).starts_with("let h = m.fit()?; ") && line(14).contains("let (h,) = match"));
        assert!(
            line(14).contains("put_variable::<M>(stringify!(m), m); let _ = ::std::fs::write(\"/e/rescued\", \"0\")")
        );
        assert!(line(17).starts_with(").evcxr_display(); ") && line(17).contains("(stringify!(h), h);"));
        assert_eq!(Plan::default().with_rescue(SOURCE, Path::new("/e")), None);
    }

    #[test]
    fn a_statement_with_a_comment_behind_it_is_left_alone() {
        assert_eq!(find("\nlet a = 1; // one\nlet a = 1;", "let a = 1;"), Some((18, 29)));
        assert_eq!(find("\nlet a = 1; // one", "let a = 1;"), None);
    }
}
