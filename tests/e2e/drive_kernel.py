"""Drives our kernel with Jupyter's own client, as JupyterLab does, and prints one line per check.

usage: drive_kernel.py   (with the Python of the environment that `cargo lathe lab` makes)
"""
import queue
import sys
import time

from jupyter_client.manager import KernelManager

from cell import TIMEOUT, Cell, check, checks, expect, expect_alive, expect_error


@check("kernel_info names the language and comes at once")
def _(client, manager):
    client.kernel_info()
    reply = client.get_shell_msg(timeout=5)["content"]
    expect(reply["language_info"]["name"] == "rust", reply["language_info"])
    expect(reply["language_info"]["version"].startswith("1."), reply["language_info"])
    expect(reply["protocol_version"].startswith("5."), reply["protocol_version"])


@check("a value is shown as execute_result")
def _(client, manager):
    cell = Cell(client, "1 + 1")
    expect(cell.value == "2", cell.value, cell.of("error"))
    expect(cell.status == "ok", cell.status)
    expect(cell.reply["content"]["execution_count"] >= 1, cell.reply["content"])


@check("print without newline, then a value")
def _(client, manager):
    cell = Cell(client, 'print!("loss: "); 42')
    expect(cell.text() == "loss: ", repr(cell.text()))
    expect(cell.value == "42", cell.value)


@check("flushed print without newline does not hang")
def _(client, manager):
    cell = Cell(client, 'print!("x"); std::io::Write::flush(&mut std::io::stdout()).unwrap();')
    expect(cell.text() == "x", repr(cell.text()))
    expect_alive(client)


@check("stderr is its own stream")
def _(client, manager):
    cell = Cell(client, 'eprintln!("oops"); println!("fine");')
    expect("oops" in cell.text("stderr"), repr(cell.text("stderr")))
    expect(cell.text() == "fine\n", repr(cell.text()))


@check("output streams while the cell runs")
def _(client, manager):
    cell = Cell(client, 'for i in 0..3 { println!("{i}"); std::thread::sleep(std::time::Duration::from_millis(400)); }')
    times = cell.at("stream")
    expect(cell.text() == "0\n1\n2\n", repr(cell.text()))
    expect(len(times) >= 3 and times[-1] - times[0] > 0.5, "arrivals", times)


@check("several displays in one cell, as they happen, and an update in place")
def _(client, manager):
    cell = Cell(client, '''
let data = df!("t" => [0.0, 1.0, 2.0], "loss" => [3.0, 2.0, 1.0]).unwrap();
lines(&data, "t", ["loss"]).unwrap().title("first").show();
println!("between");
let mut curves = live("training");
use events::Watcher;
curves.on(&events::Event::Started { task: "training", total: Some(3), unit: "epoch" });
for step in 0..3 {
    curves.on(&events::Event::Scalar { series: "loss", step: step as f64, value: 1.0 / (1.0 + step as f64) });
    curves.on(&events::Event::Progress { done: step + 1 });
    std::thread::sleep(std::time::Duration::from_millis(250));
}
curves.on(&events::Event::Finished);
data
''')
    expect(cell.status == "ok", cell.of("error"))
    shown, updated = cell.of("display_data"), cell.of("update_display_data")
    expect(len(shown) >= 2, "displays", len(shown))
    expect(len(updated) >= 2, "updates", len(updated))
    expect("image/png" in shown[0]["data"] and "text/plain" in shown[0]["data"], list(shown[0]["data"]))
    ids = {c["transient"]["display_id"] for c in shown if c.get("transient", {}).get("display_id")}
    expect({c["transient"]["display_id"] for c in updated} <= ids, "updates name a shown display")
    kinds = [m["msg_type"] for m in cell.messages]
    expect(kinds.index("display_data") < kinds.index("stream") < kinds.index("update_display_data"), kinds)
    result = cell.of("execute_result")[0]["data"]
    expect("<table" in result["text/html"] and "loss" in result["text/html"], "a frame is a table")


@check("variables, functions and types stay")
def _(client, manager):
    Cell(client, "let kept = vec![1, 2, 3];")
    Cell(client, "fn double(x: i32) -> i32 { 2 * x }\nstruct Point { x: i32 }\nimpl Point { fn twice(&self) -> i32 { double(self.x) } }")
    cell = Cell(client, "kept.iter().sum::<i32>() + Point { x: 4 }.twice()")
    expect(cell.value == "14", cell.value, cell.of("error"))


@check("a panic is an error and keeps older variables")
def _(client, manager):
    cell = Cell(client, 'println!("before");\npanic!("boom {}", 7);')
    error = expect_error(cell, "Panic")
    expect("boom 7" in error["evalue"], error["evalue"])
    expect(cell.text() == "before\n", repr(cell.text()))
    again = Cell(client, "kept.len()")
    expect(again.value == "3", again.value, again.of("error"))


@check("an early ? is an error")
def _(client, manager):
    error = expect_error(Cell(client, 'let number: i32 = "seven".parse()?;\nnumber'), "Error")
    expect("invalid digit" in error["evalue"], error["evalue"])
    expect_alive(client)


@check("a compile error names code and place")
def _(client, manager):
    cell = Cell(client, 'let fine = 1;\nlet wrong: i32 = "zwölf";')
    error = expect_error(cell, "E0308")
    text = "\n".join(error["traceback"])
    expect("mismatched types" in text and "zwölf" in text, text)
    expect_alive(client)


@check("queued cells are aborted after an error")
def _(client, manager):
    client.execute('std::thread::sleep(std::time::Duration::from_millis(800)); panic!("first")')
    second = client.execute("1 + 1")
    while True:
        reply = client.get_shell_msg(timeout=TIMEOUT)
        if reply["parent_header"]["msg_id"] == second:
            break
    expect(reply["content"]["status"] == "aborted", reply["content"])
    while True:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        if message["parent_header"].get("msg_id") == second and message["content"].get("execution_state") == "idle":
            break
    expect_alive(client)


@check("ten megabytes of prints")
def _(client, manager):
    cell = Cell(client, 'for _ in 0..100_000 { println!("{}", "x".repeat(99)); }\nprintln!("the end");')
    expect(cell.status == "ok", cell.of("error"))
    expect(1_000 < len(cell.text()) < 11_000_000 and "the end" in cell.text(), "got", len(cell.text()))
    expect_alive(client)


@check("interrupt: a loop that checks stops and keeps variables")
def _(client, manager):
    Cell(client, "let mut steps = vec![0u64];")
    sent = []

    def stop(message):
        if message["msg_type"] == "stream" and not sent:
            sent.append(True)
            manager.interrupt_kernel()
    cell = Cell(client, 'println!("go");\nloop { steps[0] += 1; display::cell::check(); std::thread::sleep(std::time::Duration::from_millis(5)); }', stop)
    expect_error(cell)
    after = Cell(client, "steps[0] > 0")
    expect(after.value == "true", after.value, after.of("error"))


@check("interrupt: an endless loop is stopped, the next cell works")
def _(client, manager):
    sent = []

    def stop(message):
        if message["msg_type"] == "stream" and not sent:
            sent.append(True)
            manager.interrupt_kernel()
    cell = Cell(client, 'println!("go");\nlet mut n = 0u64;\nloop { n = std::hint::black_box(n + 1); }', stop)
    expect_error(cell)
    expect_alive(client)


@check("a cell that kills its process")
def _(client, manager):
    for code in ("std::process::abort();", "std::process::exit(3);", "unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };"):
        Cell(client, "let soon_lost = 5;")
        error = expect_error(Cell(client, code))
        expect("soon_lost" in "\n".join([error["evalue"], *error["traceback"]]), "names the lost variable", error)
        expect_alive(client)


@check("is_complete")
def _(client, manager):
    for code, status in (("1 + 1", "complete"), ("fn f() {", "incomplete"), ('println!("a', "incomplete"), ("let = = 3;", "invalid")):
        client.is_complete(code)
        reply = client.get_shell_msg(timeout=TIMEOUT)["content"]
        expect(reply["status"] == status, code, reply)


@check("complete and inspect")
def _(client, manager):
    Cell(client, 'let größe = String::from("π");')
    code = "größe.to_upp"
    client.complete(code, len(code))
    reply = client.get_shell_msg(timeout=TIMEOUT)["content"]
    expect(any(m.startswith("to_uppercase") for m in reply["matches"]), reply)
    expect(reply["cursor_start"] == len("größe."), reply)
    client.inspect("String::new", 9)
    reply = client.get_shell_msg(timeout=TIMEOUT)["content"]
    expect(reply["found"] and "String" in str(reply["data"]), reply)


@check("comm_info and history")
def _(client, manager):
    client.comm_info()
    expect(client.get_shell_msg(timeout=TIMEOUT)["content"]["comms"] == {}, "comms")
    client.history(hist_access_type="tail", n=3)
    reply = client.get_shell_msg(timeout=TIMEOUT)["content"]
    expect(reply["status"] == "ok" and isinstance(reply["history"], list), reply)


@check("polars, plotters and dfdx in cells")
def _(client, manager):
    cell = Cell(client, '''
let device = Cpu::default();
let x: Tensor<Rank2<2, 3>, f32, Cpu> = device.ones();
x.sum::<Rank0, _>().array()
''')
    expect(cell.value == "6.0", cell.value, cell.of("error"))


@check("a wrong width does not compile")
def _(client, manager):
    cell = Cell(client, '''
let a: Tensor<Rank2<2, 3>, f32, Cpu> = device.ones();
let b: Tensor<Rank2<4, 2>, f32, Cpu> = device.ones();
let c = a.matmul(b);
''')
    expect_error(cell)
    expect_alive(client)


import output_checks  # noqa: E402  (its checks come after the ones above)


def main():
    manager = KernelManager(kernel_name="lathe")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    failed = 0
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        for name, function in checks:
            start = time.monotonic()
            try:
                while True:
                    try:
                        client.get_shell_msg(timeout=0.01)
                    except queue.Empty:
                        break
                function(client, manager)
                print(f"ok      {time.monotonic() - start:6.2f} s  {name}", flush=True)
            except (AssertionError, queue.Empty, KeyError, IndexError) as error:
                failed += 1
                print(f"FAILED  {time.monotonic() - start:6.2f} s  {name}: {type(error).__name__} {str(error)[:2000]}", flush=True)
    finally:
        processes = output_checks.family(manager)
        folders = output_checks.private_folders(processes)
        client.stop_channels()
        manager.shutdown_kernel(now=False)
    output_checks.expect_gone(processes, folders)
    expect(not manager.is_alive(), "the kernel ends when it is told to")
    print(f"{len(checks) - failed} of {len(checks)} checks hold", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
