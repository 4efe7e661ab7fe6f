"""What outlives what: sources that do not compile, two preludes at once, a killed kernel, a killed Jupyter, `:restart`, `:clear`.

usage: lives.py [CHECK]...   (with the Python of the environment that `cargo lathe lab` makes)
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
import psutil

import output_checks
from cell import Cell, expect, expect_error
from dep import crate
from places import Kernel

ROOT = pathlib.Path(__file__).resolve().parents[2]
checks = {}


def check(function):
    checks[function.__name__] = function
    return function


def prepared_of(client):
    """The prepared folder that the cells' process has loaded its library from."""
    pid = int(Cell(client, "std::process::id()").value)
    for process in [psutil.Process(pid)]:
        try:
            for each in process.memory_maps():
                if os.path.basename(each.path) == "liblathe.so":
                    return pathlib.Path(each.path).parent
        except psutil.Error:
            pass
    raise AssertionError("no process has loaded the prelude")


def copy_prepared(source, target):
    """Hard links: a prepared folder is never written again."""
    shutil.copytree(source, target, copy_function=lambda a, b: os.link(a, b))
    os.chmod(target, 0o755)
    return target


@check
def older_prelude(work):
    """Sources that do not compile: the prelude as it was, with a warning; without one, the compiler's words."""
    with Kernel() as client:
        Cell(client, "1")
        real = prepared_of(client)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    clone = work / "clone"
    for name in filter(lambda name: name and (ROOT / name).is_file() and not name.startswith(("notebooks/", "book/")), names):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    # Everything but our own crates is compiled there; of these the first one fails.
    target = json.loads(subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps", "--offline"], cwd=ROOT, capture_output=True, check=True).stdout)["target_directory"]
    environment = {"LATHE_ROOT": str(clone), "LATHE_CACHE": str(work / "cache"), "CARGO_TARGET_DIR": target, "LATHE_HISTORY": "off"}
    (work / "cache/prepared").mkdir(parents=True)
    older = copy_prepared(real, work / "cache/prepared" / real.name)
    info = json.loads((older / "prepared.json").read_text())
    (older / "prepared.json").unlink()
    (older / "prepared.json").write_text(json.dumps(dict(info, workspace=str(clone))))
    # Both crates with which a build begins, so that it ends at once.
    broken = [clone / "lab/events/src/lib.rs", clone / "lab/kernels/src/lib.rs"]
    for file in broken:
        file.write_text(file.read_text() + "\nfn broken() -> u8 { \"text\" }\n")
    with Kernel(**environment) as client:
        cell = Cell(client, "let x = 20; x + 22", timeout=400)
        said = cell.text("stderr")
        expect(cell.value == "42", cell.value, cell.of("error"))
        expect("do not compile" in said and ("lab/events/src/lib.rs" in said or "lab/kernels/src/lib.rs" in said) and "E0308" in said and "as it was built" in said, said)
        expect(said.count("WARNING") == 1, "said once", said)
        print("        " + said.strip().replace("\n", "\n        "))
        expect(Cell(client, "x").text("stderr") == "", "said once")
        expect(prepared_of(client) == older, prepared_of(client))
    shutil.rmtree(older)
    with Kernel(**environment) as client:
        error = expect_error(Cell(client, "1 + 1", timeout=400))
        expect("/src/lib.rs" in error["evalue"] and "E0308" in error["evalue"], error)
        print(f"        without an older one: {error['ename']}: {error['evalue'][:300]}")


@check
def two_preludes(work):
    """Two kernels at once on different prepared folders; the folder of one goes, the other does not care."""
    with Kernel() as client:
        Cell(client, "1")
        real = prepared_of(client)
    one, two = copy_prepared(real, work / "one"), copy_prepared(real, work / "two")
    with Kernel(LATHE_PREPARED=str(one)) as first, Kernel(LATHE_PREPARED=str(two)) as second:
        for client, folder, number in ((first, one, 1), (second, two, 2)):
            Cell(client, f"let x = {number};")
            expect(prepared_of(client) == folder, prepared_of(client), folder)
        shutil.rmtree(two)
        expect(Cell(first, "x").value == "1", "the first kernel's value")
        error = expect_error(Cell(second, "x + 1"))
        expect("restart the kernel" in error["evalue"] + " ".join(error["traceback"]), error)
        print(f"        its prepared folder removed: {error['ename']}: {error['evalue'][:200]}")


@check
def killed_kernel(work):
    """kill -9 of the kernel: its processes end at once, and the next kernel removes its folder."""
    kernel = Kernel()
    kernel.client.wait_for_ready(timeout=120)
    Cell(kernel.client, "let x = 1;")
    family = output_checks.family(kernel.manager)
    folders = output_checks.private_folders(family)
    expect(len(family) >= 3 and len(folders) == 1, family, folders)
    family[0].kill()
    output_checks.expect_gone(family, [])
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)
    with Kernel() as client:
        Cell(client, "1")
    output_checks.expect_gone([], folders)


PARENT = """
import sys, time
sys.path[:0] = sys.argv[1:3]
import output_checks
from cell import Cell
from places import Kernel
kernel = Kernel()
kernel.client.wait_for_ready(timeout=120)
Cell(kernel.client, "let x = 1;")
family = output_checks.family(kernel.manager)
print(*[p.pid for p in family], "|", *output_checks.private_folders(family), flush=True)
if sys.argv[3] == "busy":
    kernel.client.execute("loop { std::thread::sleep(std::time::Duration::from_millis(1)); }")
    time.sleep(2)
print("ready", flush=True)
time.sleep(600)
"""


@check
def killed_parent(work):
    """kill -9 of what started the kernel, idle or while a cell runs: no process and no private file is left."""
    for state in ("idle", "busy"):
        here = pathlib.Path(__file__).parent
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(here), str(here.parent / "e2e"), state], stdout=subprocess.PIPE, text=True)
        pids, _, folders = parent.stdout.readline().partition("|")
        family = [psutil.Process(int(pid)) for pid in pids.split()]
        expect(parent.stdout.readline().strip() == "ready" and len(family) >= 3, family)
        start = time.monotonic()
        parent.kill()
        parent.wait()
        output_checks.expect_gone(family, folders.split())
        print(f"        {state}: gone after {time.monotonic() - start:.1f} s")


@check
def restart_and_clear(work):
    helper = crate(work / "helper", "helper", "0.1.0", "pub fn three() -> i32 { 3 }")
    with Kernel() as client:
        Cell(client, f':dep helper = {{ path = "{helper}" }}\nfn twice(x: i32) -> i32 {{ 2 * x }}\nlet x = helper::three();')
        pid = Cell(client, "std::process::id()").value
        cell = Cell(client, ":restart")
        expect(cell.status == "ok" and "x" in cell.text("stderr"), cell.text("stderr"), cell.of("error"))
        expect_error(Cell(client, "x"), "E0425")
        cell = Cell(client, "twice(helper::three())")
        expect(cell.value == "6", "functions and crates stay", cell.value, cell.of("error"))
        expect(Cell(client, "std::process::id()").value != pid, "a new process")
        Cell(client, "let y = 5;")
        cell = Cell(client, ":clear")
        expect(cell.status == "ok" and "cleared" in cell.text("stderr"), cell.text("stderr"), cell.of("error"))
        for gone in ("y", "twice(1)", "helper::three()"):
            expect_error(Cell(client, gone))
        expect(Cell(client, 'df!("a" => [1])?.height()').value == "1", "the prelude is there")
        cell = Cell(client, f':dep helper = {{ path = "{helper}" }}\nhelper::three()')
        expect(cell.value == "3", cell.value, cell.of("error"))


def main(wanted):
    failed = 0
    for name in wanted or checks:
        work = pathlib.Path(tempfile.mkdtemp(prefix="lathe-lives-"))
        start = time.monotonic()
        try:
            checks[name](work)
            print(f"ok      {time.monotonic() - start:5.1f} s  {name}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__} {str(error)[:2000]}", flush=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
