//! What the kernel remembers of a notebook's cells.

use super::cell::{Cell, mentions};
use super::fate::Fates;
use super::place::Place;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Definitions and losses of this session.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The notebook's own types: name, definition.
    types: HashMap<String, String>,
    /// What became of variables.
    pub fates: Fates,
    /// Numbers and texts of the cells that define functions, types and the like.
    cells: Vec<(u64, String)>,
    /// Functions that loop, or call one that does.
    looping: BTreeSet<String>,
}

impl Memory {
    /// Should the cell be optimised, because its own code may run long?
    pub fn takes_time(&self, cell: &Cell) -> bool {
        cell.loops || self.calls_loop(&cell.code)
    }

    fn calls_loop(&self, text: &str) -> bool {
        self.looping.iter().any(|name| mentions(text, name))
    }

    /// Where messages about a cell point to.
    pub fn place<'a>(&'a self, code: &'a str, folder: &'a Path, shift: usize) -> Place<'a> {
        Place { code, folder, shift, earlier: &self.cells, fates: &self.fates }
    }

    /// Cells whose text is compiled again with each new one.
    #[cfg(test)]
    pub fn cells(&self) -> &[(u64, String)] {
        &self.cells
    }

    /// The cell ran: its definitions hold from now on.
    pub fn keep(&mut self, number: u64, code: &str, cell: &Cell) {
        if cell.has_items {
            // The same text again is the same cell, run once more.
            self.cells.retain(|(_, text)| text != code);
            self.cells.push((number, code.to_owned()));
        }
        for function in &cell.functions {
            if function.loops || self.calls_loop(&function.text) {
                self.looping.insert(function.name.clone());
            } else {
                self.looping.remove(&function.name);
            }
        }
        self.types.extend(cell.types.iter().cloned());
    }

    /// Types that the cell defines anew, and the variables that hold the old ones.
    ///
    /// evcxr compares type ids, which do not change with a field's type: it would read old bytes with the new layout.
    pub fn outdated(&self, cell: &Cell, variables: &[(String, String)]) -> Option<(String, Vec<String>)> {
        let changed = |(name, text): &&(String, String)| self.types.get(name).is_some_and(|old| old != text);
        let mut outdated: Vec<String> = cell.types.iter().filter(changed).map(|(name, _)| name.clone()).collect();
        let redefined = outdated.join(", ");
        // Types that hold such a type change with it.
        let mut i = 0;
        while let Some(name) = outdated.get(i).cloned() {
            let holders =
                self.types.iter().filter(|(holder, text)| !outdated.contains(holder) && mentions(text, &name));
            let holders: Vec<String> = holders.map(|(holder, _)| holder.clone()).collect();
            outdated.extend(holders);
            i += 1;
        }
        let hit = |(_, ty): &&(String, String)| outdated.iter().any(|name| mentions(ty, name));
        let mut held: Vec<String> = variables.iter().filter(hit).map(|(name, _)| name.clone()).collect();
        held.sort_unstable();
        (!held.is_empty()).then_some((redefined, held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn holders_of_a_redefined_type_are_outdated_too() {
        let mut memory = Memory::default();
        memory.keep(
            1,
            "struct P { w: f32 } struct Holder { p: P } struct Other;",
            &Cell::read("struct P { w: f32 } struct Holder { p: P } struct Other;"),
        );
        let variables = pairs(&[("p", "P"), ("all", "Vec<Holder>"), ("o", "Other"), ("n", "i32")]);
        let same = Cell::read("struct P {  w: f32 }");
        assert_eq!(memory.outdated(&same, &variables), None);
        let new = Cell::read("struct P { w: f64 }");
        let (types, held) = memory.outdated(&new, &variables).expect("P changed");
        assert_eq!((types.as_str(), held), ("P", vec![String::from("all"), String::from("p")]));
    }

    #[test]
    fn callers_of_a_loop_take_time() {
        let mut memory = Memory::default();
        memory.keep(
            1,
            "fn slow() { loop {} } fn outer() { slow() } fn quick() {}",
            &Cell::read("fn slow() { loop {} } fn outer() { slow() } fn quick() {}"),
        );
        assert!(memory.takes_time(&Cell::read("outer()")));
        assert!(!memory.takes_time(&Cell::read("quick()")));
        memory.keep(1, "fn slow() {}", &Cell::read("fn slow() {}"));
        assert!(!memory.takes_time(&Cell::read("slow()")));
    }

    #[test]
    fn cells_with_definitions_are_kept_once() {
        let mut memory = Memory::default();
        for (number, code) in [(1, "fn f() {}"), (2, "let x = 1;"), (3, "fn f() {}"), (4, "impl P {}")] {
            memory.keep(number, code, &Cell::read(code));
        }
        let numbers: Vec<u64> = memory.cells().iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [3, 4]);
    }
}
