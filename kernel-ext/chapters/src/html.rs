//! Stored outputs as HTML for the book.

use crate::ids::digest;
use crate::math;
use base64::Engine as _;
use lathe_kernel::notebook::Output;
use lathe_kernel::notebook::html::ansi;
pub(crate) use lathe_kernel::notebook::html::escape;
use serde_json::{Map, Value};

/// Pictures that a page shows; they are written beside it.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Path relative to the book's folder, and content.
    pub files: Vec<(String, Vec<u8>)>,
}

/// The outputs of a cell; empty when there are none. `chapter` and `cell` name the picture files.
pub(crate) fn outputs(outputs: &[Output], chapter: &str, cell: &str, figures: &mut Figures) -> String {
    let mut html = String::new();
    for (number, output) in outputs.iter().enumerate() {
        match output {
            Output::Stream { name, text } => {
                let class = if name == "stderr" { "lathe-stderr" } else { "lathe-stdout" };
                html.push_str(&pre(class, &ansi(text.trim_end_matches('\n'))));
            }
            Output::Display { data, metadata } | Output::Result { data, metadata, .. } => {
                let name = format!("figures/{chapter}/{cell}-{}", number + 1);
                html.push_str(&rich(data, metadata, &name, figures));
            }
            Output::Error { ename, evalue, traceback } => {
                let lines = if traceback.is_empty() { format!("{ename}: {evalue}") } else { traceback.join("\n") };
                html.push_str(&pre("lathe-error", &ansi(&lines)));
            }
            Output::Other(_) => {}
        }
    }
    if html.is_empty() {
        return html;
    }
    format!("<div class=\"lathe-out\" role=\"group\" aria-label=\"Output of cell {}\">\n{html}</div>\n", escape(cell))
}

fn pre(class: &str, inside: &str) -> String {
    // An empty line would end the HTML block for Markdown.
    format!("<pre class=\"{class}\" tabindex=\"0\">{}</pre>\n", inside.replace('\n', "&#10;"))
}

/// The richest format that a page can show: a picture, a table, text.
fn rich(data: &Map<String, Value>, metadata: &Map<String, Value>, name: &str, figures: &mut Figures) -> String {
    let text = |mime: &str| data.get(mime).and_then(Value::as_str);
    let described = |mime: &str| metadata.get(mime)?.get("alt")?.as_str();
    let alt = described("image/png").or_else(|| text("text/plain")).unwrap_or("figure");
    let alt = escape(alt.trim()).replace('\n', "&#10;");
    for (mime, extension) in [("image/png", "png"), ("image/jpeg", "jpg"), ("image/svg+xml", "svg")] {
        let Some(content) = text(mime) else { continue };
        let bytes = if extension == "svg" {
            Some(content.as_bytes().to_vec())
        } else {
            let packed: String = content.split_whitespace().collect();
            base64::engine::general_purpose::STANDARD.decode(packed).ok()
        };
        let Some(bytes) = bytes else { continue };
        // The hash in the name lets browsers keep a picture until it changes.
        let path = format!("{name}-{}.{extension}", &digest(&[content])[..8]);
        let size = |key: &str| {
            let value = metadata.get(mime)?.get(key)?.as_u64()?;
            Some(format!(" {key}=\"{value}\""))
        };
        let (width, height) = (size("width").unwrap_or_default(), size("height").unwrap_or_default());
        figures.files.push((path.clone(), bytes));
        return format!("<figure class=\"lathe-figure\"><img src=\"{path}\" alt=\"{alt}\"{width}{height}></figure>\n");
    }
    if let Some(html) = text("text/html") {
        let lines: Vec<&str> = html.lines().filter(|line| !line.trim().is_empty()).collect();
        return format!("<div class=\"lathe-html\" tabindex=\"0\">\n{}\n</div>\n", lines.join("\n"));
    }
    if let Some(markdown) = text("text/markdown") {
        // Between empty lines Markdown is Markdown again.
        return format!("<div class=\"lathe-html\">\n\n{}\n\n</div>\n", crate::page::with_formulas(markdown.trim()));
    }
    if let Some(formula) = text("text/latex").and_then(|latex| math::mathml(latex.trim().trim_matches('$'), true).ok())
    {
        return format!("<div class=\"lathe-html\">{formula}</div>\n");
    }
    text("text/plain").map(|text| pre("lathe-value", &ansi(text.trim_end_matches('\n')))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn data(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_picture_has_its_description_as_alternative_text() {
        let mut figures = Figures::default();
        let bundle = data(
            json!({"image/png": "iVBORw0K\nGgo=", "text/plain": "loss falls from 3 to \"1\"", "text/html": "<b>no</b>"}),
        );
        let metadata = data(json!({"image/png": {"width": 640}}));
        let html = outputs(&[Output::Display { data: bundle, metadata }], "01-x", "plot", &mut figures);
        assert!(html.contains("alt=\"loss falls from 3 to &quot;1&quot;\" width=\"640\""), "{html}");
        assert_eq!(figures.files.len(), 1);
        assert!(figures.files[0].0.starts_with("figures/01-x/plot-1-") && figures.files[0].1.starts_with(b"\x89PNG"));
        assert!(html.contains(&figures.files[0].0));
    }

    #[test]
    fn text_is_escaped_and_never_ends_the_html_block() {
        let text = Output::Stream { name: "stdout".into(), text: "a <b> &\n\n\n* no list\n".into() };
        let html = outputs(&[text], "01-x", "c", &mut Figures::default());
        assert!(html.contains("a &lt;b&gt; &amp;&#10;&#10;&#10;* no list</pre>"), "{html}");
        assert!(!html.trim_end().contains("\n\n"));
    }

    #[test]
    fn markdown_and_formulas_are_rendered() {
        let markdown = data(json!({"text/markdown": "**bold** and $x$", "text/plain": "bold"}));
        let latex = data(json!({"text/latex": "$$\\frac{a}{b}$$", "text/plain": "a/b"}));
        let display = |data| Output::Display { data, metadata: Map::new() };
        let html = outputs(&[display(markdown), display(latex)], "01-x", "c", &mut Figures::default());
        assert!(
            html.contains("\n\n**bold** and <math") && html.contains("<mfrac>") && !html.contains("frac{"),
            "{html}"
        );
    }

    #[test]
    fn tables_stay_tables_and_a_broken_picture_falls_back_to_text() {
        let table = data(json!({"text/html": "<table>\n\n<tr><td>1</td></tr>\n</table>", "text/plain": "1"}));
        let broken = data(json!({"image/png": "%%%", "text/plain": "a < b"}));
        let display = |data| Output::Display { data, metadata: Map::new() };
        let html = outputs(&[display(table), display(broken)], "01-x", "c", &mut Figures::default());
        assert!(
            html.contains("<table>\n<tr>") && html.contains("<pre class=\"lathe-value\" tabindex=\"0\">a &lt; b</pre>"),
            "{html}"
        );
    }
}
