//! Chapter Markdown as JupyterLab understands it.
//!
//! The text is written for mdBook. In a notebook links between chapters lead to notebooks, images travel inside the notebook
//! (learners open copies in other folders), and what only mdBook knows is said in plain Markdown.

use crate::chapter::{Block, Chapter, masked, parse_options};
use crate::error::{Error, Result};
use base64::Engine as _;
use pulldown_cmark::{BlockQuoteKind, Event, LinkType, Parser, Tag};
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::path::Path;

/// The changes that turn a chapter's prose into the notebook's.
pub(crate) struct Prose<'a> {
    chapter: &'a Chapter,
    /// What replaces what, in order of place.
    edits: Vec<(Range<usize>, String)>,
    /// Images by the place where they are shown: name and content.
    images: Vec<(usize, String, Value)>,
}

impl<'a> Prose<'a> {
    /// Reads a chapter; `sources` is `book/src`, where images are.
    ///
    /// # Errors
    /// When an image is not there or has no known type.
    pub fn new(chapter: &'a Chapter, sources: &Path) -> Result<Self> {
        let mut prose = Self { chapter, edits: Vec::new(), images: Vec::new() };
        let mut errors = Vec::new();
        for (event, range) in Parser::new_ext(&masked(&chapter.text), parse_options()).into_offset_iter() {
            if let Event::Start(Tag::Image { link_type, dest_url, .. }) = &event
                && !dest_url.contains(':')
            {
                match prose.image(&range, dest_url, sources) {
                    Ok(name) => prose.link(*link_type, &range, dest_url, format!("attachment:{name}")),
                    Err(error) => errors.push(error),
                }
            } else {
                prose.edit(&event, range);
            }
        }
        Error::all(errors)?;
        // A link inside a link's text starts later but ends earlier: inner edits come first when places are applied backwards.
        prose.edits.sort_by_key(|(range, _)| (range.start, range.end));
        Ok(prose)
    }

    /// A block's Markdown for the notebook; images that it shows are added to `attachments`.
    pub fn block(&self, block: &Block, attachments: &mut Map<String, Value>) -> String {
        let inside = |range: &Range<usize>| block.range.start <= range.start && range.end <= block.range.end;
        for (_, name, image) in self.images.iter().filter(|(at, ..)| block.range.contains(at)) {
            attachments.insert(name.clone(), image.clone());
        }
        let mut text = self.chapter.source(block).to_owned();
        for (range, new) in self.edits.iter().rev().filter(|(range, _)| inside(range)) {
            text.replace_range(range.start - block.range.start..range.end - block.range.start, new);
        }
        text
    }

    fn edit(&mut self, event: &Event<'_>, range: Range<usize>) {
        let text = &self.chapter.text[range.clone()];
        match event {
            Event::Start(Tag::Heading { id: Some(id), .. }) => {
                let line = text.trim_end();
                if let Some(at) = line.rfind('{').filter(|at| line.ends_with('}') && line[*at..].contains(&**id)) {
                    let start = range.start + line[..at].trim_end().len();
                    self.edits.push((start..range.start + line.len(), String::new()));
                }
            }
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let link = notebook_link(dest_url).unwrap_or_else(|| dest_url.to_string());
                if link != **dest_url || !matches!(link_type, LinkType::Inline) {
                    self.link(*link_type, &range, dest_url, link);
                }
            }
            Event::Start(Tag::BlockQuote(Some(kind))) => {
                if let Some((start, end)) = text.find("[!").zip(text.find(']')) {
                    self.edits.push((range.start + start..range.start + end + 1, format!("**{}**\\", name(*kind))));
                }
            }
            Event::FootnoteReference(name) => self.edits.push((range, format!("<sup>{name}</sup>"))),
            Event::Start(Tag::FootnoteDefinition(name)) => {
                if let Some(colon) = text.find(':') {
                    self.edits.push((range.start..range.start + colon + 1, format!("<sup>{name}</sup>")));
                }
            }
            _ => {}
        }
    }

    /// Gives a link or an image another address. A reference becomes an inline link: its definition may be in another cell.
    fn link(&mut self, kind: LinkType, range: &Range<usize>, url: &str, new: String) {
        let text = &self.chapter.text[range.clone()];
        match kind {
            LinkType::Inline => {
                if let Some(at) = text.rfind(url) {
                    self.edits.push((range.start + at..range.start + at + url.len(), new));
                }
            }
            LinkType::Reference | LinkType::ReferenceUnknown | LinkType::Collapsed | LinkType::CollapsedUnknown => {
                if let Some(at) = text.rfind('[') {
                    self.edits.push((range.start + at..range.end, format!("({new})")));
                }
            }
            LinkType::Shortcut | LinkType::ShortcutUnknown => {
                self.edits.push((range.end..range.end, format!("({new})")))
            }
            _ => {}
        }
    }

    fn image(&mut self, range: &Range<usize>, url: &str, sources: &Path) -> Result<String> {
        let line = 1 + self.chapter.text[..range.start].matches('\n').count();
        let mime = match Path::new(url).extension().and_then(|ext| ext.to_str()) {
            Some("png") => "image/png",
            Some("jpg" | "jpeg") => "image/jpeg",
            Some("gif") => "image/gif",
            Some("svg") => "image/svg+xml",
            _ => {
                return Err(self.chapter.error(
                    line,
                    format!("'{url}' is no image"),
                    "show a .png, .jpg, .gif or .svg file",
                ));
            }
        };
        let bytes = std::fs::read(sources.join(url)).map_err(|error| {
            let remedy = "put the image into book/src and name it relative to there";
            self.chapter.error(line, format!("the image '{url}' cannot be read: {error}"), remedy)
        })?;
        let name = url.replace(['/', ' '], "-");
        let content = json!({ mime: base64::engine::general_purpose::STANDARD.encode(bytes) });
        self.images.push((range.start, name.clone(), content));
        Ok(name)
    }
}

/// `02-gan.md#why` is `02-gan.ipynb#why` in a notebook; other pages are found from the learner's copies in `notebooks/my`.
fn notebook_link(url: &str) -> Option<String> {
    let (page, anchor) = url.split_once('#').unwrap_or((url, ""));
    let stem = page.strip_suffix(".md").filter(|_| !page.contains(':'))?;
    let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
    Some(if crate::layout::is_chapter(stem.trim_start_matches("./")) {
        format!("{stem}.ipynb{anchor}")
    } else {
        format!("../../book/src/{page}{anchor}")
    })
}

fn name(kind: BlockQuoteKind) -> &'static str {
    match kind {
        BlockQuoteKind::Note => "Note",
        BlockQuoteKind::Tip => "Tip",
        BlockQuoteKind::Important => "Important",
        BlockQuoteKind::Warning => "Warning",
        BlockQuoteKind::Caution => "Caution",
    }
}

/// How long the chapter takes and what it is good for, as a paragraph and a list.
pub(crate) fn about(chapter: &Chapter) -> Option<String> {
    let minutes = chapter.front.minutes.map(|minutes| format!("*About {minutes} minutes.*"));
    let goals = (!chapter.front.goals.is_empty()).then(|| {
        let goals: Vec<String> = chapter.front.goals.iter().map(|goal| format!("- {goal}")).collect();
        format!("After this chapter you can:\n\n{}", goals.join("\n"))
    });
    match (minutes, goals) {
        (Some(minutes), Some(goals)) => Some(format!("{minutes} {goals}")),
        (minutes, goals) => minutes.or(goals),
    }
}
