//! Options of execute requests: `user_expressions`, documentation pages, history of earlier kernels.

mod protocol_support;

use protocol_support::{Fake, kinds, start, start_with};
use serde_json::{Value, json};

#[test]
fn user_expressions_are_answered_one_by_one() {
    let kernel = start();
    let ask = json!({"code": "print x", "user_expressions": {"a": "answer", "b": "fail", "c": "let", "d": 5}});
    let id = kernel.send(&kernel.shell, "execute_request", ask);
    let reply = kernel.reply(&id);
    assert_eq!((reply.text("status"), reply.number("execution_count")), ("ok", Some(1)));
    let answers = &reply.content["user_expressions"];
    assert_eq!(answers["a"], json!({"status": "ok", "data": {"text/plain": "42"}, "metadata": {}}));
    let of = |name: &str| (answers[name]["status"].clone(), answers[name]["ename"].clone());
    assert_eq!(of("b"), (json!("error"), json!("E0308")));
    assert!(answers["b"]["traceback"].as_array().is_some_and(|lines| lines.len() == 2));
    for name in ["c", "d"] {
        assert_eq!(of(name), (json!("error"), json!("SyntaxError")), "{name}");
    }
    // Their values are not the value of the cell.
    assert_eq!(kinds(&kernel.heard(&id)), ["busy", "execute_input", "stream", "idle"]);
}

#[test]
fn expressions_alone_and_in_silence() {
    let kernel = start();
    for silent in [true, false] {
        let ask = json!({"code": "", "silent": silent, "user_expressions": {"a": "answer"}});
        let id = kernel.send(&kernel.shell, "execute_request", ask);
        let reply = kernel.reply(&id);
        assert_eq!(reply.content["user_expressions"]["a"]["data"]["text/plain"], "42");
        assert_eq!(reply.number("execution_count"), Some(0));
        assert_eq!(kinds(&kernel.heard(&id)), ["busy", "idle"]);
    }
    let failing = json!({"code": "fail", "user_expressions": {"a": "answer"}});
    let id = kernel.send(&kernel.shell, "execute_request", failing);
    assert_eq!(kernel.reply(&id).content["user_expressions"], json!({}));
}

#[test]
fn an_interrupted_expression_ends_the_evaluation_not_the_cell() {
    let kernel = start();
    let ask = json!({"code": "print x", "user_expressions": {"a": "wait", "b": "answer"}});
    let id = kernel.send(&kernel.shell, "execute_request", ask);
    kernel.wait_for(&id, "stream");
    kernel.send(&kernel.control, "interrupt_request", json!({}));
    let reply = kernel.reply(&id);
    assert_eq!(reply.text("status"), "ok");
    for name in ["a", "b"] {
        assert_eq!(reply.content["user_expressions"][name]["ename"], "Interrupted", "{name}");
    }
}

#[test]
fn a_question_mark_opens_the_pager() {
    let kernel = start();
    for code in ["?Vec::new", "Vec::new?", "Vec::new??"] {
        let (reply, heard) = kernel.run(code);
        let page = json!([{"source": "page", "data": {"text/plain": "about Vec::new"}, "start": 0}]);
        assert_eq!((reply.text("status"), &reply.content["payload"]), ("ok", &page), "{code}");
        assert_eq!(kinds(&heard), ["busy", "execute_input", "idle"]);
    }
    assert_eq!(kernel.run("answer").0.content["payload"], json!([]));
}

#[test]
fn expressions_of_a_dead_engine_are_answered() {
    let (_, gate) = Fake::new();
    let kernel = start_with(gate, Box::new(|_| Err("not here".into())));
    let many: serde_json::Map<String, Value> = (0..5_000).map(|i| (format!("e{i}"), json!("answer"))).collect();
    let id = kernel.send(&kernel.shell, "execute_request", json!({"code": "", "user_expressions": many}));
    let reply = kernel.reply(&id);
    let answers = reply.content["user_expressions"].as_object().unwrap();
    assert_eq!(answers.len(), 5_000);
    assert!(answers.values().all(|answer| answer["status"] == "error"));
}
