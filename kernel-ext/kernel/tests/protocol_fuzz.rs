//! 100 000 messages of every wrong kind: no panic, no growth, and the kernel still answers.

mod protocol_support;

use lathe_kernel::protocol::{Codec, DELIMITER};
use protocol_support::{Kernel, parent, start};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// A small generator with a fixed seed (splitmix64): the same messages in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth > 0 { 11 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.next() as i64),
            3 => json!(self.pick(&[0.5, -1.0, 1e300, f64::MIN])),
            4 => json!(self.below(9)),
            5 => json!(self.pick(&[
                "", "é日.ab", "\u{0}", "?x", "x?", "(((", "\"", "print a", "fail", "answer", "🦀🦀", "a\nb\r\n"
            ])),
            6 => json!("(".repeat(self.below(5_000))),
            7 => json!(self.pick(&[u64::MAX, i64::MAX as u64, 1 << 32])),
            8 => json!((0..self.below(4)).map(|_| self.value(depth - 1)).collect::<Vec<_>>()),
            _ => Value::Object((0..self.below(4)).map(|_| (self.word(), self.value(depth - 1))).collect()),
        }
    }

    fn word(&mut self) -> String {
        self.pick(&["a", "", "code", "x y", "é", "msg_id", "status", "comm_id", "data"]).to_owned()
    }

    /// The fields that some request has, with anything in them.
    fn content(&mut self) -> Value {
        const FIELDS: [&str; 22] = [
            "code",
            "silent",
            "store_history",
            "stop_on_error",
            "user_expressions",
            "allow_stdin",
            "cursor_pos",
            "detail_level",
            "hist_access_type",
            "session",
            "start",
            "stop",
            "n",
            "pattern",
            "unique",
            "output",
            "restart",
            "comm_id",
            "target_name",
            "data",
            "value",
            "raw",
        ];
        let mut content = Map::new();
        for _ in 0..self.below(8) {
            let field = self.pick(&FIELDS);
            let value = match (field, self.below(3)) {
                ("hist_access_type", 0) => json!(self.pick(&["tail", "range", "search"])),
                ("code", 0) => {
                    json!(self.pick(&["print a", "answer", "fail", "result é", "?name", "clear wait", "display d x"]))
                }
                _ => self.value(3),
            };
            content.insert(field.to_owned(), value);
        }
        Value::Object(content)
    }
}

const KINDS: [&str; 16] = [
    "execute_request",
    "complete_request",
    "inspect_request",
    "is_complete_request",
    "history_request",
    "kernel_info_request",
    "comm_info_request",
    "comm_open",
    "comm_msg",
    "comm_close",
    "input_reply",
    "interrupt_request",
    "debug_request",
    "create_subshell_request",
    "",
    "no_such_request",
];

/// One message, mostly wrong.
fn frames(random: &mut Random, codec: &Codec, forger: &Codec) -> Vec<Vec<u8>> {
    let kind = random.pick(&KINDS);
    let mut message = codec.message(kind, random.content(), &Map::new());
    match random.below(12) {
        0 => _ = message.header.remove(random.pick(&["msg_id", "msg_type", "session", "date", "version", "username"])),
        1 => {
            let field = random.pick(&["msg_id", "session", "date", "version", "username"]);
            message.header.insert(field.to_owned(), random.value(2));
        }
        2 => message.header = Map::new(),
        3 => message.parent.extend(random.content().as_object().cloned().unwrap_or_default()),
        4 => message.metadata.extend(random.content().as_object().cloned().unwrap_or_default()),
        _ => {}
    }
    // A forged message may ask for anything, also for the end.
    let mut forged = message.clone();
    forged.header.insert("msg_type".into(), "shutdown_request".into());
    let mut frames = codec.encode(&message);
    match random.below(16) {
        0 => frames = forger.encode(&forged),
        1 => frames = Codec::new("", "test").encode(&forged),
        2 => frames.truncate(random.below(frames.len())),
        3 => frames = (0..random.below(9)).map(|_| random.bytes(200)).collect(),
        4 => {
            let at = random.below(frames.len());
            frames[at] = random.bytes(300);
        }
        5 => {
            let (at, byte) = (random.below(frames.len()), random.next());
            if let Some(first) = frames[at].first_mut() {
                *first ^= 1 | byte as u8;
            }
        }
        6 => frames.insert(random.below(frames.len()), DELIMITER.to_vec()),
        7 => frames.extend((0..random.below(5)).map(|_| random.bytes(1000))),
        8 => frames = vec![DELIMITER.to_vec(); 1 + random.below(6)],
        9 => frames[1] = frames[1][..random.below(64)].to_vec(),
        _ => {}
    }
    if frames.is_empty() { vec![Vec::new()] } else { frames }
}

/// Signed right, whatever the parts are.
fn signed(parts: [&[u8]; 4]) -> Vec<Vec<u8>> {
    use hmac::Mac;
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(protocol_support::KEY.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut frames = vec![DELIMITER.to_vec(), signature.into_bytes()];
    frames.extend(parts.map(<[u8]>::to_vec));
    frames
}

/// Reads everything that has arrived.
fn drain(kernel: &Kernel) {
    for socket in [&kernel.shell, &kernel.control, &kernel.iopub] {
        while socket.recv_multipart(zmq::DONTWAIT).is_ok() {}
    }
}

/// Waits for the answer to a question, whatever else comes before it.
fn still_answers(kernel: &Kernel) {
    for socket in [&kernel.shell, &kernel.control] {
        let id = kernel.send(socket, "kernel_info_request", json!({}));
        while parent(&kernel.receive(socket)) != id {}
    }
    drain(kernel);
}

/// Waits until what was asked before is answered: cells and questions, each in the order of their queue.
fn settle(kernel: &Kernel) {
    let mut last = kernel.execute("result 1");
    while parent(&kernel.receive(&kernel.shell)) != last {}
    for socket in [&kernel.shell, &kernel.control] {
        last = kernel.send(socket, "inspect_request", json!({"code": "answer", "cursor_pos": 1}));
        while parent(&kernel.receive(socket)) != last {}
    }
    kernel.heard(&last);
    drain(kernel);
}

fn resident_mb() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1e6
}

/// Both tests look at, or change, the memory of this process: one after the other.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn a_hundred_thousand_random_messages() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let kernel = start();
    let mut random = Random(20_261_120);
    let forger = Codec::new("another key", "test");
    let began = Instant::now();
    let mut first = 0.0;
    for i in 0..100_000_u32 {
        let frames = frames(&mut random, &kernel.codec, &forger);
        let socket = if random.below(4) == 0 { &kernel.control } else { &kernel.shell };
        socket.send_multipart(frames, 0).unwrap();
        if i % 500 == 499 {
            still_answers(&kernel);
        }
        if i == 20_000 {
            // What is kept for good (history, signatures, the allocator's pools) has mostly its size by now.
            first = resident_mb();
        }
    }
    let last = resident_mb();
    println!(
        "100 000 messages in {:.1} s, {first:.0} MB after a fifth, {last:.0} MB at the end",
        began.elapsed().as_secs_f64()
    );
    assert!(last - first < 60.0, "memory grew from {first:.0} to {last:.0} MB");
    settle(&kernel);
    assert_eq!(kernel.run("result 1").0.text("status"), "ok");
    kernel.shutdown(false);
}

#[test]
fn huge_and_deep_messages() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let kernel = start();
    let huge = 100 << 20;
    // Not signed: dropped without a look.
    kernel.shell.send_multipart([DELIMITER.to_vec(), vec![b'0'; 64], vec![b' '; huge]], 0).unwrap();
    kernel.control.send(vec![0_u8; huge], 0).unwrap();
    still_answers(&kernel);
    let header = |kind: &str| json!({"msg_id": uuid::Uuid::new_v4().to_string(), "msg_type": kind}).to_string();
    let deep = "[".repeat(1 << 20);
    for parts in [[deep.as_str(), "{}", "{}", "{}"], [&header("execute_request"), "{}", "{}", &deep]] {
        kernel.shell.send_multipart(signed(parts.map(str::as_bytes)), 0).unwrap();
    }
    still_answers(&kernel);
    // Signed right: 100 MB of code are a long cell, not a reason to fail.
    let code = "x".repeat(huge);
    for kind in ["is_complete_request", "complete_request", "inspect_request"] {
        let id = kernel.send(&kernel.shell, kind, json!({"code": code, "cursor_pos": 5}));
        while parent(&kernel.receive(&kernel.shell)) != id {}
    }
    for nested in ["(".repeat(8_000) + &")".repeat(8_000), "!".repeat(16_000) + "1", "(".repeat(1 << 20)] {
        let asked = json!({"code": "", "user_expressions": {"deep": nested}});
        let id = kernel.send(&kernel.shell, "execute_request", asked);
        assert_eq!(kernel.reply(&id).content["user_expressions"]["deep"]["status"], "error");
    }
    drain(&kernel);
    let (reply, heard) = kernel.run(&code);
    assert_eq!(reply.text("ename"), "UnknownCommand");
    assert!(heard.iter().any(|message| message.text("code").len() == huge));
    assert_eq!(kernel.run("result 1").0.text("status"), "ok");
    kernel.shutdown(false);
}
