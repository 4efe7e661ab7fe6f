//! What became of the variables of a session: which cell made each, and which cell took it away.

use super::translate::Plain;
use std::collections::HashMap;

/// How a variable went, with the number of the cell in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Used up by a cell that ran.
    Moved(u64),
    /// The process ended with it.
    Died(u64),
    /// Its type was defined anew.
    Redefined(u64),
    /// The cell that would have made it did not: why, in words that follow "cell [3]".
    NotMade(u64, &'static str),
}

/// How a cell ended, for its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Panicked,
    /// By a `?`.
    Returned,
    Interrupted,
    /// It never ran.
    NotCompiled,
    /// The process ended.
    Died,
}

/// The variables' history.
#[derive(Debug, Default)]
pub(super) struct Fates {
    gone: HashMap<String, Fate>,
    made: HashMap<String, u64>,
}

impl Fates {
    /// A cell ended. `before` and `after` are the variables around it, `lets` the names that it binds.
    pub fn learn(
        &mut self,
        cell: u64,
        end: End,
        before: &[(String, String)],
        after: &[(String, String)],
        lets: &[String],
    ) {
        let there = |name: &str| after.iter().any(|(other, _)| other == name);
        for (name, _) in after {
            self.gone.remove(name);
        }
        for (name, _) in before.iter().filter(|(name, _)| !there(name)) {
            let fate = if end == End::Died { Fate::Died(cell) } else { Fate::Moved(cell) };
            self.gone.insert(name.clone(), fate);
        }
        for name in lets {
            if there(name) {
                if end == End::Done {
                    self.made.insert(name.clone(), cell);
                }
            } else if !before.iter().any(|(other, _)| other == name) {
                self.made.insert(name.clone(), cell);
                let fate = match end {
                    End::Done => Fate::Moved(cell),
                    End::Panicked => Fate::NotMade(cell, "panicked"),
                    End::Returned => Fate::NotMade(cell, "ended early by a `?`"),
                    End::Interrupted => Fate::NotMade(cell, "was stopped"),
                    End::NotCompiled => Fate::NotMade(cell, "did not compile"),
                    End::Died => Fate::Died(cell),
                };
                self.gone.insert(name.clone(), fate);
            }
        }
    }

    /// Number of the cell that made a variable.
    pub fn made_in(&self, name: &str) -> Option<u64> {
        self.made.get(name).copied()
    }

    /// These variables were dropped because `cell` defines their type anew.
    pub fn redefined(&mut self, cell: u64, names: &[String]) {
        self.gone.extend(names.iter().map(|name| (name.clone(), Fate::Redefined(cell))));
    }

    /// Why a name is not found, when it was there or should have been.
    pub fn why(&self, name: &str) -> Option<Plain> {
        let fate = self.gone.get(name)?;
        let made = self.made.get(name);
        let again = |cell: u64| match made {
            Some(made) if *made != cell => format!("run cell [{made}] again, which makes it"),
            _ => String::from("run the cell that makes it again"),
        };
        let (title, label, help) = match fate {
            Fate::Moved(cell) => (
                format!("`{name}` was moved by cell [{cell}]"),
                format!("moved by cell [{cell}]"),
                vec![
                    format!("in cell [{cell}] borrow it (`&{name}`) or give a copy away (`{name}.clone()`)"),
                    again(*cell),
                ],
            ),
            Fate::Died(cell) => (
                format!("`{name}` was lost when the cells' process ended in cell [{cell}]"),
                format!("lost in cell [{cell}]"),
                vec![again(*cell)],
            ),
            Fate::Redefined(cell) => (
                format!("`{name}` was dropped when cell [{cell}] defined its type anew"),
                format!("dropped in cell [{cell}]"),
                vec![again(*cell)],
            ),
            Fate::NotMade(cell, how) => (
                format!("there is no `{name}`: cell [{cell}], which defines it, {how}"),
                String::from("not defined"),
                vec![format!("mend cell [{cell}] and run it again")],
            ),
        };
        Some(Plain { title, label, help, ..Plain::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(names: &[&str]) -> Vec<(String, String)> {
        names.iter().map(|name| ((*name).to_owned(), String::from("i32"))).collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_loss_names_its_cell() {
        let mut fates = Fates::default();
        fates.learn(1, End::Done, &[], &vars(&["model", "data"]), &names(&["model", "data"]));
        fates.learn(2, End::Done, &vars(&["model", "data"]), &vars(&["data"]), &[]);
        fates.learn(3, End::NotCompiled, &vars(&["data"]), &vars(&["data"]), &names(&["y", "data"]));
        fates.learn(4, End::Died, &vars(&["data"]), &[], &names(&["z"]));
        let why = |name: &str| fates.why(name).unwrap();
        assert_eq!(why("model").title, "`model` was moved by cell [2]");
        assert_eq!(why("model").help[1], "run cell [1] again, which makes it");
        assert_eq!(why("y").title, "there is no `y`: cell [3], which defines it, did not compile");
        assert!(why("data").title.ends_with("ended in cell [4]") && why("data").help[0].contains("[1]"));
        assert!(why("z").label.contains("[4]"));
        assert_eq!(fates.why("never"), None);
    }

    #[test]
    fn what_is_made_again_is_there() {
        let mut fates = Fates::default();
        fates.learn(1, End::Panicked, &[], &[], &names(&["a"]));
        assert!(fates.why("a").unwrap().title.contains("panicked"));
        fates.learn(2, End::Done, &[], &vars(&["a"]), &names(&["a"]));
        assert_eq!(fates.why("a"), None);
        fates.redefined(3, &names(&["a"]));
        assert!(fates.why("a").unwrap().title.contains("cell [3] defined its type anew"));
    }
}
