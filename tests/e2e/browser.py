"""Opens a notebook in a real JupyterLab in a real (headless) browser, runs all cells as a learner does, and takes screenshots.

usage: browser.py NOTEBOOK SCREENSHOT_FOLDER   (with the Python of the environment that `cargo lathe lab` makes)
Needs chromium and chromedriver. Prints one line per check.
"""
import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

RUN_ALL_SECONDS = 600


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, probe, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            value = probe()
            if value:
                return value
        except (urllib.error.URLError, ConnectionError, KeyError, json.JSONDecodeError, WebDriverError):
            pass
        time.sleep(0.3)
    raise TimeoutError(f"{what}: not within {seconds} s")


class WebDriverError(Exception):
    pass


class Browser:
    """The few WebDriver commands that this needs."""

    def __init__(self, driver, profile):
        self.base = driver
        flags = ["--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--window-size=1280,1600", "--disable-dev-shm-usage",
                 f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # chromium refuses to run as root otherwise; only here, never for a learner
        options = {"args": flags, "binary": shutil.which("chromium")}
        reply = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}})
        self.base += f"/session/{reply['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise WebDriverError(error.read().decode()[:500]) from error

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def js(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def click(self, css, text=None):
        """Clicks the first visible element that matches, as a mouse does."""
        found = self.js("""
            return [...document.querySelectorAll(arguments[0])].find(e => e.offsetParent !== null
                && (arguments[1] === null || e.textContent.trim().startsWith(arguments[1]))) || null""", css, text)
        if not found:
            raise WebDriverError(f"nothing to click: {css} {text}")
        self.call("POST", f"/element/{next(iter(found.values()))}/click", {})

    def screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("GET", "/screenshot")))


def main(notebook, shots):
    notebook, shots = pathlib.Path(notebook), pathlib.Path(shots)
    shots.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="lathe-browser-"))
    desk = work / "notebooks"
    desk.mkdir()
    target = desk / notebook.name
    text = json.loads(notebook.read_text())
    for cell in text["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    target.write_text(json.dumps(text))

    # All cells in the page, whether on screen or not: the test looks at the one that runs.
    settings = work / "config/lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')

    jupyter_port, driver_port, token = free_port(), free_port(), "e2e"
    environment = dict(os.environ, JUPYTER_CONFIG_DIR=str(work / "config"), JUPYTER_DATA_DIR=str(work / "data"),
                       JUPYTER_RUNTIME_DIR=str(work / "runtime"), LATHE_QUICK="1")
    lab = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--port={jupyter_port}",
           f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={desk}"]
    if os.geteuid() == 0:
        lab.append("--allow-root")
    log = open(work / "jupyter.log", "wb")
    processes = [subprocess.Popen(lab, stdout=log, stderr=log, env=environment, start_new_session=True),
                 subprocess.Popen([shutil.which("chromedriver"), f"--port={driver_port}"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True)]
    browser = None
    try:
        server = f"http://127.0.0.1:{jupyter_port}"
        wait_for("JupyterLab answers", lambda: urllib.request.urlopen(f"{server}/api?token={token}", timeout=5), 60)
        driver = f"http://127.0.0.1:{driver_port}"
        wait_for("chromedriver answers", lambda: json.load(urllib.request.urlopen(f"{driver}/status", timeout=5))["value"]["ready"], 30)
        browser = Browser(driver, work / "profile")
        browser.open(f"{server}/lab/tree/{notebook.name}?token={token}")
        wait_for("the notebook is open", lambda: browser.js("return document.querySelectorAll('.jp-Cell').length > 2"), 60)
        wait_for("the kernel is ours", lambda: browser.js(
            "return [...document.querySelectorAll('.jp-KernelName, .jp-Toolbar-kernelName')].some(e => e.textContent.includes('Rust (Lathe)'))"), 60)
        print("ok      the notebook is open with the kernel Rust (Lathe)", flush=True)
        time.sleep(2)
        browser.js("document.querySelectorAll('.jp-Dialog, .Toastify').forEach(e => e.remove())")

        browser.click(".lm-MenuBar-itemLabel", "Run")
        wait_for("the Run menu opens", lambda: browser.js("return !!document.querySelector('.lm-Menu-item[data-command=\"runmenu:run-all\"]')"), 10)
        browser.click('.lm-Menu-item[data-command="runmenu:run-all"]')

        # A live figure has to change while its cell runs: its picture differs between two looks, the cell still being busy.
        pictures, moved, end = set(), False, time.monotonic() + RUN_ALL_SECONDS
        while time.monotonic() < end:
            # Behind a cell that is meant to fail JupyterLab shows waiting cells as "[ ]" although they run.
            state = browser.js("""
                const waiting = [...document.querySelectorAll('.jp-CodeCell')].filter(
                    c => !/\\[\\d+\\]/.test(c.querySelector('.jp-InputPrompt').textContent));
                const figure = waiting.length ? waiting[0].querySelector('.jp-RenderedSVG, .jp-RenderedImage') : null;
                const text = figure ? figure.innerHTML : '';
                let hash = 0;
                for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) | 0;
                if (figure) waiting[0].scrollIntoView();
                return {waiting: waiting.length, image: figure ? hash + ':' + text.length : null}""")
            if state["image"]:
                pictures.add(state["image"])
                if len(pictures) == 2 and not moved:
                    moved = True
                    browser.screenshot(shots / "live.png")
            if state["waiting"] == 0:
                break
            time.sleep(0.1)
        else:
            raise TimeoutError(f"run all: not done within {RUN_ALL_SECONDS} s")
        print(f"ok      all cells ran; {len(pictures)} pictures seen while a cell was running", flush=True)

        browser.js("document.querySelector('.jp-NotebookPanel').focus()")
        browser.click(".lm-MenuBar-itemLabel", "File")
        wait_for("the File menu opens", lambda: browser.js("return !!document.querySelector('.lm-Menu-item[data-command=\"docmanager:save\"]')"), 10)
        browser.click('.lm-Menu-item[data-command="docmanager:save"]')

        def saved():
            cells = [c for c in json.loads(target.read_text())["cells"] if c["cell_type"] == "code"]
            return cells if all(c["execution_count"] for c in cells if "".join(c["source"]).strip()) else None
        cells = wait_for("the notebook is saved", saved, 30)
        outputs = [o for c in cells for o in c["outputs"]]
        errors = [o for c in cells if "raises-exception" not in c["metadata"].get("tags", []) for o in c["outputs"] if o["output_type"] == "error"]
        kinds = {mime for o in outputs for mime in o.get("data", {})}
        failures = []
        if errors:
            failures.append(f"cells failed: {[(e['ename'], e['evalue']) for e in errors]}")
        for mime in ("text/html", "image/png", "text/plain"):
            if mime not in kinds:
                failures.append(f"no output of type {mime}")
        if not any("<table" in "".join(o.get("data", {}).get("text/html", "")) for o in outputs):
            failures.append("no table")
        if not moved:
            failures.append("no live figure changed while its cell ran")

        # One screenshot per screenful, from the top.
        height = browser.js("const n = document.querySelector('.jp-WindowedPanel-outer') || document.querySelector('.jp-Notebook'); n.scrollTop = 0; return [n.scrollHeight, n.clientHeight]")
        pages = min(30, -(-height[0] // max(1, height[1])))
        for page in range(pages):
            browser.js("const n = document.querySelector('.jp-WindowedPanel-outer') || document.querySelector('.jp-Notebook'); n.scrollTop = arguments[0] * n.clientHeight", page)
            time.sleep(0.6)
            browser.screenshot(shots / f"page-{page + 1:02}.png")
        broken = browser.js("return [...document.querySelectorAll('.jp-OutputArea img')].filter(i => i.complete && i.naturalWidth === 0).length")
        if broken:
            failures.append(f"{broken} pictures are not shown")
        for failure in failures:
            print(f"FAILED  {failure}", flush=True)
        if not failures:
            print(f"ok      {len(cells)} cells, {len(outputs)} outputs: {', '.join(sorted(kinds))}; {pages} screenshots", flush=True)
        return 1 if failures else 0
    except BaseException:
        if browser:
            browser.screenshot(shots / "failure.png")
        sys.stderr.write((work / "jupyter.log").read_text(errors="replace")[-4000:])
        raise
    finally:
        if browser:
            try:
                browser.call("DELETE", "")
            except (WebDriverError, urllib.error.URLError):
                pass
        for process in processes:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
