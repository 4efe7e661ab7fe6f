//! Controls below a cell: sliders, lists, buttons. JupyterLab draws them with ipywidgets' own views.
//!
//! A widget's value can be read at any time, also in the loop of a cell that still runs:
//!
//! ```
//! let rate = display::slider(0.0..=1.0).label("rate").initial(0.1);
//! rate.show();
//! for _ in 0..3 {
//!     let rate: f64 = rate.value();
//! #   assert_eq!(rate, 0.1);
//! }
//! ```
//!
//! Where there are no widgets (stock evcxr, a terminal, a notebook that a program runs) the label and the initial value are
//! shown as text.

mod callbacks;
mod choices;
mod interact;
mod model;
mod slider;

pub use choices::{Button, Checkbox, Select, TextField, button, checkbox, select, text_field};
pub use interact::{Control, interact};
pub(crate) use model::on_comm;
pub use slider::{Slider, SliderNumber, slider};

/// What all widgets have: the same methods, on their own types.
macro_rules! widget {
    ($name:ident $(<$t:ident: $bound:ident>)?, $value:ty, $style:literal) => {
        impl $(<$t: $bound>)? $name $(<$t>)? {
            /// The text beside it.
            #[must_use]
            pub fn label(self, label: &str) -> Self {
                self.model.set("description", label.into());
                self
            }

            /// Calls a function with the new value whenever the user changes it: on a thread of its own, one call at a time.
            /// What it prints appears below the cell that made the widget. Another call replaces the function.
            #[must_use]
            pub fn on_change(self, mut function: impl FnMut($value) + Send + 'static) -> Self {
                let widget = self.clone();
                *$crate::inbox::lock(&self.model.callback) = Some(Box::new(move || function(widget.value())));
                self
            }

            /// Shows it below the cell, now. A widget that is the last expression of a cell is shown by itself.
            pub fn show(&self) {
                $crate::display(self);
            }

            /// The value of a cell that ends in a widget is the widget.
            pub fn evcxr_display(&self) {
                $crate::out::result($crate::Rich::bundle(self));
            }
        }

        impl $(<$t: $bound>)? $crate::Rich for $name $(<$t>)? {
            fn bundle(&self) -> $crate::Bundle {
                self.model.bundle($style, self.as_text())
            }
        }

        impl $(<$t: $bound>)? $crate::widgets::Control for $name $(<$t>)? {
            type Value = $value;
            fn value(&self) -> $value {
                $name::value(self)
            }
            fn show(&self) {
                $name::show(self);
            }
            fn watch(&self, function: std::sync::Arc<std::sync::Mutex<dyn FnMut() + Send>>) {
                *$crate::inbox::lock(&self.model.callback) = Some(Box::new(move || $crate::inbox::lock(&function)()));
            }
        }
    };
}
use widget;

/// `label: value`, or the value alone.
fn labelled(model: &model::Model, value: &str) -> String {
    match model.get("description").as_str() {
        None | Some("") => value.to_owned(),
        Some(label) => format!("{}: {value}", label.trim_end_matches(':')),
    }
}
