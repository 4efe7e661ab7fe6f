//! The value of a cell's last expression.

use std::any::TypeId;
use std::fmt::{Debug, Write as _};

use lathe_events::frame::Bundle;
use polars::prelude::{Column, DataFrame, LazyFrame, PolarsError, Series};

use crate::error::FigureError;
use crate::figure::Figure;
use crate::grid::Picture;
use crate::svg::escape;
use crate::value_text::{Limited, debug_text};
use crate::{Rich, model, out, tensor};

/// A model with a longer `Debug` form is not taken apart: a second is enough to wait.
const MODEL_LIMIT: usize = 40_000_000;

/// Shows the value of a cell: richly where the type has a [`Rich`] form, else as `{:?}`. evcxr calls it.
///
/// It is implemented for every type with `Debug`; types of ours have a method of the same name, which takes precedence.
pub trait CellValue {
    /// Sends the value as the cell's result.
    fn evcxr_display(&self);
}

impl<T: Debug + ?Sized> CellValue for T {
    // As little as possible here: this is compiled again in each cell.
    fn evcxr_display(&self) {
        let (id, address) = (typeid::of::<T>(), std::ptr::from_ref(self).cast::<()>());
        // SAFETY: the address is that of a live T, whose type id (lifetimes erased) goes with it.
        if let Some(bundle) = unsafe { value_bundle(id, address, &self, std::any::type_name::<T>()) } {
            out::result(bundle);
        }
    }
}

/// Shows the value of a cell that has no `Debug` form: a lazy frame.
pub trait PlanValue {
    /// Sends the value as the cell's result.
    fn evcxr_display(&self);
}

impl PlanValue for LazyFrame {
    fn evcxr_display(&self) {
        out::result(self.bundle());
    }
}

/// What a value is shown as; `None`: nothing.
///
/// # Safety
/// `address` points to a live value of the type that `id` names.
unsafe fn value_bundle(id: TypeId, address: *const (), value: &dyn Debug, name: &str) -> Option<Bundle> {
    if id == TypeId::of::<()>() || id == TypeId::of::<&()>() {
        return None;
    }
    macro_rules! rich {
        ($($ty:ty),* $(,)?) => {$(
            if id == TypeId::of::<$ty>() {
                // SAFETY: by contract the address is that of a live value of this type, which borrows nothing.
                return Some(unsafe { &*address.cast::<$ty>() }.bundle());
            }
            if id == TypeId::of::<&'static $ty>() {
                // SAFETY: as above, and the reference that lies there is live, if for less than 'static: it is copied into a
                // shorter borrow at once.
                return Some(unsafe { *address.cast::<&$ty>() }.bundle());
            }
        )*};
    }
    rich!(
        DataFrame,
        Column,
        Series,
        Bundle,
        Figure,
        Picture,
        image::DynamicImage,
        image::RgbImage,
        image::RgbaImage,
        image::GrayImage,
        Vec<Vec<f32>>,
        Vec<Vec<f64>>,
    );
    macro_rules! wrapped {
        ($($ty:ty),* $(,)?) => {$(
            if id == TypeId::of::<Option<$ty>>() {
                // SAFETY: as above.
                return Some(match unsafe { &*address.cast::<Option<$ty>>() } {
                    Some(value) => value.bundle(),
                    None => Bundle::text("None"),
                });
            }
            if id == TypeId::of::<Box<$ty>>() {
                // SAFETY: as above.
                return Some(unsafe { &*address.cast::<Box<$ty>>() }.bundle());
            }
            if id == TypeId::of::<Vec<$ty>>() {
                // SAFETY: as above.
                return Some(several(unsafe { &*address.cast::<Vec<$ty>>() }));
            }
            wrapped!(@result $ty, FigureError);
            wrapped!(@result $ty, PolarsError);
            wrapped!(@result $ty, Box<dyn std::error::Error>);
            wrapped!(@result $ty, Box<dyn std::error::Error + Send + Sync>);
        )*};
        (@result $ty:ty, $error:ty) => {
            if id == TypeId::of::<Result<$ty, $error>>() {
                // SAFETY: as above.
                return Some(match unsafe { &*address.cast::<Result<$ty, $error>>() } {
                    Ok(value) => value.bundle(),
                    Err(error) => Bundle::text(format!("Error: {error}")),
                });
            }
        };
    }
    wrapped!(Figure, DataFrame, Series, Column);
    macro_rules! numbers {
        ($($ty:ty),* $(,)?) => {$(
            if id == TypeId::of::<Vec<$ty>>() {
                // SAFETY: as above.
                if let Some(bundle) = tensor::long_list(unsafe { &*address.cast::<Vec<$ty>>() }) {
                    return Some(bundle);
                }
            }
        )*};
    }
    numbers!(f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, usize, isize);
    if id == TypeId::of::<Result<(), FigureError>>() && format!("{value:?}") == "Ok(())" {
        return None;
    }
    if tensor::is_tensor(name) {
        return Some(tensor::from_debug(value, name));
    }
    // The first few thousand characters tell whether it is a model; other large values are not formatted whole.
    let mut all = Limited::new(MODEL_LIMIT);
    let mut start = Limited::new(4_000);
    let _ = write!(start, "{value:?}");
    if model::holds_tensors(&start.text) {
        let _ = write!(all, "{value:?}");
        if let Some(bundle) = model::layers(&all.text).filter(|_| !all.cut) {
            return Some(bundle);
        }
    }
    Some(Bundle::text(debug_text(value)))
}

/// Figures as panels, other things below each other.
fn several<T: Rich>(values: &[T]) -> Bundle {
    const MOST: usize = 8;
    let bundles: Vec<Bundle> = values.iter().take(MOST).map(Rich::bundle).collect();
    let part =
        |bundle: &Bundle, mime: &str| bundle.data.get(mime).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let more = if values.len() > MOST { format!("… and {} more", values.len() - MOST) } else { String::new() };
    let text: Vec<String> = bundles.iter().map(|b| part(b, "text/plain")).chain([more.clone()]).collect();
    let html: String = bundles
        .iter()
        .map(|bundle| match bundle.data.get("image/png").and_then(|png| png.as_str()) {
            Some(png) => {
                let width = bundle.metadata.get("image/png").and_then(|m| m["width"].as_u64()).unwrap_or(680);
                let alt = escape(&part(bundle, "text/plain"));
                format!("<img width=\"{width}\" alt=\"{alt}\" src=\"data:image/png;base64,{png}\">\n")
            }
            None => part(bundle, "text/html"),
        })
        .collect();
    Bundle::text(text.join("\n").trim_end()).with("text/html", html + &more)
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;
    use crate::value_text::TEXT_LIMIT;

    fn shown<T: Debug + ?Sized>(value: &T) -> Option<Bundle> {
        // SAFETY: id and address are those of one live value.
        unsafe { value_bundle(typeid::of::<T>(), std::ptr::from_ref(value).cast(), &value, std::any::type_name::<T>()) }
    }

    fn plain<T: Debug + ?Sized>(value: &T) -> String {
        shown(value).and_then(|b| b.data["text/plain"].as_str().map(str::to_owned)).unwrap_or_default()
    }

    #[test]
    fn unit_shows_nothing_and_plain_values_their_debug_form() {
        assert_eq!(shown(&()), None);
        assert_eq!(shown(&&()), None);
        assert_eq!(plain("a\"b"), "\"a\\\"b\"");
        assert_eq!(plain(&Some(vec![1, 2])), "Some([1, 2])");
        let borrowed = String::from("lifetimes are no obstacle");
        assert_eq!(plain(&vec![borrowed.as_str()]), "[\"lifetimes are no obstacle\"]");
    }

    #[test]
    fn frames_are_rich_by_value_by_reference_and_in_results() -> Result<(), PolarsError> {
        let frame = df!["a" => [1, 2]]?;
        let ok: Result<DataFrame, PolarsError> = Ok(frame.clone());
        for bundle in [shown(&frame), shown(&&frame), shown(&ok)] {
            assert!(bundle.is_some_and(|b| b.data["text/html"].as_str().is_some_and(|html| html.contains("<table"))));
        }
        let failed: Result<Figure, FigureError> = crate::lines(&frame, "a", "loss");
        assert!(plain(&failed).contains("no column \"loss\""));
        assert_eq!(shown(&Ok::<(), FigureError>(())), None);
        Ok(())
    }

    #[test]
    fn long_values_are_cut() {
        let text = plain(&vec![(1.5_f64, 2); 1_000_000]);
        assert!(text.len() < TEXT_LIMIT + 40 && text.ends_with("(cut here)"), "{}", text.len());
    }

    #[test]
    fn long_lists_of_numbers_are_summed_up() {
        let text = plain(&(0..5000).map(f64::from).collect::<Vec<f64>>());
        assert!(text.starts_with("Vec of 5,000 f64: min 0, mean 2500, max 4999"), "{text}");
        assert!(text.contains("\n[0.0, 1.0, 2.0") && text.ends_with("4998.0, 4999.0]"), "{text}");
        assert_eq!(plain(&vec![1_u8, 2]), "[1, 2]");
    }

    #[test]
    fn wrapped_and_several_frames_are_tables_too() -> Result<(), PolarsError> {
        let frame = df!["a" => [1, 2]]?;
        let boxed: Result<DataFrame, Box<dyn std::error::Error>> = Ok(frame.clone());
        for bundle in [shown(&Some(frame.clone())), shown(&Box::new(frame.clone())), shown(&boxed)] {
            assert_eq!(bundle, Some(frame.bundle()));
        }
        let two = shown(&vec![frame.clone(), frame.clone()]).unwrap_or_default();
        assert_eq!(two.data["text/html"].as_str().map(|html| html.matches("<table").count()), Some(2));
        let figure = crate::lines(&frame, "a", "a").map_err(|_| ()).unwrap();
        let two = shown(&vec![figure.clone(), figure]).unwrap_or_default();
        assert_eq!(two.data["text/html"].as_str().map(|html| html.matches("alt=\"Line plot").count()), Some(2));
        Ok(())
    }

    #[test]
    fn a_lazy_frame_is_its_plan_and_a_model_its_layers() -> Result<(), PolarsError> {
        use dfdx::prelude::*;
        use polars::prelude::{IntoLazy as _, col, lit};
        let lazy = df!["a" => [1, 2], "b" => [1, 2]]?.lazy().filter(col("a").gt(lit(1))).select([col("b")]);
        let text = lazy.bundle().data["text/plain"].as_str().unwrap_or_default().to_owned();
        assert!(text.starts_with("LazyFrame") && text.contains("collect()") && text.contains("col(\"a\")"), "{text}");
        let dev = Cpu::default();
        let bundle = shown(&dev.build_module::<(Linear<4, 8>, ReLU), f32>()).unwrap_or_default();
        assert!(bundle.data["text/html"].as_str().is_some_and(|html| html.contains("weight 8 × 4")), "{bundle:?}");
        Ok(())
    }
}
