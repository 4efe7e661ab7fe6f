//! A cell's process as the kernel sees it: this test binary starts itself again with the kernel's environment.

use std::process::{Command, Output};

use lathe_events::frame::{Frame, MARK, NONCE_ENV};

const ROLE: &str = "LATHE_DISPLAY_TEST_ROLE";

fn child(role: &str, nonce: Option<&str>, evcxr: bool) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "acts_as_a_cell", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.env_remove(NONCE_ENV).env_remove("EVCXR_IS_RUNTIME");
    if let Some(nonce) = nonce {
        command.env(NONCE_ENV, nonce);
    }
    if evcxr {
        command.env("EVCXR_IS_RUNTIME", "1");
    }
    command.output().unwrap()
}

/// The frames among the output, with the text before each.
fn frames(output: &Output, nonce: &str) -> Vec<(String, Frame)> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(MARK) {
        let end = at + rest[at..].find('\n').expect("a frame ends with a newline");
        let frame = Frame::decode(&rest[at..=end], nonce).expect("a whole frame");
        found.push((rest[..at].to_owned(), frame));
        rest = &rest[end + 1..];
    }
    found
}

/// Not a test of its own: what the child does.
#[test]
fn acts_as_a_cell() {
    use display::CellValue as _;
    let Ok(role) = std::env::var(ROLE) else { return };
    display::cell::init();
    display::cell::init();
    display::cell::begin();
    match role.as_str() {
        "displays" => {
            print!("before ");
            let handle = display::display_live(display::text("first"));
            print!("between");
            handle.update(display::markdown("**second**"));
            display::clear_output(true);
            ().evcxr_display();
            [1, 2].evcxr_display();
        }
        "panics" => {
            let joined = std::thread::spawn(|| -> () { panic!("number {}", 7) }).join();
            assert!(joined.is_err());
        }
        "interrupted" => {
            let caught = std::panic::catch_unwind(|| {
                for step in display::progress(0..1_000_000) {
                    if step == 3 {
                        // SAFETY: raising a signal for which init() has installed a handler.
                        unsafe { libc::raise(libc::SIGINT) };
                    }
                    assert!(step < 4, "not stopped");
                }
            });
            let payload = caught.unwrap_err();
            assert!(payload.downcast_ref::<lathe_events::interrupt::Interrupted>().is_some());
            display::cell::begin();
            display::check();
            println!("went on");
        }
        other => unreachable!("{other}"),
    }
}

#[test]
fn frames_come_whole_and_in_order_with_prints() {
    let output = child("displays", Some("n0nce"), false);
    assert!(output.status.success(), "{output:?}");
    let found = frames(&output, "n0nce");
    assert!(found[0].0.ends_with("before "), "{:?}", found[0].0);
    let Frame::Display { bundle, id: Some(first) } = &found[0].1 else { panic!("{found:?}") };
    assert_eq!(bundle.data["text/plain"], "first");
    assert_eq!(found[1].0, "between");
    let Frame::Update { bundle, id } = &found[1].1 else { panic!("{found:?}") };
    assert_eq!((id, &bundle.data["text/markdown"]), (first, &"**second**".into()));
    assert_eq!(found[2].1, Frame::Clear { wait: true });
    let Frame::Result { bundle } = &found[3].1 else { panic!("{found:?}") };
    assert_eq!(bundle.data["text/plain"], "[1, 2]");
    assert_eq!(found.len(), 4, "the unit value shows nothing");
}

#[test]
fn a_panic_on_any_thread_is_reported_with_its_place() {
    let output = child("panics", Some("x"), false);
    let found = frames(&output, "x");
    let [(_, Frame::Panic { message, file, line, column, .. })] = &found[..] else { panic!("{found:?} {output:?}") };
    assert_eq!(message, "number 7");
    assert!(file.ends_with("process.rs") && *line > 1 && *column > 1, "{file}:{line}:{column}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked at"), "the default hook is replaced");
}

#[test]
fn an_interrupt_stops_a_loop_and_the_process_goes_on() {
    let output = child("interrupted", Some("x"), false);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("went on"));
    let found = frames(&output, "x");
    assert!(!found.iter().any(|(_, frame)| matches!(frame, Frame::Panic { .. })), "an interrupt is no panic");
    let Some((_, Frame::Update { bundle, .. })) = found.last() else { panic!("{found:?}") };
    assert!(bundle.data["text/plain"].as_str().unwrap().contains("stopped after"));
}

#[test]
fn without_our_kernel_there_is_text_or_evcxr_blocks() {
    let plain = String::from_utf8(child("displays", None, false).stdout).unwrap();
    assert!(plain.contains("before first\nbetween") && plain.contains("[1, 2]\n"), "{plain}");
    assert!(!plain.contains(MARK) && !plain.contains("second"));
    let stock = String::from_utf8(child("displays", None, true).stdout).unwrap();
    assert!(stock.contains("EVCXR_BEGIN_CONTENT text/plain\n[1, 2]\nEVCXR_END_CONTENT\n"), "{stock}");
}
