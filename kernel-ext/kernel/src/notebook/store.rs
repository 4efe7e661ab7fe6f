use super::{Output, terminal};
use crate::api;
use crate::protocol::limit::Limiter;
use lathe_events::frame::Bundle;

/// One stored output, with the display id by which it can still be replaced.
struct Slot {
    output: Output,
    id: Option<String>,
}

/// What front ends draw a widget from.
const VIEW: &str = "application/vnd.jupyter.widget-view+json";

/// Collects what the cells of a notebook show, as a front end stores it: fragments of a stream joined, overwritten lines
/// folded, cleared outputs gone, updates applied to every earlier output with that id, in this cell and in those before.
#[derive(Default)]
pub struct OutputStore {
    cells: Vec<Vec<Slot>>,
    limits: [Limiter; 2],
    clear_on_next: bool,
}

impl OutputStore {
    /// Starts the next cell; returns its index in [`OutputStore::finish`]'s list.
    pub fn begin_cell(&mut self) -> usize {
        self.cells.push(Vec::new());
        self.limits = Default::default();
        self.clear_on_next = false;
        self.cells.len() - 1
    }

    /// Takes one output of the current cell.
    pub fn push(&mut self, output: api::Output, execution_count: u64) {
        if self.cells.is_empty() {
            self.begin_cell();
        }
        match output {
            api::Output::Stream { stream, text } => {
                if let Some(text) = self.limits[stream as usize].admit(&text) {
                    self.stream(stream.name(), &text);
                }
            }
            api::Output::Display { bundle, id } => {
                let Bundle { data, metadata } = bundle;
                self.add(Output::Display { data, metadata }, id);
            }
            api::Output::Result { bundle } => {
                let Bundle { data, metadata } = bundle;
                self.add(Output::Result { data, metadata, execution_count: Some(execution_count) }, None);
            }
            api::Output::Update { bundle, id } => self.update(&bundle, &id),
            api::Output::Clear { wait: true } => self.clear_on_next = true,
            api::Output::Clear { wait: false } => self.clear(),
            // Nobody is there who could type or move a slider.
            api::Output::Input { .. }
            | api::Output::Comm { .. }
            | api::Output::CommDone { .. }
            | api::Output::ProcessLost => {}
        }
    }

    /// Ends the current cell with an error, or without one.
    pub fn end_cell(&mut self, error: Option<&api::CellError>) {
        for stream in [api::Stream::Stdout, api::Stream::Stderr] {
            if let Some(rest) = self.limits[stream as usize].finish() {
                self.stream(stream.name(), &rest);
            }
        }
        if let Some(api::CellError { ename, evalue, traceback }) = error.cloned() {
            self.add(Output::Error { ename, evalue, traceback }, None);
        }
    }

    /// The outputs of each cell, in the order of [`OutputStore::begin_cell`].
    ///
    /// A widget ends with its process: without its state in the notebook (`views`) a stored view would be shown as an error,
    /// and only its text is kept.
    pub fn finish(self, views: bool) -> Vec<Vec<Output>> {
        let stored = |slot: Slot| match slot.output {
            Output::Stream { name, text } => Output::Stream { name, text: text.trim_end_matches('\r').to_owned() },
            Output::Display { mut data, metadata } if !views => {
                data.remove(VIEW);
                Output::Display { data, metadata }
            }
            Output::Result { mut data, metadata, execution_count } if !views => {
                data.remove(VIEW);
                Output::Result { data, metadata, execution_count }
            }
            other => other,
        };
        self.cells.into_iter().map(|slots| slots.into_iter().map(stored).collect()).collect()
    }

    fn clear(&mut self) {
        self.clear_on_next = false;
        if let Some(current) = self.cells.last_mut() {
            current.clear();
        }
    }

    fn add(&mut self, output: Output, id: Option<String>) {
        if self.clear_on_next {
            self.clear();
        }
        if let Some(current) = self.cells.last_mut() {
            current.push(Slot { output, id });
        }
    }

    fn stream(&mut self, name: &str, added: &str) {
        if self.clear_on_next {
            self.clear();
        }
        if let Some(Slot { output: Output::Stream { name: last, text }, .. }) =
            self.cells.last_mut().and_then(|c| c.last_mut())
            && last == name
        {
            // Only the unfinished last line can still change.
            let start = text.rfind('\n').map_or(0, |at| at + 1);
            let tail = terminal::fold(&format!("{}{added}", &text[start..]));
            text.truncate(start);
            text.push_str(&tail);
            return;
        }
        self.add(Output::Stream { name: name.to_owned(), text: terminal::fold(added) }, None);
    }

    fn update(&mut self, bundle: &Bundle, wanted: &str) {
        for slot in self.cells.iter_mut().flatten() {
            if slot.id.as_deref() == Some(wanted)
                && let Output::Display { data, metadata } | Output::Result { data, metadata, .. } = &mut slot.output
            {
                data.clone_from(&bundle.data);
                metadata.clone_from(&bundle.metadata);
            }
        }
    }
}
