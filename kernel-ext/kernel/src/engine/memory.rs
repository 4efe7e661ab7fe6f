//! What the kernel remembers of a notebook's cells.

use super::cell::{Cell, mentions};
use super::fate::Fates;
use super::items::Definition;
use super::past::Past;
use super::place::Place;
use super::plan::Watched;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::path::Path;

/// Functions of the prelude that look at the interrupt flag.
const STOPPABLE: [&str; 8] = ["check", "progress", "live", "fit", "train", "sweep", "cross_validate", "run"];
/// Names that stand in code that trains.
const TRAINING: [&str; 9] =
    ["fit", "train", "sweep", "backward", "forward", "forward_mut", "traced", "Tensor", "build_module"];

/// Definitions and losses of this session.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The notebook's own definitions.
    definitions: BTreeMap<String, Definition>,
    /// Its implementations.
    impls: Vec<KnownImpl>,
    /// What became of variables.
    pub fates: Fates,
    /// Cells that ran.
    pub past: Past,
    /// Numbers and texts of the cells that define functions, types and the like.
    cells: Vec<(u64, String)>,
    /// Functions that loop, or call one that does, with their texts.
    looping: BTreeMap<String, String>,
    /// Functions that look at the interrupt flag, or call one that does.
    stoppable: BTreeSet<String>,
}

/// An implementation under the name that evcxr keeps it by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KnownImpl {
    key: u64,
    header: String,
    members: Vec<String>,
    of_trait: bool,
    home: Option<String>,
}

/// A cell with a name in front of each implementation.
///
/// evcxr replaces an item by its name and keeps every nameless implementation for ever, so that running the cell again
/// would define it twice; a named item in front makes it replaceable.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// What evcxr gets.
    pub code: String,
    /// Where the names were put.
    pub shifts: Shifts,
    /// What holds once the cell ran.
    impls: Vec<KnownImpl>,
}

/// Text that the kernel put into a cell: line, column (both from 1) and width of each piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shifts(Vec<(usize, usize, usize)>);

/// Nothing was put in.
pub(super) static NO_SHIFTS: Shifts = Shifts(Vec::new());

impl Shifts {
    /// The user's column.
    pub fn column(&self, line: usize, column: usize) -> usize {
        let pieces = self.0.iter().filter(|(on, at, _)| *on == line && column > *at);
        column.saturating_sub(pieces.map(|(_, _, width)| width).sum()).max(1)
    }
}

impl Memory {
    /// How much is the cell optimised, when it does not say so itself?
    ///
    /// Not at all, unless its own code may run long. Loops over plain values get what a program gets. Code that trains is
    /// mostly made of a library's types, which are slow to compile and whose arithmetic is compiled already.
    pub fn level(&self, cell: &Cell) -> u8 {
        let own = cell
            .functions
            .iter()
            .filter(|f| (f.loops || calls(&f.text, self.looping.keys())) && mentions(&cell.runs, &f.name));
        let known = self.looping.iter().filter(|(name, _)| mentions(&cell.runs, name)).map(|(_, text)| text.as_str());
        let mut running: Vec<&str> = own.map(|f| f.text.as_str()).chain(known).collect();
        if cell.loops {
            running.push(&cell.runs);
        }
        let trains = |text: &&str| TRAINING.iter().any(|name| mentions(text, name));
        match running {
            texts if texts.is_empty() => 0,
            texts if texts.iter().any(trains) => 1,
            _ => 2,
        }
    }

    /// Does this text look at the interrupt flag while it runs?
    fn stops(&self, text: &str) -> bool {
        STOPPABLE.iter().any(|name| mentions(text, name)) || calls(text, self.stoppable.iter())
    }

    /// Where messages about a cell point to.
    pub fn place<'a>(&'a self, number: Option<u64>, code: &'a str, folder: &'a Path, shifts: &'a Shifts) -> Place<'a> {
        Place { code, number, past: &self.past, folder, shifts, earlier: &self.cells, fates: &self.fates }
    }

    /// Cells whose text is compiled again with each new one.
    #[cfg(test)]
    pub fn cells(&self) -> &[(u64, String)] {
        &self.cells
    }

    /// The cell ran: its definitions hold from now on.
    pub fn keep(&mut self, number: u64, code: &str, cell: &Cell, named: Named) {
        if cell.has_items {
            // The same text again is the same cell, run once more.
            self.cells.retain(|(_, text)| text != code);
            self.cells.push((number, code.to_owned()));
        }
        for function in &cell.functions {
            if function.loops || calls(&function.text, self.looping.keys()) {
                self.looping.insert(function.name.clone(), function.text.clone());
            } else {
                self.looping.remove(&function.name);
            }
            if self.stops(&function.text) {
                self.stoppable.insert(function.name.clone());
            } else {
                self.stoppable.remove(&function.name);
            }
        }
        let definitions = cell.definitions.iter().map(|each| (each.key.clone(), each.clone()));
        self.definitions.extend(definitions);
        self.impls = named.impls;
    }

    /// Everything was cleared; only what became of variables is still known, and what may still run.
    pub fn clear(&mut self) {
        let (fates, past) = (std::mem::take(&mut self.fates), std::mem::take(&mut self.past));
        *self = Self { fates, past, ..Self::default() };
    }

    /// Types that the cell defines anew, and the variables that hold the old ones.
    ///
    /// evcxr compares type ids, which do not change with a field's type: it would read old bytes with the new layout.
    pub fn outdated(&self, cell: &Cell, variables: &[(String, String)]) -> Option<(String, Vec<String>)> {
        let changed = |new: &&Definition| self.definitions.get(&new.key).is_some_and(|old| old.text != new.text);
        let mut outdated: Vec<String> = Vec::new();
        for definition in cell.definitions.iter().filter(changed) {
            if !outdated.contains(&definition.name) {
                outdated.push(definition.name.clone());
            }
        }
        let redefined = outdated.join(", ");
        // Types that hold such a type change with it.
        let mut i = 0;
        while let Some(name) = outdated.get(i).cloned() {
            for holder in self.definitions.values() {
                if !outdated.contains(&holder.name) && holder.refers.contains(&name) {
                    outdated.push(holder.name.clone());
                }
            }
            i += 1;
        }
        let is_type = |name: &&String| {
            self.definitions.values().chain(&cell.definitions).any(|each| each.name == **name && each.is_type)
        };
        let types: Vec<&String> = outdated.iter().filter(is_type).collect();
        let hit = |(_, ty): &&(String, String)| types.iter().any(|name| mentions(ty, name));
        let mut held: Vec<String> = variables.iter().filter(hit).map(|(name, _)| name.clone()).collect();
        held.sort_unstable();
        (!held.is_empty()).then_some((redefined, held))
    }

    /// Puts a name in front of each implementation: that of the one it replaces, if there is one.
    pub fn name_impls(&self, cell: &Cell) -> Named {
        let mut named = Named { code: cell.code.clone(), shifts: Shifts::default(), impls: self.impls.clone() };
        let mut edits: Vec<(usize, String)> = Vec::new();
        let mut used = BTreeSet::new();
        for block in &cell.impls {
            let same = |old: &&KnownImpl| {
                old.header == block.header
                    && !used.contains(&old.key)
                    && (block.of_trait || old.members.iter().any(|member| block.members.contains(member)))
            };
            let key = named.impls.iter().find(same).map_or_else(|| fresh_key(block, &named.impls), |old| old.key);
            used.insert(key);
            edits.push((block.at, dummy(key)));
            let (header, members) = (block.header.clone(), block.members.clone());
            named.impls.retain(|old| old.key != key);
            named.impls.push(KnownImpl { key, header, members, of_trait: block.of_trait, home: block.home.clone() });
        }
        // What stood below an item in its cell goes when that cell is run again without it, and what was taken over whole.
        let covered = |old: &KnownImpl| {
            let new = cell.impls.iter().filter(|block| block.header == old.header && !block.of_trait);
            let members: BTreeSet<&String> = new.flat_map(|block| &block.members).collect();
            !old.members.is_empty() && old.members.iter().all(|member| members.contains(member))
        };
        let left = |old: &KnownImpl| old.home.as_ref().is_some_and(|home| cell.named.contains(home));
        let gone = |old: &&KnownImpl| !used.contains(&old.key) && (left(old) || covered(old));
        let gone: Vec<u64> = named.impls.iter().filter(gone).map(|old| old.key).collect();
        named.impls.retain(|old| !gone.contains(&old.key));
        if let Some((at, first)) = edits.first_mut().filter(|_| !gone.is_empty()) {
            let _ = at;
            first.insert_str(0, &gone.iter().map(|key| dummy(*key)).collect::<String>());
        } else if !gone.is_empty()
            && let Some(at) = first_code(&cell.code)
        {
            edits.push((at, gone.iter().map(|key| dummy(*key)).collect()));
        }
        for (at, text) in edits.iter().rev() {
            let before = &cell.code[..*at];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            named.shifts.0.push((line, column, text.len()));
            named.code.insert_str(*at, text);
        }
        named.shifts.0.reverse();
        // Several pieces on one line: those before have moved the later ones.
        for i in 1..named.shifts.0.len() {
            let (line, before) = (named.shifts.0[i].0, named.shifts.0[..i].to_vec());
            let moved: usize = before.iter().filter(|piece| piece.0 == line).map(|piece| piece.2).sum();
            named.shifts.0[i].1 += moved;
        }
        named
    }

    /// Statements that an interrupt may stop, and what it leaves.
    pub fn watched(&self, cell: &Cell) -> Vec<Watched> {
        let names = |from: usize, to: usize| -> Vec<String> {
            let defined = cell.statements[from..to].iter().flat_map(|statement| &statement.defines);
            defined.map(|(name, _)| name.clone()).collect()
        };
        let count = cell.statements.len();
        let mut watched = Vec::new();
        for (number, statement) in cell.statements.iter().enumerate() {
            let after = names(number, count);
            let mut before = names(0, number);
            before.retain(|name| !after.contains(name));
            if !(before.is_empty() && after.is_empty()) && self.stops(&statement.text) {
                let (text, defines) = (statement.text.clone(), statement.defines.clone());
                watched.push(Watched { text, defines, before, after });
            }
        }
        watched
    }
}

fn calls<'a>(text: &str, mut functions: impl Iterator<Item = &'a String>) -> bool {
    functions.any(|name| mentions(text, name))
}

fn dummy(key: u64) -> String {
    format!("#[allow(non_camel_case_types)] struct LatheImpl_{key:016x}; ")
}

fn fresh_key(block: &super::items::Impl, known: &[KnownImpl]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&block.header, &block.members, block.of_trait).hash(&mut hasher);
    let mut key = hasher.finish();
    while known.iter().any(|old| old.key == key) {
        key = key.wrapping_add(1);
    }
    key
}

/// Where the Rust code below comments and commands begins.
fn first_code(code: &str) -> Option<usize> {
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let text = line.trim();
        if !(text.is_empty() || line.starts_with("//") || text.starts_with(':') || line.starts_with('!')) {
            return Some(at + (line.len() - line.trim_start().len()));
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests;
