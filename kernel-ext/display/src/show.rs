//! The value of a cell's last expression.

use std::any::TypeId;
use std::fmt::{Debug, Write};

use lathe_events::frame::Bundle;
use polars::prelude::{Column, DataFrame, PolarsError, Series};

use crate::error::FigureError;
use crate::figure::Figure;
use crate::grid::Picture;
use crate::{Rich, out, tensor};

/// Longer `{:?}` texts are cut here: nobody reads on, and notebooks store it.
const TEXT_LIMIT: usize = 20_000;

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
    macro_rules! results {
        ($($ty:ty, $error:ty);* $(;)?) => {$(
            if id == TypeId::of::<Result<$ty, $error>>() {
                // SAFETY: as above.
                return Some(match unsafe { &*address.cast::<Result<$ty, $error>>() } {
                    Ok(value) => value.bundle(),
                    Err(error) => Bundle::text(format!("Error: {error}")),
                });
            }
        )*};
    }
    results!(Figure, FigureError; DataFrame, PolarsError; Series, PolarsError; Column, PolarsError);
    if id == TypeId::of::<Result<(), FigureError>>() && format!("{value:?}") == "Ok(())" {
        return None;
    }
    if tensor::is_tensor(name) {
        return Some(tensor::from_debug(value, name));
    }
    Some(Bundle::text(debug_text(value)))
}

/// `{:?}` where it is short or a list, `{:#?}` for large structs; never longer than the limit.
pub(crate) fn debug_text(value: &dyn Debug) -> String {
    let mut line = Limited { text: String::new(), limit: TEXT_LIMIT, cut: false };
    // The error is only the limit's.
    let _ = write!(line, "{value:?}");
    if line.text.len() > 120 && !line.text.starts_with(['[', '"', '(']) {
        let mut block = Limited { text: String::new(), limit: TEXT_LIMIT, cut: false };
        let _ = write!(block, "{value:#?}");
        if block.text.lines().count() <= 200 {
            return block.finish();
        }
    }
    line.finish()
}

/// Text up to a length; then writing stops, so a gigabyte is not formatted for nothing.
pub(crate) struct Limited {
    pub(crate) text: String,
    pub(crate) limit: usize,
    pub(crate) cut: bool,
}

impl Limited {
    fn finish(mut self) -> String {
        if self.cut {
            self.text.push_str(" … (cut here)");
        }
        self.text
    }
}

impl Write for Limited {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let room = self.limit.saturating_sub(self.text.len());
        if part.len() <= room {
            self.text.push_str(part);
            return Ok(());
        }
        let end = (0..=room).rev().find(|at| part.is_char_boundary(*at)).unwrap_or(0);
        self.text.push_str(&part[..end]);
        self.cut = true;
        Err(std::fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

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
        let text = plain(&vec![1.5_f64; 1_000_000]);
        assert!(text.len() < TEXT_LIMIT + 40 && text.ends_with("(cut here)"), "{}", text.len());
    }
}
