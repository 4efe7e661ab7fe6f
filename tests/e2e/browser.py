"""Opens a notebook in a real JupyterLab in a real (headless) browser, runs all cells as a learner does, and takes screenshots.

usage: browser.py NOTEBOOK SCREENSHOT_FOLDER   (with the Python of the environment that `cargo lathe lab` makes)
Needs chromium and chromedriver. Prints one line per check.
"""
import json
import pathlib
import sys
import time

from lab import Lab, wait_for

RUN_ALL_SECONDS = 600


def main(notebook, shots):
    notebook, shots = pathlib.Path(notebook), pathlib.Path(shots)
    shots.mkdir(parents=True, exist_ok=True)
    with Lab(environment={"LATHE_QUICK": "1"}) as lab:
        browser = lab.browser
        target = lab.desk / notebook.name
        text = json.loads(notebook.read_text())
        for cell in text["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        target.write_text(json.dumps(text))
        try:
            return run(lab, browser, target, shots)
        except BaseException:
            browser.screenshot(shots / "failure.png")
            sys.stderr.write(lab.log()[-4000:])
            raise


def run(lab, browser, target, shots):
    lab.open(target.name)
    print("ok      the notebook is open with the kernel Rust (Lathe)", flush=True)
    lab.menu("Run", "runmenu:run-all")

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
    lab.menu("File", "docmanager:save")

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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
