//! Completion and inspection while a cell runs.

mod engine_common;

use engine_common::{check, text_of, with_engine};
use lathe_kernel::api::{Answer, Asker, Engine, Output, Question};
use std::time::{Duration, Instant};

fn complete(asker: &Asker, code: &str) -> Option<Vec<String>> {
    match asker.ask(&Question::Complete { code: code.to_owned(), cursor: code.len() })? {
        Answer::Completion(found) => Some(found.matches.into_iter().map(|found| found.text).collect()),
        Answer::Inspection(_) => panic!("an inspection for a completion"),
    }
}

/// Names of the processes of this program.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc").expect("proc").flatten().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let alive = fields.next()? != "Z";
        (alive && fields.next()? == own).then(|| name.to_owned())
    });
    stats.collect()
}

#[test]
fn questions_are_answered_from_a_copy_while_the_cell_runs() {
    with_engine(|engine| {
        check(engine, "let noted = vec![String::from(\"x\")];");
        let folder = tempfile::tempdir().expect("a folder");
        let flag = folder.path().join("stop");
        let asker = engine.asker();
        assert_eq!(complete(&asker, "noted.le"), None, "no cell runs");
        let code = format!(
            "println!(\"go\"); while !std::path::Path::new({flag:?}).exists() {{ \
             std::thread::sleep(std::time::Duration::from_millis(10)); }} let mut later = noted.len();"
        );
        std::thread::scope(|scope| {
            let (go, gone) = std::sync::mpsc::channel();
            let (asker, flag) = (&asker, &flag);
            let questions = scope.spawn(move || {
                gone.recv_timeout(Duration::from_secs(60)).expect("the cell runs");
                let first = complete(asker, "noted.le");
                let second = complete(asker, "noted[0].to_upp");
                let text = Question::Inspect { code: "noted".to_owned(), cursor: 2 };
                let text = asker.ask(&text);
                let children = children();
                // Whatever was found, the cell has to end.
                std::fs::write(flag, "").expect("a file");
                (first, second, text, children)
            });
            let outcome = engine.execute(&code, &mut |output| {
                if matches!(&output, Output::Stream { text, .. } if text.contains("go")) {
                    let _ = go.send(());
                }
            });
            assert_eq!(outcome, lathe_kernel::api::Outcome::Ok);
            let (first, second, text, children) = questions.join().expect("no panic");
            assert!(first.is_some_and(|found| found.iter().any(|name| name == "len")));
            assert!(second.is_some_and(|found| found.iter().any(|name| name == "to_uppercase")));
            let Some(Answer::Inspection(Some(text))) = text else { panic!("{text:?}") };
            assert!(text.data["text/plain"].to_string().contains("Vec<String>"), "{text:?}");
            assert_eq!(children.iter().filter(|name| *name == "lathe-answers").count(), 1, "{children:?}");
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while children().iter().any(|name| name == "lathe-answers") {
            assert!(Instant::now() < deadline, "the copy ends with the cell");
            std::thread::sleep(Duration::from_millis(10));
        }
        // The session goes on as if nobody had asked.
        assert_eq!(text_of(&check(engine, "(later, noted.len())"), "Result"), ["(1, 1)"]);
        let found = engine.complete("late", 4);
        assert!(found.matches.iter().any(|found| found.text == "later"), "{found:?}");
    });
}
