//! The learner's own copies of the notebooks. An edited copy is never overwritten; one that nobody touched follows the course.

use crate::hash;
use crate::json::{Json, quote};
use crate::proc::{Event, Log, Tail, ending, stream};
use crate::progress::Screen;
use crate::root::Places;
use crate::setup::{environment, write_atomically};
use crate::trouble::Trouble;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What we know about a copy: the hash of the notebook it was made from, and of the newest one the learner was told of.
#[derive(Debug, Clone, Default, PartialEq)]
struct Record {
    from: String,
    told: String,
}

/// What was done with one notebook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Made,
    Refreshed,
    Kept,
    KeptThoughNewer,
}

/// Brings `notebooks/my` up to date and marks what is new there as trusted; true when a copy was made.
pub fn ensure(places: &Places, screen: &mut Screen, env: &Path) -> Result<bool, Trouble> {
    screen.stage("[5/5] Notebooks", Duration::from_millis(800));
    let my = places.root.join("notebooks/my");
    let done = sync(&places.root.join("notebooks"), &my)?;
    let new: Vec<PathBuf> =
        done.iter().filter(|d| matches!(d.1, Done::Made | Done::Refreshed)).map(|d| my.join(&d.0)).collect();
    trust(places, screen, env, &new)?;
    let count = |what: Done| done.iter().filter(|d| d.1 == what).count();
    let mut said = vec![format!("{} in notebooks/my", done.len())];
    for (what, word) in [(Done::Made, "new"), (Done::Refreshed, "renewed (you had not changed them)")] {
        if count(what) > 0 {
            said.push(format!("{} {word}", count(what)));
        }
    }
    screen.done(&said.join(", "));
    for (name, _) in done.iter().filter(|d| d.1 == Done::KeptThoughNewer) {
        let number = name.split('-').next().unwrap_or(name);
        screen.say(&format!(
            "  {name} has a newer version; your copy is kept. `cargo lathe notebooks reset {number}` takes the new one."
        ));
    }
    Ok(count(Done::Made) > 0)
}

/// `notebooks reset NN`: the course's version again; the learner's is kept beside it under another name.
pub fn reset(places: &Places, asked: &str, screen: &mut Screen) -> Result<(), Trouble> {
    let folder = places.root.join("notebooks");
    let names = names(&folder)?;
    let stem = asked.trim_end_matches(".ipynb");
    let number = |name: &str| name.split('-').next().and_then(|n| n.parse::<u32>().ok());
    let fits = |name: &&String| {
        let name = name.trim_end_matches(".ipynb");
        name == stem || (number(name).is_some() && number(name) == stem.parse().ok())
    };
    let Some(name) = names.iter().find(fits).cloned() else {
        return Err(Trouble::NoNotebook { asked: asked.to_string(), have: names });
    };
    let my = folder.join("my");
    let copy = my.join(&name);
    if copy.exists() {
        let kept =
            (1..).map(|i| my.join(format!("{}.mine-{i}.ipynb", name.trim_end_matches(".ipynb")))).find(|p| !p.exists());
        if let Some(kept) = kept {
            std::fs::rename(&copy, &kept).map_err(|e| Trouble::io("keeping your copy", &kept, &e))?;
            screen.say(&format!(
                "Your copy is kept as notebooks/my/{}.",
                kept.file_name().unwrap_or_default().to_string_lossy()
            ));
        }
    }
    sync(&folder, &my)?;
    let env = places.state.join("env");
    if environment::is_whole(&env) {
        trust(places, screen, &env, &[copy])?;
    }
    screen.say(&format!("notebooks/my/{name} is the course's version again."));
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>, Trouble> {
    let entries = std::fs::read_dir(folder).map_err(|e| Trouble::io("reading", folder, &e))?;
    let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|n| n.ends_with(".ipynb") && !n.starts_with('.')).collect();
    names.sort();
    Ok(names)
}

fn sync(folder: &Path, my: &Path) -> Result<Vec<(String, Done)>, Trouble> {
    let list = my.join(".lathe.json");
    let mut records = std::fs::read_to_string(&list).map(|t| read_records(&t)).unwrap_or_default();
    let before = records.clone();
    let mut done = Vec::new();
    for name in names(folder)? {
        let source = folder.join(&name);
        let text = std::fs::read(&source).map_err(|e| Trouble::io("reading", &source, &e))?;
        let now = hash::of(&[&text]);
        let copy = my.join(&name);
        let have = match std::fs::read(&copy) {
            Ok(text) => Some(hash::of(&[&text])),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Trouble::io("reading", &copy, &e)),
        };
        let record = records.entry(name.clone()).or_default();
        let what = match have {
            None => Done::Made,
            Some(have) if have == now => {
                *record = Record { from: now.clone(), told: now };
                done.push((name, Done::Kept));
                continue;
            }
            Some(have) if have == record.from => Done::Refreshed,
            Some(_) if record.from != now && record.told != now => Done::KeptThoughNewer,
            Some(_) => Done::Kept,
        };
        match what {
            Done::Made | Done::Refreshed => {
                write_atomically(&copy, &text)?;
                *record = Record { from: now.clone(), told: now };
            }
            Done::KeptThoughNewer => record.told = now,
            Done::Kept => {}
        }
        done.push((name, what));
    }
    if records != before {
        write_atomically(&list, write_records(&records).as_bytes())?;
    }
    Ok(done)
}

fn read_records(text: &str) -> BTreeMap<String, Record> {
    // An unreadable list only means that no copy counts as untouched.
    let Some(Json::Map(map)) = Json::parse(text) else { return BTreeMap::new() };
    let field = |json: &Json, name: &str| json.get(name).and_then(Json::text).unwrap_or_default().to_string();
    map.iter().map(|(name, r)| (name.clone(), Record { from: field(r, "from"), told: field(r, "told") })).collect()
}

fn write_records(records: &BTreeMap<String, Record>) -> String {
    let lines: Vec<String> = records
        .iter()
        .map(|(name, r)| format!("  {}: {{\"from\": {}, \"told\": {}}}", quote(name), quote(&r.from), quote(&r.told)))
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// JupyterLab blanks HTML and SVG of notebooks that it does not trust; these are ours.
fn trust(places: &Places, screen: &mut Screen, env: &Path, notebooks: &[PathBuf]) -> Result<(), Trouble> {
    if notebooks.is_empty() {
        return Ok(());
    }
    let mut log = Log::create(&places.log("trust"))?;
    let mut command = places.command(env.join("bin/python"));
    environment::activate(places, env, &mut command);
    command.args(["-c", "from nbformat.sign import TrustNotebookApp as App; App.launch_instance()"]).args(notebooks);
    let mut tail = Tail::new(5);
    let status = stream(command, &mut log, &mut |event| {
        if let Event::Out(line) | Event::Err(line) = event {
            tail.push(line);
        }
        screen.tick(None, "marking as trusted", None);
    })?;
    if !status.success() {
        // The notebooks work all the same: figures are stored as PNG too.
        let line = tail.text().lines().last().unwrap_or_default().to_string();
        screen.say(&format!("  note: the notebooks could not be marked as trusted ({}: {line})", ending(status)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dir(PathBuf);
    impl Dir {
        fn new(name: &str) -> Dir {
            let dir = std::env::temp_dir().join(format!("lathe-copies-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).unwrap();
            Dir(dir)
        }
        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.join(name), text).unwrap();
        }
        fn my(&self, name: &str) -> String {
            std::fs::read_to_string(self.0.join("my").join(name)).unwrap()
        }
        fn sync(&self) -> Vec<Done> {
            sync(&self.0, &self.0.join("my")).unwrap().into_iter().map(|d| d.1).collect()
        }
    }
    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn copies_are_made_kept_and_renewed() {
        let dir = Dir::new("life");
        dir.write("01-a.ipynb", "v1");
        dir.write("02-b.ipynb", "v1");
        dir.write("notes.txt", "no notebook");
        assert_eq!(dir.sync(), [Done::Made, Done::Made]);
        assert_eq!(dir.sync(), [Done::Kept, Done::Kept]);
        dir.write("my/02-b.ipynb", "mine");
        dir.write("01-a.ipynb", "v2");
        dir.write("02-b.ipynb", "v2");
        assert_eq!(dir.sync(), [Done::Refreshed, Done::KeptThoughNewer]);
        assert_eq!((dir.my("01-a.ipynb"), dir.my("02-b.ipynb")), ("v2".into(), "mine".into()));
        // Told once, not at every start; and again when there is something newer still.
        assert_eq!(dir.sync(), [Done::Kept, Done::Kept]);
        dir.write("02-b.ipynb", "v3");
        assert_eq!(dir.sync(), [Done::Kept, Done::KeptThoughNewer]);
        assert!(!dir.0.join("my/notes.txt").exists());
    }

    #[test]
    fn without_its_list_every_differing_copy_counts_as_edited() {
        let dir = Dir::new("list");
        dir.write("01-a.ipynb", "v1");
        dir.sync();
        dir.write("my/.lathe.json", "{ half");
        dir.write("01-a.ipynb", "v2");
        assert_eq!(dir.sync(), [Done::KeptThoughNewer]);
        assert_eq!(dir.my("01-a.ipynb"), "v1");
    }

    #[test]
    fn records_survive_the_round_trip() {
        let record = Record { from: "a".into(), told: "b".into() };
        let records = BTreeMap::from([("01-\"x\".ipynb".to_string(), record)]);
        assert_eq!(read_records(&write_records(&records)), records);
        assert_eq!(read_records(&write_records(&BTreeMap::new())), BTreeMap::new());
    }
}
