"""The kernel in unfriendly places: a full disk under its private folder, a read-only home, spaces and Unicode in every path,
two kernels at once, no network. What needs mounts or namespaces is skipped where this user may not make them.

usage: places.py [CHECK]...   (with the Python of the environment that `cargo lathe lab` makes)
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from jupyter_client.manager import KernelManager

from cell import TIMEOUT, Cell, expect, expect_alive, expect_error

REAL_CACHE = pathlib.Path(os.environ.get("LATHE_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lathe")
checks = {}


class Skip(Exception):
    pass


def check(function):
    checks[function.__name__] = function
    return function


class Kernel:
    def __init__(self, cwd=None, **environment):
        self.manager = KernelManager(kernel_name="lathe")
        # What the kernel's spec says would win.
        self.manager.kernel_spec.env.update(environment)
        home = pathlib.Path.home()
        env = dict(os.environ, CARGO_HOME=os.environ.get("CARGO_HOME", str(home / ".cargo")), RUSTUP_HOME=os.environ.get("RUSTUP_HOME", str(home / ".rustup")))
        self.manager.start_kernel(env=dict(env, **environment), cwd=None if cwd is None else str(cwd))
        self.client = self.manager.client()
        self.client.start_channels()

    def __enter__(self):
        self.client.wait_for_ready(timeout=TIMEOUT)
        return self.client

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)


def scratch_cache(folder):
    """A cache of its own that shares the prepared libraries."""
    folder.mkdir(parents=True)
    (folder / "prepared").symlink_to(REAL_CACHE / "prepared")
    return folder


def mount(folder, *options):
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True).returncode:
        raise Skip("may not mount here")


@check
def full_disk(work):
    cache = scratch_cache(work / "cache")
    mount(cache / "run", "-o", "size=24m")
    try:
        with Kernel(LATHE_CACHE=str(cache)) as client:
            Cell(client, "let kept = 5;")
            filler = cache / "run/filler"
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(1 << 16))
                except OSError:
                    pass
                try:
                    while True:
                        file.write(bytes(1))
                except OSError:
                    pass
            error = expect_error(Cell(client, "kept + 1"))
            print(f"        full disk: {error['ename']}: {error['evalue'][:200]}")
            said = (error["evalue"] + "".join(error["traceback"])).lower()
            expect("space" in said or "disk" in said, "says why", error)
            filler.unlink()
            cell = Cell(client, "kept + 1")
            expect(cell.value == "6", "works again and kept its variables", cell.of("error"))
    finally:
        subprocess.run(["umount", "-l", str(cache / "run")])


@check
def read_only_home(work):
    home = work / "home"
    mount(home, "-o", "size=1m,ro")
    try:
        with Kernel(HOME=str(home), LATHE_CACHE=str(REAL_CACHE), XDG_DATA_HOME=str(home / "data"), XDG_CACHE_HOME=str(home / "cache")) as client:
            expect_alive(client)
            expect(Cell(client, "let x = 3; x * 2").value == "6")
    finally:
        subprocess.run(["umount", "-l", str(home)])


@check
def spaces_and_unicode(work):
    place = work / "Größe & 日本 dir"
    folders = {name: place / f"{name} ü 'quoted'" for name in ("home", "tmp", "notebooks")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    cache = scratch_cache(place / "ca che")
    with Kernel(cwd=folders["notebooks"], HOME=str(folders["home"]), TMPDIR=str(folders["tmp"]), LATHE_CACHE=str(cache)) as client:
        expect_alive(client)
        cell = Cell(client, 'std::fs::write("ö.txt", "x")?; std::env::current_dir()?.display().to_string()')
        expect(cell.value is not None and "notebooks ü" in cell.value, cell.value, cell.of("error"))
        expect((folders["notebooks"] / "ö.txt").exists(), "the cell runs in the notebook's folder")
        expect_error(Cell(client, "let wrong: i32 = 1.5;"), "E0308")
        expect(Cell(client, 'df!("a" => [1])?').value is not None, "a frame")


@check
def two_kernels(work):
    with Kernel() as first, Kernel() as second:
        Cell(first, "let x = 1;")
        Cell(second, "let x = 2;")
        one, two = first.execute("x"), second.execute("x")
        for client, request, answer in ((first, one, "1"), (second, two, "2")):
            while True:
                message = client.get_iopub_msg(timeout=TIMEOUT)
                if message["parent_header"].get("msg_id") == request and message["msg_type"] == "execute_result":
                    expect(message["content"]["data"]["text/plain"] == answer, message["content"])
                    break
            client.get_shell_msg(timeout=TIMEOUT)
        expect_error(Cell(second, "std::process::abort();"), "ProcessDied")
        expect(Cell(first, "x").value == "1", "the other one does not care")
        expect_alive(second)


@check
def no_network(work):
    if os.geteuid() or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode or not shutil.which("ip"):
        raise Skip("may not make a network namespace here")
    code = "import places, pathlib\nwith places.Kernel() as client:\n    places.expect_alive(client)\n    places.expect(places.Cell(client, 'let x = 1; x').value == '1')\nprint('alive')"
    done = subprocess.run(["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$0" -c "$1"', sys.executable, code],
                          cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, timeout=300)
    expect("alive" in done.stdout, done.stdout, done.stderr[-1000:])


def main(wanted):
    failed = 0
    for name in wanted or checks:
        work = pathlib.Path(tempfile.mkdtemp(prefix="lathe-places-"))
        try:
            checks[name](work)
            print(f"ok      {name}", flush=True)
        except Skip as reason:
            print(f"skipped {name}: {reason}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__} {str(error)[:1500]}", flush=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
