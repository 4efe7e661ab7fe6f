"""Runs chapter 1 in stock evcxr_jupyter: the in-cell library is an extension of evcxr, not of our kernel alone.

usage: chapter.py [NOTEBOOK] [--folder DIR] [--cold] [--output FILE]      (with a Python that has jupyter_client)

evcxr_jupyter 0.22.0 is taken from $STOCK_EVCXR (its binary), else from PATH or /tmp/stock/bin, else installed with cargo
into DIR/install. Nothing outside DIR (default: a new folder under /tmp) is written, and no kernel of the user's is touched.

The first cell adds the prelude with `:dep`; the notebook's cells then run as they are, in quick mode. Checked are: no cell
fails but those that are there to, every figure arrives as a picture, a cell with several displays shows them all. Dependencies come compiled from the
workspace's target folder (see reuse.py); `--cold` lets stock compile everything: quarter of an hour on two idle cores.
"""
import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[2]
VERSION = "0.22.0"


def stock_binary(folder):
    """The stock kernel, installed when there is none."""
    for found in [os.environ.get("STOCK_EVCXR"), shutil.which("evcxr_jupyter"), "/tmp/stock/bin/evcxr_jupyter"]:
        if found and Path(found).exists():
            return Path(found)
    print(f"installing evcxr_jupyter {VERSION}: several minutes", flush=True)
    # --locked: a fresh lock takes a salsa with which rust-analyzer's crates do not compile.
    install = ["cargo", "install", "--locked", "--root", folder / "install", "evcxr_jupyter", "--version", VERSION]
    subprocess.run(install, check=True)
    return folder / "install/bin/evcxr_jupyter"


def compiled(folder):
    """What the workspace has compiled: `name version kind` to files."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CARGO_PKG_")}
    said = subprocess.run(["cargo", "build", "-q", "-p", "lathe-prelude", "--message-format=json"], cwd=ROOT,
                          env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    # Copies: the workspace may be built again meanwhile, and times of its files must not change.
    kept = folder / "compiled"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    known = {}
    for message in map(json.loads, said.splitlines()):
        if message.get("reason") != "compiler-artifact":
            continue
        package = message["package_id"].rsplit("#", 1)[1]
        manifest = Path(message["manifest_path"]).parent.name
        name, _, version = package.rpartition("@")
        name = name or manifest
        kind = {"custom-build": "build-script"}.get(message["target"]["kind"][0], message["target"]["kind"][0])
        files = []
        for number, file in enumerate(map(Path, message["filenames"])):
            copy = kept / f"{len(known)}-{number}-{file.name}"
            shutil.copy(file, copy)
            files.append(str(copy))
        known[f"{name} {version} {kind}"] = files
    table = folder / "compiled.json"
    table.write_text(json.dumps(known))
    return table


def register(binary, folder):
    """A kernel spec of its own in DIR."""
    spec = folder / "share/jupyter/kernels/stock"
    spec.mkdir(parents=True, exist_ok=True)
    (spec / "kernel.json").write_text(json.dumps(
        {"argv": [str(binary), "--control_file", "{connection_file}"], "display_name": "Rust (stock)", "language": "rust"}))


def start(folder, reuse):
    work = folder / "tmp"
    work.mkdir(exist_ok=True)
    shutil.copy(ROOT / "Cargo.lock", work / "Cargo.lock")
    environment = dict(os.environ, EVCXR_TMPDIR=str(work), JUPYTER_PATH=str(folder / "share/jupyter"), LATHE_QUICK="1")
    if reuse:
        # This very Python: a shim in PATH would cost a second for each of 400 libraries.
        wrapper = folder / "reuse"
        wrapper.write_text(f"#!{sys.executable} -S\n" + Path(__file__).with_name("reuse.py").read_text())
        wrapper.chmod(0o755)
        # Our own crates may have changed since the last trial in this folder.
        for stale in work.glob("target/**/.fingerprint/lathe-*"):
            shutil.rmtree(stale)
        environment.update(RUSTC_WRAPPER=str(wrapper), LATHE_STOCK_REUSE=str(compiled(folder)))
    os.environ["JUPYTER_PATH"] = environment["JUPYTER_PATH"]
    manager = KernelManager(kernel_name="stock")
    manager.start_kernel(env=environment, stderr=open(folder / "stderr.log", "w"))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=300)
    return manager, client


def run(client, code, timeout):
    outputs = []
    reply = client.execute_interactive(
        code, timeout=timeout, store_history=False, allow_stdin=False,
        output_hook=lambda message: outputs.append((message["msg_type"], message["content"])))
    return reply["content"]["status"], outputs


def pictures(outputs):
    """How many pictures the outputs hold."""
    count = 0
    for kind, content in outputs:
        data = content.get("data", {}) if kind in ("display_data", "execute_result") else {}
        html = "".join(data.get("text/html", ""))
        if "image/png" in data and base64.b64decode(data["image/png"]).startswith(b"\x89PNG") and "<img" not in html:
            count += 1
        count += html.count("src=\"data:image/png;base64,iVBOR")
    return count


def words(outputs):
    """Streams and plain text, shortened."""
    text = ""
    for kind, content in outputs:
        if kind == "stream":
            text += content["text"]
        elif kind == "error":
            text += "\n".join(content["traceback"])
        elif "data" in content:
            text += content["data"].get("text/plain", "")
    return re.sub("\x1b\\[[0-9;]*m", "", text).strip()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("notebook", nargs="?", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--limit", type=float, default=3600, help="seconds for one cell")
    arguments = parser.parse_args()
    notebook = arguments.notebook or next(iter(sorted(ROOT.glob("notebooks/01-*.ipynb"))))
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="lathe-stock-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    binary = stock_binary(folder)
    register(binary, folder)
    began = time.monotonic()
    manager, client = start(folder, not arguments.cold)
    print(f"{binary}: ready after {time.monotonic() - began:.0f} s", flush=True)

    prelude = ROOT / "kernel-ext/prelude"
    # Code, pictures, and whether it is there to fail.
    cells = [(":dep lathe-prelude = { path = \"%s\" }\nuse lathe_prelude::prelude::*;" % prelude, 0, False)]
    document = json.loads(notebook.read_text())
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            cells.append(("".join(cell["source"]), pictures([(o["output_type"], o) for o in cell["outputs"]
                                                              if o["output_type"] in ("display_data", "execute_result")]),
                          "raises-exception" in cell["metadata"].get("tags", [])))
    cells.append(("image_grid((0..6).map(|n| Picture::grey(8, 8, &[n as f32 / 5.0; 64])).collect::<Vec<_>>(), 3)?\n"
                  ".captions((0..6).map(|n| format!(\"grey {n}\")).collect::<Vec<_>>())", 1, False))
    cells.append(("display(text(\"first\"));\nlet shown = display_live(text(\"0\"));\nshown.update(text(\"1\"));\n"
                  "lines_xy(&[1, 2, 3], &[(\"loss\", &[3.0, 2.0, 1.5][..])])", 1, False))
    failures, stored = [], []
    try:
        for number, (code, wanted, fails) in enumerate(cells):
            began = time.monotonic()
            status, outputs = run(client, code, arguments.limit)
            seen, said = pictures(outputs), words(outputs)
            took = time.monotonic() - began
            first = code.strip().splitlines()[-1][:70]
            failed = status != "ok" or any(kind == "error" for kind, _ in outputs)
            good = failed == fails and seen >= wanted
            print(f"{'ok ' if good else 'BAD'} [{number}] {took:6.1f} s  {seen} of {wanted} pictures  {first}", flush=True)
            if not good:
                failures.append(number)
                if number == 0:
                    sys.exit("the prelude does not load:\n" + said[:3000])
                print("    " + said[:700].replace("\n", "\n    "), flush=True)
            stored.append({"cell_type": "code", "execution_count": None, "metadata": {}, "source": code, "outputs": [
                dict({"output_type": kind, "metadata": {}}, **{k: v for k, v in content.items() if k != "transient"})
                for kind, content in outputs if kind in ("display_data", "execute_result", "stream", "error")]})
        last = next((content["data"] for kind, content in outputs if kind == "execute_result"), {})
        html = last.get("text/html", "")
        if not all(part in html for part in ("<pre>first</pre>", "<pre>1</pre>", "<img")) or "<pre>0</pre>" in html:
            failures.append("displays")
            print(f"BAD a cell with several displays does not show them all: {html[:300]}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        if arguments.output:
            for cell in stored:
                for output in cell["outputs"]:
                    if output["output_type"] == "stream":
                        output.pop("metadata")
            arguments.output.write_text(json.dumps({"cells": stored, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    print(f"{len(cells) - len(failures)} of {len(cells)} cells as they should be; folder {folder}")
    sys.exit(1 if failures else 0)


main()
