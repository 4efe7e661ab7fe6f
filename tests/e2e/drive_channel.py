"""The way back into a cell: questions, standard input, widgets, output while no cell runs. Prints one line per check.

usage: drive_channel.py   (with the Python of the environment that `cargo lathe lab` makes)
"""
import queue
import sys
import time
import uuid

from jupyter_client.manager import KernelManager

from drive_kernel import TIMEOUT, Cell, expect, expect_alive, expect_error

checks = []
VIEW = "application/vnd.jupyter.widget-view+json"


def check(name):
    def register(function):
        checks.append((name, function))
        return function
    return register


class Asked:
    """Runs a cell that asks; `answers` are given in order, or are functions that are called instead."""

    def __init__(self, client, code, *answers, allow_stdin=True, ename=None):
        self.requests, self.messages = [], []
        answers = list(answers)
        request = client.execute(code, allow_stdin=allow_stdin)
        end = time.monotonic() + TIMEOUT
        self.reply = None
        while self.reply is None or not self.idle:
            expect(time.monotonic() < end, "the cell ends; asked so far:", self.requests)
            if answers:
                try:
                    asked = client.get_stdin_msg(timeout=0.05)
                    expect(asked["parent_header"]["msg_id"] == request, "the question belongs to the cell")
                    self.requests.append(asked["content"])
                    answer = answers.pop(0)
                    answer() if callable(answer) else client.input(answer)
                except queue.Empty:
                    pass
            for get, keep in ((client.get_iopub_msg, self.messages.append), (client.get_shell_msg, self.take)):
                try:
                    message = get(timeout=0.05)
                    if message["parent_header"].get("msg_id") == request:
                        keep(message)
                except queue.Empty:
                    pass
        expect(not answers, "not asked for", answers)

    def take(self, reply):
        self.reply = reply

    of, text, value, status = Cell.of, Cell.text, Cell.value, Cell.status

    @property
    def idle(self):
        return any(c["execution_state"] == "idle" for c in self.of("status"))


@check("input and password ask on the stdin channel and give the answer")
def _(client, manager):
    cell = Asked(client, 'let name = input("name? ")?;\nprintln!("hello {name}");\nlet key = password("key? ")?;\nkey.len()', "Ada π", "secret")
    expect(cell.status == "ok", cell.of("error"))
    expect(cell.requests == [{"prompt": "name? ", "password": False}, {"prompt": "key? ", "password": True}], cell.requests)
    expect(cell.text() == "hello Ada π\n" and cell.value == "6", cell.text(), cell.value)
    expect(Cell(client, "name").value == '"Ada π"', "the answer is a variable")


@check("where nobody can be asked, input is an error that names the remedy")
def _(client, manager):
    cell = Asked(client, 'let never = input("name? ")?;', allow_stdin=False)
    error = expect_error(cell, "Error")
    expect("allow_stdin" in error["evalue"] and "JupyterLab" in error["evalue"], error)
    expect_alive(client)


@check("Ctrl-D is an end of input")
def _(client, manager):
    error = expect_error(Asked(client, 'let never = input("more? ")?;', "\x04"), "Error")
    expect("ended" in error["evalue"], error)


@check("plain standard input is asked for, with the unfinished line as prompt")
def _(client, manager):
    code = '''
print!("How old? ");
let mut line = String::new();
std::io::stdin().read_line(&mut line)?;
print!("And in letters? ");
let mut letters = String::new();
std::io::stdin().read_line(&mut letters)?;
let age: u32 = line.trim().parse()?;
format!("{} {}", age + 1, letters.trim())
'''
    cell = Asked(client, code, "36", "thirty-six")
    expect(cell.status == "ok", cell.of("error"))
    expect([r["prompt"] for r in cell.requests] == ["How old? ", "And in letters? "], cell.requests)
    expect(cell.value == '"37 thirty-six"', cell.value)
    expect_alive(client)


@check("plain standard input that nobody answers ends the cell with an error")
def _(client, manager):
    code = 'let mut line = String::new();\nlet read = std::io::stdin().read_line(&mut line)?;\nprintln!("read {read}");'
    cell = Asked(client, code, allow_stdin=False)
    error = expect_error(cell, "NoInput")
    expect("allow_stdin" in error["evalue"], error)
    expect(cell.text() == "read 0\n", "the read sees the end of the input", repr(cell.text()))
    again = Asked(client, 'let mut line = String::new();\nstd::io::stdin().read_line(&mut line)?;\nline', "later")
    expect(again.value == '"later\\n"', "after an end of input it goes on", again.value)


@check("a program that a cell starts can read standard input")
def _(client, manager):
    code = 'let said = std::process::Command::new("head").arg("-n1").stdin(std::process::Stdio::inherit()).output()?.stdout;\nString::from_utf8(said)?'
    cell = Asked(client, code, "to the program")
    expect(cell.value == '"to the program\\n"', cell.value, cell.of("error"))


@check("interrupt while a question is open keeps variables")
def _(client, manager):
    Cell(client, "let kept = 7;")
    expect_error(Asked(client, 'let never = input("wait ")?;', manager.interrupt_kernel), "Interrupted")
    code = 'let mut line = String::new();\nstd::io::stdin().read_line(&mut line)?;'
    expect_error(Asked(client, code, manager.interrupt_kernel), "Interrupted")
    client.input("too late")
    cell = Asked(client, 'let now = input("again ")?;\n(now, kept)', "in time")
    expect(cell.value == '("in time", 7)', "old answers are dropped", cell.value, cell.of("error"))


@check("a thread's output comes after its cell has ended, with that cell")
def _(client, manager):
    code = '''
std::thread::spawn(|| for i in 0..3 {
    std::thread::sleep(std::time::Duration::from_millis(400));
    println!("late {i}");
});
'''
    cell = Cell(client, code)
    parent = cell.reply["parent_header"]["msg_id"]
    late, text = [], ""
    while "late 2\n" not in text:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        if message["msg_type"] == "stream":
            expect(message["parent_header"]["msg_id"] == parent, "parent", message["parent_header"])
            text += message["content"]["text"]
            late.append(time.monotonic())
    expect((cell.text() + text) == "late 0\nlate 1\nlate 2\n", repr(text))
    expect(len(late) >= 2, "each as it comes")


def send_comm(client, kind, comm_id, data, **more):
    """Sends a comm message; returns its id."""
    message = client.session.msg(kind, {"comm_id": comm_id, "data": data, **more})
    client.shell_channel.send(message)
    return message["header"]["msg_id"]


def until_idle(client, request):
    """Everything on iopub up to the `idle` of this request."""
    seen = []
    while True:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        seen.append(message)
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle" and message["parent_header"].get("msg_id") == request:
            return seen


def shown_widget(cell):
    views = [c["data"][VIEW] for c in cell.of("display_data") + cell.of("execute_result") if VIEW in c["data"]]
    expect(len(views) == 1 and "text/plain" in (cell.of("display_data") + cell.of("execute_result"))[0]["data"], "one view", views, cell.of("error"))
    opened = {c["comm_id"]: c for c in cell.of("comm_open")}
    model = opened[views[0]["model_id"]]
    for part in ("layout", "style"):
        expect(model["data"]["state"][part].removeprefix("IPY_MODEL_") in opened, part, "is opened too")
    return views[0]["model_id"], model


@check("a slider: opened, moved from outside, read in the next cell")
def _(client, manager):
    cell = Cell(client, 'let knob = slider(0.0..=1.0).label("knob").initial(0.5);\nknob')
    model, opened = shown_widget(cell)
    expect(opened["target_name"] == "jupyter.widget" and opened["data"]["state"]["_model_name"] == "FloatSliderModel", opened)
    meta = [m["metadata"] for m in cell.messages if m["msg_type"] == "comm_open"]
    expect(all(m["version"] == "2.1.0" for m in meta), meta)
    request = send_comm(client, "comm_msg", model, {"method": "update", "state": {"value": 0.25}, "buffer_paths": []})
    seen = until_idle(client, request)
    echo = [m for m in seen if m["msg_type"] == "comm_msg"]
    expect(len(echo) == 1 and echo[0]["content"]["data"]["method"] == "echo_update", echo)
    expect(echo[0]["parent_header"]["msg_id"] == request, "the echo answers the message")
    expect(Cell(client, "knob.value()").value == "0.25", "moved")
    expect([c["data"]["state"] for c in Cell(client, "knob.set(0.75);").of("comm_msg")] == [{"value": 0.75}], "set")
    client.comm_info()
    comms = client.get_shell_msg(timeout=TIMEOUT)["content"]["comms"]
    expect(model in comms and comms[model]["target_name"] == "jupyter.widget", comms)


@check("a value is read while the cell runs")
def _(client, manager):
    state = {}

    def move(message):
        if message["msg_type"] == "display_data":
            state["model"] = message["content"]["data"][VIEW]["model_id"]
        if message["msg_type"] == "stream" and "waiting" in message["content"]["text"]:
            send_comm(client, "comm_msg", state["model"], {"method": "update", "state": {"value": 9}})
    cell = Cell(client, '''
let stop = slider(0..=9);
stop.show();
println!("waiting");
while stop.value() < 9 { check(); std::thread::sleep(std::time::Duration::from_millis(10)); }
stop.value()
''', move)
    expect(cell.value == "9", cell.value, cell.of("error"))


@check("interact: a callback's update comes before the idle of its message; its prints belong to the cell")
def _(client, manager):
    cell = Cell(client, 'interact(slider(0..=9).initial(2), |n| { println!("n = {n}"); text("*".repeat(n as usize)) });')
    expect(cell.status == "ok", cell.of("error"))
    model = [c["data"][VIEW]["model_id"] for c in cell.of("display_data") if VIEW in c["data"]][0]
    drawn = [c for c in cell.of("display_data") if VIEW not in c["data"]]
    expect(drawn[0]["data"]["text/plain"] == "**", drawn)
    for n in (5, 3):
        request = send_comm(client, "comm_msg", model, {"method": "update", "state": {"value": n}})
        seen = until_idle(client, request)
        updates = [m for m in seen if m["msg_type"] == "update_display_data"]
        expect(len(updates) == 1 and updates[0]["content"]["data"]["text/plain"] == "*" * n, updates)
        expect(updates[0]["content"]["transient"] == drawn[0]["transient"], "the same display")
        expect(updates[0]["parent_header"]["msg_id"] == request, "the update answers the message")
        prints = [m for m in seen if m["msg_type"] == "stream"]
        expect([p["content"]["text"] for p in prints] == [f"n = {n}\n"], prints)
        expect(prints[0]["parent_header"]["msg_id"] == cell.reply["parent_header"]["msg_id"], "shown with the cell")


@check("a callback's panic is told and the next one runs; a slow one is interrupted")
def _(client, manager):
    cell = Cell(client, '''
let b = button("Go").on_change(|n| match n {
    1 => panic!("boom"),
    2 => { println!("slow"); loop { check(); std::thread::sleep(std::time::Duration::from_millis(5)); } }
    n => println!("press {n}"),
});
b
''')
    model, _ = shown_widget(cell)

    def press():
        return send_comm(client, "comm_msg", model, {"method": "custom", "content": {"event": "click"}})
    text = "".join(m["content"]["text"] for m in until_idle(client, press()) if m["msg_type"] == "stream")
    expect("boom" in text, repr(text))
    request, text = press(), ""
    while "slow" not in text:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        text += message["content"].get("text", "")
    manager.interrupt_kernel()
    text = "".join(m["content"]["text"] for m in until_idle(client, request) if m["msg_type"] == "stream")
    expect("stopped" in text, repr(text))
    text = "".join(m["content"]["text"] for m in until_idle(client, press()) if m["msg_type"] == "stream")
    expect(text == "press 3\n", repr(text))


@check("a page that is loaded anew gets all states; unknown targets are closed")
def _(client, manager):
    Cell(client, 'let list = select(["SGD", "Adam"]).label("optimiser").initial("Adam");\nlist')
    control = uuid.uuid4().hex
    until_idle(client, send_comm(client, "comm_open", control, {}, target_name="jupyter.widget.control"))
    seen = until_idle(client, send_comm(client, "comm_msg", control, {"method": "request_states"}))
    answer = [m["content"] for m in seen if m["msg_type"] == "comm_msg"]
    expect(len(answer) == 1 and answer[0]["comm_id"] == control and answer[0]["data"]["method"] == "update_states", answer)
    lists = [s["state"] for s in answer[0]["data"]["states"].values() if s["model_name"] == "DropdownModel"]
    expect([(s["index"], s["_options_labels"]) for s in lists] == [(1, ["SGD", "Adam"])], lists)
    seen = until_idle(client, send_comm(client, "comm_open", "x", {}, target_name="nobody.knows"))
    expect([m["content"]["comm_id"] for m in seen if m["msg_type"] == "comm_close"] == ["x"], "closed")


@check("when the process dies its comms are closed, and input works in the new one")
def _(client, manager):
    Cell(client, "slider(0..=9)")
    client.comm_info(target_name="jupyter.widget")
    before = client.get_shell_msg(timeout=TIMEOUT)["content"]["comms"]
    cell = Cell(client, "std::process::abort();")
    expect({c["comm_id"] for c in cell.of("comm_close")} >= set(before) and before, "closed", len(before))
    client.comm_info()
    expect(client.get_shell_msg(timeout=TIMEOUT)["content"]["comms"] == {}, "none is left")
    expect(Asked(client, 'input("new? ")?', "yes").value == '"yes"', "input")
    plain = Asked(client, 'let mut l = String::new();\nstd::io::stdin().read_line(&mut l)?;\nl', "plain")
    expect(plain.value == '"plain\\n"', plain.value)
    model, _ = shown_widget(Cell(client, 'let tick = checkbox("on");\ntick'))
    until_idle(client, send_comm(client, "comm_msg", model, {"method": "update", "state": {"value": True}}))
    expect(Cell(client, "tick.value()").value == "true", "widgets of the new process")


@check("restart while a question is open")
def _(client, manager):
    def restart():
        manager.restart_kernel(now=False)
    client.execute('let never = input("wait ")?;', allow_stdin=True)
    client.get_stdin_msg(timeout=TIMEOUT)
    start = time.monotonic()
    restart()
    client.wait_for_ready(timeout=TIMEOUT)
    expect(time.monotonic() - start < TIMEOUT, "restarted")
    expect_alive(client)


def main():
    manager = KernelManager(kernel_name="lathe")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    failed = 0
    wanted = sys.argv[1:]
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        for name, function in checks:
            if wanted and not any(w in name for w in wanted):
                continue
            start = time.monotonic()
            try:
                for get in (client.get_shell_msg, client.get_stdin_msg):
                    while True:
                        try:
                            get(timeout=0.01)
                        except queue.Empty:
                            break
                function(client, manager)
                print(f"ok      {time.monotonic() - start:6.2f} s  {name}", flush=True)
            except (AssertionError, queue.Empty, KeyError, IndexError) as error:
                failed += 1
                print(f"FAILED  {time.monotonic() - start:6.2f} s  {name}: {type(error).__name__} {str(error)[:2000]}", flush=True)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)
    expect(not manager.is_alive(), "the kernel ends when it is told to")
    print(f"{len(checks) - failed} of {len(checks)} checks hold", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
