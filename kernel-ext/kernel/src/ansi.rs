//! Colours of error messages.
//!
//! JupyterLab's ground of errors is `#fdd` in its light theme and `#511f1b` in its dark one: no text colour is legible on both
//! (contrast of at least 4.5 to each), and its red, blue and green reach 2.1 to 2.4 on the dark one. So text keeps the
//! theme's own colour, and what shall stand out brings its own ground: white on it has a contrast of 7.3 and 7.6.
//! Nothing is told by colour alone.

/// What is wrong: white on dark red.
pub(crate) const RED: &str = "\x1b[1;38;2;255;255;255;48;2;176;0;32m";
/// What helps: white on dark green.
pub(crate) const GREEN: &str = "\x1b[1;38;2;255;255;255;48;2;0;97;60m";
/// Line numbers and frames; fainter where a front end knows it (terminals, VS Code).
pub(crate) const FRAME: &str = "\x1b[2m";
/// Bold.
pub(crate) const BOLD: &str = "\x1b[1m";
/// The end of any of them.
pub(crate) const END: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: [u8; 3]) -> f64 {
        let linear = colour.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let (a, b) = (luminance(one), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// The three numbers behind `38;2` or `48;2`.
    fn colour(code: &str, layer: &str) -> Option<[u8; 3]> {
        let numbers = code.trim_start_matches("\x1b[").trim_end_matches('m').split_once(layer)?.1;
        let parts: Vec<u8> = numbers.split(';').take(3).filter_map(|part| part.parse().ok()).collect();
        parts.try_into().ok()
    }

    #[test]
    fn every_colour_is_legible_in_every_theme() {
        for code in [RED, GREEN] {
            let pair = colour(code, "38;2;").zip(colour(code, "48;2;"));
            assert!(pair.is_some_and(|(text, ground)| contrast(text, ground) >= 4.5), "{code:?}");
        }
        // The others leave the text's colour to the theme.
        for code in [FRAME, BOLD, END] {
            assert!(!code.contains('3') && !code.contains('4') && !code.contains('9'), "{code:?}");
        }
    }
}
