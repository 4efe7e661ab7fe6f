//! Style sheets of exported pages.

/// Page, prose and source.
pub(super) const PAGE: &str = r#":root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1f2328; --soft: #59636e; --line: #d1d9e0; --code: #f6f8fa; --link: #0550ae;
  --keyword: #cf222e; --string: #0a3069; --comment: #59636e; --literal: #0550ae; --macro: #6639ba; --type: #953800;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #0d1117; --text: #e6edf3; --soft: #9198a1; --line: #3d444d; --code: #161b22; --link: #79c0ff;
    --keyword: #ff7b72; --string: #a5d6ff; --comment: #9198a1; --literal: #79c0ff; --macro: #d2a8ff; --type: #ffa657;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.6 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 2rem 1rem 4rem 3.5rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 1.6em 0 0.6em; }
h1 { margin-top: 0; border-bottom: 1px solid var(--line); padding-bottom: 0.3em; }
a { color: var(--link); }
img { max-width: 100%; height: auto; }
code, pre { font: 0.875rem/1.5 ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace; }
.prose code { background: var(--code); border-radius: 4px; padding: 0.1em 0.3em; }
.prose pre { background: var(--code); border-radius: 6px; padding: 0.8em 1em; overflow-x: auto; }
.prose pre code { padding: 0; }
.prose table { border-collapse: collapse; display: block; overflow-x: auto; }
.prose th, .prose td { border: 1px solid var(--line); padding: 0.3em 0.8em; }
.prose th { background: var(--code); }
blockquote { margin: 1em 0; padding: 0 1em; border-left: 4px solid var(--line); color: var(--soft); }
math[display="block"] { margin: 1em 0; padding: 0.2em 0; overflow-x: auto; overflow-y: hidden; }
section.code { position: relative; margin: 1.2em 0; }
section.code > .number { position: absolute; right: 100%; margin-right: 0.6em; color: var(--soft); font: 0.75rem/1.5 ui-monospace, monospace; padding-top: 0.9em; white-space: pre; }
section.code > .source { background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: 0.7em 1em; margin: 0; overflow-x: auto; }
.source .k { color: var(--keyword); } .source .s { color: var(--string); } .source .c { color: var(--comment); font-style: italic; }
.source .n, .source .l { color: var(--literal); } .source .m { color: var(--macro); } .source .t { color: var(--type); }
@media (max-width: 40rem) { main { padding-left: 1rem; } section.code > .number { display: none; } }
@media print { section.code > .source, .lathe-outputs pre { white-space: pre-wrap; } .lathe-outputs pre { max-height: none; } }
"#;

/// Outputs; also used by pages that are not ours, so every class starts with `lathe-`.
pub(super) const OUTPUTS: &str = r#".lathe-outputs {
  --ansi-black: #24292f; --ansi-red: #b31d28; --ansi-green: #116329; --ansi-yellow: #7d4e00; --ansi-blue: #0550ae;
  --ansi-magenta: #8250df; --ansi-cyan: #1b6e77; --ansi-white: #57606a; --ansi-bright-black: #57606a; --ansi-bright-red: #a40e26;
  --ansi-bright-green: #1a7f37; --ansi-bright-yellow: #633c01; --ansi-bright-blue: #0969da; --ansi-bright-magenta: #6639ba;
  --ansi-bright-cyan: #1b6e77; --ansi-bright-white: #24292f; --lathe-bad: #fff0ee; --lathe-warn: #fff8e6;
  margin: 0.6em 0 1.2em;
}
@media (prefers-color-scheme: dark) {
  .lathe-outputs {
    --ansi-black: #8b949e; --ansi-red: #ff7b72; --ansi-green: #7ee787; --ansi-yellow: #e3b341; --ansi-blue: #79c0ff;
    --ansi-magenta: #d2a8ff; --ansi-cyan: #76e3ea; --ansi-white: #e6edf3; --ansi-bright-black: #8b949e; --ansi-bright-red: #ffa198;
    --ansi-bright-green: #7ee787; --ansi-bright-yellow: #f2cc60; --ansi-bright-blue: #a5d6ff; --ansi-bright-magenta: #e2c5ff;
    --ansi-bright-cyan: #b3f0ff; --ansi-bright-white: #ffffff; --lathe-bad: #2d1517; --lathe-warn: #272115;
  }
}
.lathe-outputs pre { margin: 0.3em 0; padding: 0.4em 1em; max-height: 40em; overflow: auto; white-space: pre; border-radius: 6px; background: none; }
.lathe-outputs .lathe-error { background: var(--lathe-bad); }
.lathe-outputs .lathe-stderr { background: var(--lathe-warn); }
.lathe-outputs .lathe-image { display: block; max-width: 100%; height: auto; margin: 0.5em 0; background: #ffffff; border-radius: 6px; }
.lathe-outputs .lathe-html { overflow-x: auto; padding: 0.3em 0; }
.lathe-outputs table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
.lathe-outputs th, .lathe-outputs td { padding: 0.25em 0.75em; border-bottom: 1px solid rgba(128, 128, 128, 0.35); text-align: right; }
"#;
