//! What has to be there before anything is built: every check looks at one thing and says in plain words what is wrong.

pub mod compiler;
pub mod distro;
pub mod failure;
pub mod folders;
pub mod platform;
pub mod python;
pub mod rust;

use crate::root::Places;
use crate::trouble::Trouble;
use python::Python;

/// One line of the table.
pub struct Item {
    /// What was looked at.
    pub name: &'static str,
    /// What was found, or what is wrong.
    pub found: Result<String, Trouble>,
    /// Something that works, but not well.
    pub warning: Option<String>,
}

impl Item {
    fn new(name: &'static str, found: Result<String, Trouble>) -> Item {
        Item { name, found, warning: None }
    }
}

/// The table, and the Python to use.
pub struct Report {
    /// One line for each check.
    pub items: Vec<Item>,
    /// Present when a Python will do.
    pub python: Option<Python>,
}

/// Runs every check; none stops the others, so that all that is missing is told at once. `mend` allows to repair what
/// can be repaired without asking (adding `rust-src`).
pub fn all(places: &Places, say: &mut dyn FnMut(&str), mend: bool) -> Report {
    let python = python::find(places);
    let mut items = vec![Item::new("platform", platform::check()), Item::new("folders", folders::paths(places))];
    items.push(Item::new("Rust", rust::toolchain(places)));
    items.push(Item::new("rust-src", rust::sources(places, say, mend)));
    items.push(Item::new("C and C++", compiler::check(places)));
    items.push(Item::new("Python", python.as_ref().map(Python::words).map_err(Clone::clone)));
    items.push(Item::new("disk", folders::space(places)));
    items.push(Item { warning: platform::memory_warning(), ..Item::new("memory", Ok(platform::memory_words())) });
    if let Some(warning) = platform::slow_folder(&places.root) {
        items[1].warning = Some(warning);
    }
    Report { items, python: python.ok() }
}

impl Report {
    /// All that is wrong, as one.
    pub fn trouble(&self) -> Option<Trouble> {
        let mut all: Vec<Trouble> = self.items.iter().filter_map(|i| i.found.as_ref().err().cloned()).collect();
        match all.len() {
            0 => None,
            1 => all.pop(),
            _ => Some(Trouble::Several(all)),
        }
    }

    /// The command that installs everything that is missing, when there is more than one such thing.
    pub fn remedy(&self) -> Option<String> {
        let Some(Trouble::Several(all)) = self.trouble() else { return None };
        let mut needs: Vec<_> = all.iter().flat_map(Trouble::needs).collect();
        needs.sort();
        needs.dedup();
        (needs.len() > 1).then(|| distro::here().install_line(&needs))
    }
}
