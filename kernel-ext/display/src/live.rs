//! Training as it happens: curves, pictures and a progress line, updated in place.

use std::time::Instant;

use lathe_events::frame::{Bundle, Frame};
use lathe_events::{Event, Watcher};

use crate::axes::{Axes, Look, Series};
use crate::decimate::thin;
use crate::figure::{Body, Figure, Footer};
use crate::out::{self, Place};
use crate::pace::{Pace, Tally};
use crate::scale::{Kind, number};
use crate::svg::escape;
use crate::{Rich, kinds, picture_file};

/// More points of one series are thinned to a quarter, extremes kept: drawing stays cheap however long the training.
const POINTS: usize = 16_384;

/// Where a live display sends what it shows.
pub(crate) trait Sink: Send {
    fn place(&self) -> Place;
    fn frame(&mut self, frame: Frame);
    /// A line of text that stays.
    fn line(&mut self, text: &str);
    /// A line of text that the next one replaces (terminals only).
    fn overwrite(&mut self, text: &str);
}

struct Stdout;

impl Sink for Stdout {
    fn place(&self) -> Place {
        out::place()
    }

    fn frame(&mut self, frame: Frame) {
        out::send(&frame);
    }

    fn line(&mut self, text: &str) {
        match out::place() {
            Place::Kernel | Place::Evcxr => println!("{text}"),
            Place::Terminal => eprintln!("\r\x1b[2K{text}"),
            Place::Plain => eprintln!("{text}"),
        }
    }

    fn overwrite(&mut self, text: &str) {
        eprint!("\r\x1b[2K{text}");
    }
}

/// Draws what a training reports: one curve figure with a progress line, redrawn in place at most ten times a second and
/// never for more than 2 % of the time; picture grids under it; notes as text. In a terminal it is one line; in a pipe a
/// summary at the end.
///
/// ```
/// use events::{Event, Watcher};
/// let mut watcher = display::live("A quadratic");
/// watcher.on(&Event::Started { task: "descent", total: Some(100), unit: "step" });
/// for step in 0..100 {
///     watcher.on(&Event::Scalar { series: "loss", step: f64::from(step), value: 0.9_f64.powi(step) });
///     watcher.on(&Event::Progress { done: step as u64 + 1 });
/// }
/// watcher.on(&Event::Finished);
/// # use lathe_events as events;
/// ```
pub struct LiveCurves {
    title: String,
    log_y: bool,
    size: (u32, u32),
    tally: Tally,
    series: Vec<Series>,
    /// Name, display id (once shown) and last pictures of each grid.
    grids: Vec<Shown>,
    curves_id: Option<String>,
    pace: Pace,
    sink: Box<dyn Sink>,
    /// Something came that has not been drawn.
    pending: bool,
    running: bool,
}

struct Shown {
    name: String,
    id: Option<String>,
    figure: Option<Figure>,
    pending: bool,
    pace: Pace,
}

/// A watcher for one training, in one line: `model.fit(&data, &mut live("VAE"))?`.
pub fn live(title: impl Into<String>) -> LiveCurves {
    let start = Instant::now();
    LiveCurves::with(title, Box::new(Stdout), Pace::new(move || start.elapsed()))
}

impl LiveCurves {
    pub(crate) fn with(title: impl Into<String>, sink: Box<dyn Sink>, pace: Pace) -> Self {
        Self {
            title: title.into(),
            log_y: false,
            size: (680, 320),
            tally: Tally::default(),
            series: Vec::new(),
            grids: Vec::new(),
            curves_id: None,
            pace,
            sink,
            pending: false,
            running: false,
        }
    }

    /// A logarithmic vertical axis.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// Width and height in CSS pixels.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// The curves so far, as a figure to keep, change or save.
    pub fn figure(&self) -> Figure {
        let mut axes = Axes::new(Kind::Linear, self.series.clone());
        axes.x_label.clone_from(&self.tally.unit);
        axes.log_y = self.log_y;
        if let [only] = &self.series[..] {
            axes.y_label.clone_from(&only.name);
        }
        Figure::new(Body::Axes(axes), 680, 320).size(self.size.0, self.size.1).title(self.title.as_str())
    }

    fn start(&mut self, task: &str, total: Option<u64>, unit: &str) {
        if self.running {
            self.finish();
        }
        if self.title.is_empty() {
            self.title = task.to_owned();
        }
        self.series.clear();
        self.grids.clear();
        self.curves_id = None;
        self.tally = Tally::new(task, total, unit, self.pace.now());
        (self.running, self.pending) = (true, true);
        self.pace.reset();
        self.draw_if_due();
    }

    fn scalar(&mut self, name: &str, step: f64, value: f64) {
        let at = self.series.iter().position(|series| series.name == name).unwrap_or_else(|| {
            self.series.push(Series::new(name, Vec::new(), Vec::new(), Look::Line));
            self.series.len() - 1
        });
        let series = &mut self.series[at];
        series.xs.push(step);
        series.ys.push(value);
        if series.xs.len() > POINTS {
            shrink(series);
        }
        (self.running, self.pending) = (true, true);
        self.draw_if_due();
    }

    fn images(&mut self, name: &str, images: &[lathe_events::Image<'_>]) {
        let at = self.grids.iter().position(|grid| grid.name == name).unwrap_or_else(|| {
            let pace = self.pace.another();
            self.grids.push(Shown { name: name.to_owned(), id: None, figure: None, pending: false, pace });
            self.grids.len() - 1
        });
        let columns = if images.len() <= 8 { images.len() } else { (images.len() as f64).sqrt().ceil() as usize };
        let Ok(figure) = kinds::image_grid(images, columns) else { return };
        let done = self.tally.position();
        self.running = true;
        let grid = &mut self.grids[at];
        grid.figure = Some(figure.title(name).caption(done));
        grid.pending = true;
        if grid.pace.due() && self.sink.place() == Place::Kernel {
            self.draw_grid(at, false);
        }
    }

    fn draw_grid(&mut self, at: usize, last: bool) {
        let grid = &mut self.grids[at];
        let Some(figure) = &grid.figure else { return };
        // The last one is drawn again, to be kept.
        if !std::mem::take(&mut grid.pending) && !last {
            return;
        }
        let begin = grid.pace.now();
        let bundle = if last { figure.bundle() } else { figure.light_bundle() };
        send(&mut *self.sink, &mut grid.id, bundle);
        grid.pace.drew(begin);
    }

    fn draw_if_due(&mut self) {
        if !self.pace.due() {
            return;
        }
        match self.sink.place() {
            Place::Kernel => {
                let begin = self.pace.now();
                let bundle = self.live_bundle();
                send(&mut *self.sink, &mut self.curves_id, bundle);
                self.pending = false;
                self.pace.drew(begin);
            }
            Place::Terminal => {
                let begin = self.pace.now();
                let line = self.line();
                self.sink.overwrite(&line);
                self.pace.drew(begin);
            }
            Place::Evcxr | Place::Plain => {}
        }
    }

    /// The state in one line: name, position, rate, time left, last value of each curve.
    fn line(&self) -> String {
        let mut line = format!("{}: {}", self.title, self.tally.line(self.pace.now()));
        for series in &self.series {
            if let Some(last) = series.ys.last() {
                line.push_str(&format!(", {} {}", series.name, number(*last)));
            }
        }
        line
    }

    fn footer(&self) -> Option<Footer> {
        let text = self.tally.line(self.pace.now());
        (!text.is_empty()).then(|| Footer { text, share: self.tally.share() })
    }

    fn live_bundle(&self) -> Bundle {
        if self.series.is_empty() { self.progress_bundle() } else { self.figure().footer(self.footer()).light_bundle() }
    }

    /// The curves to be kept: without speed and time, so that running a notebook again does not change its pictures.
    fn final_figure(&self) -> Figure {
        let text = self.tally.outcome();
        let footer = (!text.is_empty()).then(|| Footer { text, share: self.tally.share() });
        self.figure().footer(footer)
    }

    /// Pictures that every run makes alike; the text says how long it took.
    fn final_bundle(&self) -> Bundle {
        self.final_figure().bundle().with("text/plain", self.figure().footer(self.footer()).describe())
    }

    /// A bar without curves.
    fn progress_bundle(&self) -> Bundle {
        let (line, label) = (self.line(), escape(&self.title));
        let value = self.tally.share().map_or(String::new(), |share| format!(" value=\"{share:.3}\""));
        let html = format!(
            "<progress aria-label=\"{label}\" max=\"1\"{value} style=\"width:16em\"></progress> {}",
            escape(&line)
        );
        Bundle::text(line).with("text/html", html)
    }

    fn finish(&mut self) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        self.tally.end(self.pace.now());
        match self.sink.place() {
            Place::Kernel => {
                let bundle = if self.series.is_empty() { self.progress_bundle() } else { self.final_bundle() };
                // A training that only draws pictures needs no empty bar above them.
                if !self.series.is_empty() || self.curves_id.is_some() || self.grids.is_empty() {
                    send(&mut *self.sink, &mut self.curves_id, bundle);
                }
                for at in 0..self.grids.len() {
                    self.draw_grid(at, true);
                }
            }
            Place::Evcxr => {
                // One content per type and cell: all figures go into one block.
                let figures = (!self.series.is_empty()).then(|| self.final_figure());
                let figures: Vec<Figure> =
                    figures.into_iter().chain(self.grids.iter().filter_map(|g| g.figure.clone())).collect();
                let html: String = figures
                    .iter()
                    .map(|f| {
                        let data = picture_file::base64(&f.png());
                        format!(
                            "<img width=\"{}\" alt=\"{}\" src=\"data:image/png;base64,{data}\"><br>",
                            f.width,
                            escape(&f.describe())
                        )
                    })
                    .collect();
                let bundle = Bundle::text(self.line());
                let bundle = if html.is_empty() { bundle } else { bundle.with("text/html", html) };
                self.sink.frame(Frame::Display { bundle, id: None });
            }
            Place::Terminal | Place::Plain => {
                let line = self.line();
                self.sink.line(&line);
            }
        }
        self.pending = false;
    }
}

impl Watcher for LiveCurves {
    fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { task, total, unit } => self.start(task, *total, unit),
            Event::Progress { done } => {
                self.tally.done = *done;
                (self.running, self.pending) = (true, true);
                self.draw_if_due();
            }
            Event::Scalar { series, step, value } => self.scalar(series, *step, *value),
            Event::Images { name, images } => self.images(name, images),
            Event::Note(text) => self.sink.line(text),
            Event::Finished => self.finish(),
            _ => {}
        }
    }
}

impl Drop for LiveCurves {
    /// The last state is shown even when the training was interrupted or panicked.
    fn drop(&mut self) {
        self.finish();
    }
}

impl std::fmt::Debug for LiveCurves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveCurves({})", self.line())
    }
}

/// Shows under a new id, or replaces what is there.
fn send(sink: &mut dyn Sink, id: &mut Option<String>, bundle: Bundle) {
    sink.frame(match id {
        Some(id) => Frame::Update { bundle, id: id.clone() },
        None => Frame::Display { bundle, id: Some(id.insert(out::fresh_id()).clone()) },
    });
}

fn shrink(series: &mut Series) {
    let (Some(first), Some(last)) = (series.xs.first(), series.xs.last()) else { return };
    let (first, span) = (*first, (last - first).max(f64::MIN_POSITIVE));
    let columns = (POINTS / 16) as f64;
    let points: Vec<_> = series.xs.iter().zip(&series.ys).map(|(x, y)| ((x - first) / span * columns, *y)).collect();
    let mut kept = thin(&points);
    if kept.len() > POINTS / 2 {
        // Steps that run backwards have no columns to thin by.
        kept = points.into_iter().step_by(2).collect();
    }
    series.xs = kept.iter().map(|p| first + p.0 / columns * span).collect();
    series.ys = kept.iter().map(|p| p.1).collect();
}

#[cfg(test)]
mod tests;
