use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Value, json};

use super::model::Model;
use super::{labelled, widget};

/// A number that a slider can have: `f64`, `f32`, `i32`, `i64`, `u32`, `u64`, `usize`.
pub trait SliderNumber: Copy + PartialOrd + std::fmt::Debug + std::fmt::Display + Send + Sync + 'static {
    /// Has it digits after the point?
    const FRACTIONAL: bool;
    /// As JavaScript has it.
    fn to_f64(self) -> f64;
    /// Back again, the nearest one.
    fn from_f64(number: f64) -> Self;
}

macro_rules! numbers {
    ($($ty:ty, $fractional:literal;)*) => {$(
        impl SliderNumber for $ty {
            const FRACTIONAL: bool = $fractional;
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn from_f64(number: f64) -> Self {
                if $fractional { number as $ty } else { number.round() as $ty }
            }
        }
    )*};
}
numbers! { f64, true; f32, true; i32, false; i64, false; u32, false; u64, false; usize, false; }

/// A slider over a range of numbers, see [`slider`].
#[derive(Debug, Clone)]
pub struct Slider<T: SliderNumber> {
    pub(super) model: Arc<Model>,
    number: PhantomData<T>,
}

/// A slider; it starts at the low end, in steps of a hundredth of the range or of 1.
///
/// ```
/// let noise = display::slider(0.0..=2.0).label("noise").initial(0.5).step(0.01);
/// let digit = display::slider(0..=9);
/// assert_eq!((noise.value(), digit.value()), (0.5, 0));
/// ```
pub fn slider<T: SliderNumber>(range: RangeInclusive<T>) -> Slider<T> {
    let (start, end) = range.into_inner();
    let (min, max) = if start <= end { (start, end) } else { (end, start) };
    let name = if T::FRACTIONAL { "FloatSlider" } else { "IntSlider" };
    let step = if T::FRACTIONAL { (max.to_f64() - min.to_f64()) / 100.0 } else { 1.0 };
    let state = json!({
        "min": number(min), "max": number(max), "value": number(min), "orientation": "horizontal",
        "continuous_update": true, "readout": true, "behavior": "drag-tap",
    });
    Slider { model: Model::control(name, state), number: PhantomData }.with_step(step)
}

fn number<T: SliderNumber>(value: T) -> Value {
    if T::FRACTIONAL { value.to_f64().into() } else { (value.to_f64() as i64).into() }
}

impl<T: SliderNumber> Slider<T> {
    /// The value as the user has left it, also while a cell runs.
    pub fn value(&self) -> T {
        T::from_f64(self.model.get("value").as_f64().unwrap_or_default())
    }

    /// Where it starts; a value outside the range becomes its nearer end.
    #[must_use]
    pub fn initial(self, value: T) -> Self {
        self.set(value);
        self
    }

    /// Moves it, also when it is shown already.
    pub fn set(&self, value: T) {
        let [min, max] = ["min", "max"].map(|key| self.model.get(key).as_f64().unwrap_or_default());
        self.model.set("value", number(T::from_f64(value.to_f64().clamp(min, max))));
    }

    /// The distance between two positions.
    #[must_use]
    pub fn step(self, step: T) -> Self {
        self.with_step(step.to_f64())
    }

    fn with_step(self, step: f64) -> Self {
        if T::FRACTIONAL {
            let digits = if step > 0.0 { (-step.log10()).ceil().clamp(0.0, 6.0) as u8 } else { 2 };
            self.model.set("step", step.into());
            self.model.set("readout_format", format!(".{digits}f").into());
        } else {
            self.model.set("step", (step.max(1.0) as i64).into());
            self.model.set("readout_format", "d".into());
        }
        self
    }

    fn as_text(&self) -> String {
        let text = |key| self.model.get(key).to_string();
        labelled(&self.model, &format!("{} (from {} to {})", text("value"), text("min"), text("max")))
    }
}

widget!(Slider<T: SliderNumber>, T, "SliderStyleModel");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rich;

    #[test]
    fn values_stay_in_the_range_and_keep_their_type() {
        let slider = slider(-1.0..=1.0).initial(7.5);
        assert_eq!(slider.value(), 1.0);
        slider.set(-0.25);
        assert_eq!(slider.clone().value(), -0.25, "clones are the same slider");
        assert_eq!(super::slider(3_usize..=9).initial(5).value(), 5);
        assert_eq!(super::slider(RangeInclusive::new(9, 3)).value(), 3);
        // JavaScript may send an integer for a float.
        slider.model.set("value", json!(1));
        assert_eq!(slider.value(), 1.0);
    }

    #[test]
    fn steps_and_digits_fit_the_range() {
        let state = |slider: &Slider<f64>, key| slider.model.get(key);
        let fine = slider(0.0..=1.0);
        assert_eq!((state(&fine, "step"), state(&fine, "readout_format")), (json!(0.01), json!(".2f")));
        let coarse = slider(0.0..=100.0).step(5.0);
        assert_eq!((state(&coarse, "step"), state(&coarse, "readout_format")), (json!(5.0), json!(".0f")));
        let whole = slider(0..=9);
        assert_eq!((whole.model.get("step"), whole.model.get("_model_name")), (json!(1), json!("IntSliderModel")));
    }

    #[test]
    fn without_a_front_end_it_is_text() {
        let bundle = slider(0.0..=1.0).label("noise:").initial(0.5).bundle();
        assert_eq!(bundle.data["text/plain"], "noise: 0.5 (from 0.0 to 1.0)");
        assert_eq!(bundle.data.len(), 1);
    }
}
