use std::sync::{Arc, Mutex};

use crate::{Rich, display_live};

/// What [`interact`] can follow: any widget, and two or three of them as a tuple.
pub trait Control: Clone + Send + 'static {
    /// What it gives.
    type Value;
    /// The value now.
    fn value(&self) -> Self::Value;
    /// Shows it below the cell.
    fn show(&self);
    /// Calls a function whenever the value changes.
    fn watch(&self, function: Arc<Mutex<dyn FnMut() + Send>>);
}

macro_rules! tuples {
    ($($control:ident $place:tt),+) => {
        impl<$($control: Control),+> Control for ($($control,)+) {
            type Value = ($($control::Value,)+);
            fn value(&self) -> Self::Value {
                ($(self.$place.value(),)+)
            }
            fn show(&self) {
                $(self.$place.show();)+
            }
            fn watch(&self, function: Arc<Mutex<dyn FnMut() + Send>>) {
                $(self.$place.watch(Arc::clone(&function));)+
            }
        }
    };
}
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);

/// Shows a widget and what a function makes of its value, and draws that anew in place whenever the user changes it.
///
/// ```
/// use display::{interact, slider, text};
/// interact(slider(1..=5).label("n"), |n| text("*".repeat(n as usize)));
/// interact((slider(0.0..=1.0), slider(0.0..=1.0)), |(x, y)| text(format!("{x} {y}")));
/// ```
pub fn interact<C: Control, R: Rich>(control: C, mut draw: impl FnMut(C::Value) -> R + Send + 'static) {
    control.show();
    let shown = display_live(draw(control.value()));
    let followed = control.clone();
    control.watch(Arc::new(Mutex::new(move || shown.update(draw(followed.value())))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::{checkbox, slider};

    #[test]
    fn it_draws_at_once_and_again_when_one_of_several_changes() {
        let (a, b) = (slider(0..=9).initial(2), checkbox("double"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        interact((a.clone(), b.clone()), move |(n, double)| {
            let text = format!("{}", if double { 2 * n } else { n });
            crate::inbox::lock(&log).push(text.clone());
            text
        });
        let changed = |model: &crate::widgets::model::Model| {
            if let Some(callback) = crate::inbox::lock(&model.callback).as_mut() {
                callback();
            }
        };
        a.set(4);
        changed(&a.model);
        b.set(true);
        changed(&b.model);
        assert_eq!(*crate::inbox::lock(&seen), ["2", "4", "8"]);
    }
}
