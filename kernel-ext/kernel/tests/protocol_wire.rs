//! What travels: subscriptions, signatures, floods, files of sockets.

mod protocol_support;

use lathe_kernel::protocol::has_curve;
use protocol_support::{Fake, kinds, parent, start, start_at};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

#[test]
fn each_subscriber_is_welcomed_before_anything_else() {
    let kernel = start();
    let context = zmq::Context::new();
    for topic in ["", "lathe.status", ""] {
        let second = context.socket(zmq::SUB).unwrap();
        second.set_rcvtimeo(30_000).unwrap();
        second.connect(&kernel.connection.endpoint(4)).unwrap();
        second.set_subscribe(topic.as_bytes()).unwrap();
        let first = kernel.receive(&second);
        assert_eq!((first.kind(), first.text("subscription")), ("iopub_welcome", topic));
        assert!(first.parent.is_empty());
        let cell = kernel.execute("print x");
        let heard: Vec<_> = std::iter::repeat_with(|| kernel.receive(&second)).take(2).collect();
        assert!(heard.iter().all(|message| parent(message) == cell), "{heard:?}");
        assert_eq!(kernel.reply(&cell).text("status"), "ok");
    }
}

#[test]
fn a_repeated_message_is_not_obeyed_again() {
    let kernel = start();
    let message = kernel.codec.message("execute_request", json!({"code": "result 1"}), &Default::default());
    let frames = kernel.codec.encode(&message);
    for _ in 0..3 {
        kernel.shell.send_multipart(frames.clone(), 0).unwrap();
        kernel.control.send_multipart(frames.clone(), 0).unwrap();
    }
    // The first one counts, on either socket.
    let cell = kernel.execute("result 2");
    let reply = std::iter::repeat_with(|| kernel.receive(&kernel.shell)).find(|reply| parent(reply) == cell).unwrap();
    assert_eq!(reply.number("execution_count"), Some(2), "{reply:?}");
    let history = kernel.ask("history_request", json!({"hist_access_type": "tail", "n": 9}));
    assert_eq!(history.content["history"].as_array().map(Vec::len), Some(2));
}

#[test]
fn files_of_ipc_sockets_are_private_and_removed() {
    let mut kernel = start();
    let files: Vec<_> = (1..=5).map(|port| kernel.folder.path().join(format!("k-{port}"))).collect();
    for file in &files {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", file.display());
    }
    kernel.end(false);
    assert!(!files.iter().any(|file| file.exists()));
}

#[test]
fn a_flood_on_shell_does_not_silence_control() {
    let kernel = start();
    for i in 0..20_000 {
        kernel.send(&kernel.shell, "no_such_request", json!({"i": i}));
    }
    let id = kernel.send(&kernel.control, "kernel_info_request", json!({}));
    assert_eq!(parent(&kernel.receive(&kernel.control)), id);
    assert_eq!(kinds(&kernel.run("result 1").1).last(), Some(&"idle"));
}

#[test]
fn encrypted_connections_serve_those_who_have_the_key() {
    if !has_curve() {
        return eprintln!("skipped: libzmq was built without CURVE, see .cargo/config.toml");
    }
    let keys = zmq::CurveKeyPair::new().unwrap();
    let [public, secret] = [keys.public_key, keys.secret_key].map(|key| zmq::z85_encode(&key).unwrap());
    let more = json!({"curve_publickey": public, "curve_secretkey": secret}).as_object().cloned().unwrap();
    let (fake, gate) = Fake::new();
    let kernel = start_at(gate, Box::new(move |_| Ok(Box::new(fake))), more);
    let (reply, heard) = kernel.run("print a\nresult 42");
    assert_eq!(reply.text("status"), "ok");
    assert_eq!(kinds(&heard), ["busy", "execute_input", "stream", "execute_result", "idle"]);
    kernel.heartbeat.send("ping", 0).unwrap();
    assert_eq!(kernel.heartbeat.recv_bytes(0).unwrap(), b"ping");
    // In the clear, or with a wrong idea of the kernel's key, nothing is heard and nothing obeyed.
    let context = zmq::Context::new();
    let stranger = zmq::CurveKeyPair::new().unwrap();
    for encrypted in [false, true] {
        let outside = |kind, port| {
            let socket = context.socket(kind).unwrap();
            socket.set_linger(0).unwrap();
            if encrypted {
                socket.set_curve_serverkey(&stranger.public_key).unwrap();
                socket.set_curve_publickey(&stranger.public_key).unwrap();
                socket.set_curve_secretkey(&stranger.secret_key).unwrap();
            }
            socket.connect(&kernel.connection.endpoint(port)).unwrap();
            socket
        };
        let (shell, iopub) = (outside(zmq::DEALER, 1), outside(zmq::SUB, 4));
        iopub.set_subscribe(b"").unwrap();
        kernel.send(&shell, "execute_request", json!({"code": "result 1"}));
        assert_eq!(shell.poll(zmq::POLLIN, 500).unwrap(), 0);
        assert_eq!(kernel.run("result 2").0.text("status"), "ok");
        assert_eq!(iopub.poll(zmq::POLLIN, 200).unwrap(), 0);
    }
    assert_eq!(kernel.run("result 3").0.number("execution_count"), Some(4));
    kernel.shutdown(false);
}
