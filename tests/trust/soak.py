"""Many cells in one kernel: does anything grow? Prints latency at the start and at the end, memory, descriptors, disk.

usage: soak.py [--cells 60] [--minutes 25]   (with the Python of the environment that `cargo lathe lab` makes)
Ends with status 1 when a cell gives a wrong answer, or something grows without bound.
"""
import argparse
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from jupyter_client.manager import KernelManager

import output_checks
from cell import TIMEOUT, Cell, expect


def cell_and_answer(n):
    """What a notebook does, in turn; all of it leaves nothing behind but what it replaces."""
    kind = n % 8
    if kind == 0:
        return f"{n} + 1", str(n + 1)
    if kind == 1:
        return f"let v: Vec<u64> = (0..{n % 50}).collect();\nv.len()", str(n % 50)
    if kind == 2:
        return f"fn f() -> u64 {{ {n} }}\nf()", str(n)
    if kind == 3:
        return f'for i in 0..20 {{ println!("line {{i}} of {n}"); }}', None
    if kind == 4:
        return 'df!("a" => [1, 2, 3], "b" => [1.0, 2.0, 3.0])?', ...
    if kind == 5:
        return 'lines_xy(&[0.0, 1.0, 2.0], &[("y", &[0.0, 1.0, 4.0][..])])?', ...
    if kind == 6:
        return f'panic!("on purpose {n}")', "Panic"
    return f"let wrong: i32 = {n}.5;", "E0308"


def state(manager):
    processes = output_checks.family(manager)
    folders = output_checks.private_folders(processes)
    disk = sum(f.stat().st_blocks * 512 for folder in folders for f in pathlib.Path(folder).rglob("*") if f.is_file() and not f.is_symlink())
    below = processes[1:]
    return {"kernel MB": processes[0].memory_info().rss / 1e6, "child MB": sum(p.memory_info().rss for p in below) / 1e6, "processes": len(processes),
            "descriptors": processes[0].num_fds(), "child descriptors": max((p.num_fds() for p in below), default=0),
            "threads": processes[0].num_threads(), "disk MB": disk / 1e6, "files": sum(len(files) for f in folders for _, _, files in os.walk(f))}


def show(name, numbers):
    print(f"{name}: " + ", ".join(f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in numbers.items()), flush=True)


def quantiles(seconds):
    ordered = sorted(seconds)
    return {"cells": len(ordered), "median s": round(statistics.median(ordered), 3), "90 % s": round(ordered[int(0.9 * (len(ordered) - 1))], 3), "longest s": round(ordered[-1], 3)}


def compare(old, pairs=12):
    """The old kernel beside a fresh one, in turn: a ratio does not depend on what else the machine does."""
    manager = KernelManager(kernel_name="lathe")
    manager.start_kernel()
    fresh = manager.client()
    fresh.start_channels()
    try:
        fresh.wait_for_ready(timeout=TIMEOUT)
        for n in range(16):
            Cell(fresh, cell_and_answer(n)[0])
        seconds = {"old": [], "fresh": []}
        for n in range(pairs):
            for name, client in (("old", old), ("fresh", fresh)) if n % 2 else (("fresh", fresh), ("old", old)):
                start = time.monotonic()
                expect(Cell(client, f"{n} + 1").value == str(n + 1))
                seconds[name].append(time.monotonic() - start)
        one, two = statistics.median(seconds["old"]), statistics.median(seconds["fresh"])
        print(f"n + 1 in turn, median of {pairs}: this kernel {one:.3f} s, a fresh one {two:.3f} s, ratio {one / two:.2f}", flush=True)
    finally:
        fresh.stop_channels()
        manager.shutdown_kernel(now=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=25)
    options = parser.parse_args()
    manager = KernelManager(kernel_name="lathe")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        for n in range(16):  # the first of each kind pays for what the others reuse
            Cell(client, cell_and_answer(n)[0])
        begin = state(manager)
        show("after 16 cells", begin)
        latencies, plain, end = [], [], time.monotonic() + 60 * options.minutes
        for n in range(16, 16 + options.cells):
            code, answer = cell_and_answer(n)
            start = time.monotonic()
            cell = Cell(client, code)
            latencies.append(time.monotonic() - start)
            if n % 8 == 0:
                plain.append(latencies[-1])
            if answer in ("Panic", "E0308"):
                expect([e["ename"] for e in cell.of("error")] == [answer], n, code, cell.of("error"))
            elif answer is ...:
                expect(cell.value is not None, n, code, cell.of("error"))
            else:
                expect(cell.value == answer, n, code, cell.value, cell.of("error"))
            if time.monotonic() > end:
                break
            if n % 500 == 0:
                show(f"after {n} cells", state(manager))
        after = state(manager)
        show(f"after {16 + len(latencies)} cells", after)
        tenth = max(1, len(latencies) // 10)
        show("all kinds, first tenth", quantiles(latencies[:tenth]))
        show("all kinds, last tenth", quantiles(latencies[-tenth:]))
        show("n + 1, first tenth", quantiles(plain[:max(1, len(plain) // 10)]))
        show("n + 1, last tenth", quantiles(plain[-max(1, len(plain) // 10):]))
        compare(client)
        per_cell = (after["disk MB"] - begin["disk MB"]) * 1000 / len(latencies)
        print(f"disk growth {per_cell:.1f} kB a cell, kernel memory {1000 * (after['kernel MB'] - begin['kernel MB']) / len(latencies):.1f} kB a cell, "
              f"child {1000 * (after['child MB'] - begin['child MB']) / len(latencies):.1f} kB a cell", flush=True)
        expect(after["descriptors"] <= begin["descriptors"] + 8, "descriptors grow", begin, after)
        expect(after["processes"] <= begin["processes"] + 1, "processes are left", begin, after)
        expect(after["threads"] <= begin["threads"] + 8, "threads grow", begin, after)
        expect(after["kernel MB"] < begin["kernel MB"] + 200 + 0.1 * len(latencies), "memory grows", begin, after)
        # Every cell's library stays loaded, because values may point into it; 46 kB was measured over 5000 cells.
        expect(after["child MB"] < begin["child MB"] + 60 + 0.1 * len(latencies), "the cells' process grows", begin, after)
        expect(per_cell < 200, "the disk fills", per_cell)
        print("ok", flush=True)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)


if __name__ == "__main__":
    main()
