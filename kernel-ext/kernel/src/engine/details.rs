//! The compiler's full text behind a click.

use lathe_events::frame::Bundle;

/// Folded in a browser; a terminal, which cannot fold, is told how to see it.
pub(super) fn bundle(text: &str) -> Bundle {
    let html =
        format!("<details><summary>The compiler's full message</summary>\n<pre>{}</pre>\n</details>", escape(text));
    Bundle::text("The compiler's full message: run `:explain`").with("text/html", html)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_not_taken_for_tags() {
        let bundle = bundle("expected `Vec<u8>` & more");
        let html = bundle.data["text/html"].as_str().unwrap();
        assert!(html.starts_with("<details>") && html.contains("`Vec&lt;u8&gt;` &amp; more</pre>"), "{html}");
        assert!(bundle.data["text/plain"].as_str().unwrap().contains(":explain"));
    }
}
