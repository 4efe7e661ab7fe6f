//! Full runs store outputs, quick runs store nothing.

mod common;

use common::{CHAPTER, Fake, edit, execute, files, notebook, repository, start, with_chapter};
use lathe_chapters::{Error, Told};
use lathe_kernel::notebook::Output;

#[test]
fn outputs_and_hashes_are_stored_without_what_varies() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    let notebook = notebook(&layout, "01-normal");
    let outputs = |id: &str| &notebook.cells.iter().find(|cell| cell.id == id).unwrap().outputs;
    assert!(matches!(&outputs("train")[..], [Output::Stream { text, .. }] if text == "epochs is 40\n"), "full values");
    assert!(matches!(&outputs("wrong")[..], [Output::Error { ename, .. }] if ename == "E0308"));
    let [Output::Display { data, metadata }] = &outputs("plot")[..] else { panic!("{:?}", outputs("plot")) };
    assert!(data.contains_key("image/png") && metadata.is_empty(), "{metadata:?}");
    let lathe = lathe_chapters::recorded(&notebook).unwrap();
    assert_eq!(lathe["sources_hash"], lathe_chapters::sources_hash(layout.root()).unwrap());
    assert_eq!(lathe["chapter_hash"].as_str().unwrap().len(), 16);
    let counts: Vec<Option<u64>> = notebook.cells.iter().filter_map(|cell| cell.execution_count.map(Some)).collect();
    assert_eq!(counts, [Some(1), Some(2), Some(3), Some(4), Some(5)]);
}

#[test]
fn paths_of_this_machine_are_not_stored() {
    let (_folder, layout) = repository(&[("01-a", "# A\n\n```rust cell\npath\n```\n")]);
    execute(&layout).unwrap();
    let text = std::fs::read_to_string(layout.notebook("01-a")).unwrap();
    assert!(!text.contains("evcxr-a1") && text.contains("/…/src.rs"), "{text}");
}

#[test]
fn a_quick_run_uses_quick_values_and_writes_nothing() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    let before = files(&layout);
    let mut told = Vec::new();
    let mut quick = Vec::new();
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    struct Recorder(Fake, std::rc::Rc<std::cell::RefCell<Vec<String>>>);
    impl lathe_kernel::api::Engine for Recorder {
        fn execute(
            &mut self,
            code: &str,
            out: &mut dyn FnMut(lathe_kernel::api::Output),
        ) -> lathe_kernel::api::Outcome {
            self.1.borrow_mut().push(code.to_owned());
            self.0.execute(code, out)
        }
        fn complete(&mut self, code: &str, cursor: usize) -> lathe_kernel::api::Completion {
            self.0.complete(code, cursor)
        }
        fn inspect(&mut self, code: &str, cursor: usize) -> Option<lathe_events::frame::Bundle> {
            self.0.inspect(code, cursor)
        }
        fn interrupter(&self) -> lathe_kernel::api::Interrupter {
            self.0.interrupter()
        }
        fn shutdown(&mut self) {}
    }
    let mut start = |is_quick: bool| {
        quick.push(is_quick);
        Ok(Box::new(Recorder(Fake::default(), seen.clone())) as Box<dyn lathe_kernel::api::Engine>)
    };
    lathe_chapters::test(&layout, &["01-normal".into()], &mut start, &mut |event| told.push(event)).unwrap();
    assert_eq!(quick, [true]);
    let seen = seen.borrow();
    assert_eq!(seen.len(), 5, "every cell runs");
    assert_eq!(seen[3], "let epochs = 2;\nprint epochs");
    assert!(matches!(told.last(), Some(Told::Done { cells: 5, .. })));
    assert_eq!(files(&layout), before);
}

#[test]
fn a_failing_cell_leaves_the_notebook_alone_and_is_named() {
    let (_folder, layout) =
        repository(&[("01-normal", CHAPTER), ("02-next", "# Next\n\n```rust cell id=ok\nlet a = 1;\n```\n")]);
    execute(&layout).unwrap();
    edit(&layout, "01-normal", "show table", "fail E0277");
    edit(&layout, "02-next", "let a = 1;", "let a = 2;");
    let before = std::fs::read(layout.notebook("01-normal")).unwrap();
    let stems = layout.chapters().unwrap();
    let mut told = Vec::new();
    let error = lathe_chapters::execute(&layout, &stems, &mut start, &mut |event| told.push(event)).unwrap_err();
    let Error::Cell { chapter, cell, line, what } = &error else { panic!("{error}") };
    assert_eq!((chapter.as_str(), cell.as_str(), *line), ("01-normal", "table", 14));
    assert!(what.contains("E0277: mismatched <types>") && what.contains("Vec<u8>"), "{what}");
    assert_eq!(std::fs::read(layout.notebook("01-normal")).unwrap(), before);
    assert!(told.iter().any(|event| matches!(event, Told::Failed { chapter, .. } if chapter == "01-normal")));
    // The other chapter was run and stored all the same.
    assert_eq!(notebook(&layout, "02-next").cells[1].execution_count, Some(1));
    assert!(lathe_chapters::test(&layout, &stems, &mut start, &mut |_| ()).is_err());
}

#[test]
fn a_cell_that_should_fail_and_does_not_is_a_failure() {
    let (_folder, layout) = repository(&[("01-a", "# A\n\n```rust cell id=wrong should_fail\nlet a = 1;\n```\n")]);
    let error = execute(&layout).unwrap_err().to_string();
    assert!(error.contains("'wrong'") && error.contains("should_fail but ran to its end"), "{error}");
}

#[test]
fn a_notebook_above_the_limit_is_refused_and_the_biggest_output_named() {
    let text = "# A\n\n```rust cell id=small\nbig 300000\n```\n\n```rust cell id=large\nbig 900000\n```\n";
    let (_folder, layout) = repository(&[("01-a", text)]);
    let error = execute(&layout).unwrap_err();
    let Error::TooBig { cell, mime, biggest, limit, bytes, .. } = &error else { panic!("{error}") };
    assert_eq!((cell.as_str(), mime.as_str(), *biggest), ("large", "text/html", 900_000));
    assert!(*limit == lathe_chapters::LIMIT && bytes > limit);
    assert!(notebook(&layout, "01-a").cells.iter().all(|cell| cell.outputs.is_empty()), "nothing was stored");
}

#[test]
fn a_kernel_that_does_not_start_is_named() {
    let (_folder, layout) = with_chapter();
    let mut broken = |_| Err(String::from("no prepared folder"));
    let error = lathe_chapters::test(&layout, &["01-normal".into()], &mut broken, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("01-normal: the kernel did not start: no prepared folder"), "{error}");
}
