//! Stable ids for paragraphs.
//!
//! # Where ids live, and why
//! A cell carries its id in the text (`id=train-vae` after ` ```rust cell `): people quote cells, translations refer to them, and
//! an author who moves a cell moves its id. A paragraph's id would only disturb whoever reads or writes the text, so it is kept
//! beside it, in `book/ids/NN-name.json`, and found again after an edit: first by the hash of the paragraph, then by its place
//! between neighbours that did not change, then by how many of its words are still there. What cannot be found again gets a
//! new id, which for a translation means "not translated yet", never a wrong match. `## Heading {#id}` and `<!-- id: x -->` before
//! a block fix an id by hand.

use crate::chapter::{Chapter, Kind};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::Path;

/// What is remembered of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The stable id.
    pub id: String,
    /// Hash of the text, so that a translation sees that its original changed.
    pub hash: String,
    /// The smallest hashes of its words: two paragraphs that share words share many of them.
    pub words: String,
    /// How it starts, for people who read the file.
    pub starts: String,
}

/// The paragraphs of a chapter, in order.
pub type Ids = Vec<Known>;

/// How many word hashes are kept.
const SKETCH: usize = 8;

/// Gives every prose block of `chapter` its id from `old` (or a new one) and returns what is to be remembered now.
pub fn assign(chapter: &mut Chapter, old: &[Known]) -> Ids {
    let mut taken: HashSet<String> = chapter.blocks.iter().filter_map(|block| block.id.clone()).collect();
    let places: Vec<usize> = (0..chapter.blocks.len())
        .filter(|&at| matches!(chapter.blocks[at].kind, Kind::Heading(_) | Kind::Prose))
        .collect();
    let mut new: Ids = places
        .iter()
        .map(|&at| {
            let block = &chapter.blocks[at];
            let text = chapter.source(block);
            Known {
                id: block.id.clone().unwrap_or_default(),
                hash: digest(&[text]),
                words: sketch(text),
                starts: start(text),
            }
        })
        .collect();
    let from = matches(&new, old);
    for (known, from) in new.iter_mut().zip(from) {
        if known.id.is_empty()
            && let Some(id) = from.map(|from| old[from].id.clone())
            && taken.insert(id.clone())
        {
            known.id = id;
        }
    }
    for known in new.iter_mut().filter(|known| known.id.is_empty()) {
        known.id = fresh("p", &[&chapter.stem, &known.hash], &mut taken);
    }
    for (&at, known) in places.iter().zip(&new) {
        chapter.blocks[at].id = Some(known.id.clone());
    }
    new
}

/// For each new block, which old one it was.
fn matches(new: &[Known], old: &[Known]) -> Vec<Option<usize>> {
    let mut from: Vec<Option<usize>> = vec![None; new.len()];
    let mut free = vec![true; old.len()];
    // Explicit ids and unchanged texts.
    for (at, known) in new.iter().enumerate() {
        let same = |o: usize| if known.id.is_empty() { old[o].hash == known.hash } else { old[o].id == known.id };
        if let Some(o) = (0..old.len()).find(|&o| free[o] && same(o)) {
            from[at] = Some(o);
            free[o] = false;
        }
    }
    // Runs between two blocks that were found: as many as before are the same ones, edited.
    let mut at = 0;
    while at < new.len() {
        if from[at].is_some() {
            at += 1;
            continue;
        }
        let end = (at..new.len()).find(|&n| from[n].is_some()).unwrap_or(new.len());
        let before = if at == 0 { Some(0) } else { from[at - 1].map(|o| o + 1) };
        let after = from.get(end).copied().flatten().unwrap_or(old.len());
        if let Some(before) = before.filter(|&before| before <= after && after - before == end - at)
            && free[before..after].iter().all(|free| *free)
        {
            for step in 0..end - at {
                from[at + step] = Some(before + step);
                free[before + step] = false;
            }
        }
        at = end;
    }
    // The rest by their words, the most alike first.
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (n, known) in new.iter().enumerate().filter(|(n, _)| from[*n].is_none()) {
        for o in (0..old.len()).filter(|&o| free[o]) {
            let shared = shared(&known.words, &old[o].words);
            if 2 * shared >= SKETCH.min(known.words.len() / 7 + 1) {
                pairs.push((shared, n, o));
            }
        }
    }
    pairs.sort_by_key(|&(shared, n, o)| (std::cmp::Reverse(shared), n, o));
    for (_, n, o) in pairs {
        if from[n].is_none() && free[o] {
            from[n] = Some(o);
            free[o] = false;
        }
    }
    from
}

fn shared(a: &str, b: &str) -> usize {
    let b: HashSet<&str> = b.split(' ').collect();
    a.split(' ').filter(|word| b.contains(word)).count()
}

fn sketch(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut hashes: Vec<String> = words.map(|word| digest(&[&word.to_lowercase()])[..6].to_owned()).collect();
    hashes.sort();
    hashes.dedup();
    hashes.truncate(SKETCH);
    hashes.join(" ")
}

fn start(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(48).collect::<String>().trim_end().to_owned()
}

/// The first 16 hex digits of SHA-256 over the parts.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// An id that nobody has yet, the same whenever the same content is seen first.
pub(crate) fn fresh(prefix: &str, parts: &[&str], taken: &mut HashSet<String>) -> String {
    let mut salt = String::new();
    loop {
        let mut salted = parts.to_vec();
        salted.push(&salt);
        let id = format!("{prefix}-{}", &digest(&salted)[..6]);
        if taken.insert(id.clone()) {
            return id;
        }
        salt.push('+');
    }
}

/// The file's content: one paragraph a line, so that changes are easy to read.
pub(crate) fn to_json(ids: &[Known]) -> String {
    let lines: Vec<String> = ids.iter().map(|known| serde_json::to_string(known).unwrap_or_default()).collect();
    if lines.is_empty() { String::from("[]\n") } else { format!("[\n{}\n]\n", lines.join(",\n")) }
}

/// Reads the file; absent means nothing is known yet.
pub(crate) fn read(path: &Path) -> Result<Ids> {
    let Some(text) = crate::layout::read_if_there(path)? else { return Ok(Vec::new()) };
    serde_json::from_str(&text).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        what: format!("not a list of ids: {error}"),
        remedy: String::from("restore it from git (it is generated, but holds the ids that translations refer to)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str, old: &[Known]) -> Ids {
        let mut chapter = Chapter::parse("01-x", &format!("# T\n\n{text}"), "x.md".as_ref()).unwrap();
        assign(&mut chapter, old)
    }

    fn id_of<'a>(ids: &'a [Known], starts: &str) -> &'a str {
        &ids.iter().find(|known| known.starts.starts_with(starts)).unwrap().id
    }

    #[test]
    fn an_edited_paragraph_keeps_its_id() {
        let old = ids("Alpha one two.\n\nBeta one two.\n\nGamma one two.\n", &[]);
        let new = ids("Alpha one two.\n\nQuite another text.\n\nGamma one two.\n", &old);
        assert_eq!(id_of(&new, "Quite"), id_of(&old, "Beta"));
        assert_eq!(id_of(&new, "Gamma"), id_of(&old, "Gamma"));
        assert_ne!(new[2].hash, old[2].hash);
    }

    #[test]
    fn a_moved_paragraph_keeps_its_id_and_a_new_one_gets_its_own() {
        let old = ids("Alpha one two.\n\nBeta three four.\n\nGamma five six.\n", &[]);
        let new = ids("Gamma five six.\n\nSomething new here.\n\nAlpha one two.\n\nBeta three four.\n", &old);
        for start in ["Alpha", "Beta", "Gamma"] {
            assert_eq!(id_of(&new, start), id_of(&old, start));
        }
        assert!(old.iter().all(|known| known.id != id_of(&new, "Something")));
    }

    #[test]
    fn moved_and_edited_is_found_by_its_words() {
        let long = "The encoder maps a window of sensor values to a mean and a variance for each latent dimension";
        let old = ids(&format!("First.\n\n{long}.\n\nLast one.\n"), &[]);
        let new = ids(&format!("First.\n\nLast one.\n\nA picture.\n\n{long}, as we have seen.\n"), &old);
        assert_eq!(id_of(&new, "The encoder"), id_of(&old, "The encoder"));
    }

    #[test]
    fn equal_paragraphs_have_different_ids() {
        let ids = ids("Run it.\n\nRun it.\n\nRun it.\n", &[]);
        let unique: HashSet<&str> = ids.iter().map(|known| known.id.as_str()).collect();
        assert_eq!(unique.len(), 4);
    }

    #[test]
    fn ids_written_by_hand_win() {
        let old = ids("Alpha.\n", &[]);
        let new = ids("<!-- id: intro -->\nAlpha.\n\n## Next {#next}\n", &old);
        assert_eq!(new.iter().map(|known| known.id.as_str()).skip(1).collect::<Vec<_>>(), ["intro", "next"]);
    }
}
