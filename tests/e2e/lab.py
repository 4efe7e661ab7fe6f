"""A real JupyterLab and a real (headless) browser, for the scripts of this folder. Needs chromium and chromedriver."""
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


class Lab:
    """JupyterLab on a scratch folder with its own configuration, and a browser; everything is gone at the end."""

    def __init__(self, dark=False, environment=None):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="lathe-browser-"))
        self.desk = self.work / "notebooks"
        self.desk.mkdir()
        self.environment = environment or {}
        self.processes, self.browser, self.token = [], None, "e2e"
        settings = self.work / "config/lab/user-settings/@jupyterlab"
        # All cells in the page, whether on screen or not: the test looks at the one that runs.
        self.set(settings / "notebook-extension/tracker.jupyterlab-settings", {"windowingMode": "none"})
        if dark:
            self.set(settings / "apputils-extension/themes.jupyterlab-settings", {"theme": "JupyterLab Dark"})

    @staticmethod
    def set(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def start(self):
        port, driver_port = free_port(), free_port()
        environment = dict(os.environ, JUPYTER_CONFIG_DIR=str(self.work / "config"), JUPYTER_DATA_DIR=str(self.work / "data"),
                           JUPYTER_RUNTIME_DIR=str(self.work / "runtime"), **self.environment)
        lab = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--port={port}",
               f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.desk}"]
        if os.geteuid() == 0:
            lab.append("--allow-root")
        log = open(self.work / "jupyter.log", "wb")
        self.processes = [
            subprocess.Popen(lab, stdout=log, stderr=log, env=environment, start_new_session=True),
            subprocess.Popen([shutil.which("chromedriver"), f"--port={driver_port}"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)]
        self.server = f"http://127.0.0.1:{port}"
        wait_for("JupyterLab answers", lambda: urllib.request.urlopen(f"{self.server}/api?token={self.token}", timeout=5), 60)
        driver = f"http://127.0.0.1:{driver_port}"
        wait_for("chromedriver answers", lambda: json.load(urllib.request.urlopen(f"{driver}/status", timeout=5))["value"]["ready"], 30)
        self.browser = Browser(driver, self.work / "profile")

    def open(self, name):
        """Opens a notebook of the scratch folder and waits for its kernel."""
        browser = self.browser
        browser.open(f"{self.server}/lab/tree/{name}?token={self.token}")
        wait_for("the notebook is open", lambda: browser.js("return document.querySelectorAll('.jp-Cell').length > 2"), 60)
        wait_for("the kernel is ours", lambda: browser.js(
            "return [...document.querySelectorAll('.jp-KernelName, .jp-Toolbar-kernelName')].some(e => e.textContent.includes('Rust (Lathe)'))"), 60)
        time.sleep(2)
        browser.js("document.querySelectorAll('.jp-Dialog, .Toastify').forEach(e => e.remove())")

    def menu(self, name, command):
        self.browser.click(".lm-MenuBar-itemLabel", name)
        item = f'.lm-Menu-item[data-command="{command}"]'
        wait_for(f"the {name} menu opens", lambda: self.browser.js("return !!document.querySelector(arguments[0])", item), 10)
        self.browser.click(item)

    def log(self):
        return (self.work / "jupyter.log").read_text(errors="replace")

    def stop(self):
        if self.browser:
            try:
                self.browser.call("DELETE", "")
            except (WebDriverError, urllib.error.URLError):
                pass
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(self.work, ignore_errors=True)

    def __exit__(self, *_):
        self.stop()
