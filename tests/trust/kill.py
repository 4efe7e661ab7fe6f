"""kill -9 of the process that runs cells, of the pump, and of the kernel, at random points of a run of cells. Each time the
kernel must recover (or, killed itself, leave nothing behind). The points depend on the seed alone.

usage: kill.py [--cells 15] [--seed 1]   (with the Python of the environment that `cargo lathe lab` makes)
"""
import argparse
import pathlib
import queue
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
import psutil
from jupyter_client.manager import KernelManager

import output_checks
from cell import TIMEOUT, Cell, expect

CELL = 'let numbers: Vec<u64> = (0..1000).collect();\nfor i in 0..20 { println!("{i}"); std::thread::sleep(std::time::Duration::from_millis(10)); }\nnumbers.len()'


def start():
    manager = KernelManager(kernel_name="lathe")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=TIMEOUT)
    Cell(client, "1")
    return manager, client


def victims(manager):
    """Kernel, pump, cells' process; what compiles is not among them."""
    kernel = output_checks.family(manager)[0]
    pump = next((p for p in kernel.children() if p.name() not in ("cargo", "rustc", "rustup")), None)
    child = next(iter(pump.children()), None) if pump else None
    return {"kernel": kernel, "pump": pump, "child": child}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    killed = {"child": 0, "pump": 0, "kernel": 0, "nobody": 0}
    manager, client = start()
    for n in range(options.cells):
        # The kernel itself seldom: its start is what takes the time.
        who = "kernel" if n % 10 == 7 else chance.choice(["child", "pump", "nobody"])
        delay = chance.uniform(0, 0.8)
        everyone = output_checks.family(manager)
        folders = output_checks.private_folders(everyone)

        def strike():
            time.sleep(delay)
            try:
                victims(manager)[who].kill()
            except (psutil.Error, AttributeError):
                pass  # it had just ended
        striker = threading.Thread(target=strike) if who != "nobody" else None
        if striker:
            striker.start()
        killed[who] += 1
        if who == "kernel":
            client.execute(CELL)
            striker.join()
            end = time.monotonic() + 30
            while manager.is_alive() and time.monotonic() < end:
                time.sleep(0.05)
            expect(not manager.is_alive(), "the kernel is dead")
            output_checks.expect_gone(everyone, [])
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            manager, client = start()
            output_checks.expect_gone([], folders)  # removed by the next kernel
        else:
            try:
                cell = Cell(client, CELL)
            except queue.Empty:
                expect(False, n, who, delay, "no answer")
            expect(cell.status in ("ok", "error"), cell.reply)
            if cell.status == "error":
                expect(cell.of("error")[0]["ename"] in ("ProcessDied", "CompileError"), n, who, delay, cell.of("error"))
            if striker:
                striker.join()
            for _ in range(2):
                # A kill after the cell's end is noticed by the next cell.
                after = Cell(client, "20 + 22")
                if after.value == "42":
                    break
            expect(after.value == "42", n, who, delay, after.of("error"))
        print(f"{n}: {who} after {delay:.2f} s: recovered", flush=True)
    everyone = output_checks.family(manager)
    folders = output_checks.private_folders(everyone)
    client.stop_channels()
    manager.shutdown_kernel(now=False)
    output_checks.expect_gone(everyone, folders)
    print(f"ok: {options.cells} cells, killed {killed}; nothing left behind", flush=True)


if __name__ == "__main__":
    main()
