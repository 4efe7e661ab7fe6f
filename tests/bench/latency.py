"""Times our kernel and stock evcxr_jupyter in one interleaved run: the same cells, in turns, on the same machine.

usage: latency.py [--only ours|stock] [--rounds N] [--json FILE] [--kernel FILE] [--stock DIR] [--prepare-stock]
       (with the Python of the environment that `cargo lathe lab` makes)

Stock is looked for in DIR/bin/evcxr_jupyter (default /tmp/stock); `cargo install --root DIR evcxr_jupyter --version
0.22.0` puts it there. Its dependencies are compiled once into DIR/tmp, which later runs use again (EVCXR_TMPDIR);
`--prepare-stock` does only that, with low priority: polars alone takes minutes.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))
import cells  # noqa: E402

LONG = 3600


class Kernel:
    """A kernel process and a client of it."""

    def __init__(self, name, argv, env):
        self.name = name
        self.specs = tempfile.TemporaryDirectory()
        folder = Path(self.specs.name) / name
        folder.mkdir()
        spec = {"argv": [*map(str, argv), "{connection_file}"], "display_name": name, "language": "rust",
                "interrupt_mode": "message"}
        (folder / "kernel.json").write_text(json.dumps(spec))
        finder = KernelSpecManager(kernel_dirs=[self.specs.name], ensure_native_kernel=False)
        self.manager = KernelManager(kernel_name=name, kernel_spec_manager=finder)
        self.started = time.perf_counter()
        self.manager.start_kernel(env=dict(os.environ, **env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = self.manager.blocking_client()
        self.client.start_channels(hb=False, stdin=False)

    def since_start(self):
        return time.perf_counter() - self.started

    def kernel_info(self):
        request = self.client.kernel_info()
        self.reply_to(request, 60)
        return self.since_start()

    def reply_to(self, request, timeout):
        end = time.monotonic() + timeout
        while True:
            message = self.client.get_shell_msg(timeout=max(0.1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    def idle(self, request, timeout):
        """Messages of a request until the kernel says that it is done."""
        end, messages = time.monotonic() + timeout, []
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            messages.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return messages

    def cell(self, code, timeout=300):
        """Runs a cell; seconds until it was done, and what it said."""
        start = time.perf_counter()
        request = self.client.execute(code)
        messages = self.idle(request, timeout)
        reply = self.reply_to(request, timeout)
        seconds = time.perf_counter() - start
        if reply["status"] != "ok":
            told = [m["content"] for m in messages if m["msg_type"] in ("error", "stream")]
            raise RuntimeError(f"{self.name}: the cell failed: {code}\n{json.dumps(told, indent=1)[:3000]}")
        return seconds, messages

    def question(self, kind, code, cursor, timeout=30):
        start = time.perf_counter()
        request = getattr(self.client, kind)(code, cursor)
        content = self.reply_to(request, timeout)
        return time.perf_counter() - start, content

    def processes(self):
        """The kernel's process and those below it: (pid, parent, RSS in MB, PSS in MB)."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except (OSError, IndexError):
                    pass
        pids = [self.manager.provisioner.pid]
        for pid in pids:
            pids += [child for child, parent in parents.items() if parent == pid]
        return [(pid, parents.get(pid), *memory(pid)) for pid in pids]

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.specs.cleanup()


def memory(pid):
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0, 0.0
    return tuple(int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1]) / 1024 for key in ("Rss", "Pss"))


def text_of(messages):
    return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")


def kinds_of(messages):
    """MIME types that were shown."""
    shown = [m["content"]["data"] for m in messages if m["msg_type"] in ("execute_result", "display_data")]
    return {kind for data in shown for kind in data}


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.names = [name for name in ("ours", "stock") if arguments.only in (None, name)]
        self.seen = {}

    def start(self, name):
        if name == "ours":
            return Kernel("ours", [self.arguments.kernel, "serve", "-f"], {"LATHE_ROOT": str(ROOT)})
        stock = self.arguments.stock
        return Kernel("stock", [stock / "bin/evcxr_jupyter", "--control_file"], {"EVCXR_TMPDIR": str(stock / "tmp")})

    def add(self, row, name, value):
        self.seen.setdefault(row, {}).setdefault(name, []).append(value)

    def turns(self, round_number):
        """Both, and who is first changes."""
        return self.names if round_number % 2 == 0 else self.names[::-1]

    def starts(self, count):
        """Starts of a kernel; the last ones go on."""
        kernels = {}
        for i in range(count):
            for name in self.turns(i):
                if name in kernels:
                    kernels.pop(name).stop()
                kernel = kernels[name] = self.start(name)
                self.add("info", name, kernel.kernel_info())
                kernel.cell(cells.FIRST[name])
                self.add("first", name, kernel.since_start())
                kernel.cell(cells.WARM)
                self.add("warm", name, kernel.since_start())
                note(f"start {i + 1} of {name}: {kernel.since_start():.1f} s")
            if i == 0 and count > 1:
                self.growth(kernels)
        return kernels

    def growth(self, kernels):
        """Many cells in one notebook; every tenth defines something."""
        for i in range(200):
            for name in self.turns(i):
                # Stock takes long enough for its line to be known earlier.
                if i < (200 if name == "ours" else 60):
                    code = f"fn f_{i}(x: i64) -> i64 {{ x + {i} }}\nlet v_{i} = f_{i}(1);" if i % 10 == 9 else f"1 + {i}"
                    seconds, _ = kernels[name].cell(code)
                    if i % 10 != 9:
                        self.add("growth", name, seconds)
        note("many cells: done")

    def steady(self, kernels, rounds):
        def many(row, code, count, expected=None, own_time=False):
            for i in range(count):
                for name in self.turns(i):
                    text = code[name] if isinstance(code, dict) else code
                    seconds, messages = kernels[name].cell(text)
                    if expected and not expected & kinds_of(messages):
                        raise RuntimeError(f"{name}: {row} showed {kinds_of(messages)}")
                    if own_time:
                        seconds -= float(text_of(messages).split()[-1])
                    # The first time rust-analyzer and the page cache meet something new.
                    if i > 0 or count == 1:
                        self.add(row, name, seconds)
            note(f"{row}: done")

        many("one", "1 + 1", 2 * rounds + 1)
        for name in self.names:
            kernels[name].cell(cells.STATE[name])
        many("state", "1 + 1", 2 * rounds + 1)
        many("plot", cells.PLOT, rounds + 1, {"image/svg+xml", "image/png", "text/html"})
        many("frame", cells.FRAME, rounds + 1, {"text/html"})
        many("train", cells.TRAIN, rounds + 1, own_time=True)
        for name in self.names:
            found = kernels[name].processes()
            self.add("rss", name, found[0][2])
            self.add("rss child", name, sum(rss for _, _, rss, _ in found[1:]))
        if "ours" in self.names:
            self.questions(kernels["ours"])

    def questions(self, kernel):
        """Completion and inspection, idle and while a cell runs."""
        kernel.cell("let numbers = vec![1.5_f64, 2.5];")
        for state in ("idle", "busy"):
            time.sleep(2)
            running = None
            if state == "busy":
                running = kernel.client.execute("std::thread::sleep(std::time::Duration::from_secs(4));")
                time.sleep(1)
            for i in range(4):
                seconds, found = kernel.question("complete", "numbers.le", 10)
                if "len()" not in found["matches"] and "len" not in found["matches"]:
                    raise RuntimeError(f"completion while {state}: {found}")
                if i:
                    self.add(f"complete {state}", "ours", seconds)
            if running:
                self.add("rss answering", "ours", sum(pss for *_, pss in kernel.processes()))
                self.reply_and_idle(kernel, running)
        note("questions: done")

    @staticmethod
    def reply_and_idle(kernel, request):
        kernel.idle(request, 30)
        kernel.reply_to(request, 30)

    def full_speed(self, kernel, rounds):
        """The same Rust in a binary and in cells, in turns."""
        binaries = build_binaries(Path(self.arguments.kernel))
        source = (Path(__file__).parent / "speed.rs").read_text()
        definitions = source.split("// cells: from here")[1].split("// cells: to here")[0]
        calls = re.findall(r'\("([^"]+)", (\w+)\(\)\)', definitions)
        texts = {name: re.search(rf"(?s)\nfn {name}\(\) -> f64 {{.*?\n}}\n", definitions)[0] for _, name in calls}
        for i in range(rounds):
            for how, binary in binaries.items():
                runs = json.loads(subprocess.run([binary], check=True, capture_output=True, text=True).stdout)
                for row, seconds in runs.items():
                    self.add(row, how, seconds)
            for how, first in (("default", ""), ("opt = 2", "//! opt = 2\n")):
                # Each in a cell of its own: the kernel chooses the level by what a cell does.
                for row, name in calls:
                    _, messages = kernel.cell(f'{first}{texts[name]}\nprintln!("{{}}", {name}());')
                    self.add(row, how, float(text_of(messages).split()[-1]))
            note(f"full speed, round {i + 1}: done")


def build_binaries(kernel):
    """`speed.rs` as programs, linked as cargo links (statically) and optimised as far as it goes: with the checks of
    overflow that a plain `cargo run` has, as cells that do not say otherwise, and without, as `//! opt = 2`."""
    target = kernel.resolve().parents[1]
    env = dict(os.environ, CARGO_TARGET_DIR=str(target))
    built = subprocess.run(["cargo", "build", "-q", "-p", "lathe-prelude", "--message-format=json"], cwd=ROOT, env=env,
                           check=True, capture_output=True, text=True)
    prelude, search, native = None, set(), set()
    for line in built.stdout.splitlines():
        message = json.loads(line)
        native.update(message.get("linked_paths", []))
        if message["reason"] == "compiler-artifact":
            for file in message["filenames"]:
                search.add(os.path.dirname(file))
                if message["target"]["name"] == "lathe_prelude" and file.endswith(".rlib"):
                    prelude = file
    out = Path(tempfile.mkdtemp(prefix="lathe-bench-"))
    command = ["rustc", "--edition", "2024", "-C", "opt-level=3", "--extern", f"lathe={prelude}",
               str(Path(__file__).parent / "speed.rs")]
    command += [word for folder in sorted(search) for word in ("-L", f"dependency={folder}")]
    command += [word for path in sorted(native) for word in ("-L", path)]
    binaries = {"release": [], "checked": ["-C", "debug-assertions=on", "-C", "overflow-checks=on"]}
    for name, flags in binaries.items():
        subprocess.run([*command, *flags, "-o", str(out / name)], cwd=ROOT, check=True)
    return {name: str(out / name) for name in binaries}


def note(text):
    print(f"  {time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values) if values else None


def spread(values):
    return f"{min(values):.3g}-{max(values):.3g}" if values else ""


ROWS = [
    ("info", "kernel start to kernel_info reply, s", 0.3),
    ("first", "start to first result of a cell that uses the lab, s", 4.0),
    ("warm", "start to first inferred `let`, s", 6.0),
    ("one", "`1 + 1`, s", 0.18),
    ("state", "`1 + 1`, model + optimiser + frame alive, s", 0.28),
    ("plot", "a plotters figure shown, s", 0.45),
    ("frame", "a polars frame shown as an HTML table, s", 0.45),
    ("train", "define a dfdx model, 20 Adam steps, without the steps, s", 0.5),
    ("rss", "RSS of the kernel, MB", 900),
    ("rss child", "RSS of all processes below it, MB", None),
    ("complete idle", "completion, kernel idle, s", None),
    ("complete busy", "completion, a cell runs, s", None),
    ("rss answering", "PSS of all while a question is answered, MB", None),
]


def report(seen):
    print(f"\n{'':58} {'stock':>7} {'spread':>12} {'ours':>7} {'spread':>12} {'ratio':>6} {'target':>7}")
    missed = 0
    for key, title, target in ROWS:
        row = seen.get(key, {})
        ours, stock = median(row.get("ours", [])), median(row.get("stock", []))
        if ours is None and stock is None:
            continue
        number = lambda value: "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"
        ratio = f"{stock / ours:.1f}" if ours and stock else ""
        verdict = "" if target is None or ours is None else "ok" if ours <= target else "MISS"
        missed += verdict == "MISS"
        print(f"{title:58} {number(stock):>7} {spread(row.get('stock', [])):>12} {number(ours):>7} "
              f"{spread(row.get('ours', [])):>12} {ratio:>6} {'' if target is None else f'<={target:g}':>7} {verdict}")
    for name, values in seen.get("growth", {}).items():
        n = min(20, len(values) // 3)
        slope = statistics.linear_regression(range(len(values)), values).slope * 1000 if len(values) > 2 else 0
        early, late = median(values[:n]), median(values[-n:])
        verdict = ("ok" if late <= 1.15 * early else "MISS") if name == "ours" else ""
        missed += verdict == "MISS"
        print(f"{len(values)} cells, {name}: median of the first {n} {early:.3f} s, of the last {n} {late:.3f} s, "
              f"slope {slope:+.2f} ms a cell {verdict}")
    speeds = {key: row for key, row in seen.items() if "release" in row}
    if speeds:
        print(f"\n{'seconds; in brackets: speed as a part of the program':54} {'cell':>16} {'with checks':>12} "
              f"{'//! opt = 2':>16} {'release':>9}")
    for key, row in speeds.items():
        checked, release = median(row["checked"]), median(row["release"])
        default, marked = checked / median(row["default"]), release / median(row["opt = 2"])
        verdict = "ok" if min(default, marked) >= 0.95 else "MISS"
        missed += verdict == "MISS"
        print(f"{key:54} {median(row['default']):>9.3f} ({default:.2f}) {checked:>12.3f} "
              f"{median(row['opt = 2']):>9.3f} ({marked:.2f}) {release:>9.3f} >=0.95 {verdict}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["ours", "stock"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--kernel", type=Path, default=ROOT / "target/debug/lathe-kernel")
    parser.add_argument("--stock", type=Path, default=Path("/tmp/stock"))
    parser.add_argument("--prepare-stock", action="store_true")
    parser.add_argument("--skip-full-speed", action="store_true")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    if arguments.prepare_stock:
        os.nice(15)
        kernel = bench.start("stock")
        kernel.cell(cells.FIRST["stock"], LONG)
        print(f"stock's first result: {kernel.since_start():.0f} s")
        kernel.stop()
        return 0
    began = time.monotonic()
    print(f"load before: {os.getloadavg()}, {os.cpu_count()} cores")
    kernels = bench.starts(arguments.starts)
    try:
        bench.steady(kernels, arguments.rounds)
        if "ours" in kernels and not arguments.skip_full_speed:
            if "stock" in kernels:
                kernels.pop("stock").stop()
            bench.full_speed(kernels["ours"], 5)
    finally:
        for kernel in kernels.values():
            kernel.stop()
        missed = report(bench.seen)
        print(f"load after: {os.getloadavg()}; {time.monotonic() - began:.0f} s; {missed} targets missed")
        if arguments.json:
            arguments.json.write_text(json.dumps(bench.seen, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
