//! Output as stock `evcxr_jupyter` reads it: blocks on standard output, of which it keeps one for each type and cell, shown
//! when the cell ends. Several displays of a cell are therefore sent as one block of HTML that holds all of them.

use std::sync::{Mutex, PoisonError};

use lathe_events::frame::{Bundle, Frame};

use crate::svg::escape;

/// What the running cell has shown: display id and content.
struct Shown {
    cell: u64,
    parts: Vec<(Option<String>, Bundle)>,
}

/// A frame as blocks, with everything that the cell has shown before.
pub(crate) fn blocks(frame: &Frame) -> String {
    static SHOWN: Mutex<Shown> = Mutex::new(Shown { cell: 0, parts: Vec::new() });
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let cell = libraries();
    if shown.cell != cell {
        *shown = Shown { cell, parts: Vec::new() };
    }
    shown.add(frame)
}

/// How many libraries this process has loaded so far: each cell is one, and none is unloaded, so the number names the cell.
fn libraries() -> u64 {
    unsafe extern "C" fn count(info: *mut libc::dl_phdr_info, _: usize, adds: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the loader passes a live record; `adds` is the number below, alive during the call.
        unsafe { *adds.cast::<u64>() = (*info).dlpi_adds };
        1
    }
    let mut adds = 0_u64;
    // SAFETY: the callback only copies a number into the variable whose address it is given.
    unsafe { libc::dl_iterate_phdr(Some(count), std::ptr::from_mut(&mut adds).cast()) };
    adds
}

impl Shown {
    fn add(&mut self, frame: &Frame) -> String {
        match frame {
            Frame::Display { bundle, id } => self.parts.push((id.clone(), bundle.clone())),
            Frame::Result { bundle } => self.parts.push((None, bundle.clone())),
            Frame::Update { bundle, id } => {
                let Some(part) = self.parts.iter_mut().find(|part| part.0.as_ref() == Some(id)) else {
                    return String::new();
                };
                part.1 = bundle.clone();
            }
            Frame::Clear { .. } => {
                self.parts.clear();
                return String::new();
            }
            _ => return String::new(),
        }
        match &self.parts[..] {
            [(_, only)] => content(only),
            all => {
                let bundles = || all.iter().map(|part| &part.1);
                let text: Vec<&str> = bundles().map(|bundle| string(bundle, "text/plain")).collect();
                let html: Vec<String> = bundles().map(as_html).collect();
                content(&Bundle::text(text.join("\n")).with("text/html", html.join("<br>\n")))
            }
        }
    }
}

fn string<'a>(bundle: &'a Bundle, mime: &str) -> &'a str {
    bundle.data.get(mime).and_then(|content| content.as_str()).unwrap_or_default()
}

/// One display inside a page.
fn as_html(bundle: &Bundle) -> String {
    let (html, text) = (string(bundle, "text/html"), escape(string(bundle, "text/plain")));
    if !html.is_empty() {
        return html.to_owned();
    }
    for mime in ["image/png", "image/jpeg"] {
        let data = string(bundle, mime);
        if !data.is_empty() {
            let width = bundle.metadata.get(mime).and_then(|m| m["width"].as_u64());
            let width = width.map_or(String::new(), |width| format!(" width=\"{width}\""));
            return format!("<img{width} alt=\"{text}\" src=\"data:{mime};base64,{data}\">");
        }
    }
    let svg = string(bundle, "image/svg+xml");
    if svg.is_empty() { format!("<pre>{text}</pre>") } else { svg.to_owned() }
}

/// A bundle as blocks, one for each type.
fn content(bundle: &Bundle) -> String {
    let mut text = String::new();
    for (mime, content) in &bundle.data {
        let content = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        text.push_str(&format!("EVCXR_BEGIN_CONTENT {mime}\n{}\nEVCXR_END_CONTENT\n", content.trim_end_matches('\n')));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_displays_of_a_cell_are_seen_and_updates_replace() {
        let mut shown = Shown { cell: 0, parts: Vec::new() };
        let counter = |text: &str| Bundle::text(text);
        let one = shown.add(&Frame::Display { bundle: counter("0 <b>"), id: Some("id".into()) });
        assert_eq!(one, "EVCXR_BEGIN_CONTENT text/plain\n0 <b>\nEVCXR_END_CONTENT\n");
        let mut picture = Bundle::text("a plot").with("image/png", "iVBO");
        picture.metadata.insert("image/png".into(), serde_json::json!({"width": 300}));
        let two = shown.add(&Frame::Result { bundle: picture });
        assert!(two.contains("text/html\n<pre>0 &lt;b&gt;</pre><br>\n<img width=\"300\" alt=\"a plot\""), "{two}");
        assert!(two.contains("text/plain\n0 <b>\na plot\n"), "{two}");
        let updated = shown.add(&Frame::Update { bundle: counter("9"), id: "id".into() });
        assert!(updated.contains("<pre>9</pre>") && !updated.contains("<pre>0"), "{updated}");
        assert_eq!(shown.add(&Frame::Update { bundle: counter("9"), id: "unknown".into() }), "");
        shown.add(&Frame::Clear { wait: false });
        assert!(!shown.add(&Frame::Display { bundle: counter("new"), id: None }).contains("html"));
    }

    #[test]
    fn loading_a_library_starts_a_new_cell() {
        let before = libraries();
        assert_eq!(before, libraries());
        // SAFETY: libm and libutil have no initialisers that matter; one of them is rarely loaded yet.
        let loaded = unsafe { libc::dlopen(c"libutil.so.1".as_ptr(), libc::RTLD_NOW) };
        assert!(loaded.is_null() || libraries() > before);
    }
}
