/// Something that happened inside a long computation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A task begins.
    Started {
        /// What is being done ("training").
        task: &'a str,
        /// How many steps it takes; `None`: nobody knows.
        total: Option<u64>,
        /// What a step is ("epoch", "row").
        unit: &'a str,
    },
    /// Some steps of the current task are finished.
    Progress {
        /// How many, since it began.
        done: u64,
    },
    /// One more point of a curve.
    Scalar {
        /// Which curve ("loss", "val_loss").
        series: &'a str,
        /// Where on the x axis; fractions of an epoch are fine.
        step: f64,
        /// How high.
        value: f64,
    },
    /// Pictures of the same size, for example what a generator draws from fixed noise.
    Images {
        /// Replaces the last ones of that name.
        name: &'a str,
        /// The pictures.
        images: &'a [Image<'a>],
    },
    /// A line of text for the reader.
    Note(&'a str),
    /// The current task ended (also when it was interrupted or failed).
    Finished,
}

/// A borrowed picture: row-major, `channels` (1 grey or 3 RGB) values a pixel, each in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Image<'a> {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// `width * height * channels` values.
    pub pixels: &'a [f32],
}

/// Whoever wants to know how a long computation goes.
///
/// ```
/// use lathe_events::{Event, Watcher};
/// struct Last(f64);
/// impl Watcher for Last {
///     fn on(&mut self, event: &Event<'_>) {
///         if let Event::Scalar { value, .. } = event { self.0 = *value; }
///     }
/// }
/// let mut last = Last(0.0);
/// last.on(&Event::Scalar { series: "loss", step: 1.0, value: 0.25 });
/// assert_eq!(last.0, 0.25);
/// ```
pub trait Watcher {
    /// Called for each event, in order, on the thread that computes; it should return quickly.
    fn on(&mut self, event: &Event<'_>);
}

/// Watches nothing: `model.fit(&data, &mut Silent)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Silent;

impl Watcher for Silent {
    fn on(&mut self, _: &Event<'_>) {}
}

impl<W: Watcher + ?Sized> Watcher for &mut W {
    fn on(&mut self, event: &Event<'_>) {
        (**self).on(event);
    }
}

impl<W: Watcher + ?Sized> Watcher for Box<W> {
    fn on(&mut self, event: &Event<'_>) {
        (**self).on(event);
    }
}
