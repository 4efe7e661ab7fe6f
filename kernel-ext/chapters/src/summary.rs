//! `SUMMARY.md`: the table of contents lists every chapter.

use crate::chapter::Chapter;
use crate::layout::is_chapter;

/// The chapters that the table of contents names, with their 1-based lines.
pub(crate) fn listed(summary: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (line, text) in summary.lines().enumerate() {
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default().trim_start_matches("./");
            if let Some(stem) = target.strip_suffix(".md").filter(|stem| is_chapter(stem)) {
                found.push((stem.to_owned(), line + 1));
            }
        }
    }
    found
}

/// The table of contents with an entry for every chapter; those that are there keep their words and order.
pub(crate) fn complete<'a>(summary: &str, chapters: impl IntoIterator<Item = &'a Chapter>) -> String {
    let mut text = summary.to_owned();
    for chapter in chapters {
        let listed = listed(&text);
        if listed.iter().any(|(stem, _)| *stem == chapter.stem) {
            continue;
        }
        let entry = format!("- [{}]({}.md)", chapter.title, chapter.stem);
        let mut lines: Vec<&str> = text.lines().collect();
        // After the last chapter that comes before this one, else before the first that comes after it, else at the end.
        let before = listed.iter().filter(|(stem, _)| *stem < chapter.stem).map(|(_, line)| *line).max();
        match before.or_else(|| listed.iter().map(|(_, line)| line - 1).min()) {
            Some(at) => lines.insert(at, &entry),
            None => {
                if lines.last().is_some_and(|line| !line.is_empty() && !line.starts_with("- ")) {
                    lines.push("");
                }
                lines.push(&entry);
            }
        }
        text = lines.join("\n") + "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapter(stem: &str) -> Chapter {
        Chapter::parse(stem, &format!("# About {stem}\n"), "x.md".as_ref()).unwrap()
    }

    #[test]
    fn entries_are_added_in_order_and_kept() {
        let (one, two, three) = (chapter("01-a"), chapter("02-b"), chapter("03-c"));
        let empty = "# Summary\n\n[Introduction](introduction.md)\n";
        let text = complete(empty, [&one, &three]);
        assert_eq!(text, format!("{empty}\n- [About 01-a](01-a.md)\n- [About 03-c](03-c.md)\n"));
        let mine = text.replace("About 03-c", "My words");
        let all = complete(&mine, [&one, &two, &three]);
        assert_eq!(listed(&all).into_iter().map(|(stem, _)| stem).collect::<Vec<_>>(), ["01-a", "02-b", "03-c"]);
        assert!(all.contains("[My words](03-c.md)"));
        assert_eq!(complete(&all, [&one, &two, &three]), all);
    }
}
