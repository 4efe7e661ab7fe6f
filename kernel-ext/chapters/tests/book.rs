//! Pages show the stored outputs, legibly and without a network.

mod common;

use common::{CHAPTER, execute, files, repository};
use lathe_chapters::{Error, book};

fn page(html: &str) -> String {
    html[html.find("<main>").unwrap()..html.find("</main>").unwrap()].to_owned()
}

#[test]
fn the_page_has_code_outputs_and_descriptions() {
    let (_folder, layout) = repository(&[("01-normal", CHAPTER), ("02-next", "# Next {#why}\n\nText.\n")]);
    execute(&layout).unwrap();
    let before = files(&layout);
    let out = layout.root().join("out");
    let index = book(&layout, Some(&out)).unwrap();
    assert!(index.is_file());
    let html = page(&std::fs::read_to_string(out.join("01-normal.html")).unwrap());
    for part in [
        "class=\"lathe-about\"",
        "About 40 minutes.",
        "Say what normal looks like.",
        "href=\"notebooks/01-normal.ipynb\"",
        "href=\"02-next.html#why\"",
        "<code class=\"language-rust noplayground\">show picture",
        "alt=\"loss falls from 3 to &quot;1&quot;\"",
        "<td>bar &amp; pin</td>",
        "epochs is 40",
        "Colours &amp; sizes",
        "<details class=\"lathe-hidden\"",
        "# not hidden",
        "error[E0308]",
        "Vec&lt;u8&gt;",
        "id=\"train\"",
        "The end, for $5.",
    ] {
        assert!(html.contains(part), "{part} is not in\n{html}");
    }
    assert!(html.contains("<math") && !html.contains("\\mathbb"), "formulas are MathML");
    assert!(!html.contains("among authors") && !html.contains("Vec<u8>"));
    assert!(html.contains("id=\"p-"), "paragraphs can be linked to");
    let source = html.find("figures/01-normal/plot-1-").unwrap();
    let figure = html[source..].split('"').next().unwrap();
    assert!(std::fs::read(out.join(figure)).unwrap().starts_with(b"\x89PNG"));
    assert!(out.join("notebooks/01-normal.ipynb").is_file());
    let whole = std::fs::read_to_string(out.join("01-normal.html")).unwrap();
    assert!(!whole.contains("mathjax") && !whole.contains("src=\"http"), "nothing comes from a network");
    assert!(
        std::fs::read_dir(&out).unwrap().any(|e| e.unwrap().file_name().to_string_lossy().starts_with("searchindex"))
    );
    std::fs::remove_dir_all(&out).unwrap();
    assert_eq!(files(&layout), before, "building changes nothing in the repository");
}

#[test]
fn a_chapter_without_outputs_says_so() {
    let (_folder, layout) = repository(&[("01-normal", CHAPTER)]);
    lathe_chapters::sync(&layout).unwrap();
    let out = layout.root().join("out");
    book(&layout, Some(&out)).unwrap();
    let html = page(&std::fs::read_to_string(out.join("01-normal.html")).unwrap());
    assert!(html.contains("are not stored yet") && !html.contains("lathe-out"), "{html}");
}

#[test]
fn a_folder_with_other_files_is_not_emptied() {
    let (_folder, layout) = repository(&[("01-a", "# A\n")]);
    lathe_chapters::sync(&layout).unwrap();
    let out = layout.root().join("mine");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("thesis.tex"), "x").unwrap();
    let error = book(&layout, Some(&out)).unwrap_err();
    assert!(matches!(error, Error::Book(_)) && error.to_string().contains("holds other files"), "{error}");
    assert!(out.join("thesis.tex").is_file());
    std::fs::remove_file(out.join("thesis.tex")).unwrap();
    book(&layout, Some(&out)).unwrap();
    book(&layout, Some(&out)).unwrap();
}
