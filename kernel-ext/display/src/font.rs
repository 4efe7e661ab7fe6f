//! The one font of all figures: Inter (OFL, see `assets/OFL.txt`), embedded, so that a picture is the same everywhere.

use std::sync::{Once, OnceLock};

use ab_glyph::{Font as _, FontRef, GlyphId, PxScale, ScaleFont as _, point};
use plotters::style::{FontStyle, register_font};

static REGULAR: &[u8] = include_bytes!("../assets/Inter-Regular.otf");
static BOLD: &[u8] = include_bytes!("../assets/Inter-SemiBold.otf");

/// What SVG text asks for: the reader's copy of Inter, else the system's interface font of similar width.
pub(crate) const FAMILY: &str = "Inter, system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

/// Makes the font known to plotters under the generic names, so that a learner's own plotters code can draw text too.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for family in ["sans-serif", "serif", "monospace", "Inter"] {
            // A failure leaves plotters without that font; our own figures do not depend on it.
            let _ = register_font(family, FontStyle::Normal, REGULAR);
            let _ = register_font(family, FontStyle::Bold, BOLD);
        }
    });
}

fn face(bold: bool) -> Option<&'static FontRef<'static>> {
    static FACES: OnceLock<[Option<FontRef<'static>>; 2]> = OnceLock::new();
    let faces = FACES.get_or_init(|| [REGULAR, BOLD].map(|bytes| FontRef::try_from_slice(bytes).ok()));
    faces[usize::from(bold)].as_ref()
}

/// ab_glyph scales by line height, typography by em.
fn scale(font: &FontRef<'static>, em: f64) -> PxScale {
    PxScale::from((em * f64::from(font.height_unscaled() / font.units_per_em().unwrap_or(1000.0))) as f32)
}

/// The advance width of a line of text at `em` pixels an em.
pub(crate) fn width(text: &str, em: f64, bold: bool) -> f64 {
    let Some(font) = face(bold) else { return 0.55 * em * text.chars().count() as f64 };
    let scaled = font.as_scaled(scale(font, em));
    text.chars().map(|c| f64::from(scaled.h_advance(font.glyph_id(c)))).sum()
}

/// Calls `pixel(x, y, coverage)` for each touched pixel of a line of text whose baseline starts at `(x, y)`.
pub(crate) fn draw(text: &str, em: f64, bold: bool, (x, y): (f64, f64), mut pixel: impl FnMut(i32, i32, f32)) {
    let Some(font) = face(bold) else { return };
    let size = scale(font, em);
    let scaled = font.as_scaled(size);
    let mut pen = x as f32;
    for c in text.chars() {
        let id: GlyphId = font.glyph_id(c);
        if let Some(outline) = font.outline_glyph(id.with_scale_and_position(size, point(pen, y as f32))) {
            let bounds = outline.px_bounds();
            let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
            outline.draw(|dx, dy, coverage| pixel(left + dx as i32, top + dy as i32, coverage));
        }
        pen += scaled.h_advance(id);
    }
}
