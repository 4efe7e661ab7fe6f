//! The store of a session's variables, compiled once.
//!
//! evcxr writes such a store into the source of every cell, which the compiler then reads, checks and translates each
//! time; the kernel makes cells use this one, with the names that evcxr's generated code calls. Not for learners.

use std::any::Any;
use std::collections::HashMap;

/// Printed in front of the name of a variable whose type is no longer the one it was made with.
pub const VARIABLE_CHANGED_TYPE: &str = "EVCXR_VARIABLE_CHANGED_TYPE:";
/// Printed when a cell ended by `?`.
pub const USER_ERROR_OCCURRED: &str = "EVCXR_ERROR_OCCURRED";

/// Stands before lines for evcxr; the kernel's splitter knows it.
const MARK: &str = "\u{1e}LATHE-EVCXR ";

/// Variables by name, whatever their types.
#[derive(Debug, Default)]
pub struct VariableStore {
    /// Name to value; the kernel takes out what a cell defines anew.
    pub variables: HashMap<String, Box<dyn Any>>,
}

impl VariableStore {
    /// Keeps a variable for the next cell.
    pub fn put_variable<T: 'static>(&mut self, name: &str, value: T) {
        self.put(name, Box::new(value));
    }

    /// Is the variable, when there is one, of this type? Tells evcxr when it is not.
    pub fn check_variable<T: 'static>(&mut self, name: &str) -> bool {
        let right = self.variables.get(name).is_none_or(|value| value.is::<T>());
        if !right {
            let old = self.variables.remove(name);
            tell_changed(name);
            drop(old);
        }
        right
    }

    /// Gives a variable to the cell.
    ///
    /// # Panics
    /// When there is no such variable of this type; evcxr checks before.
    pub fn take_variable<T: 'static>(&mut self, name: &str) -> T {
        match self.take(name).downcast() {
            Ok(value) => *value,
            Err(_) => panic!("the variable {name} has another type"),
        }
    }

    /// The value under this name, made on first use; for values that belong to the session and not to a variable.
    ///
    /// # Panics
    /// When the value under this name is of another type.
    pub fn lazy_arc<T: 'static, F: FnOnce() -> T>(&mut self, name: &str, create: F) -> std::sync::Arc<T> {
        let value = self.variables.entry(name.to_owned()).or_insert_with(|| Box::new(std::sync::Arc::new(create())));
        match value.downcast_ref::<std::sync::Arc<T>>() {
            Some(value) => std::sync::Arc::clone(value),
            None => panic!("the value {name} has another type"),
        }
    }

    /// Takes over all variables of another store.
    pub fn merge(&mut self, other: Self) {
        self.variables.extend(other.variables);
    }

    fn put(&mut self, name: &str, value: Box<dyn Any>) {
        self.variables.insert(name.to_owned(), value);
    }

    fn take(&mut self, name: &str) -> Box<dyn Any> {
        match self.variables.remove(name) {
            Some(value) => value,
            None => panic!("the variable {name} is not there"),
        }
    }
}

fn tell_changed(name: &str) {
    eprintln!("{name} was dropped: its type is defined anew");
    println!("{MARK}{} {VARIABLE_CHANGED_TYPE}{name}", super::nonce());
}

/// An empty store, which lives as long as the process.
pub fn create_variable_store() -> *mut VariableStore {
    Box::into_raw(Box::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_back_with_their_type_and_only_so() {
        let mut store = VariableStore::default();
        store.put_variable("numbers", vec![1, 2]);
        assert!(store.check_variable::<Vec<i32>>("numbers"));
        assert!(store.check_variable::<String>("nothing"), "what is not there has no wrong type");
        assert_eq!(store.take_variable::<Vec<i32>>("numbers"), [1, 2]);
        let kept = std::sync::Arc::new(());
        store.put_variable("old", std::sync::Arc::clone(&kept));
        assert!(!store.check_variable::<String>("old") && std::sync::Arc::strong_count(&kept) == 1, "dropped");
        let again = std::panic::AssertUnwindSafe(|| store.take_variable::<Vec<i32>>("numbers"));
        assert!(std::panic::catch_unwind(again).is_err());
    }

    #[test]
    fn values_of_the_session_are_made_once() {
        let mut store = VariableStore::default();
        let first = store.lazy_arc("runtime", || 7);
        let second = store.lazy_arc("runtime", || 8);
        assert_eq!((*first, *second), (7, 7));
        let mut other = VariableStore::default();
        other.merge(store);
        assert_eq!(*other.lazy_arc("runtime", || 9), 7);
    }
}
