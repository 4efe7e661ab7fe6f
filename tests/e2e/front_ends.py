"""Our kernel under the real programs that speak to kernels, one line each: ok, not installed here, FAILED.

usage: front_ends.py [PROGRAM]...   (with a Python that has them; `cargo lathe lab`'s has nbclient, nbconvert and the server)
All programs: python -m venv V; V/bin/pip install notebook jupyter-console nbclient nbconvert papermill pexpect jupyterhub
pip install kernel-ext/papermill; for JupyterHub also `configurable-http-proxy` on the path.

VS Code cannot run here: `vscode` replays the messages of its Jupyter extension against jupyter-server's websocket, `vscode_raw`
those with which it starts and talks to a kernel by itself.
"""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

from lab import free_port, wait_for

PYTHON = sys.executable
CELLS = ["let x = 20;", 'println!("halo"); x + 22', "//! opt = 0\nlet v: Vec<i32> = (0..3).collect();\nv"]
programs = {}


class NotInstalled(Exception):
    pass


def program(*modules, tool=None):
    def register(function):
        def checked(work):
            for module in modules:
                if importlib.util.find_spec(module) is None:
                    raise NotInstalled(module)
            if tool and not shutil.which(tool, path=search_path()):
                raise NotInstalled(tool)
            return function(work)
        programs[function.__name__] = checked
        return function
    return register


def search_path():
    return os.pathsep.join([str(pathlib.Path(PYTHON).parent), os.environ["PATH"]])


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what)[:1500])


def write_notebook(path, cells, tags=None):
    cells = [{"cell_type": "code", "metadata": {"tags": (tags or {}).get(i, [])}, "source": code, "outputs": [], "execution_count": None,
              "id": f"c{i}"} for i, code in enumerate(cells)]
    metadata = {"kernelspec": {"name": "lathe", "display_name": "Rust (Lathe)", "language": "rust"}, "language_info": {"name": "rust"}}
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def outputs(path):
    return [o for c in json.loads(path.read_text())["cells"] for o in c.get("outputs", [])]


def call(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, **more)
    expect(done.returncode == 0, command, done.stdout, done.stderr[-1200:])
    return done.stdout


@program("nbclient")
def nbclient(work):
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    notebook = nbformat.read(write_notebook(work / "n.ipynb", [*CELLS, 'panic!("boom")', "x"]), as_version=4)
    client = NotebookClient(notebook, timeout=200)
    try:
        client.execute()
        expect(False, "the panic is no error")
    except CellExecutionError as error:
        expect(error.ename == "Panic" and "boom" in error.evalue, error)
    expect(notebook.cells[1].outputs[1]["data"]["text/plain"] == "42", notebook.cells[1].outputs)
    expect(notebook.cells[1].execution_count == 2 and not notebook.cells[4].outputs, "counts, and nothing after the error")


@program("nbconvert")
def nbconvert(work):
    path = write_notebook(work / "n.ipynb", [*CELLS, 'df!("a" => [1, 2])?'])
    call(PYTHON, "-m", "nbconvert", "--execute", "--to", "html", path)
    html = path.with_suffix(".html").read_text()
    expect("halo" in html and "42" in html and "<table" in html, "outputs in the page")
    expect(re.search(r'class="highlight hl-rust"', html), "highlighted as Rust")


@program("papermill")
def papermill(work):
    if importlib.util.find_spec("lathe_papermill") is None:
        raise NotInstalled("lathe_papermill (pip install kernel-ext/papermill)")
    path = write_notebook(work / "n.ipynb", ['let epochs = 1;\nlet name = String::from("none");\nlet rate = 0.1;', 'println!("{epochs} {name} {rate}");'], {0: ["parameters"]})
    out = work / "out.ipynb"
    call(PYTHON, "-m", "papermill", path, out, "-p", "epochs", "7", "-p", "name", 'a "b" é', "-p", "rate", "0.25")
    text = "".join(o.get("text", "") if isinstance(o.get("text", ""), str) else "".join(o["text"]) for o in outputs(out))
    expect('7 a "b" é 0.25' in text, text)


@program("jupyter_console", "pexpect")
def console(work):
    import pexpect
    child = pexpect.spawn(PYTHON, ["-m", "jupyter_console", "--kernel", "lathe", "--simple-prompt", "--ZMQTerminalInteractiveShell.kernel_timeout=120"],
                          encoding="utf-8", timeout=120, env=dict(os.environ, IPYTHONDIR=str(work), JUPYTER_RUNTIME_DIR=str(work), TERM="dumb"))
    try:
        child.expect(r"In \[1\]: ")
        child.sendline("1 + 41")
        child.expect(r"Out\[1\]: *42")
        child.expect(r"In \[2\]: ")
        # One line: the console's simple prompt, the one that a program can read, has no others.
        child.sendline("fn twice(x: i32) -> i32 { 2 * x }")
        child.expect(r"In \[3\]: ")
        child.sendline("twice(21)")
        child.expect(r"Out\[3\]: *42")
        child.expect(r"In \[4\]: ")
        child.sendline('println!("spin"); loop { display::check(); std::thread::sleep(std::time::Duration::from_millis(5)); }')
        child.expect("spin\r\n")
        time.sleep(1)
        child.sendintr()
        child.expect("Interrupted")
        child.expect(r"In \[5\]: ")
        child.sendline("twice(1)")
        child.expect(r"Out\[5\]: *2")
        child.sendeof()
    finally:
        child.close(force=True)


@program("jupyter_console", "pexpect")
def console_full(work):
    """The console as people use it: several lines in one cell, the history by the arrow key, completion by tab."""
    import pexpect
    environment = dict(os.environ, IPYTHONDIR=str(work), JUPYTER_RUNTIME_DIR=str(work), TERM="xterm", COLUMNS="100", LINES="40", PROMPT_TOOLKIT_NO_CPR="1")
    child = pexpect.spawn(PYTHON, ["-m", "jupyter_console", "--kernel", "lathe", "--ZMQTerminalInteractiveShell.kernel_timeout=120",
                                   "--ZMQTerminalInteractiveShell.kernel_is_complete_timeout=10"],
                          encoding="utf-8", timeout=120, env=environment, dimensions=(40, 100))
    # What the screen shows, without the codes that move and colour.
    codes = r"(?:\x1b\[[0-9;?]*[A-Za-z]|\s)*"
    spaced = lambda text: codes.join(re.escape(c) for c in text if c != " ")

    def type_keys(text):
        for key in text:
            child.send(key)
            time.sleep(0.02)

    def prompt(number):
        child.expect(spaced(f"In [{number}]:"))
        time.sleep(1)
    try:
        prompt(1)
        # The kernel says that this is not complete, and by how much the next line is indented.
        for line in ("fn twice(x: i32) -> i32 {", "2 * x", "}"):
            type_keys(line)
            child.send("\r")
            time.sleep(1)
        child.send("\r")
        prompt(2)
        type_keys("twice(21)")
        child.send("\r")
        child.expect(spaced("Out[2]:") + codes + "42")
        prompt(3)
        # Arrow up: the last cell once more; once more up: the one with several lines.
        child.send("\x1b[A")
        time.sleep(1)
        child.send("\r")
        child.expect(spaced("Out[3]:") + codes + "42")
        prompt(4)
        type_keys('println!("spin"); loop { display::check(); std::thread::sleep(std::time::Duration::from_millis(5)); }')
        child.send("\r")
        child.expect("spin")
        child.expect("spin\r\n")
        time.sleep(1)
        child.sendintr()
        child.expect("Interrupted")
        prompt(5)
        type_keys("twice(4)")
        child.send("\r")
        child.expect(spaced("Out[5]:") + codes + "8")
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: the screen ends with {re.sub(chr(27) + r'.[0-9;?]*[A-Za-z]', '', (child.before or '') if isinstance(child.before, str) else '')[-700:]!r}") from error
    finally:
        child.close(force=True)


@program("ipykernel")
def python_beside(work):
    """JupyterLab's own Python kernel starts in the same environment."""
    from jupyter_client.manager import start_new_kernel
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
    try:
        said = []
        reply = client.execute_interactive("print(6 * 7)", timeout=60, output_hook=lambda m: said.append(m["content"].get("text")))
        expect(reply["content"]["status"] == "ok" and "42\n" in said, reply, said)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@program("zmq")
def vscode_raw(work):
    """VS Code without a server: it starts the command of the kernel's spec itself, on a connection file of its own, and talks
    over ZeroMQ; these are the requests of its start, its interrupt, its shutdown."""
    from jupyter_client import BlockingKernelClient
    from jupyter_client.kernelspec import KernelSpecManager
    spec = KernelSpecManager().get_kernel_spec("lathe")
    file = work / "kernel-v2-1.json"
    ports = {name: free_port() for name in ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")}
    # It writes the file with mode 644 and a key in UUID form.
    file.write_text(json.dumps({"key": str(uuid.uuid4()), "signature_scheme": "hmac-sha256", "transport": "tcp", "ip": "127.0.0.1", "kernel_name": "lathe", **ports}))
    command = [part.replace("{connection_file}", str(file)) for part in spec.argv]
    process = subprocess.Popen(command, cwd=work, env=dict(os.environ, **spec.env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)

        def reply(channel, kind, content, seconds=60):
            message = client.session.msg(kind, content)
            channel.send(message)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                got = channel.get_msg(timeout=end - time.monotonic())
                if got["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                    return got
        info = reply(client.shell_channel, "kernel_info_request", {})["content"]
        expect(info["language_info"]["name"] == "rust" and "debugger" not in info.get("supported_features", []), info)
        # Its first cells are silent; widgets are asked for by their target; a debugger is tried.
        for code in ("", "1 + 1"):
            expect(reply(client.shell_channel, "execute_request", execute(code, silent=True), 120)["content"]["status"] == "ok", code)
        expect(reply(client.shell_channel, "comm_info_request", {"target_name": "jupyter.widget"})["content"]["comms"] == {}, "no comms yet")
        asked = {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}
        refused = reply(client.control_channel, "debug_request", asked)["content"]
        expect(refused["success"] is False and refused["request_seq"] == 1 and "no debugger" in refused["message"], refused)
        client.comm_id = uuid.uuid4().hex
        client.shell_channel.send(client.session.msg("comm_open", {"comm_id": client.comm_id, "target_name": "jupyter.widget.control", "data": {}, "target_module": None}))
        # A slider of ours is then among the widgets.
        done = reply(client.shell_channel, "execute_request", execute('interact(slider(0..=9).label("days"), |n| text(n.to_string()))'), 120)
        expect(done["content"]["status"] == "ok" and done["content"]["execution_count"] == 1, done["content"])
        comms = reply(client.shell_channel, "comm_info_request", {"target_name": "jupyter.widget"})["content"]["comms"]
        expect(comms and all(c["target_name"] == "jupyter.widget" for c in comms.values()), comms)
        # Interrupt by message, as the spec says.
        expect(spec.interrupt_mode == "message", spec.interrupt_mode)
        running = client.session.msg("execute_request", execute('println!("go"); loop { display::check(); std::thread::sleep(std::time::Duration::from_millis(5)); }'))
        client.shell_channel.send(running)
        while client.get_iopub_msg(timeout=120)["content"].get("text") != "go\n":
            pass
        expect(reply(client.control_channel, "interrupt_request", {})["content"]["status"] == "ok", "interrupt")
        while True:
            got = client.get_shell_msg(timeout=60)
            if got["parent_header"].get("msg_id") == running["header"]["msg_id"]:
                break
        expect(got["content"]["status"] == "error", got["content"])
        expect(reply(client.control_channel, "shutdown_request", {"restart": False})["content"]["status"] == "ok", "shutdown")
        process.wait(20)
        expect(process.returncode == 0, "ends in order", process.returncode)
    finally:
        client.stop_channels()
        process.kill()
        process.communicate()


class Server:
    """A server on a scratch folder, ended with all its children."""

    def __init__(self, command, work, **environment):
        self.log = open(work / "server.log", "wb")
        self.process = subprocess.Popen([str(c) for c in command], stdout=self.log, stderr=self.log, cwd=work, start_new_session=True,
                                        env=dict(os.environ, JUPYTER_RUNTIME_DIR=str(work / "runtime"), JUPYTER_CONFIG_DIR=str(work / "config"),
                                                 PATH=search_path(), **environment))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(30)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGKILL)


def rest(method, url, token, body=None):
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method,
                                     headers={"Authorization": f"token {token}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        text = reply.read()
        return json.loads(text) if text else None


class Socket:
    """A kernel through the server's websocket, in the framing `v1.kernel.websocket.jupyter.org` that VS Code and JupyterLab use."""

    def __init__(self, url, token, session):
        import websocket
        self.socket = websocket.create_connection(url, header=[f"Authorization: token {token}"], timeout=200,
                                                  subprotocols=["v1.kernel.websocket.jupyter.org"])
        self.session = session

    def send(self, channel, kind, content):
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "vscode", "session": self.session, "version": "5.3", "date": "2026-11-20T00:00:00Z"}
        parts = [channel.encode(), *(json.dumps(p).encode() for p in (header, {}, {}, content))]
        offsets = [8 * (len(parts) + 2)]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        message = len(offsets).to_bytes(8, "little") + b"".join(o.to_bytes(8, "little") for o in offsets) + b"".join(parts)
        self.socket.send_binary(message)
        return header["msg_id"]

    def receive(self):
        data = self.socket.recv()
        number = int.from_bytes(data[:8], "little")
        offsets = [int.from_bytes(data[8 * i + 8:8 * i + 16], "little") for i in range(number)]
        parts = [data[a:b] for a, b in zip(offsets, offsets[1:])]
        header, parent, _, content = (json.loads(p) for p in parts[1:5])
        return parts[0].decode(), header["msg_type"], parent.get("msg_id"), content

    def ask(self, kind, content, channel="shell", during=None):
        """The reply and everything on iopub between busy and idle."""
        request, reply, seen, idle = self.send(channel, kind, content), None, [], False
        while reply is None or not idle:
            where, got, parent, body = self.receive()
            if parent != request:
                continue
            if where == "iopub":
                seen.append((got, body))
                idle |= got == "status" and body["execution_state"] == "idle"
                if during:
                    during(got, body)
            elif got == kind.replace("_request", "_reply"):
                reply = body
        return reply, seen


def execute(code, silent=False):
    return {"code": code, "silent": silent, "store_history": not silent, "user_expressions": {}, "allow_stdin": not silent, "stop_on_error": True}


def vscode_session(server, token):
    kernel = rest("POST", f"{server}/api/kernels", token, {"name": "lathe"})["id"]
    socket = Socket(f"{server.replace('http', 'ws')}/api/kernels/{kernel}/channels?session_id=s1", token, "s1")
    info, _ = socket.ask("kernel_info_request", {})
    expect(info["status"] == "ok" and info["language_info"]["file_extension"] == ".rs", info)
    # Is it alive: an empty silent cell; nothing may be counted.
    reply, _ = socket.ask("execute_request", execute("", silent=True))
    expect(reply["status"] == "ok", reply)
    reply, seen = socket.ask("execute_request", execute("let größe = vec![1, 2, 3];\ngröße"))
    expect(reply["execution_count"] == 1, reply)
    expect([b["data"]["text/plain"] for k, b in seen if k == "execute_result"] == ["[1, 2, 3]"], seen)
    # Hover, completion while typing, and the variables' view's question; the kernel must answer each in some way.
    code = "größe.le"
    reply, _ = socket.ask("complete_request", {"code": code, "cursor_pos": len(code)})
    expect("len" in " ".join(reply["matches"]), reply)
    for level in (0, 1):
        reply, _ = socket.ask("inspect_request", {"code": "String::new", "cursor_pos": 9, "detail_level": level})
        expect(reply["status"] == "ok" and reply["found"], reply)
    socket.ask("is_complete_request", {"code": "fn f() {"})
    socket.ask("comm_info_request", {"target_name": "jupyter.widget"})
    # Interrupt by message on the control channel, while the cell runs.
    asked = []

    def stop(kind, body):
        if kind == "stream" and not asked:
            asked.append(socket.send("control", "interrupt_request", {}))
    reply, _ = socket.ask("execute_request", execute('println!("go"); loop { display::check(); std::thread::sleep(std::time::Duration::from_millis(5)); }'), during=stop)
    expect(reply["status"] == "error", reply)
    reply, seen = socket.ask("execute_request", execute("größe.len()"))
    expect([b["data"]["text/plain"] for k, b in seen if k == "execute_result"] == ["3"], seen)
    # The server's own interrupt and restart.
    rest("POST", f"{server}/api/kernels/{kernel}/interrupt", token)
    rest("POST", f"{server}/api/kernels/{kernel}/restart", token)
    socket.socket.close()
    socket = Socket(f"{server.replace('http', 'ws')}/api/kernels/{kernel}/channels?session_id=s2", token, "s2")
    reply, _ = socket.ask("execute_request", execute("größe"))
    expect(reply["status"] == "error" and reply["ename"] == "E0425", reply)
    socket.socket.close()
    rest("DELETE", f"{server}/api/kernels/{kernel}", token)
    expect(rest("GET", f"{server}/api/kernels", token) == [], "the kernel is gone")


@program("jupyter_server", "websocket")
def vscode(work):
    port = free_port()
    command = [PYTHON, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=t", f"--ServerApp.root_dir={work}"]
    with Server(command, work):
        server = f"http://127.0.0.1:{port}"
        wait_for("the server answers", lambda: rest("GET", f"{server}/api", "t"), 60)
        vscode_session(server, "t")


@program("notebook")
def notebook(work):
    from lab import Browser
    for tool in ("chromium", "chromedriver"):
        if not shutil.which(tool):
            raise NotInstalled(tool)
    port, driver_port = free_port(), free_port()
    write_notebook(work / "n.ipynb", CELLS)
    command = [PYTHON, "-m", "notebook", "--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=t", f"--ServerApp.root_dir={work}"]
    driver = subprocess.Popen([shutil.which("chromedriver"), f"--port={driver_port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    browser = None
    try:
        with Server(command, work):
            server = f"http://127.0.0.1:{port}"
            wait_for("the server answers", lambda: rest("GET", f"{server}/api", "t"), 60)
            wait_for("chromedriver answers", lambda: urllib.request.urlopen(f"http://127.0.0.1:{driver_port}/status", timeout=5), 30)
            browser = Browser(f"http://127.0.0.1:{driver_port}", work / "profile")
            browser.open(f"{server}/notebooks/n.ipynb?token=t")
            wait_for("the cells are there", lambda: browser.js("return document.querySelectorAll('.jp-CodeCell').length >= 3"), 90)
            wait_for("the kernel is ours", lambda: browser.js("return document.body.innerText.includes('Rust (Lathe)')"), 90)
            time.sleep(2)
            browser.click(".lm-MenuBar-itemLabel", "Run")
            browser.click('.lm-Menu-item[data-command="runmenu:run-all"]')
            wait_for("all cells ran", lambda: browser.js(
                "return [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].slice(0, 3).every(e => /\\[\\d+\\]/.test(e.textContent))"), 200)
            text = browser.js("return document.querySelector('.jp-Notebook').innerText")
            expect("halo" in text and "42" in text and "[0, 1, 2]" in text, text)
    finally:
        if browser:
            browser.call("DELETE", "")
        driver.terminate()
        driver.wait(20)


@program("jupyterhub", tool="configurable-http-proxy")
def jupyterhub(work):
    port, hub_port, proxy_port = free_port(), free_port(), free_port()
    (work / "hub.py").write_text(f"""
c = get_config()
c.JupyterHub.bind_url = 'http://127.0.0.1:{port}'
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{proxy_port}'
c.JupyterHub.authenticator_class = 'dummy'
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = 'simple'
c.SimpleLocalProcessSpawner.home_dir_template = {str(work / "home")!r} + '/{{username}}'
c.Spawner.args = ['--allow-root']
c.Spawner.env_keep = ['PATH', 'JUPYTER_PATH', 'LATHE_CACHE', 'HOME', 'CARGO_HOME', 'RUSTUP_HOME', 'CI']
# The user's home is a scratch folder: the toolchain is not below it.
c.Spawner.environment = {{'CARGO_HOME': {os.environ.get("CARGO_HOME") or str(pathlib.Path.home() / ".cargo")!r}, 'RUSTUP_HOME': {os.environ.get("RUSTUP_HOME") or str(pathlib.Path.home() / ".rustup")!r}}}
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.JupyterHub.services = [{{'name': 'test', 'api_token': 'hubtoken'}}]
c.JupyterHub.load_roles = [{{'name': 'test', 'scopes': ['admin:users', 'admin:servers', 'access:servers', 'tokens'], 'services': ['test']}}]
""")
    with Server([PYTHON, "-m", "jupyterhub", "-f", work / "hub.py"], work) as hub:
        server = f"http://127.0.0.1:{port}"
        wait_for("the hub answers", lambda: rest("GET", f"{server}/hub/api/", "hubtoken"), 90)
        rest("POST", f"{server}/hub/api/users/anna", "hubtoken")
        rest("POST", f"{server}/hub/api/users/anna/server", "hubtoken")
        wait_for("anna's server runs", lambda: rest("GET", f"{server}/hub/api/users/anna", "hubtoken")["servers"].get("", {}).get("ready"), 150)
        vscode_session(f"{server}/user/anna", "hubtoken")
        rest("DELETE", f"{server}/hub/api/users/anna/server", "hubtoken")


def main(wanted):
    failed = 0
    for name in wanted or programs:
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"lathe-{name}-"))
        start = time.monotonic()
        try:
            programs[name](work)
            print(f"ok      {time.monotonic() - start:6.1f} s  {name}", flush=True)
        except NotInstalled as missing:
            print(f"not installed here: {missing}  {name}", flush=True)
        except Exception as error:
            failed += 1
            log = work / "server.log"
            tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
            print(f"FAILED  {time.monotonic() - start:6.1f} s  {name}: {type(error).__name__} {str(error)[:1500]} {tail}", flush=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
