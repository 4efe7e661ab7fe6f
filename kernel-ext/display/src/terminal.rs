//! Figures in a terminal: curves of braille dots, bars of blocks, pictures of half blocks.

use crate::axes::{Axes, Look, Mark};
use crate::figure::{Body, Figure};
use crate::grid::Grid;
use crate::scale::{Kind, Scale, number};

/// Rows of text of a plot.
const ROWS: usize = 14;
/// ANSI colours of the series, close to the figures' palette.
const INKS: [u8; 6] = [34, 31, 32, 35, 33, 36];

/// A figure as lines of text `width` columns wide; `None` for what has no such form.
pub(crate) fn drawing(figure: &Figure, width: usize, color: bool) -> Option<String> {
    let body = match &figure.body {
        Body::Axes(axes) => plot(axes, width.clamp(40, 120), color),
        Body::Grid(grid) if color => pictures(grid, width),
        _ => return None,
    };
    let title = if figure.title.is_empty() { String::new() } else { format!("{}\n", figure.title) };
    Some(format!("{title}{body}"))
}

/// The terminal's width in columns, and whether it wants colours (<https://no-color.org>).
pub(crate) fn terminal() -> (usize, bool) {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request writes one winsize, which is what it is given; without a terminal it fails and writes nothing.
    let known = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } == 0 && size.ws_col > 0;
    let color =
        std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::env::var("TERM").is_ok_and(|t| t != "dumb");
    (if known { usize::from(size.ws_col) } else { 80 }, color)
}

fn ink(text: &str, index: usize, color: bool) -> String {
    if color { format!("\x1b[{}m{text}\x1b[0m", INKS[index % INKS.len()]) } else { text.to_owned() }
}

/// Dots, eight to a character, with the series that owns each character.
struct Dots {
    columns: usize,
    cells: Vec<(u8, usize)>,
}

impl Dots {
    fn set(&mut self, x: f64, y: f64, series: usize) {
        let (wide, high) = (2 * self.columns, 4 * ROWS);
        if x.is_nan() || y.is_nan() || !(-1e-9..=1.0 + 1e-9).contains(&x) || !(-1e-9..=1.0 + 1e-9).contains(&y) {
            return;
        }
        let column = ((x * wide as f64) as usize).min(wide - 1);
        let row = (((1.0 - y) * high as f64) as usize).min(high - 1);
        // The bit of each of the eight dots of a braille character.
        let bit = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]][row % 4][column % 2];
        let cell = &mut self.cells[row / 4 * self.columns + column / 2];
        *cell = (cell.0 | bit, series);
    }

    fn line(&mut self, a: (f64, f64), b: (f64, f64), series: usize) {
        let (dx, dy) = ((b.0 - a.0) * 2.0 * self.columns as f64, (b.1 - a.1) * 4.0 * ROWS as f64);
        let steps = dx.abs().max(dy.abs()).ceil().clamp(1.0, 4000.0) as usize;
        for step in 0..=steps {
            let t = step as f64 / steps as f64;
            self.set(a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1), series);
        }
    }
}

fn plot(axes: &Axes, width: usize, color: bool) -> String {
    if let Kind::Names(names) = &axes.x_kind {
        return bars(axes, names, width, color);
    }
    let (x, y) = axes.scales();
    let columns = width - 12;
    let mut dots = Dots { columns, cells: vec![(0, 0); columns * ROWS] };
    for mark in &axes.marks {
        let Mark::Vertical { xs, .. } = mark else { continue };
        for at in xs {
            (0..2 * ROWS).for_each(|i| dots.set(x.place(*at), i as f64 / (2 * ROWS) as f64, 1));
        }
    }
    for (i, series) in axes.series.iter().enumerate() {
        let place = |at: f64, level: f64| (x.place(at), y.place(level));
        match series.look {
            Look::Dots => series.xs.iter().zip(&series.ys).for_each(|(at, level)| {
                let (x, y) = place(*at, *level);
                dots.set(x, y, i);
            }),
            Look::Line => {
                for (xs, ys) in series.xs.windows(2).zip(series.ys.windows(2)) {
                    let (a, b) = (place(xs[0], ys[0]), place(xs[1], ys[1]));
                    if [a.0, a.1, b.0, b.1].iter().all(|v| v.is_finite()) {
                        dots.line(a, b, i);
                    }
                }
            }
            Look::Bins | Look::Bars => {
                for (edges, level) in series.xs.windows(2).zip(&series.ys) {
                    let (from, to) = (place(edges[0], *level), place(edges[1], *level));
                    let steps = ((to.0 - from.0) * 2.0 * columns as f64).ceil().max(1.0) as usize;
                    for step in 0..steps {
                        let at = from.0 + (to.0 - from.0) * step as f64 / steps as f64;
                        dots.line((at, y.place(0.0).max(0.0)), (at, from.1), i);
                    }
                }
            }
        }
    }
    let label = |row: usize| match row {
        0 => y.say(y.high),
        _ if row == ROWS - 1 => y.say(y.low),
        _ if row == ROWS / 2 => y.say(value_at(&y, 0.5)),
        _ => String::new(),
    };
    let mut text = String::new();
    if axes.series.len() > 1 {
        let names: Vec<String> =
            axes.series.iter().enumerate().map(|(i, s)| ink(&format!("━ {}", s.name), i, color)).collect();
        text.push_str(&format!("{:11}{}\n", "", names.join("  ")));
    }
    for row in 0..ROWS {
        text.push_str(&format!("{:>10} │", label(row)));
        for (bits, series) in &dots.cells[row * columns..(row + 1) * columns] {
            let dot = char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ').to_string();
            text.push_str(&if *bits == 0 { String::from(" ") } else { ink(&dot, *series, color) });
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let (from, to) = (x.say(x.low), x.say(x.high));
    let room = columns.saturating_sub(from.chars().count() + to.chars().count());
    let middle = format!("{:^room$}", if axes.x_label.chars().count() < room { &axes.x_label } else { "" });
    text.push_str(&format!("{:11}└{}\n{:12}{from}{middle}{to}\n", "", "─".repeat(columns), ""));
    text
}

fn value_at(scale: &Scale, share: f64) -> f64 {
    match scale.kind {
        Kind::Log => scale.low * (scale.high / scale.low).powf(share),
        _ => scale.low + share * (scale.high - scale.low),
    }
}

/// Horizontal bars, one for each group and series.
fn bars(axes: &Axes, names: &[String], width: usize, color: bool) -> String {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(24);
    let room = width.saturating_sub(longest + 14).max(10) as f64;
    let top = axes.series.iter().flat_map(|s| &s.ys).filter(|v| v.is_finite()).fold(0.0_f64, |max, v| max.max(v.abs()));
    let mut text = String::new();
    for (group, name) in names.iter().enumerate() {
        for (i, series) in axes.series.iter().enumerate() {
            let value = series.ys.get(group).copied().unwrap_or(f64::NAN);
            let eighths =
                if value.is_finite() && top > 0.0 { (value.abs() / top * room * 8.0).round() as usize } else { 0 };
            let last = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
            let bar = format!("{}{last}", "█".repeat(eighths / 8));
            let name: String = if i == 0 { name.chars().take(24).collect() } else { String::new() };
            let which = if axes.series.len() > 1 { format!(" {}", series.name) } else { String::new() };
            text.push_str(&format!("{name:>longest$} │{} {}{which}\n", ink(&bar, i, color), number(value)));
        }
    }
    text
}

/// Pictures side by side, two pixels to a character.
fn pictures(grid: &Grid, width: usize) -> String {
    let side = grid.pictures.iter().map(|p| p.width).max().unwrap_or(1);
    // Large pictures are thinned to what half of the width holds.
    let thin = side.div_ceil((width / 2).clamp(8, 48));
    let shown = side.div_ceil(thin);
    let columns = ((width + 1) / (shown + 1)).clamp(1, grid.columns);
    let mut text = String::new();
    for (row, group) in grid.pictures.chunks(columns).enumerate() {
        let height = group.iter().map(|p| p.height.div_ceil(thin)).max().unwrap_or(0);
        for line in 0..height.div_ceil(2) {
            for picture in group {
                let rgb = picture.rgb();
                let pixel = |x: usize, y: usize| {
                    let (x, y) = (x * thin, y * thin);
                    (x < picture.width && y < picture.height).then(|| &rgb[3 * (y * picture.width + x)..][..3])
                };
                for x in 0..shown {
                    match (pixel(x, 2 * line), pixel(x, 2 * line + 1)) {
                        (Some(a), Some(b)) => {
                            let (a, b) = (format!("{};{};{}", a[0], a[1], a[2]), format!("{};{};{}", b[0], b[1], b[2]));
                            text.push_str(&format!("\x1b[38;2;{a}m\x1b[48;2;{b}m▀"));
                        }
                        (Some(a), None) => text.push_str(&format!("\x1b[0m\x1b[38;2;{};{};{}m▀", a[0], a[1], a[2])),
                        _ => text.push_str("\x1b[0m "),
                    }
                }
                text.push_str("\x1b[0m ");
            }
            text.push('\n');
        }
        let captions: Vec<&String> = grid.captions.iter().skip(row * columns).take(group.len()).collect();
        if !captions.is_empty() {
            let line: String = captions
                .iter()
                .map(|caption| format!("{:shown$} ", caption.chars().take(shown).collect::<String>()))
                .collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Picture, bars_xy, image_grid, lines_xy};

    #[test]
    fn a_rising_line_goes_from_the_lower_left_to_the_upper_right() {
        let figure = lines_xy(&[0, 1, 2], &[("up", &[0.0, 5.0, 10.0][..])]).unwrap().title("Up").x_label("t");
        let text = drawing(&figure, 60, false).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + ROWS + 2);
        assert!(lines[0] == "Up" && lines[1].contains("10.5 │") && lines[ROWS].contains("0 │"), "{text}");
        let ink = |line: &str| line.chars().position(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
        assert!(ink(lines[2]) > ink(lines[ROWS - 1]) && ink(lines[ROWS]) == Some(12), "{text}");
        assert!(lines.last().unwrap().trim_start().starts_with('0') && text.contains(" t "), "{text}");
        assert!(!text.contains('\x1b') && drawing(&figure, 60, true).unwrap().contains("\x1b[34m"));
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let figure = bars_xy(&["a", "long name"], &[2.0, 4.0]).unwrap();
        let text = drawing(&figure, 60, false).unwrap();
        let blocks: Vec<usize> = text.lines().map(|line| line.matches('█').count()).collect();
        assert_eq!(blocks[1], 2 * blocks[0] + usize::from(text.contains('▌')), "{text}");
        assert!(text.starts_with("        a │█") && text.contains("█ 4\n"), "{text}");
    }

    #[test]
    fn pictures_need_colours() {
        let figure = image_grid([Picture::grey(2, 3, &[0.0, 1.0, 0.0, 1.0, 1.0, 0.0])], 1).unwrap().captions(["x"]);
        assert_eq!(drawing(&figure, 80, false), None);
        let text = drawing(&figure, 80, true).unwrap();
        assert!(
            text.starts_with("\x1b[38;2;0;0;0m\x1b[48;2;0;0;0m▀\x1b[38;2;255;255;255m\x1b[48;2;255;255;255m▀"),
            "{text:?}"
        );
        assert!(text.lines().count() == 3 && text.ends_with("x\n"), "{text:?}");
    }
}
