//! A chapter as a page of the book: its Markdown with the stored outputs below each cell.

use crate::chapter::{Block, Cell, Chapter, Kind, masked, parse_options};
use crate::error::Result;
use crate::generate::recorded;
use crate::html::{self, Figures, escape};
use crate::math;
use lathe_kernel::notebook::Notebook;
use pulldown_cmark::{Event, Parser, Tag};
use std::ops::Range;

/// The page's Markdown for mdBook. Every block has its id ([`crate::ids::assign`]); `notebook` holds the outputs.
pub(crate) fn markdown(chapter: &Chapter, notebook: Option<&Notebook>, figures: &mut Figures) -> Result<String> {
    let mut edits = formulas(&chapter.text);
    edits.extend(anchors(chapter));
    let mut about = true;
    for block in &chapter.blocks {
        match &block.kind {
            Kind::Comment => edits.push((block.range.clone(), String::new())),
            Kind::Cell(cell) => edits.push((block.range.clone(), code(chapter, block, cell, notebook, figures))),
            Kind::Heading(1) if std::mem::take(&mut about) => {
                let end = block.range.end;
                edits.push((end..end, format!("\n\n{}", header(chapter, notebook))));
            }
            _ => {}
        }
    }
    Ok(apply(&chapter.text, edits))
}

/// Formulas of any page as MathML; a chapter's were checked before, elsewhere a bad one stays as it is written.
pub(crate) fn with_formulas(text: &str) -> String {
    apply(text, formulas(text))
}

fn formulas(text: &str) -> Vec<(Range<usize>, String)> {
    let converted =
        |(range, latex, display): (Range<usize>, String, bool)| Some((range, math::mathml(&latex, display).ok()?));
    math::formulas(text).into_iter().filter_map(converted).collect()
}

fn apply(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut text = text.to_owned();
    for (range, new) in edits.into_iter().rev() {
        text.replace_range(range, &new);
    }
    text
}

/// A place to link to at the start of each paragraph, the same in every language.
fn anchors(chapter: &Chapter) -> Vec<(Range<usize>, String)> {
    let mut depth = 0usize;
    let mut anchors = Vec::new();
    for (event, range) in Parser::new_ext(&masked(&chapter.text), parse_options()).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                let block = chapter.blocks.iter().find(|block| block.range.start == range.start);
                if let (0, Tag::Paragraph, Some(id)) = (depth, &tag, block.and_then(|block| block.id.as_ref())) {
                    anchors.push((range.start..range.start, format!("<span id=\"{id}\"></span>")));
                }
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    anchors
}

fn header(chapter: &Chapter, notebook: Option<&Notebook>) -> String {
    let stem = &chapter.stem;
    let mut text = String::from("<div class=\"lathe-about\">\n\n");
    text.extend(crate::prose::about(chapter).map(|about| about + "\n\n"));
    text.push_str(&format!(
        "**Run it:** `cargo lathe lab` opens your own copy of [notebooks/{stem}.ipynb](notebooks/{stem}.ipynb).\n\n"
    ));
    let executed = notebook.and_then(recorded).is_some_and(|lathe| lathe.contains_key("chapter_hash"));
    if !executed && chapter.cells().next().is_some() {
        text.push_str(&format!(
            "*The outputs of this chapter are not stored yet: `cargo lathe sync --execute {}`.*\n\n",
            stem.split('-').next().unwrap_or(stem)
        ));
    }
    text + "</div>\n"
}

/// A cell: its code as a listing that mdBook highlights, then what it showed.
fn code(chapter: &Chapter, block: &Block, cell: &Cell, notebook: Option<&Notebook>, figures: &mut Figures) -> String {
    let id = block.id.as_deref().unwrap_or_default();
    let stored = notebook.and_then(|notebook| notebook.cells.iter().find(|cell| cell.id == id));
    let stored = stored.filter(|stored| stored.source == cell.code.trim_end());
    let outputs = stored.map_or_else(String::new, |stored| html::outputs(&stored.outputs, &chapter.stem, id, figures));
    let fence = "`".repeat(3.max(longest_run(&cell.code) + 1));
    let listing = format!("{fence}rust,noplayground\n{}{fence}\n", shown(&cell.code));
    let class = if cell.should_fail { "lathe-cell lathe-fails" } else { "lathe-cell" };
    let listing = if cell.hide {
        let lines = cell.code.trim_end().lines().count();
        let what = summary(&cell.code);
        format!("<details class=\"lathe-hidden\"><summary>{what} ({lines} lines)</summary>\n\n{listing}\n</details>\n")
    } else {
        listing
    };
    let anchor = format!("<a class=\"lathe-anchor\" href=\"#{id}\" title=\"Link to this cell\">{}</a>", escape(id));
    format!("\n<div class=\"{class}\" id=\"{id}\">{anchor}\n\n{listing}\n{outputs}\n</div>\n")
}

/// A folded cell is announced by its first comment, if it has one.
fn summary(code: &str) -> String {
    let comment = code.lines().next().and_then(|line| line.trim().strip_prefix("//"));
    let comment = comment.map(|comment| comment.trim_start_matches('/').trim()).filter(|comment| !comment.is_empty());
    comment.map_or_else(|| String::from("Code"), |comment| escape(comment.trim_end_matches('.')))
}

/// mdBook hides lines that start with `# `, which in a cell can only be text inside a string: doubled, the sign stays.
fn shown(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    for line in code.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if let Some(rest) = trimmed.strip_prefix('#')
            && (rest.trim_end().is_empty() || rest.starts_with([' ', '#']))
        {
            out.push_str(&line[..line.len() - trimmed.len()]);
            out.push('#');
            out.push_str(trimmed);
        } else {
            out.push_str(line);
        }
    }
    out
}

fn longest_run(code: &str) -> usize {
    code.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_inside_strings_is_not_hidden() {
        assert_eq!(
            shown("#[derive(Debug)]\nlet a = \"\n# Title\n  ## x\n\";\n"),
            "#[derive(Debug)]\nlet a = \"\n## Title\n  ### x\n\";\n"
        );
    }

    #[test]
    fn a_fold_is_announced_by_its_comment() {
        assert_eq!(summary("// Colours & sizes.\nlet a = 1;\n"), "Colours &amp; sizes");
        assert_eq!(summary("let a = 1;\n"), "Code");
    }
}
