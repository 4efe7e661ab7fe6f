//! Prose cells as HTML, formulas as MathML.

use super::html::escape;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};
use pulldown_latex::config::{DisplayMode, RenderConfig};
use serde_json::Value;

/// Markdown with tables, footnotes, task lists and formulas. Pictures that are attached to the cell become inline.
pub(super) fn to_html(source: &str, attachments: Option<&Value>) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_MATH;
    let mut rust: Option<String> = None;
    let events = Parser::new_ext(source, options).filter_map(|event| match event {
        Event::InlineMath(tex) => Some(Event::InlineHtml(math(&tex, DisplayMode::Inline).into())),
        Event::DisplayMath(tex) => Some(Event::InlineHtml(math(&tex, DisplayMode::Block).into())),
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if language.starts_with("rust") => {
            rust = Some(String::new());
            None
        }
        Event::Text(text) if rust.is_some() => {
            rust.as_mut()?.push_str(&text);
            None
        }
        Event::End(TagEnd::CodeBlock) if rust.is_some() => {
            let code = super::highlight::rust(&rust.take()?);
            Some(Event::Html(
                format!("<pre class=\"source\"><code class=\"language-rust\">{code}</code></pre>\n").into(),
            ))
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            let dest_url = attached(&dest_url, attachments).unwrap_or(dest_url);
            Some(Event::Start(Tag::Image { link_type, dest_url, title, id }))
        }
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// An output of type `text/latex`: a formula in `$`, `$$`, `\(` or `\[`, or other TeX, which is shown as it is.
pub(super) fn latex(text: &str) -> String {
    let text = text.trim();
    let inside = |open: &str, close: &str| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    match inside("$$", "$$").or_else(|| inside("\\[", "\\]")) {
        Some(tex) => math(tex, DisplayMode::Block),
        None => match inside("$", "$").or_else(|| inside("\\(", "\\)")) {
            Some(tex) => math(tex, DisplayMode::Inline),
            None => format!("<pre>{}</pre>", escape(text)),
        },
    }
}

/// A formula as MathML; where it cannot be read, as TeX between the marks that MathJax knows.
fn math(tex: &str, display_mode: DisplayMode) -> String {
    let storage = pulldown_latex::Storage::new();
    let events: Result<Vec<_>, _> = pulldown_latex::Parser::new(tex, &storage).collect();
    let mut out = String::new();
    let config = RenderConfig { display_mode, annotation: Some(tex), ..RenderConfig::default() };
    let written = events.map(|events| {
        let events = events.into_iter().map(Ok::<_, std::fmt::Error>);
        pulldown_latex::push_mathml(&mut out, events, config)
    });
    match (written, display_mode) {
        (Ok(Ok(())), _) => out,
        (_, DisplayMode::Inline) => format!("<code class=\"math\">\\({}\\)</code>", escape(tex)),
        (_, DisplayMode::Block) => format!("<pre class=\"math\">\\[{}\\]</pre>", escape(tex)),
    }
}

/// `attachment:name` as a data URL.
fn attached(url: &str, attachments: Option<&Value>) -> Option<CowStr<'static>> {
    let bundle = attachments?.get(url.strip_prefix("attachment:")?)?.as_object()?;
    let (mime, content) = bundle.iter().find(|(mime, _)| mime.starts_with("image/"))?;
    Some(format!("data:{mime};base64,{}", content.as_str()?.trim()).into())
}
