//! Notebooks as HTML: one page that needs no script, no network and no further file.

use super::{Cell, CellKind, Notebook, Output, highlight, markdown, style, terminal};
use serde_json::{Map, Value};

/// Text for HTML, outside tags and inside double-quoted attributes.
///
/// ```
/// assert_eq!(lathe_kernel::notebook::html::escape("a < \"b\" & c"), "a &lt; &quot;b&quot; &amp; c");
/// ```
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Control characters are not allowed in HTML, whatever was printed.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Printed text as HTML: colours of the terminal become spans, everything else is escaped.
pub fn ansi(text: &str) -> String {
    let folded = terminal::fold(text);
    if !folded.contains('\u{1b}') {
        return escape(&folded);
    }
    // Our colours come from the page's style sheet, so that they are readable in the dark too.
    let converter = ansi_to_html::Converter::new().four_bit_var_prefix(Some("ansi-".to_owned()));
    converter.convert(&folded).unwrap_or_else(|_| escape(&terminal::plain(&folded)))
}

/// The outputs of one cell as a fragment: `<div class="lathe-outputs">`, empty when there is nothing to show. Pictures are
/// inline and carry the text form as their description; [`OUTPUT_CSS`] is the style that the fragment expects.
///
/// ```
/// use lathe_kernel::notebook::{Output, html::cell_outputs_to_html};
/// let html = cell_outputs_to_html(&[Output::Stream { name: "stdout".into(), text: "1 < 2\n".into() }]);
/// assert!(html.contains("<pre class=\"lathe-stdout\">1 &lt; 2\n</pre>"));
/// assert_eq!(cell_outputs_to_html(&[]), "");
/// ```
pub fn cell_outputs_to_html(outputs: &[Output]) -> String {
    let parts: String = outputs.iter().map(output).collect();
    if parts.is_empty() { parts } else { format!("<div class=\"lathe-outputs\">\n{parts}</div>\n") }
}

/// The style of output fragments, light and dark, for pages that are not made by [`notebook_to_html`].
pub const OUTPUT_CSS: &str = style::OUTPUTS;

/// A whole notebook as one page. The title is that of the first heading, or `name`.
pub fn notebook_to_html(notebook: &Notebook, name: &str) -> String {
    let title = notebook
        .cells
        .iter()
        .filter(|cell| cell.kind == CellKind::Markdown)
        .flat_map(|cell| cell.source.lines())
        .find_map(|line| line.strip_prefix("# "))
        .map_or_else(|| name.to_owned(), |title| title.trim().to_owned());
    let body: String = notebook.cells.iter().map(cell).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(&title),
        style::PAGE,
        style::OUTPUTS,
    )
}

fn cell(cell: &Cell) -> String {
    let id = escape(&cell.id);
    match cell.kind {
        CellKind::Markdown => {
            format!(
                "<section class=\"prose\" id=\"{id}\">\n{}</section>\n",
                markdown::to_html(&cell.source, cell.extra.get("attachments"))
            )
        }
        CellKind::Code => {
            let number = cell.execution_count.map_or(" ".to_owned(), |n| n.to_string());
            let source = highlight::rust(&cell.source);
            let outputs = cell_outputs_to_html(&cell.outputs);
            format!(
                "<section class=\"code\" id=\"{id}\">\n<div class=\"number\" aria-hidden=\"true\">[{number}]</div>\n\
                 <pre class=\"source\"><code class=\"language-rust\">{source}</code></pre>\n{outputs}</section>\n"
            )
        }
        _ => format!("<section class=\"raw\" id=\"{id}\">\n<pre>{}</pre>\n</section>\n", escape(&cell.source)),
    }
}

fn output(output: &Output) -> String {
    match output {
        Output::Stream { name, text } => {
            let class = if name == "stderr" { "lathe-stderr" } else { "lathe-stdout" };
            format!("<pre class=\"{class}\">{}</pre>\n", ansi(text))
        }
        Output::Display { data, metadata } | Output::Result { data, metadata, .. } => rich(data, metadata),
        Output::Error { ename, evalue, traceback } => {
            let text = if traceback.is_empty() { format!("{ename}: {evalue}") } else { traceback.join("\n") };
            format!("<pre class=\"lathe-error\" role=\"alert\">{}</pre>\n", ansi(&text))
        }
        Output::Other(_) => String::new(),
    }
}

/// The richest format that a page without scripts can show.
fn rich(data: &Map<String, Value>, metadata: &Map<String, Value>) -> String {
    let text = |mime: &str| data.get(mime).and_then(Value::as_str);
    let plain = text("text/plain").unwrap_or_default();
    if let Some(html) = text("text/html") {
        return format!("<div class=\"lathe-html\">{html}</div>\n");
    }
    for mime in ["image/png", "image/jpeg", "image/gif", "image/webp"] {
        if let Some(base64) = text(mime) {
            let base64: String = base64.split_ascii_whitespace().collect();
            return image(mime, &base64, plain, metadata);
        }
    }
    if let Some(svg) = text("image/svg+xml") {
        // As a picture, not inline: ids and styles of two figures do not meet, and scripts in it do not run.
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::STANDARD.encode(svg);
        return image("image/svg+xml", &base64, plain, metadata);
    }
    if let Some(source) = text("text/markdown") {
        return format!("<div class=\"lathe-html\">{}</div>\n", markdown::to_html(source, None));
    }
    if let Some(latex) = text("text/latex") {
        return format!("<div class=\"lathe-html\">{}</div>\n", markdown::latex(latex));
    }
    if let (true, Some(value)) = (plain.is_empty(), data.get("application/json")) {
        return format!("<pre class=\"lathe-text\">{}</pre>\n", escape(&format!("{value:#}")));
    }
    if plain.is_empty() { String::new() } else { format!("<pre class=\"lathe-text\">{}</pre>\n", ansi(plain)) }
}

fn image(mime: &str, base64: &str, description: &str, metadata: &Map<String, Value>) -> String {
    let size = |field: &str| {
        let pixels = metadata.get(mime)?.get(field)?.as_u64()?;
        Some(format!(" {field}=\"{pixels}\""))
    };
    let (width, height) = (size("width").unwrap_or_default(), size("height").unwrap_or_default());
    // Our figures describe themselves; for others the text form has to do.
    let described = metadata.get(mime).and_then(|m| m.get("alt")).and_then(Value::as_str);
    let alt = escape(terminal::plain(described.unwrap_or(description)).trim());
    format!("<img class=\"lathe-image\" alt=\"{alt}\"{width}{height} src=\"data:{mime};base64,{}\">\n", escape(base64))
}
