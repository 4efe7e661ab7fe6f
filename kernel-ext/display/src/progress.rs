//! A progress bar around any iterator.

use lathe_events::{Event, Watcher};

use crate::live::{LiveCurves, live};

/// Walks through `items` under a progress bar with rate and time left; pressing "interrupt" stops it between two items and
/// keeps all variables.
///
/// ```
/// let mut sum = 0;
/// for i in display::progress(0..1000) {
///     sum += i;
/// }
/// assert_eq!(sum, 499_500);
/// ```
pub fn progress<I: IntoIterator>(items: I) -> Progress<I::IntoIter> {
    Progress { items: items.into_iter(), bar: live("progress"), unit: String::from("step"), done: 0, started: false }
}

/// The iterator that [`progress`] returns.
#[derive(Debug)]
pub struct Progress<I> {
    items: I,
    bar: LiveCurves,
    unit: String,
    done: u64,
    started: bool,
}

impl<I: Iterator> Progress<I> {
    /// What the bar is called and what one item is: `progress(0..40).named("training", "epoch")`.
    #[must_use]
    pub fn named(mut self, title: &str, unit: &str) -> Self {
        self.bar = live(title);
        unit.clone_into(&mut self.unit);
        self
    }
}

impl<I: Iterator> Iterator for Progress<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        if !std::mem::replace(&mut self.started, true) {
            let (least, most) = self.items.size_hint();
            let total = most.filter(|most| *most == least).map(|n| n as u64);
            self.bar.on(&Event::Started { task: "progress", total, unit: &self.unit });
        } else {
            self.bar.on(&Event::Progress { done: self.done });
        }
        crate::cell::check();
        match self.items.next() {
            Some(item) => {
                self.done += 1;
                Some(item)
            }
            None => {
                self.bar.on(&Event::Finished);
                None
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}
