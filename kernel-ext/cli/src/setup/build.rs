//! `cargo build` of the default members, with a bar: cargo's own is gone as soon as its output is read by a program.

use crate::checks::{failure, platform};
use crate::hash;
use crate::json::Json;
use crate::proc::{Event, Log, Tail, ending, stream};
use crate::progress::{Screen, rounded, words};
use crate::root::{Places, cargo};
use crate::setup::eta::Eta;
use crate::setup::write_atomically;
use crate::trouble::Trouble;
use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

/// A build that takes longer than this is explained.
const EXPLAIN_AFTER: Duration = Duration::from_secs(3);

/// Builds what is not built. Silent when there is nothing to do, unless `prefix` numbers the stage.
pub fn ensure(places: &Places, screen: &mut Screen, prefix: &str) -> Result<(), Trouble> {
    let title = format!("{prefix}Libraries and programs");
    screen.stage(&title, Duration::from_millis(1500));
    let mut log = Log::create(&places.log("build"))?;
    let crates = crates(places, screen, &mut log)?;
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    let jobs = platform::fewer_jobs();
    let mut eta = Eta::new(crates, jobs.unwrap_or(cpus));
    let built = places.state.join("built");
    let mut command = places.command(cargo());
    quiet_terminal(&mut command);
    command.args(["build", "--message-format", "json-render-diagnostics"]);
    if let Some(jobs) = jobs {
        command.env("CARGO_BUILD_JOBS", jobs.to_string());
    }
    let (mut output, mut told, mut blocked, mut heard) = (Messages::default(), false, false, false);
    let status = stream(command, &mut log, &mut |event| {
        match event {
            Event::Out(line) => {
                if let Some((id, fresh)) = artifact(line) {
                    (blocked, heard) = (false, true);
                    eta.finish(&id, fresh);
                }
            }
            Event::Err(line) => match status_line(line) {
                Some(("Compiling", rest)) => {
                    (blocked, heard) = (false, true);
                    if let Some(id) = name_at_version(rest) {
                        eta.begin(&id);
                    }
                }
                Some(("Blocking", _)) => blocked = true,
                Some(_) => {}
                None => output.push(line),
            },
            Event::Tick => {}
        }
        if blocked || !heard {
            let at =
                if blocked { "another cargo is building here, waiting for it" } else { "looking for what has changed" };
            return screen.tick(None, at, None);
        }
        let (count, all) = eta.count();
        let (done, left) = eta.left();
        // By then cargo has named everything that is there already.
        if !told && screen.elapsed() > EXPLAIN_AFTER && left > 60.0 {
            told = true;
            screen.say(&format!(
                "  {} crates are to be compiled, once: roughly {} on {cpus} CPUs. Ctrl-C stops, the next start goes on from \
                 there.\n  Meanwhile the book can be read: {}",
                eta.missing(),
                words(rounded(left)),
                book(places).display()
            ));
        }
        let name = eta.at().map(|n| format!(", {n}")).unwrap_or_default();
        let at = format!("compiling {} of {all} crates{name}", (count + 1).min(all));
        screen.tick(Some(done), &at, Some(rounded(left)));
    })?;
    if !status.success() {
        screen.wipe();
        let trouble = failure::explain("building", &ending(status), &output.text(), log.path(), &places.target);
        return Err(match trouble {
            Trouble::Step { output, log, .. } => Trouble::Build { output, log },
            other => other,
        });
    }
    write_atomically(&built, b"the default members were built here once\n")?;
    let took = words(screen.elapsed());
    match (eta.compiled() > 0, prefix.is_empty()) {
        (true, _) => screen.done(&format!("built ({took})")),
        (false, true) => screen.wipe(),
        (false, false) => screen.done(&format!("up to date ({took})")),
    }
    Ok(())
}

/// Where the text can be read while the machine works.
fn book(places: &Places) -> std::path::PathBuf {
    let names = ["book/build/index.html", "book/src/introduction.md"].map(|n| places.root.join(n));
    names.into_iter().find(|p| p.is_file()).unwrap_or_else(|| places.root.join("book/src"))
}

/// cargo's own bar and colours would only confuse us.
fn quiet_terminal(command: &mut Command) {
    command.env("CARGO_TERM_COLOR", "never").env("CARGO_TERM_PROGRESS_WHEN", "never").env_remove("CARGO_TERM_QUIET");
    command.env_remove("CARGO_TERM_VERBOSE").env_remove("CARGO_BUILD_JOBS_DEFAULT");
}

/// The crates that the build takes, as `name@version`; downloads their sources. Kept until Cargo.lock changes.
fn crates(places: &Places, screen: &mut Screen, log: &mut Log) -> Result<HashSet<String>, Trouble> {
    let read = |name: &str| std::fs::read(places.root.join(name)).unwrap_or_default();
    let key = hash::of(&[&read("Cargo.lock"), &read("Cargo.toml")]);
    let list = places.state.join("crates.txt");
    if let Some((old, crates)) = std::fs::read_to_string(&list).ok().as_deref().and_then(|t| t.split_once('\n')) {
        if old == key {
            return Ok(crates.lines().map(str::to_string).collect());
        }
    }
    let mut command = places.command(cargo());
    quiet_terminal(&mut command);
    command.args(["tree", "--prefix", "none", "--edges", "normal,build", "--format", "{p}"]);
    let (mut crates, mut tail, mut fetched) = (HashSet::new(), Tail::new(15), 0usize);
    let status = stream(command, log, &mut |event| match event {
        Event::Out(line) => crates.extend(name_at_version(line)),
        Event::Err(line) => {
            match status_line(line) {
                Some(("Downloaded", _)) => fetched += 1,
                Some(_) => {}
                None => tail.push(line),
            }
            let at = format!("downloading sources, {fetched} so far");
            screen.tick(None, if fetched > 0 { &at } else { "asking the registry" }, None);
        }
        Event::Tick => screen.tick(None, "asking the registry", None),
    })?;
    if !status.success() {
        let trouble =
            failure::explain("downloading the sources", &ending(status), &tail.text(), log.path(), &places.target);
        return match trouble {
            // What else is wrong, the build says better.
            Trouble::Step { .. } => Ok(HashSet::new()),
            other => Err(other),
        };
    }
    let mut sorted: Vec<&str> = crates.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    write_atomically(&list, format!("{key}\n{}\n", sorted.join("\n")).as_bytes())?;
    Ok(crates)
}

/// `polars-ops v0.55.2 (proc-macro)` as `polars-ops@0.55.2`.
fn name_at_version(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some(format!("{name}@{version}"))
}

/// cargo's right-aligned words: `   Compiling libc v0.2` is (`Compiling`, `libc v0.2`).
fn status_line(line: &str) -> Option<(&str, &str)> {
    const WORDS: [&str; 14] = [
        "Compiling",
        "Downloading",
        "Downloaded",
        "Blocking",
        "Updating",
        "Finished",
        "Fresh",
        "Locking",
        "Adding",
        "Running",
        "Dirty",
        "Building",
        "Checking",
        "Unpacking",
    ];
    let (word, rest) = line.trim_start().split_once(' ')?;
    let aligned = line.len() > 12 && line[..line.len() - line.trim_start().len()].len() + word.len() == 12;
    (WORDS.contains(&word) && (aligned || line.starts_with(' '))).then_some((word, rest))
}

/// The crate that a `compiler-artifact` message tells of; build scripts do not count.
fn artifact(line: &str) -> Option<(String, bool)> {
    let json = Json::parse(line)?;
    if json.get("reason")?.text()? != "compiler-artifact" {
        return None;
    }
    if let Some(Json::List(kinds)) = json.get("target")?.get("kind") {
        if kinds.iter().any(|k| k.text() == Some("custom-build")) {
            return None;
        }
    }
    Some((package(json.get("package_id")?.text()?)?, json.get("fresh") == Some(&Json::Bool(true))))
}

/// `registry+https://...#name@1.0.0` or `path+file:///clone/lab#1.0.0`, where the folder is the name.
fn package(id: &str) -> Option<String> {
    let (url, spec) = id.rsplit_once('#')?;
    match spec.contains('@') {
        true => Some(spec.to_string()),
        false => Some(format!("{}@{spec}", url.rsplit('/').next()?)),
    }
}

/// The messages that matter when a build fails: errors from the first one on; until then the last lines.
#[derive(Default)]
struct Messages {
    before: Vec<String>,
    errors: Vec<String>,
}

impl Messages {
    fn push(&mut self, line: &str) {
        if !self.errors.is_empty() || line.starts_with("error") {
            // One page is enough; the log has all of it.
            if self.errors.len() < 80 {
                self.errors.push(line.to_string());
            }
        } else {
            self.before.push(line.to_string());
            if self.before.len() > 20 {
                self.before.remove(0);
            }
        }
    }

    fn text(&self) -> String {
        if self.errors.is_empty() { self.before.join("\n") } else { self.errors.join("\n") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_words_are_read() {
        assert_eq!(status_line("   Compiling polars-ops v0.55.2"), Some(("Compiling", "polars-ops v0.55.2")));
        assert_eq!(status_line("    Blocking waiting for file lock on build directory").unwrap().0, "Blocking");
        assert_eq!(status_line("error: could not compile `x`"), None);
        assert_eq!(status_line("warning: unused variable"), None);
        assert_eq!(status_line("Compiling is a word in this message"), None);
        assert_eq!(status_line(""), None);
        assert_eq!(name_at_version("polars-ops v0.55.2"), Some("polars-ops@0.55.2".into()));
        assert_eq!(name_at_version("lathe-lab v0.1.0 (/clone/lab)"), Some("lathe-lab@0.1.0".into()));
        assert_eq!(name_at_version("[build-dependencies]"), None);
    }

    #[test]
    fn artefacts_are_read_and_build_scripts_left_out() {
        let line = |kind: &str, id: &str, fresh: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"{id}","target":{{"kind":["{kind}"],"name":"x"}},"fresh":{fresh}}}"#
            )
        };
        let registry = "registry+https://github.com/rust-lang/crates.io-index#libc@0.2.1";
        assert_eq!(artifact(&line("lib", registry, true)), Some(("libc@0.2.1".into(), true)));
        assert_eq!(artifact(&line("custom-build", registry, false)), None);
        assert_eq!(artifact(&line("bin", "path+file:///c/data#0.1.0", false)), Some(("data@0.1.0".into(), false)));
        assert_eq!(artifact(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(artifact("not json"), None);
    }

    #[test]
    fn the_first_error_is_kept() {
        let mut messages = Messages::default();
        for i in 0..50 {
            messages.push(&format!("warning {i}"));
        }
        messages.push("error[E0308]: mismatched types");
        for i in 0..200 {
            messages.push(&format!("  more {i}"));
        }
        let text = messages.text();
        assert!(text.starts_with("error[E0308]") && text.lines().count() == 80);
    }
}
