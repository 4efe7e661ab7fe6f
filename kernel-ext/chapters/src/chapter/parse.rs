//! The text as blocks. Positions come from pulldown-cmark, the parser that mdBook uses, so both see the same blocks.

use super::{Block, Cell, Chapter, Front, Kind, attrs, front, is_id};
use crate::error::{Error, Result};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// mdBook's options, and formulas.
pub(crate) fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_GFM
        | Options::ENABLE_MATH
}

/// The same text, byte for byte as long, in which no line inside `$$ ... $$` starts like a list, heading or quotation: in a formula
/// a `+` at the start of a line is a plus. Blocks and places are found in this text, words are taken from the original.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    if !text.contains("$$") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut formula, mut fence) = (false, None::<&str>);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        if mark.is_some() && (fence.is_none() || fence == mark) {
            fence = if fence.is_some() { None } else { mark };
            formula = false;
        } else if trimmed.is_empty() {
            formula = false;
        } else if fence.is_none() {
            let indent = line.len() - trimmed.len();
            if formula && trimmed.starts_with(['+', '-', '*', '#', '>', '=', '1']) {
                out.push_str(&line[..indent]);
                out.push('x');
                out.push_str(&line[indent + 1..]);
            } else {
                out.push_str(line);
            }
            formula ^= line.replace("\\$", "").matches("$$").count() % 2 == 1;
            continue;
        }
        out.push_str(line);
    }
    Cow::Owned(out)
}

struct State<'a> {
    text: &'a str,
    file: &'a Path,
    /// Byte where each line starts.
    lines: Vec<usize>,
    blocks: Vec<Block>,
    front: Option<Front>,
    title: String,
    /// From `<!-- id: x -->`, with its line, for the next block.
    pending: Option<(String, usize)>,
    errors: Vec<Error>,
}

pub(super) fn parse(stem: &str, text: &str, file: &Path) -> Result<Chapter> {
    let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut state = State {
        text,
        file,
        lines,
        blocks: Vec::new(),
        front: None,
        title: String::new(),
        pending: None,
        errors: Vec::new(),
    };
    state.read();
    state.finish();
    let State { blocks, front, title, errors, .. } = state;
    Error::all(errors)?;
    Ok(Chapter { stem: stem.to_owned(), text: text.to_owned(), front: front.unwrap_or_default(), title, blocks })
}

impl State<'_> {
    fn read(&mut self) {
        let mut depth = 0usize;
        // Set while the words of the title come by.
        let mut title = false;
        let masked = masked(self.text);
        for (event, range) in Parser::new_ext(&masked, options()).into_offset_iter() {
            match event {
                Event::Start(tag) => {
                    if depth == 0 {
                        title = self.block(&tag, &range);
                    } else if let Tag::CodeBlock(CodeBlockKind::Fenced(info)) = &tag {
                        self.nested_fence(info, &range);
                    }
                    depth += 1;
                }
                Event::End(end) => {
                    depth = depth.saturating_sub(1);
                    if matches!(end, TagEnd::Heading(_)) {
                        title = false;
                    }
                }
                Event::Text(words) | Event::Code(words) if title => self.title.push_str(&words),
                Event::Rule if depth == 0 => self.push(range, None, Kind::Prose),
                _ => {}
            }
        }
    }

    /// A top-level block starts; is it the title?
    fn block(&mut self, tag: &Tag<'_>, range: &Range<usize>) -> bool {
        match tag {
            Tag::Heading { level, id, .. } => {
                let first = *level == HeadingLevel::H1 && self.title.is_empty();
                self.push(range.clone(), id.as_ref().map(ToString::to_string), Kind::Heading(*level as u8));
                return first;
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => self.fence(info, range),
            Tag::HtmlBlock => self.html(range),
            _ => self.push(range.clone(), None, Kind::Prose),
        }
        false
    }

    fn line(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte)
    }

    fn problem(&mut self, line: usize, what: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(Error::Source { file: self.file.to_owned(), line, what: what.into(), remedy: remedy.into() });
    }

    fn push(&mut self, range: Range<usize>, id: Option<String>, kind: Kind) {
        let line = self.line(range.start);
        let end = range.start + self.text[range.clone()].trim_end().len();
        let mut id = id;
        if kind != Kind::Comment
            && let Some((pending, at)) = self.pending.take()
        {
            if id.is_some() || matches!(kind, Kind::Cell(_)) {
                self.problem(at, "this id stands before a block that carries its own", "delete this comment");
            } else {
                id = Some(pending);
            }
        }
        if let Some(bad) = id.as_ref().filter(|id| !is_id(id)) {
            self.problem(line, format!("'{bad}' cannot be an id"), "use lower-case letters, digits and dashes");
        }
        self.blocks.push(Block { range: range.start..end, line, id, kind });
    }

    fn html(&mut self, range: &Range<usize>) {
        let source = self.text[range.clone()].trim();
        let line = self.line(range.start);
        let Some(inside) = source.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")) else {
            return self.push(range.clone(), None, Kind::Prose);
        };
        if let Some(id) = inside.trim().strip_prefix("id:") {
            if let Some((_, before)) = self.pending.replace((id.trim().to_owned(), line)) {
                self.problem(before, "this id belongs to no block", "delete this comment or put it before a block");
            }
        } else if let Some(read) = front::parse(inside) {
            match read {
                Ok(_) if self.front.is_some() || self.blocks.iter().any(|block| block.kind != Kind::Comment) => {
                    self.problem(line, "front matter stands at the top, once", "move this comment to the first line");
                }
                Ok(front) => self.front = Some(front),
                Err((offset, what)) => {
                    self.problem(
                        line + offset,
                        what,
                        "front matter knows `minutes: 40` and `goals:` followed by lines `- ...`",
                    );
                }
            }
        }
        self.push(range.clone(), None, Kind::Comment);
    }

    /// Is the last line of the block a closing fence, and does no other fence open inside?
    fn closed(&mut self, range: &Range<usize>) -> bool {
        let source = self.text[range.clone()].trim_end();
        let line = self.line(range.start);
        let mut lines = source.lines();
        let open = lines.next().unwrap_or_default().trim_start();
        let mark = open.chars().next().unwrap_or('`');
        let width = open.chars().take_while(|c| *c == mark).count();
        let is_fence = |line: &str| line.trim().chars().take_while(|c| *c == mark).count() >= width;
        let end = lines.next_back().is_some_and(|last| is_fence(last) && last.trim().chars().all(|c| c == mark));
        let remedy = format!("close it with a line {}", mark.to_string().repeat(width));
        if !end {
            self.problem(line, "this fence is never closed", remedy);
        } else if let Some(inside) =
            source.lines().skip(1).position(is_fence).filter(|at| at + 2 < source.lines().count())
        {
            self.problem(
                line,
                format!("this fence is still open where line {} opens another", line + 1 + inside),
                remedy,
            );
        } else {
            return true;
        }
        false
    }

    fn nested_fence(&mut self, info: &str, range: &Range<usize>) {
        if info.split_whitespace().any(|word| word == "cell") {
            let line = self.line(range.start);
            self.problem(
                line,
                "a cell inside a list or a quotation",
                "let the fence start at the beginning of the line",
            );
        }
    }

    fn fence(&mut self, info: &str, range: &Range<usize>) {
        let line = self.line(range.start);
        if !self.closed(range) {
            return;
        }
        let language = info.split([' ', ',', '\t']).next().unwrap_or_default();
        if language != "rust" {
            if info.split_whitespace().any(|word| word == "cell") {
                self.problem(line, format!("'{language}' cannot be run"), "only ```rust cell is a cell");
            }
            return self.push(range.clone(), None, Kind::Prose);
        }
        let attrs = match attrs::parse(info) {
            Ok(attrs) => attrs,
            Err((what, remedy)) => return self.problem(line, what, remedy),
        };
        if !attrs.cell {
            return self.push(range.clone(), None, Kind::Prose);
        }
        let source = self.text[range.clone()].trim_end();
        let first = source.lines().next().unwrap_or_default();
        let code: String =
            source.lines().skip(1).take(source.lines().count() - 2).flat_map(|line| [line, "\n"]).collect();
        if code.trim().is_empty() {
            self.problem(line, "this cell is empty", "write code into it or delete it");
        }
        for (name, _) in attrs.quick.iter().filter(|(name, value)| attrs::rebind(&code, name, value).is_none()) {
            self.problem(
                line,
                format!("quick={name}:... but no line of this cell says `let {name} = ...;`"),
                "name a variable or constant that this cell binds on one line",
            );
        }
        let cell = Cell {
            code,
            hide: attrs.hide,
            should_fail: attrs.should_fail,
            quick: attrs.quick,
            info_end: range.start + first.trim_end().len(),
        };
        self.push(range.clone(), attrs.id, Kind::Cell(cell));
    }

    fn finish(&mut self) {
        if let Some((_, line)) = self.pending.take() {
            self.problem(line, "this id belongs to no block", "delete this comment");
        }
        if self.title.trim().is_empty() && self.errors.is_empty() {
            self.problem(1, "the chapter has no title", "start it with a line `# What the chapter is about`");
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (id, line) in self.blocks.iter().filter_map(|b| Some((b.id.clone()?, b.line))).collect::<Vec<_>>() {
            if let Some(first) = seen.insert(id.clone(), line) {
                self.problem(
                    line,
                    format!("the id '{id}' is taken by line {first}"),
                    "choose another id; other forms and languages refer to it",
                );
            }
        }
    }
}
