"""Sliders, a list and a button in a real JupyterLab in a real (headless) browser: by keyboard and by mouse, before and after the
page is loaded anew.

usage: browser_widgets.py SCREENSHOT_FOLDER   (with the Python of the environment that `cargo lathe lab` makes; it must have
ipywidgets). Needs chromium and chromedriver. Prints one line per check.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from lab import Browser, WebDriverError, free_port, wait_for

CELLS = ['''
// Blobs at random places, and a network that learns to draw them from two numbers.
use lab::models::vae::Likelihood;
let mut random = ChaCha8Rng::seed_from_u64(1);
let mut blobs = vec![];
for _ in 0..600 {
    let (x, y) = (random.gen_range(3.0..9.0_f32), random.gen_range(3.0..9.0_f32));
    for i in 0..144 {
        let (dx, dy) = ((i % 12) as f32 + 0.5 - x, (i / 12) as f32 + 0.5 - y);
        blobs.push((-(dx * dx + dy * dy) / 3.0).exp());
    }
}
let config = VaeConfig { epochs: 60, likelihood: Likelihood::Gaussian { sigma: 0.1 }, ..VaeConfig::default() };
let mut vae = DenseVae::<144, 64, 2>::new(config)?;
let history = vae.fit(&rows::<144>(blobs)?, &mut Silent)?;
''', '''
let z1 = slider(-2.0..=2.0).label("z1").initial(0.0).step(0.1);
let z2 = slider(-2.0..=2.0).label("z2").initial(0.0).step(0.1);
let decoder = vae.clone();
interact((z1.clone(), z2.clone()), move |(a, b)| {
    let z = rows::<2>(vec![a as f32, b as f32]).expect("two numbers");
    Picture::grey(12, 12, &decoder.decode(&z).expect("the decoder").as_vec())
});
''', '''
let optimiser = select(["SGD", "Adam"]).label("optimiser").on_change(|name| println!("now {name}"));
optimiser.show();
let shuffle = checkbox("shuffle").initial(true);
shuffle.show();
let run = text_field("run").initial("first");
run.show();
let train = button("Train").on_click(|| println!("trained"));
train.show();
''', 'let name = input("Your name? ")?;\nprintln!("Hello {name}");', 'println!("z1 is {:.1}", z1.value());']

RIGHT, ENTER = "\ue014", "\ue007"


class Page:
    def __init__(self, browser, shots):
        self.browser, self.shots = browser, shots

    def find(self, css, nth=0):
        found = self.browser.js("return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetParent !== null)[arguments[1]] || null", css, nth)
        if not found:
            raise WebDriverError(f"not on the page: {css}")
        return next(iter(found.values()))

    def keys(self, css, text, nth=0):
        self.browser.call("POST", f"/element/{self.find(css, nth)}/value", {"text": text})

    def drag(self, css, dx, nth=0):
        origin = {"element-6066-11e4-a52e-4f735466cecf": self.find(css, nth)}
        moves = [{"type": "pointerMove", "duration": 0, "origin": origin, "x": 0, "y": 0}, {"type": "pointerDown", "button": 0}]
        moves += [{"type": "pointerMove", "duration": 50, "origin": "pointer", "x": dx // 10, "y": 0} for _ in range(10)]
        moves += [{"type": "pointerUp", "button": 0}]
        self.browser.call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": moves}]})

    def picture(self):
        """The decoded picture, as its bytes in base64."""
        return self.browser.js("const i = [...document.querySelectorAll('.jp-OutputArea-output img')].pop(); return i && i.complete && i.naturalWidth > 0 ? i.src : null")

    def readouts(self):
        return self.browser.js("return [...document.querySelectorAll('.widget-readout')].map(e => e.textContent)")

    def text(self):
        return self.browser.js("return [...document.querySelectorAll('.jp-OutputArea-output')].map(e => e.innerText).join('\\n')")

    def redraws(self, what, act):
        before = self.picture()
        act()
        wait_for(f"{what}: the picture changes", lambda: self.picture() not in (None, before), 30)
        print(f"ok      {what}: the picture is drawn anew, {self.readouts()}", flush=True)

    def menu(self, menu, command):
        self.browser.js("document.querySelector('.jp-NotebookPanel').focus()")
        self.browser.click(".lm-MenuBar-itemLabel", menu)
        item = f'.lm-Menu-item[data-command="{command}"]'
        wait_for(f"the menu {menu} opens", lambda: self.browser.js("return !!document.querySelector(arguments[0])", item), 10)
        self.browser.click(item)

    def shot(self, name, css):
        self.browser.js("const e = document.querySelector(arguments[0]); if (e) e.scrollIntoView({block: 'center'})", css)
        time.sleep(0.5)
        self.browser.screenshot(self.shots / f"{name}.png")


def visit(page, url):
    page.browser.open(url)
    wait_for("the notebook is open", lambda: page.browser.js("return document.querySelectorAll('.jp-Cell').length > 2"), 60)
    wait_for("the kernel is ours", lambda: page.browser.js(
        "return [...document.querySelectorAll('.jp-KernelName, .jp-Toolbar-kernelName')].some(e => e.textContent.includes('Rust (Lathe)'))"), 60)
    time.sleep(2)
    page.browser.js("document.querySelectorAll('.jp-Dialog, .Toastify').forEach(e => e.remove())")


def drive(page, url, target):
    visit(page, url)
    page.menu("Run", "runmenu:run-all")
    wait_for("the cell asks", lambda: page.browser.js("return !!document.querySelector('.jp-Stdin-input')"), 300)
    page.shot("input", ".jp-Stdin-input")
    page.keys(".jp-Stdin-input", "Ada" + ENTER)
    wait_for("the answer is used", lambda: "Hello Ada" in page.text(), 60)
    print("ok      input below the cell is answered", flush=True)
    wait_for("sliders are drawn", lambda: page.browser.js("return document.querySelectorAll('.noUi-handle').length == 2"), 60)
    wait_for("the picture is drawn", page.picture, 30)
    page.shot("before", ".noUi-handle")
    page.redraws("arrow key", lambda: page.keys(".noUi-handle", RIGHT * 8))
    wait_for("eight steps of 0.1", lambda: page.readouts()[0] == "0.8", 10)
    page.redraws("mouse", lambda: page.drag(".noUi-handle", -60, 1))
    page.shot("moved", ".noUi-handle")
    # By script: JupyterLab's shortcuts take the keys of a list (A adds a cell).
    page.browser.js("const s = document.querySelector('.widget-dropdown select'); s.value = 'Adam'; s.dispatchEvent(new Event('change', {bubbles: true}))")
    page.keys(".widget-text input", " again" + ENTER)
    page.browser.click(".jupyter-button.widget-button", "Train")
    wait_for("callbacks print below the cell", lambda: "now Adam" in page.text() and "trained" in page.text(), 30)
    print("ok      list, text field and button", flush=True)
    page.shot("controls", ".widget-dropdown")
    page.menu("File", "docmanager:save")
    wait_for("the notebook is saved", lambda: "now Adam" in target.read_text(), 30)

    # The state of widgets is the process's: a page that is loaded anew shows them as they stand. Pictures and prints of
    # callbacks do not find their old place then, as with other kernels; running the cell again makes a new one.
    place = page.readouts()
    visit(page, url)
    wait_for("sliders are drawn again", lambda: page.browser.js("return document.querySelectorAll('.noUi-handle').length == 2"), 60)
    wait_for("they stand where they were", lambda: page.readouts() == place, 30)
    page.keys(".noUi-handle", RIGHT * 5)
    wait_for("five steps more", lambda: page.readouts()[0] == "1.3", 30)
    page.browser.click(".jp-CodeCell:last-child .jp-InputPrompt")
    page.menu("Run", "runmenu:run")
    wait_for("the process knows", lambda: "z1 is 1.3" in page.text(), 60)
    page.shot("reloaded", ".noUi-handle")
    print(f"ok      after the page was loaded anew: {page.readouts()}", flush=True)


def main(shots):
    shots = pathlib.Path(shots)
    shots.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="lathe-widgets-"))
    desk = work / "notebooks"
    desk.mkdir()
    cells = [{"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "execution_count": None, "source": source.strip()}
             for i, source in enumerate(CELLS)]
    kernel = {"kernelspec": {"name": "lathe", "display_name": "Rust (Lathe)", "language": "rust"}, "language_info": {"name": "rust"}}
    target = desk / "widgets.ipynb"
    target.write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    settings = work / "config/lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')

    jupyter_port, driver_port, token = free_port(), free_port(), "e2e"
    environment = dict(os.environ, JUPYTER_CONFIG_DIR=str(work / "config"), JUPYTER_DATA_DIR=str(work / "data"),
                       JUPYTER_RUNTIME_DIR=str(work / "runtime"))
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
        server, driver = f"http://127.0.0.1:{jupyter_port}", f"http://127.0.0.1:{driver_port}"
        wait_for("JupyterLab answers", lambda: urllib.request.urlopen(f"{server}/api?token={token}", timeout=5), 120)
        wait_for("chromedriver answers", lambda: json.load(urllib.request.urlopen(f"{driver}/status", timeout=5))["value"]["ready"], 30)
        browser = Browser(driver, work / "profile")
        drive(Page(browser, shots), f"{server}/lab/tree/{target.name}?token={token}", target)
        return 0
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
    sys.exit(main(sys.argv[1]))
