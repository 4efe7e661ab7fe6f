"""What a cell prints, in every shape, and what must not confuse the kernel. `drive_kernel.py` runs these."""
import os
import time

import psutil

from cell import TIMEOUT, Cell, check, expect, expect_alive, expect_error


def family(manager):
    """The kernel's process and all below it."""
    kernel = psutil.Process(manager.provisioner.pid)
    return [kernel, *kernel.children(recursive=True)]


def private_folders(processes):
    """The folders of these kernels: the lock of a run folder is open while its kernel lives."""
    found = set()
    for process in processes:
        try:
            found |= {os.path.dirname(f.path) for f in process.open_files() if os.path.basename(f.path) == "lock"}
        except psutil.Error:
            pass
    return {folder for folder in found if os.path.basename(os.path.dirname(folder)) == "run"}


@check("raw bytes that are no UTF-8 arrive as replacement characters, a character cut in two arrives whole")
def _(client, manager):
    cell = Cell(client, r'''
use std::io::Write;
std::io::stdout().write_all(b"a\xffb \xc3")?;
std::io::stdout().flush()?;
std::thread::sleep(std::time::Duration::from_millis(300));
std::io::stdout().write_all(b"\xa9\n")?;
std::io::stderr().write_all(b"\xfe!\n")?;
''')
    expect(cell.status == "ok", cell.of("error"))
    expect(cell.text() == "a\ufffdb é\n", repr(cell.text()))
    expect(cell.text("stderr") == "\ufffd!\n", repr(cell.text("stderr")))


@check("output from threads, also from one that panics")
def _(client, manager):
    cell = Cell(client, '''
let threads: Vec<_> = (0..4).map(|i| std::thread::spawn(move || println!("thread {i}"))).collect();
for thread in threads { thread.join().unwrap(); }
let failed = std::thread::spawn(|| -> () { panic!("only this thread") }).join().is_err();
failed
''')
    expect(sorted(cell.text().splitlines()) == [f"thread {i}" for i in range(4)], repr(cell.text()))
    expect(cell.value == "true" and cell.status == "ok", cell.value, cell.of("error"))
    expect("only this thread" in cell.text("stderr"), repr(cell.text("stderr")))


@check("stdout and stderr come in the order in which they were printed")
def _(client, manager):
    cell = Cell(client, '''
for i in 0..3 {
    println!("out {i}");
    std::thread::sleep(std::time::Duration::from_millis(250));
    eprintln!("err {i}");
    std::thread::sleep(std::time::Duration::from_millis(250));
}''')
    lines = "".join(c["text"] for c in cell.of("stream")).split()
    expect(lines == [w for i in "012" for w in ("out", i, "err", i)], lines)


@check("a carriage return reaches the front end")
def _(client, manager):
    cell = Cell(client, r'for percent in [0, 50, 100] { print!("\r{percent} %"); }')
    expect(cell.text() == "\r0 %\r50 %\r100 %", repr(cell.text()))


@check("a hundred megabytes: a part is shown, a notice says so, the end is there, the kernel does not grow by that")
def _(client, manager):
    kernel = family(manager)[0]
    before = kernel.memory_info().rss
    cell = Cell(client, r'''
let block = format!("{}\n", "0123456789".repeat(10)).repeat(10_000);
for _ in 0..100 { print!("{block}"); }
println!("the end");''')
    grown = kernel.memory_info().rss - before
    expect(cell.status == "ok", cell.of("error"))
    expect(1_000_000 < len(cell.text()) < 2_000_000, "shown", len(cell.text()))
    expect("output truncated" in cell.text() and cell.text().endswith("the end\n"), cell.text()[-200:])
    expect(grown < 64 << 20, "the kernel grew by", grown)


@check("one line of five megabytes")
def _(client, manager):
    cell = Cell(client, 'println!("{}", "x".repeat(5_000_000)); println!("after");')
    expect(cell.status == "ok" and cell.text().endswith("after\n"), cell.of("error"), cell.text()[-80:])
    expect(len(cell.text()) < 2_000_000, len(cell.text()))


@check("printed text that looks like a mark, a frame or evcxr's protocol stays text")
def _(client, manager):
    lines = ["EVCXR_EXECUTION_COMPLETE", "EVCXR_PANIC_NOTIFICATION", "EVCXR_ERROR_OCCURRED", "EVCXR_VARIABLE_CHANGED_TYPE:kept",
             "\x1eLATHE-RUN ", "\x1eLATHE-END 0", "EVCXR_EXECUTION_COMPLETE", "\x1eLATHE-TRY 0 1 1 forged",
             '\x1eLATHE 0123456789abcdef {"frame":"result","bundle":{"data":{"text/plain":"forged"}}}',
             '\x1eLATHE  {"frame":"panic","message":"forged","file":"","line":1,"column":1,"backtrace":""}',
             "EVCXR_BEGIN_CONTENT text/html", "<b>without an end</b>"]
    log = "\n".join(lines) + "\n"
    literal = log.replace("\\", "\\\\").replace('"', '\\"').replace("\x1e", "\\u{1e}").replace("\n", "\\n")
    cell = Cell(client, f'print!("{{}}", "{literal}"); 6 * 7')
    expect(cell.text() == log, repr(cell.text()))
    expect(cell.value == "42" and cell.status == "ok", cell.value, cell.of("error"))
    expect(not cell.of("display_data") and not cell.of("error"), "nothing else")
    expect_alive(client)


@check("a cell without a value shows none")
def _(client, manager):
    for code in ("()", 'println!("x")', "let v = vec![1, 2]; for i in v { print!(\"{i}\"); }", "let x = 5; x;", "", "// a comment", "fn unit() {}\nunit()"):
        cell = Cell(client, code)
        expect(cell.status == "ok" and not cell.of("execute_result"), repr(code), cell.of("execute_result"), cell.of("error"))


@check("a value is shown richly although the cell moves a variable that it made into it")
def _(client, manager):
    cell = Cell(client, """
let pictures: Vec<Picture> = (0..3).map(|n| Picture::grey(2, 2, &[n as f32 / 3.0; 4])).collect();
image_grid(pictures, 3)?""")
    results = cell.of("execute_result")
    expect(len(results) == 1 and {"image/png", "image/svg+xml"} & set(results[0]["data"]), [list(r["data"]) for r in results], cell.of("error"))
    expect("Figure {" not in results[0]["data"]["text/plain"], results[0]["data"]["text/plain"][:200])
    error = expect_error(Cell(client, "struct NoDebug;\nlet v = vec![NoDebug];\nv"))
    expect("Debug" in "".join(error["traceback"]), error)


@check("dbg! prints to stderr and gives its value")
def _(client, manager):
    cell = Cell(client, "dbg!(1 + 2)")
    expect("1 + 2 = 3" in cell.text("stderr") and cell.value == "3", repr(cell.text("stderr")), cell.value)


@check("a child process prints into the cell")
def _(client, manager):
    cell = Cell(client, 'std::process::Command::new("sh").args(["-c", "echo out; echo err >&2"]).status()?.success()')
    expect(cell.text() == "out\n" and cell.text("stderr") == "err\n", repr(cell.text()), repr(cell.text("stderr")))
    expect(cell.value == "true", cell.value, cell.of("error"))


@check("endless recursion and a vector of a terabyte end the cell, not the kernel")
def _(client, manager):
    Cell(client, "#[allow(unconditional_recursion)]\nfn deep(n: u64) -> u64 { 1 + deep(std::hint::black_box(n + 1)) }")
    error = expect_error(Cell(client, "deep(0)"))
    expect("recursion" in error["evalue"] or "stack" in error["evalue"], error["evalue"])
    expect_alive(client)
    cell = Cell(client, "let huge: Vec<u8> = Vec::with_capacity(1 << 40);")
    error = expect_error(cell)
    said = "\n".join([error["evalue"], *error["traceback"], cell.text("stderr")])
    expect("memory" in said and str(1 << 40) in said, said)
    expect_alive(client)


@check("after an error, stop_on_error=False runs the next cell all the same")
def _(client, manager):
    first = client.execute('std::thread::sleep(std::time::Duration::from_millis(500)); panic!("on purpose")', stop_on_error=False)
    second = client.execute("20 + 1", stop_on_error=False)
    replies = {}
    while not {first, second} <= set(replies):
        reply = client.get_shell_msg(timeout=TIMEOUT)
        replies[reply["parent_header"].get("msg_id")] = reply["content"]
    expect(replies[first]["status"] == "error" and replies[second]["status"] == "ok", replies)
    while True:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        if message["parent_header"].get("msg_id") == second and message["content"].get("execution_state") == "idle":
            break


@check("a silent cell shows and counts nothing, but runs")
def _(client, manager):
    count = Cell(client, "1").reply["content"]["execution_count"]
    request = client.execute("let quiet = 17; println!(\"hush\"); quiet", silent=True)
    kinds = []
    while "idle" not in kinds:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        if message["parent_header"].get("msg_id") == request:
            kinds.append(message["content"].get("execution_state", message["msg_type"]))
    expect(kinds == ["busy", "idle"], kinds)
    while client.get_shell_msg(timeout=TIMEOUT)["parent_header"].get("msg_id") != request:
        pass
    cell = Cell(client, "quiet")
    expect(cell.value == "17", cell.value, cell.of("error"))
    expect(cell.reply["content"]["execution_count"] == count + 1, "counted", cell.reply["content"])


@check("restart keeps the connection and forgets the variables")
def _(client, manager):
    Cell(client, "let before_restart = 1;")
    connection, old = manager.get_connection_info(), family(manager)
    folders = private_folders(old)
    expect(folders, "the kernel has a private folder")
    manager.restart_kernel(now=False)
    client.wait_for_ready(timeout=TIMEOUT)
    expect(manager.get_connection_info() == connection, "connection info")
    expect_error(Cell(client, "before_restart"), "E0425")
    expect_alive(client)
    expect_gone(old, folders)


@check("restart while a cell runs")
def _(client, manager):
    old = family(manager)
    folders = private_folders(old)
    client.execute("loop { std::hint::spin_loop(); }")
    time.sleep(1)
    manager.restart_kernel(now=False)
    client.wait_for_ready(timeout=TIMEOUT)
    expect_alive(client)
    expect_gone(old, folders)


def expect_gone(processes, folders, seconds=20):
    """Nothing of a kernel that has ended is left: no process, no private folder."""
    end = time.monotonic() + seconds
    while True:
        running = [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        left = [folder for folder in folders if os.path.exists(folder)]
        if not running and not left:
            return
        if time.monotonic() > end:
            expect(False, "left behind:", [(p.pid, p.name()) for p in running], left)
        time.sleep(0.1)
