//! The protocol server, driven over zmq by a client, with a test double for the engine.

mod protocol_support;

use lathe_kernel::api::Engine;
use lathe_kernel::protocol::{Codec, ConnectionFile, DELIMITER, ServeError, Setup, serve};
use protocol_support::{Fake, KEY, kinds, parent, start, start_with};
use serde_json::{Value, json};

#[test]
fn a_cell_is_busy_input_outputs_reply_idle() {
    let kernel = start();
    let (reply, heard) = kernel.run("print a\nprint b\\n\ndisplay d one\nprint c\neprint e\nupdate d two\nresult 42");
    // How many messages a stream comes in is a matter of time; what it says and where is not.
    let mut seen: Vec<(&str, String)> = Vec::new();
    for message in heard.iter().filter(|m| m.kind() != "update_display_data") {
        let kind =
            if message.kind() == "stream" { message.text("name") } else { kinds(std::slice::from_ref(message))[0] };
        match seen.last_mut() {
            Some((last, text)) if *last == kind => text.push_str(message.text("text")),
            _ => seen.push((kind, message.text("text").to_owned())),
        }
    }
    let seen: Vec<(&str, &str)> = seen.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
    let expected = [
        ("busy", ""),
        ("execute_input", ""),
        ("stdout", "ab\n"),
        ("display_data", ""),
        ("stdout", "c"),
        ("stderr", "e"),
        ("execute_result", ""),
        ("idle", ""),
    ];
    assert_eq!(seen, expected);
    let of = |kind: &str| heard.iter().filter(|m| m.kind() == kind).collect::<Vec<_>>();
    assert_eq!(of("execute_input")[0].content["execution_count"], 1);
    assert_eq!(of("display_data")[0].content["transient"], json!({"display_id": "d"}));
    assert_eq!(of("update_display_data")[0].content["data"]["text/plain"], "two");
    assert_eq!(of("execute_result")[0].content["data"]["text/plain"], "42");
    assert_eq!((reply.text("status"), reply.number("execution_count")), ("ok", Some(1)));
    assert_eq!(kernel.run("clear wait").0.number("execution_count"), Some(2));
    assert!(kernel.shutdown(false).content["status"] == "ok");
}

#[test]
fn kernel_info_says_rust_and_the_heart_beats() {
    let kernel = start();
    for socket in [&kernel.shell, &kernel.control] {
        let id = kernel.send(socket, "kernel_info_request", json!({}));
        let reply = kernel.receive(socket);
        assert_eq!((reply.kind(), parent(&reply)), ("kernel_info_reply", id.as_str()));
        let language = &reply.content["language_info"];
        assert_eq!(
            (&language["name"], &language["version"], &language["file_extension"], &language["mimetype"]),
            (&json!("rust"), &json!("1.95.0"), &json!(".rs"), &json!("text/x-rust"))
        );
        assert!(reply.text("protocol_version").starts_with("5."));
        assert_eq!(kinds(&kernel.heard(&id)), ["busy", "idle"]);
    }
    kernel.heartbeat.send("ping", 0).unwrap();
    assert_eq!(kernel.heartbeat.recv_bytes(0).unwrap(), b"ping");
}

#[test]
fn silent_cells_leave_no_trace_and_empty_ones_do_not_count() {
    let kernel = start();
    let id = kernel.send(&kernel.shell, "execute_request", json!({"code": "print x\nresult 1", "silent": true}));
    assert_eq!(kernel.reply(&id).text("status"), "ok");
    assert_eq!(kinds(&kernel.heard(&id)), ["busy", "idle"]);
    assert_eq!(kinds(&kernel.run("  \n").1), ["busy", "idle"]);
    let id = kernel.send(&kernel.shell, "execute_request", json!({"code": "result 2", "store_history": false}));
    // The counter counts the cells that are stored.
    assert_eq!(kernel.reply(&id).number("execution_count"), Some(0));
    assert_eq!(kinds(&kernel.heard(&id)), ["busy", "execute_input", "execute_result", "idle"]);
    assert_eq!(kernel.run("result 3").0.number("execution_count"), Some(1));
    let history = kernel.ask("history_request", json!({"hist_access_type": "tail", "n": 9, "output": true}));
    assert_eq!(history.content["history"], json!([[1, 1, ["result 3", "3"]]]));
}

#[test]
fn a_failed_cell_says_why_and_aborts_the_cells_sent_with_it() {
    let kernel = start();
    let first = kernel.execute("print before\ngate\nfail");
    let others = [kernel.execute("result 2"), kernel.execute("result 3")];
    // Answered after the cells were read, since one socket keeps the order.
    kernel.ask("kernel_info_request", json!({}));
    kernel.gate.send(()).unwrap();
    let reply = kernel.reply(&first);
    assert_eq!((reply.text("status"), reply.text("ename"), reply.text("evalue")), ("error", "E0308", "as told"));
    assert_eq!(reply.content["traceback"].as_array().map(Vec::len), Some(2));
    let heard = kernel.heard(&first);
    let error = heard.iter().find(|m| m.kind() == "error").expect("an error message");
    assert_eq!(error.text("ename"), "E0308");
    for id in &others {
        assert_eq!(kernel.reply(id).text("status"), "aborted");
        assert_eq!(kinds(&kernel.heard(id)), ["busy", "idle"]);
    }
    let (reply, _) = kernel.run("result 4");
    assert_eq!((reply.text("status"), reply.number("execution_count")), ("ok", Some(2)));
}

#[test]
fn without_stop_on_error_the_next_cells_run() {
    let kernel = start();
    let first = kernel.send(&kernel.shell, "execute_request", json!({"code": "gate\nfail", "stop_on_error": false}));
    let second = kernel.execute("result 2");
    kernel.ask("kernel_info_request", json!({}));
    kernel.gate.send(()).unwrap();
    assert_eq!(kernel.reply(&first).text("status"), "error");
    assert_eq!(kernel.reply(&second).text("status"), "ok");
}

#[test]
fn a_running_cell_can_be_interrupted_and_blocks_no_question() {
    let kernel = start();
    let cell = kernel.execute("display d started\nwait");
    let behind = kernel.execute("result 2");
    kernel.wait_for(&cell, "display_data");
    let reply = kernel.ask("complete_request", json!({"code": "silent", "cursor_pos": 2}));
    assert_eq!((reply.content["matches"].clone(), reply.number("cursor_start")), (json!([]), Some(2)));
    assert!(!kernel.ask("inspect_request", json!({"code": "abc", "cursor_pos": 2})).flag("found", true));
    assert_eq!(
        kernel.ask("is_complete_request", json!({"code": "open {"})).content,
        *json!({
        "status": "incomplete", "indent": "    "})
        .as_object()
        .unwrap()
    );
    let stop = kernel.send(&kernel.control, "interrupt_request", json!({}));
    let reply = kernel.receive(&kernel.control);
    assert_eq!((reply.kind(), parent(&reply), reply.text("status")), ("interrupt_reply", stop.as_str(), "ok"));
    let reply = kernel.reply(&cell);
    assert_eq!((reply.text("status"), reply.text("ename")), ("error", "Interrupted"));
    assert_eq!(kernel.reply(&behind).text("status"), "aborted");
    assert_eq!(kernel.run("result 3").0.text("status"), "ok");
}

#[test]
fn after_a_question_the_front_end_still_sees_the_running_cell() {
    let kernel = start();
    let cell = kernel.execute("gate");
    let asked = kernel.send(&kernel.shell, "comm_info_request", json!({}));
    assert_eq!(kernel.reply(&asked).content["comms"], json!({}));
    kernel.heard(&asked);
    let last = kernel.receive(&kernel.iopub);
    assert_eq!((parent(&last), last.text("execution_state")), (cell.as_str(), "busy"));
    kernel.gate.send(()).unwrap();
    assert_eq!(kernel.reply(&cell).text("status"), "ok");
}

#[test]
fn cursors_count_characters_not_bytes() {
    let kernel = start();
    let reply = kernel.ask("complete_request", json!({"code": "é日.ab + é", "cursor_pos": 5}));
    assert_eq!(reply.content["matches"], json!(["ab!"]));
    assert_eq!((reply.number("cursor_start"), reply.number("cursor_end")), (Some(3), Some(5)));
    let reply = kernel.ask("inspect_request", json!({"code": "日本x", "cursor_pos": 2}));
    assert_eq!((reply.flag("found", false), &reply.content["data"]["text/plain"]), (true, &json!("about 日本")));
    for cursor in [99, -1] {
        let reply = kernel.ask("complete_request", json!({"code": "日本", "cursor_pos": cursor}));
        assert_eq!(reply.content["matches"], json!(["日本!"]));
    }
}

#[test]
fn wrong_messages_are_dropped_and_the_next_is_answered() {
    let kernel = start();
    let forged = Codec::new("another key", "test");
    let message = forged.message("execute_request", json!({"code": "panic"}), &Default::default());
    let good = kernel.codec.message("kernel_info_request", json!({}), &Default::default());
    let mut cut = kernel.codec.encode(&good);
    cut.truncate(4);
    let unsigned = Codec::new("", "test").encode(&message);
    let noise = vec![b"noise".to_vec(), DELIMITER.to_vec(), vec![0xff; 64], b"{".to_vec()];
    for frames in [forged.encode(&message), unsigned, cut, noise, vec![vec![0xff, 0xfe]], vec![DELIMITER.to_vec()]] {
        kernel.shell.send_multipart(frames.clone(), 0).unwrap();
        kernel.control.send_multipart(frames, 0).unwrap();
    }
    for kind in ["no_such_request", "comm_msg", "create_subshell_request"] {
        kernel.send(&kernel.shell, kind, json!({"x": 1}));
    }
    let id = kernel.send(&kernel.shell, "execute_request", json!({"code": 5}));
    assert_eq!(kernel.reply(&id).text("ename"), "BadRequest");
    assert_eq!(kernel.run("result 1").0.number("execution_count"), Some(1));
}

#[test]
fn a_debugger_is_refused_and_not_left_waiting() {
    let kernel = start();
    let asked = json!({"type": "request", "seq": 3, "command": "initialize", "arguments": {}});
    let id = kernel.send(&kernel.control, "debug_request", asked);
    let reply = loop {
        let message = kernel.receive(&kernel.control);
        if parent(&message) == id {
            break message;
        }
    };
    assert_eq!((reply.kind(), reply.number("request_seq")), ("debug_reply", Some(3)));
    assert!(reply.content["success"] == false && reply.text("message").contains("no debugger"));
}

#[test]
fn unknown_comms_are_closed() {
    let kernel = start();
    let id = kernel.send(&kernel.shell, "comm_open", json!({"comm_id": "c1", "target_name": "none", "data": {}}));
    let heard = kernel.heard(&id);
    assert_eq!(kinds(&heard), ["busy", "comm_close", "idle"]);
    assert_eq!(heard[1].text("comm_id"), "c1");
}

#[test]
fn cells_wait_for_the_engine_while_kernel_info_does_not() {
    let (fake, gate) = Fake::new();
    let (begin, begun) = crossbeam_channel::unbounded::<()>();
    let kernel = start_with(
        gate,
        Box::new(move |note| {
            begun.recv().map_err(|e| e.to_string())?;
            note("preparing the prelude".to_owned());
            begun.recv().map_err(|e| e.to_string())?;
            Ok(Box::new(fake))
        }),
    );
    let cell = kernel.execute("result 1");
    assert_eq!(kernel.ask("kernel_info_request", json!({})).text("status"), "ok");
    begin.send(()).unwrap();
    assert_eq!(kernel.wait_for(&cell, "stream").text("text"), "preparing the prelude\n");
    begin.send(()).unwrap();
    assert_eq!(kernel.reply(&cell).text("status"), "ok");
    assert!(kinds(&kernel.heard(&cell)).contains(&"execute_result"));
}

#[test]
fn questions_wait_for_the_engine_but_not_for_a_cell() {
    let (fake, gate) = Fake::new();
    let (begin, begun) = crossbeam_channel::unbounded::<()>();
    let start = move |_: &mut dyn FnMut(String)| match begun.recv() {
        Ok(()) => Ok(Box::new(fake) as Box<dyn Engine>),
        Err(error) => Err(error.to_string()),
    };
    let kernel = start_with(gate, Box::new(start));
    let ask = |code: &str| kernel.send(&kernel.shell, "complete_request", json!({"code": code, "cursor_pos": 2}));
    let (first, second) = (ask("ab"), ask("cd"));
    assert_eq!(kernel.ask("kernel_info_request", json!({})).text("status"), "ok");
    begin.send(()).unwrap();
    assert_eq!(kernel.reply(&first).content["matches"], json!(["ab!"]));
    assert_eq!(kernel.reply(&second).content["matches"], json!(["cd!"]));
    assert_eq!(kinds(&kernel.heard(&second)), ["busy", "idle"]);
}

#[test]
fn questions_are_answered_while_a_cell_runs() {
    let kernel = start();
    let ask = |code: &str| kernel.ask("complete_request", json!({"code": code, "cursor_pos": 2})).content;
    let cell = kernel.execute("gate");
    kernel.wait_for(&cell, "execute_input");
    let later = kernel.execute("result 1");
    assert_eq!(ask("ab")["matches"], json!(["ab?"]));
    assert_eq!(ask("cd")["matches"], json!(["cd?"]));
    // What nobody knows is answered all the same.
    assert_eq!(ask("silent")["matches"], json!([]));
    let id = kernel.send(&kernel.shell, "inspect_request", json!({"code": "ab", "cursor_pos": 2}));
    assert_eq!(kernel.reply(&id).content["found"], false);
    kernel.gate.send(()).unwrap();
    kernel.reply(&cell);
    kernel.reply(&later);
    assert_eq!(ask("ab")["matches"], json!(["ab!"]));
}

#[test]
fn a_question_behind_a_cell_that_waits_for_the_start_is_answered() {
    let (fake, gate) = Fake::new();
    let (begin, begun) = crossbeam_channel::unbounded::<()>();
    let start = move |_: &mut dyn FnMut(String)| match begun.recv() {
        Ok(()) => Ok(Box::new(fake) as Box<dyn Engine>),
        Err(error) => Err(error.to_string()),
    };
    let kernel = start_with(gate, Box::new(start));
    let cell = kernel.execute("gate");
    let question = kernel.send(&kernel.shell, "complete_request", json!({"code": "ab", "cursor_pos": 2}));
    begin.send(()).unwrap();
    assert_eq!(kernel.reply(&question).content["matches"], json!(["ab?"]));
    kernel.gate.send(()).unwrap();
    kernel.reply(&cell);
}

#[test]
fn an_engine_that_does_not_start_says_so_in_each_cell() {
    let (_, gate) = Fake::new();
    let kernel = start_with(gate, Box::new(|_| Err("no rust-src: run `rustup component add rust-src`".into())));
    for _ in 0..2 {
        let (reply, heard) = kernel.run("result 1");
        assert_eq!((reply.text("status"), reply.text("ename")), ("error", "EngineNotStarted"));
        assert!(reply.text("evalue").contains("rustup component add rust-src"));
        let error = heard.iter().find(|m| m.kind() == "error").expect("an error message");
        assert!(error.content["traceback"].to_string().contains("restart the kernel"));
    }
    assert_eq!(kernel.ask("complete_request", json!({"code": "a", "cursor_pos": 1})).text("status"), "ok");
}

#[test]
fn a_fault_of_the_engine_is_not_the_end_of_the_kernel() {
    let kernel = start();
    let (reply, _) = kernel.run("print x\npanic");
    assert_eq!((reply.text("status"), reply.text("ename")), ("error", "KernelFault"));
    assert_eq!(kernel.run("result 1").0.text("ename"), "KernelFault");
    assert_eq!(kernel.ask("kernel_info_request", json!({})).text("status"), "ok");
    kernel.shutdown(false);
}

#[test]
fn a_flood_of_output_is_cut_and_its_end_shown() {
    let kernel = start();
    let (reply, heard) = kernel.run("flood 600000\nresult done");
    assert_eq!(reply.text("status"), "ok");
    let text: String = heard.iter().filter(|m| m.kind() == "stream").map(|m| m.text("text")).collect();
    assert!(text.len() < 1_100_000, "{} bytes", text.len());
    assert!(text.starts_with("line 00000000000000\n") && text.ends_with("line 00000000599999\n"));
    assert!(text.contains("output truncated, 10.9 MB more not shown"));
    assert!(kinds(&heard).contains(&"execute_result"));
}

#[test]
fn shutdown_answers_with_the_restart_flag_even_while_a_cell_runs() {
    let kernel = start();
    assert_eq!(kernel.run("result 1").0.text("status"), "ok");
    let cell = kernel.execute("display d x\nwait");
    kernel.wait_for(&cell, "display_data");
    assert_eq!(kernel.shutdown(true).content["restart"], true);
}

#[test]
fn a_taken_port_is_named() -> Result<(), Box<dyn std::error::Error>> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = u32::from(taken.local_addr()?.port());
    let file: ConnectionFile = serde_json::from_value(json!({
        "ip": "127.0.0.1", "shell_port": port, "control_port": 0, "stdin_port": 0, "iopub_port": 0, "hb_port": 0, "key": KEY,
    }))?;
    let start = Box::new(|_: &mut dyn FnMut(String)| -> Result<Box<dyn Engine>, String> { Err("not reached".into()) });
    let setup = Setup {
        start,
        is_complete: |_| lathe_kernel::engine::Completeness::Complete,
        rust_version: "1".into(),
        history: None,
    };
    match serve(&file, setup) {
        Err(error @ ServeError::Bind { name: "shell", .. }) => {
            assert!(error.to_string().contains(&format!("tcp://127.0.0.1:{port}")));
            Ok(())
        }
        other => Err(format!("{other:?}").into()),
    }
}

#[test]
fn connection_files_are_checked() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("c.json");
    let read = |content: Value| {
        std::fs::write(&path, content.to_string()).map_err(|e| e.to_string())?;
        ConnectionFile::read(&path).map_err(|e| e.to_string())
    };
    let mut file = json!({"ip": "127.0.0.1", "shell_port": 1, "control_port": 2, "stdin_port": 3, "iopub_port": 4, "hb_port": 5,
        "key": "k", "transport": "tcp", "signature_scheme": "hmac-sha256", "kernel_name": "lathe"});
    assert_eq!(read(file.clone())?.endpoint(4), "tcp://127.0.0.1:4");
    file["signature_scheme"] = "hmac-md5".into();
    assert!(read(file.clone()).unwrap_err().contains("hmac-md5"));
    file["transport"] = "udp".into();
    assert!(read(file).unwrap_err().contains("udp"));
    assert!(read(json!({"ip": "x"})).unwrap_err().contains("shell_port"));
    assert!(ConnectionFile::read(&folder.path().join("none")).unwrap_err().to_string().contains("cannot read"));
    Ok(())
}

#[test]
fn an_empty_key_means_no_signatures() {
    let codec = Codec::new("", "test");
    let message = codec.message("x", json!({"a": 1}), &Default::default());
    let frames = codec.encode(&message);
    assert_eq!(frames[1], b"");
    assert_eq!(codec.decode(frames), Ok(message));
}
