//! Compiles one answer together with its checks.

use crate::error::GradeError;
use crate::grade::Link;
use crate::sandbox::{self, End, Limits};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The checks' side of the process.
pub(crate) const HARNESS: &str = include_str!("../harness/harness.rs");

/// A program, or why there is none.
#[derive(Debug)]
pub enum Compiled {
    /// It compiled.
    Program {
        /// The program.
        path: PathBuf,
        /// Warnings, rendered.
        warnings: Vec<String>,
    },
    /// rustc refused it.
    Refused(Vec<Diagnostic>),
}

/// One message of rustc.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The message as rustc draws it.
    pub rendered: String,
    /// The file of the primary span.
    pub file: String,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    rendered: Option<String>,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    is_primary: bool,
}

/// The program that holds one answer and its checks.
pub(crate) fn answer_program(answer: &Path, checks: &Path) -> String {
    format!(
        "#![allow(dead_code)]\nmod harness;\n#[forbid(unsafe_code)]\n#[path = {answer:?}]\nmod answer;\n\
         #[path = {checks:?}]\nmod checks;\nfn main() {{ harness::run(|c| checks::checks(c)); }}\n"
    )
}

/// The program that holds several answers, each with its own copy of the checks; its argument says which one runs.
pub(crate) fn reference_program(answers: &[PathBuf], checks: &Path) -> String {
    let mut program = String::from("#![allow(dead_code)]\nmod harness;\n");
    let mut arms = String::new();
    for (i, answer) in answers.iter().enumerate() {
        program.push_str(&format!(
            "mod r{i} {{\n#[path = {answer:?}]\npub mod answer;\n#[path = {checks:?}]\npub mod checks;\n}}\n"
        ));
        arms.push_str(&format!("Some(\"{i}\") => harness::run(|c| r{i}::checks::checks(c)),\n"));
    }
    program + &format!("fn main() {{ match std::env::args().nth(1).as_deref() {{\n{arms}_ => {{}} }} }}\n")
}

/// Writes `program` and the harness into `folder` and compiles them there.
///
/// # Errors
/// When rustc cannot be started or does not come to an end.
pub(crate) fn compile(program: &str, about: &Path, folder: &Path, link: &Link) -> Result<Compiled, GradeError> {
    let main = folder.join("main.rs");
    for (path, text) in [(&main, program), (&folder.join("harness.rs"), HARNESS)] {
        std::fs::write(path, text).map_err(GradeError::io("write", path))?;
    }
    let out = folder.join("program");
    let mut rustc = link.rustc();
    rustc
        .args(["--crate-name", "exercise", "--error-format", "json", "-C", "debuginfo=0"])
        .arg("-o")
        .arg(&out)
        .arg(&main);
    // The prelude's flags say the edition too.
    match link.prelude {
        Some(prelude) => rustc.args(&prelude.arguments),
        None => rustc.args(["--edition", "2024"]),
    };
    let done = sandbox::run(rustc, Limits::RUSTC, None)?;
    if done.end == End::TimedOut {
        return Err(GradeError::CompileTime { file: about.into(), seconds: Limits::RUSTC.wall.as_secs() });
    }
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for message in done.stderr.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()) {
        let Some(rendered) = message.rendered else { continue };
        let file = message.spans.into_iter().find(|s| s.is_primary).map(|s| s.file_name).unwrap_or_default();
        if message.level == "warning" && !file.is_empty() {
            warnings.push((file, rendered));
        } else if message.level.starts_with("error") && !rendered.starts_with("error: aborting") {
            errors.push(Diagnostic { rendered, file });
        }
    }
    if done.end == End::Exited(0) {
        let about = about.to_string_lossy();
        let warnings = warnings.into_iter().filter(|(file, _)| *file == *about).map(|(_, text)| text).collect();
        return Ok(Compiled::Program { path: out, warnings });
    }
    if errors.is_empty() {
        // rustc itself is in trouble: say all there is.
        errors.push(Diagnostic { rendered: done.stderr, file: String::new() });
    }
    Ok(Compiled::Refused(errors))
}
