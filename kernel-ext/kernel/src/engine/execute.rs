//! One cell from its text to its outcome.

use super::cell::Cell;
use super::commands::{self, Todo};
use super::fate::End;
use super::plan::{Plan, RESCUED};
use super::worker::{Done, Ended, How, Opt};
use super::{EvcxrEngine, LOOK, diagnostics, note, past, render};
use crate::api::{Outcome, Output};
use crossbeam_channel::RecvTimeoutError;
use lathe_events::frame::Bundle;
use std::time::Instant;

impl EvcxrEngine {
    /// Runs the commands of a cell, then its code.
    pub(super) fn execute_cell(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Outcome {
        self.number = self.next_number.take().unwrap_or(self.number + 1);
        if let Some(outcome) = self.explain(code, out) {
            return outcome;
        }
        if let Some(notice) = self.notice.take() {
            note(out, &notice);
        }
        code.clone_into(&mut self.last_code);
        self.control.begin(self.left.is_some());
        let outcome = if self.worker_is_free() {
            diagnostics::forget(&self.folder);
            match commands::run(self, code, out) {
                Todo::Compile(rest) => self.compile_and_run(code, &rest, out),
                Todo::Nothing => Outcome::Ok,
                Todo::Stop(outcome) => outcome,
            }
        } else {
            Outcome::Interrupted(render::failure("KeyboardInterrupt", "stopped before the cell ran", Vec::new()))
        };
        self.control.end();
        if !self.told_outdated && self.prepared.is_outdated() {
            self.told_outdated = true;
            note(out, "The sources of the prelude (lab, data, ...) changed: restart the kernel to use them\n");
        }
        outcome
    }

    /// Waits until rust-analyzer is done with an interrupted cell; `false` when this one is interrupted meanwhile.
    fn worker_is_free(&mut self) -> bool {
        while let Some(left) = &self.left {
            if self.control.is_requested() {
                return false;
            }
            if !matches!(left.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) {
                self.left = None;
                self.control.accept();
            }
        }
        true
    }

    /// `rest` is the cell without our own commands, line by line the same.
    fn compile_and_run(&mut self, code: &str, rest: &str, out: &mut dyn FnMut(Output)) -> Outcome {
        let cell = Cell::read(rest);
        let mut named = self.memory.name_impls(&cell);
        let plan = self.plan(&cell);
        if !plan.drop.is_empty() && cell.statements.is_empty() {
            // evcxr runs nothing of a cell that only defines.
            named.code.push_str("\n();");
        }
        plan.write(&self.folder);
        // Who asks for optimisation gets what `cargo run --release` gives: no checks of overflow either.
        let release = cell.opt.is_some_and(|level| level >= 2);
        let opt = Opt { level: cell.opt.unwrap_or_else(|| self.memory.level(&cell)), release };
        let began = Instant::now();
        let result = self.run(&named.code, How { opt, types: cell.types || rest != code, leave: true }, out);
        let took = began.elapsed();
        let (requested, killed) = self.control.end();
        self.aside.dismiss();
        if let Some(library) = past::newest_library(&self.folder) {
            self.memory.past.keep(library, self.number, code, &self.folder);
        }
        self.remove_loaded();
        let (done, mut report) = match result {
            Ok(result) => result,
            Err(error) => return Outcome::Error(render::failure("EngineDied", &error, Vec::new())),
        };
        let before = self.variables.clone();
        let unmade = self.settle(&plan, &done);
        let shifts = named.shifts.clone();
        if let Ended::Ok(printed) = &done.result {
            self.memory.keep(self.number, code, &cell, named);
            if !printed.is_empty() {
                let data = printed.iter().map(|(mime, text)| (mime.clone(), text.clone().into())).collect();
                out(Output::Result { bundle: Bundle { data, ..Bundle::default() } });
            }
            explain_statics(&cell, out);
        }
        if cell.time || self.timing {
            note(out, &super::times::line(took, self.control.ran()));
        }
        let end = report.end(&done.result, requested);
        self.memory.fates.learn(self.number, end, &before, &self.variables, &cell.lets);
        let ran = matches!(done.result, Ended::Ok(_));
        if ran && !plan.drop.is_empty() {
            let gone = |name: &&String| !self.variables.iter().any(|(kept, _)| kept == *name);
            let held: Vec<String> = plan.held().iter().filter(gone).cloned().collect();
            self.memory.fates.redefined(self.number, &held);
        }
        let place = self.memory.place(Some(self.number), code, &self.folder, &shifts);
        report.finish(&place, out);
        if end == End::Done {
            place.warnings().iter().for_each(|text| note(out, text));
        }
        let mut outcome = report.outcome(done.result, &place, &before, (requested, killed), out);
        self.explained = report.whole.or(self.explained.take());
        match &mut outcome {
            Outcome::Error(error) if error.ename == "E0425" => {
                if let Some(hint) = plan.why_dropped(&error.evalue) {
                    error.traceback.push(render::hint(&hint));
                }
            }
            Outcome::Error(error) if error.ename == "CompileError" || error.ename == "DependencyError" => {
                if let Some(text) = commands::dep::refused(code, &error.evalue) {
                    *error = render::failure("DependencyError", &text, Vec::new());
                }
            }
            Outcome::Interrupted(error) if ran => {
                let lost = self.lost_in_stop(&before, &plan, &unmade);
                if !lost.is_empty() {
                    *error = render::failure(&error.ename, &format!("{}{lost}", error.evalue), Vec::new());
                }
            }
            _ => {}
        }
        outcome
    }

    /// Runs code of ours; what it prints goes to `printed`. The inner error is that of the code.
    pub(super) fn run_quietly(&mut self, code: &str, printed: &mut String) -> Result<Result<(), String>, String> {
        let plan = Plan { drop: self.absent.iter().cloned().collect(), ..Plan::default() };
        plan.write(&self.folder);
        let mut take = |output| {
            if let Output::Stream { text, .. } = output {
                printed.push_str(&text);
            }
        };
        let (done, _) = self.run(code, How { types: true, ..How::default() }, &mut take)?;
        self.aside.dismiss();
        self.remove_loaded();
        self.settle(&plan, &done);
        Ok(match done.result {
            Ended::Ok(_) => Ok(()),
            Ended::Compile(errors) => Err(errors.first().map(|error| error.message()).unwrap_or_default()),
            Ended::Message(text) | Ended::Terminated(text) => Err(text),
        })
    }

    /// What the shim shall change in this cell.
    fn plan(&self, cell: &Cell) -> Plan {
        let mut plan = Plan { watched: self.memory.watched(cell), ..Plan::default() };
        if let Some((redefined, lost)) = self.memory.outdated(cell, &self.variables) {
            let list = lost.join(", ");
            plan.note = format!("{redefined} is defined anew: dropped {list}, made with the old definition\n");
            plan.redefined = lost.len();
            plan.drop = lost;
        }
        plan.drop.extend(self.absent.iter().cloned());
        plan
    }

    /// Takes over which variables there are now; returns those that a stop kept from being made.
    fn settle(&mut self, plan: &Plan, done: &Done) -> Vec<String> {
        let mut unmade = Vec::new();
        match &done.result {
            Ended::Ok(_) => {
                self.absent.clear();
                let stopped = std::fs::read_to_string(self.folder.join(RESCUED)).ok();
                let stopped = stopped.and_then(|number| number.parse::<usize>().ok());
                if let Some(watched) = stopped.and_then(|number| plan.watched.get(number)) {
                    unmade.clone_from(&watched.after);
                    // evcxr believes that the cell ran to its end.
                    self.absent.extend(unmade.iter().cloned());
                }
            }
            Ended::Terminated(_) => self.absent.clear(),
            Ended::Compile(_) | Ended::Message(_) => {}
        }
        self.variables.clone_from(&done.variables);
        self.variables.retain(|(name, _)| !self.absent.contains(name));
        unmade
    }

    /// What a stopped cell could not keep, as the end of a sentence.
    fn lost_in_stop(&self, before: &[(String, String)], plan: &Plan, unmade: &[String]) -> String {
        let kept = |name: &String| self.variables.iter().any(|(kept, _)| kept == name);
        let moved = before.iter().map(|(name, _)| name).filter(|name| !kept(name) && !plan.drop.contains(name));
        let mut moved: Vec<&str> = moved.filter(|name| !unmade.contains(name)).map(String::as_str).collect();
        moved.sort_unstable();
        let mut text = String::new();
        if !unmade.is_empty() {
            text.push_str(&format!("; not made yet: {}", unmade.join(", ")));
        }
        if !moved.is_empty() {
            text.push_str(&format!("; moved into the stopped code and lost: {}", moved.join(", ")));
        }
        text
    }

    /// What the process has loaded needs no name on disk any more.
    fn remove_loaded(&self) {
        let files = ["out", "check"].map(|name| std::fs::read_dir(self.folder.join(name)).into_iter().flatten());
        for entry in files.into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            // The compiler writes long types into files of their own.
            if name.starts_with(b"libcode_") || name.ends_with(b".txt") {
                // Tried again after the next cell.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// A static that changes is a trap: each cell is a library of its own.
fn explain_statics(cell: &Cell, out: &mut dyn FnMut(Output)) {
    if !cell.statics.is_empty() {
        let names = cell.statics.join(", ");
        let one = if cell.statics.len() == 1 { "it" } else { "them" };
        let text = format!(
            "note: static {names}: every cell gets its own new copy of {one}; keep what changes in a variable\n"
        );
        note(out, &text);
    }
}
