"""Wrong messages to the real kernel process: bad signatures, parts missing or cut, wrong types, unknown and huge messages, code
nested 15 000 levels deep, and bytes that are no ZeroMQ at all on every port. The kernel must go on answering, keep its
variables, and not grow.

usage: fuzz.py [--messages 3000] [--raw 60] [--seed 1]   (with the Python of the environment that `cargo lathe lab` makes)
By hand: --messages 100000 --raw 1000.
"""
import argparse
import hashlib
import hmac
import json
import pathlib
import random
import socket
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
import psutil
import zmq

from cell import TIMEOUT, Cell, expect
from places import Kernel

DELIMITER = b"<IDS|MSG>"
CHEAP = ["kernel_info_request", "is_complete_request", "history_request", "comm_info_request", "comm_open", "comm_msg", "comm_close", "input_reply",
         "interrupt_request", "debug_request", "create_subshell_request", "connect_request", "", "no_such_request"]
# These ask the compiler or rust-analyzer: a tenth of a second and more each.
COSTLY = ["execute_request", "complete_request", "inspect_request"]
FIELDS = ["code", "silent", "store_history", "stop_on_error", "user_expressions", "allow_stdin", "cursor_pos", "detail_level", "hist_access_type", "session",
          "start", "stop", "n", "pattern", "unique", "output", "raw", "comm_id", "target_name", "data", "value", "restart"]
TEXTS = ["", "é日.ab", "\0", "?x", "x?", "(((", '"', "1 + 1", "let x = ", ":help", "tail", "range", "search", "🦀🦀", "a\nb\r\n", "(" * 3000]


class Fuzzer:
    def __init__(self, manager, seed, costly):
        self.costly = costly
        self.chance = random.Random(seed)
        info = manager.get_connection_info()
        self.key = info["key"] if isinstance(info["key"], bytes) else info["key"].encode()
        self.ports = [info[name] for name in ("shell_port", "control_port", "stdin_port", "iopub_port", "hb_port")]
        context = zmq.Context.instance()
        self.sockets = {}
        for name, kind in (("shell", zmq.DEALER), ("control", zmq.DEALER), ("iopub", zmq.SUB)):
            self.sockets[name] = context.socket(kind)
            self.sockets[name].linger = 0
            self.sockets[name].connect(f"tcp://127.0.0.1:{info[name + '_port']}")
        self.sockets["iopub"].subscribe(b"")

    def frames(self, header, content, key=None, parent=b"{}", metadata=b"{}"):
        parts = [header, parent, metadata, content]
        signature = hmac.new(self.key if key is None else key, b"".join(parts), hashlib.sha256).hexdigest().encode()
        return [DELIMITER, signature, *parts]

    def header(self, kind):
        return {"msg_id": uuid.UUID(int=self.chance.getrandbits(128)).hex, "msg_type": kind, "session": "fuzz", "username": "", "version": "5.4", "date": "2026-11-20T00:00:00Z"}

    def value(self, depth):
        number = self.chance.randrange(9 if depth else 6)
        if number < 6:
            return [None, self.chance.random() < 0.5, self.chance.choice([-2**63, 2**64 - 1, 0.5, 1e300, -1]), self.chance.randrange(9), self.chance.choice(TEXTS), "x" * self.chance.randrange(2000)][number]
        if number == 6:
            return [self.value(depth - 1) for _ in range(self.chance.randrange(4))]
        return {self.chance.choice(["a", "", "code", "é", "comm_id", "data"]): self.value(depth - 1) for _ in range(self.chance.randrange(4))}

    def bytes(self, most):
        return self.chance.randbytes(self.chance.randrange(most))

    def message(self):
        kind = self.chance.choice(COSTLY if self.chance.random() < self.costly else CHEAP)
        header, dump = self.header(kind), lambda x: json.dumps(x).encode()
        content = {self.chance.choice(FIELDS): self.value(3) for _ in range(self.chance.randrange(8))}
        if kind in COSTLY and "code" in content and not isinstance(content["code"], str):
            content["code"] = "1 +"
        change = self.chance.randrange(16)
        if change == 0:
            del header[self.chance.choice(list(header))]
        elif change == 1:
            header[self.chance.choice(["msg_id", "session", "date", "version", "username"])] = self.value(2)
        frames = self.frames(dump(header), dump(content))
        evil = dump(dict(header, msg_type="shutdown_request"))
        if change == 2:
            frames = self.frames(evil, dump(content), key=b"another key")
        elif change == 3:
            frames = self.frames(evil, dump(content))
            frames[1] = b""
        elif change == 4:
            frames = frames[:self.chance.randrange(1, len(frames))]
        elif change == 5:
            frames = [self.bytes(200) for _ in range(self.chance.randrange(1, 9))]
        elif change == 6:
            frames[self.chance.randrange(len(frames))] = self.bytes(300)
        elif change == 7:
            frames += [self.bytes(1000) for _ in range(self.chance.randrange(5))]
        elif change == 8:
            frames = [DELIMITER] * self.chance.randrange(1, 6)
        elif change == 9:
            # Signed right, but no JSON, or JSON of another shape.
            frames = self.frames(*(self.chance.choice([self.bytes(50), b"[]", b"null", b"1e999", b'{"a":']) for _ in range(2)))
        return frames

    def drain(self):
        for each in self.sockets.values():
            try:
                while True:
                    each.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                pass

    def ask(self, name, kind, content, seconds=120):
        """The reply to one good question; whatever else comes is thrown away."""
        header = self.header(kind)
        self.sockets[name].send_multipart(self.frames(json.dumps(header).encode(), json.dumps(content).encode()))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.drain_iopub()
            if self.sockets[name].poll(50):
                parts = self.sockets[name].recv_multipart()
                at = parts.index(DELIMITER)
                if json.loads(parts[at + 3]).get("msg_id") == header["msg_id"]:
                    return json.loads(parts[at + 5])
        raise AssertionError(f"{kind} is not answered on {name}")

    def drain_iopub(self):
        try:
            while True:
                self.sockets["iopub"].recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            pass

    def garbage(self):
        """A connection that does not speak ZeroMQ, or only begins to."""
        with socket.create_connection(("127.0.0.1", self.chance.choice(self.ports)), timeout=5) as raw:
            greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL".ljust(24, b"\0") + b"\0" * 31
            ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
            # A frame of 2^62 bytes is announced; another is promised and never sent.
            huge = b"\x02" + (2**62).to_bytes(8, "big")
            text = self.chance.choice([self.bytes(2000), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", greeting[:self.chance.randrange(1, 64)], greeting + self.bytes(500),
                                       greeting + ready + huge, greeting + ready + b"\x02" + (1 << 28).to_bytes(8, "big") + b"x" * 1000, greeting + ready + self.bytes(300), b""])
            try:
                raw.sendall(text)
                if self.chance.random() < 0.3:
                    raw.recv(10)
            except OSError:
                pass  # it may hang up at once


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--raw", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--costly", type=float, default=0.003, help="share of messages that ask the compiler or rust-analyzer")
    options = parser.parse_args()
    kernel = Kernel(LATHE_HISTORY="off")
    with kernel as client:
        fuzz = Fuzzer(kernel.manager, options.seed, options.costly)
        process = psutil.Process(kernel.manager.provisioner.pid)
        megabytes = lambda: process.memory_info().rss / 1e6

        def still_answers():
            for name in ("control", "shell"):
                expect(fuzz.ask(name, "kernel_info_request", {})["status"] == "ok")
            fuzz.drain()
        expect(Cell(client, "let kept = 42;\nkept").value == "42")
        for code in ("String::n", "kept."):
            fuzz.ask("shell", "complete_request", {"code": code, "cursor_pos": len(code)})
        # A front end that does not read makes the kernel keep up to 100 000 messages for it: not what is measured here.
        client.stop_channels()
        start = time.monotonic()
        print(f"at the start {megabytes():.0f} MB", flush=True)
        # The deepest text that is parsed touches most of one stack, which the C library keeps for the next thread.
        for _ in range(3):
            fuzz.ask("shell", "is_complete_request", {"code": "(" * 15_000})
        deep = megabytes()
        for _ in range(200):
            fuzz.ask("shell", "is_complete_request", {"code": "(" * 15_000})
        print(f"deeply nested code: {deep:.0f} MB after 3, {megabytes():.0f} MB after 203", flush=True)
        begin = None
        for n in range(options.messages):
            name = "control" if fuzz.chance.random() < 0.25 else "shell"
            fuzz.sockets[name].send_multipart(fuzz.message())
            if n % 250 == 249:
                still_answers()
            if n + 1 in (options.messages // 5, options.messages // 2, options.messages):
                still_answers()
                print(f"{n + 1} messages: {megabytes():.0f} MB, {time.monotonic() - start:.0f} s", flush=True)
                begin = begin or megabytes()
        for _ in range(options.raw):
            fuzz.garbage()
        still_answers()
        print(f"{options.raw} raw connections: {megabytes():.0f} MB, {process.num_fds()} descriptors", flush=True)
        # Without a signature: dropped without a look.
        fuzz.sockets["shell"].send_multipart([DELIMITER, b"0" * 64, b" " * (100 << 20)])
        fuzz.sockets["control"].send(bytes(100 << 20))
        still_answers()
        code = "1 + 1 // " + "x" * (20 << 20)
        expect(fuzz.ask("shell", "is_complete_request", {"code": code})["status"] in ("complete", "unknown"))
        time.sleep(1)
        end = megabytes()
        print(f"two messages of 100 MB, one of 20 MB: {end:.0f} MB", flush=True)
        kernel.client = client = kernel.manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=TIMEOUT)
        cell = Cell(client, "kept + 1")
        expect(cell.value == "43", "the cells' process and its variables are there", cell.value, cell.of("error"))
        # Signatures (3 MB), the parser's stack and the allocator's pools are kept; a leak of 1 kB a message would be 100 MB.
        expect(end - begin < 60, f"memory grew from {begin:.0f} to {end:.0f} MB")
    print(f"ok: {options.messages} messages, {options.raw} raw connections, still answering after {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
