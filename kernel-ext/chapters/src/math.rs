//! Formulas as MathML: every current browser shows it without a script, a font file or a network.

use crate::chapter::{Chapter, masked, parse_options};
use crate::error::{Error, Result};
use pulldown_cmark::{Event, Parser};
use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::{Storage, mathml::push_mathml};
use std::ops::Range;

/// The MathML of a formula, made so that it can stand inside a Markdown paragraph. The error says what LaTeX is not understood.
pub(crate) fn mathml(latex: &str, display: bool) -> std::result::Result<String, String> {
    let storage = Storage::new();
    let events: std::result::Result<Vec<_>, _> = pulldown_latex::Parser::new(latex, &storage).collect();
    let events =
        events.map_err(|error| error.to_string().lines().next().unwrap_or("not understood").trim().to_owned())?;
    let display_mode = if display { DisplayMode::Block } else { DisplayMode::Inline };
    let mut html = String::new();
    let events = events.into_iter().map(Ok::<_, std::convert::Infallible>);
    push_mathml(&mut html, events, RenderConfig { display_mode, ..RenderConfig::default() })
        .map_err(|error| error.to_string())?;
    Ok(shielded(&html))
}

/// Formulas of a Markdown text: where they are, their LaTeX, and whether they stand alone.
pub(crate) fn formulas(text: &str) -> Vec<(Range<usize>, String, bool)> {
    let masked = masked(text);
    // The words of a formula that had to be masked are taken from the text itself.
    let words = |latex: &str, range: &Range<usize>| match text.get(range.clone()) {
        Some(source) if source != &masked[range.clone()] => source.trim_matches('$').to_owned(),
        _ => latex.to_owned(),
    };
    Parser::new_ext(&masked, parse_options())
        .into_offset_iter()
        .filter_map(|(event, range)| match event {
            Event::InlineMath(latex) => Some((range, latex.into_string(), false)),
            Event::DisplayMath(latex) => Some((range.clone(), words(&latex, &range), true)),
            _ => None,
        })
        .collect()
}

/// Refuses a chapter with a formula that the book could not show.
pub(crate) fn check(chapter: &Chapter) -> Result<()> {
    let errors = formulas(&chapter.text).into_iter().filter_map(|(range, latex, display)| {
        let what = mathml(&latex, display).err()?;
        let line = 1 + chapter.text[..range.start].matches('\n').count();
        let remedy = "write it in plain amsmath, or \\$ where a dollar sign is meant";
        Some(chapter.error(line, format!("the formula '{latex}' is not understood: {what}"), remedy))
    });
    Error::all(errors.collect())
}

/// Punctuation between tags as entities, so that Markdown does not read `*` or `_` in a formula as its own. A relation `<` comes
/// unescaped from the renderer.
fn shielded(html: &str) -> String {
    let mut out = String::with_capacity(html.len() * 2);
    let (mut in_tag, mut in_value) = (false, false);
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        let (here, after) = rest.split_at(c.len_utf8());
        rest = after;
        let letter = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        let name = after.find(|c: char| c != '#' && !c.is_ascii_alphanumeric()).unwrap_or(0);
        match c {
            '\n' => {}
            // The renderer's \mu is the micro sign, which browsers do not slant.
            'µ' if !in_tag => out.push('μ'),
            '<' if letter => {
                in_tag = true;
                out.push(c);
            }
            '"' if in_tag => {
                in_value = !in_value;
                out.push(c);
                // The renderer writes no space between the attributes of a \big delimiter.
                if !in_value && after.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    out.push(' ');
                }
            }
            '>' if in_tag => {
                in_tag = false;
                out.push(c);
            }
            '&' if name > 0 && after[name..].starts_with(';') => {
                out.push_str(here);
                out.push_str(&after[..=name]);
                rest = &after[name + 1..];
            }
            c if !in_tag && c.is_ascii_punctuation() => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_mathml_that_markdown_leaves_alone() {
        let html = mathml(r"\mathcal{L} = -\mathbb{E}_q[\log p(x|z)] + a * b < c", true).unwrap();
        assert!(html.starts_with("<math") && html.contains("display=\"block\""), "{html}");
        assert!(html.contains("&#42;") || html.contains('∗'), "{html}");
        assert!(!html.contains(">|<") && html.contains("<mo>&#60;</mo>") && html.contains("<mi>c</mi>"), "{html}");
    }

    #[test]
    fn every_tag_is_one_for_markdown_too() {
        let html =
            mathml(r"\big(\frac{a}{b}\Big] \underbrace{x}_{y} \hat{z} \begin{cases} 1 & x > 0 \\ 0 \end{cases}", false)
                .unwrap();
        let text: String = Parser::new_ext(&format!("so {html}"), parse_options())
            .filter_map(|event| if let Event::Text(text) = event { Some(text.into_string()) } else { None })
            .collect();
        assert!(!text.contains('"') && !text.contains('<') && text.contains('('), "{text}\n{html}");
    }

    #[test]
    fn what_is_no_latex_is_an_error_with_its_line() {
        assert!(mathml(r"\frac{a}", false).is_err());
        let chapter = Chapter::parse("01-x", "# T\n\ntext\n$\\nosuchthing{a}$\n", "x".as_ref()).unwrap();
        assert!(check(&chapter).unwrap_err().to_string().starts_with("book/src/01-x.md:4:"));
    }

    #[test]
    fn a_plus_at_the_start_of_a_line_is_no_list() {
        let text = "# T\n\n$$ a\n+ b\n- c\n= d $$\n\n+ item\n- $$ x\n  + y $$\n\n```text\n$$\n+ z\n```\n";
        let found: Vec<(String, bool)> =
            formulas(text).into_iter().map(|(_, latex, display)| (latex, display)).collect();
        assert_eq!(found[0], (String::from(" a\n+ b\n- c\n= d "), true));
        assert_eq!(found.len(), 2, "{found:?}");
        let chapter = Chapter::parse("01-x", text, "x".as_ref()).unwrap();
        assert_eq!(chapter.source(&chapter.blocks[1]), "$$ a\n+ b\n- c\n= d $$");
        assert!(chapter.source(&chapter.blocks[2]).starts_with("+ item"));
    }

    #[test]
    fn code_and_prices_are_no_formulas() {
        assert!(formulas("`$x$` and 5 $ or 6 $, or \\$a\\$\n").is_empty());
        assert_eq!(formulas("so $x$ and\n\n$$y$$\n").len(), 2);
    }
}
