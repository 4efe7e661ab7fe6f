use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::model::Model;
use super::{labelled, widget};

/// A list of which one entry is chosen, see [`select`].
#[derive(Debug, Clone)]
pub struct Select {
    pub(super) model: Arc<Model>,
}

/// A list of which one entry is chosen, at the start the first.
///
/// ```
/// let optimiser = display::select(["SGD", "Adam"]).label("optimiser").initial("Adam");
/// assert_eq!((optimiser.value().as_str(), optimiser.index()), ("Adam", 1));
/// ```
pub fn select<T: ToString>(entries: impl IntoIterator<Item = T>) -> Select {
    let entries: Vec<String> = entries.into_iter().map(|entry| entry.to_string()).collect();
    let index = if entries.is_empty() { Value::Null } else { 0.into() };
    Select { model: Model::control("Dropdown", json!({"_options_labels": entries, "index": index})) }
}

impl Select {
    fn entries(&self) -> Vec<String> {
        let entries = self.model.get("_options_labels");
        entries.as_array().into_iter().flatten().filter_map(|e| e.as_str().map(str::to_owned)).collect()
    }

    /// The chosen entry; empty when there is none.
    pub fn value(&self) -> String {
        self.entries().into_iter().nth(self.index()).unwrap_or_default()
    }

    /// Its place in the list, from 0.
    pub fn index(&self) -> usize {
        self.model.get("index").as_u64().and_then(|index| usize::try_from(index).ok()).unwrap_or_default()
    }

    /// What is chosen at the start; an entry that is not in the list changes nothing.
    #[must_use]
    pub fn initial(self, entry: impl ToString) -> Self {
        self.set(entry);
        self
    }

    /// Chooses another entry; one that is not in the list changes nothing.
    pub fn set(&self, entry: impl ToString) {
        let entry = entry.to_string();
        if let Some(index) = self.entries().iter().position(|other| *other == entry) {
            self.model.set("index", index.into());
        }
    }

    fn as_text(&self) -> String {
        labelled(&self.model, &format!("{} (one of {})", self.value(), self.entries().join(", ")))
    }
}

widget!(Select, String, "DescriptionStyleModel");

/// A yes/no choice, see [`checkbox`].
#[derive(Debug, Clone)]
pub struct Checkbox {
    pub(super) model: Arc<Model>,
}

/// A yes/no choice with a text behind it, at the start no.
///
/// ```
/// assert!(display::checkbox("shuffle").initial(true).value());
/// ```
pub fn checkbox(label: &str) -> Checkbox {
    Checkbox { model: Model::control("Checkbox", json!({"value": false, "indent": false, "description": label})) }
}

impl Checkbox {
    /// Is it ticked?
    pub fn value(&self) -> bool {
        self.model.get("value").as_bool().unwrap_or_default()
    }

    /// Is it ticked at the start?
    #[must_use]
    pub fn initial(self, value: bool) -> Self {
        self.set(value);
        self
    }

    /// Ticks it or not, also when it is shown already.
    pub fn set(&self, value: bool) {
        self.model.set("value", value.into());
    }

    fn as_text(&self) -> String {
        labelled(&self.model, if self.value() { "yes" } else { "no" })
    }
}

widget!(Checkbox, bool, "CheckboxStyleModel");

/// A line of text, see [`text_field`].
#[derive(Debug, Clone)]
pub struct TextField {
    pub(super) model: Arc<Model>,
}

/// A line of text that the user can change; the change counts when Enter is pressed or the field is left.
///
/// ```
/// assert_eq!(display::text_field("run").initial("first").value(), "first");
/// ```
pub fn text_field(label: &str) -> TextField {
    let state = json!({"value": "", "placeholder": "", "continuous_update": false, "description": label});
    TextField { model: Model::control("Text", state) }
}

impl TextField {
    /// The text.
    pub fn value(&self) -> String {
        self.model.get("value").as_str().unwrap_or_default().to_owned()
    }

    /// The text at the start.
    #[must_use]
    pub fn initial(self, value: &str) -> Self {
        self.set(value);
        self
    }

    /// Replaces the text, also when it is shown already.
    pub fn set(&self, value: &str) {
        self.model.set("value", value.into());
    }

    fn as_text(&self) -> String {
        labelled(&self.model, &self.value())
    }
}

widget!(TextField, String, "TextStyleModel");

/// A button, see [`button`].
#[derive(Debug, Clone)]
pub struct Button {
    pub(super) model: Arc<Model>,
}

/// A button with this text. Its value is how often it was pressed.
///
/// ```
/// let train = display::button("Train").on_click(|| println!("training"));
/// assert_eq!(train.value(), 0);
/// ```
pub fn button(label: &str) -> Button {
    Button { model: Model::control("Button", json!({"description": label, "icon": "", "button_style": ""})) }
}

impl Button {
    /// How often it was pressed.
    pub fn value(&self) -> u64 {
        self.model.clicks.load(Ordering::SeqCst)
    }

    /// Calls a function each time it is pressed, as `on_change` does.
    #[must_use]
    pub fn on_click(self, mut function: impl FnMut() + Send + 'static) -> Self {
        self.on_change(move |_| function())
    }

    fn as_text(&self) -> String {
        let label = self.model.get("description");
        format!("[{}]", label.as_str().unwrap_or_default())
    }
}

widget!(Button, u64, "ButtonStyleModel");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rich;

    #[test]
    fn a_list_gives_entry_and_place() {
        let list = select([1, 10, 100]).initial(10);
        assert_eq!((list.value(), list.index()), ("10".into(), 1));
        list.set("11");
        assert_eq!(list.value(), "10");
        assert_eq!(select(Vec::<String>::new()).value(), "");
        assert_eq!(list.label("rate").bundle().data["text/plain"], "rate: 10 (one of 1, 10, 100)");
    }

    #[test]
    fn without_a_front_end_they_are_text() {
        let text = |bundle: crate::Bundle| bundle.data["text/plain"].as_str().unwrap_or_default().to_owned();
        assert_eq!(text(checkbox("shuffle").bundle()), "shuffle: no");
        assert_eq!(text(text_field("run").initial("first").bundle()), "run: first");
        assert_eq!(text(button("Train").bundle()), "[Train]");
    }
}
