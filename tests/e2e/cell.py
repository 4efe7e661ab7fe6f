"""One kernel, one cell at a time, through Jupyter's own client: what the checks of this folder share."""
import queue
import time

TIMEOUT = 120
checks = []


def check(name):
    def register(function):
        checks.append((name, function))
        return function
    return register


class Cell:
    """What came back for one execute request."""

    def __init__(self, client, code, during=None, timeout=TIMEOUT):
        self.messages, self.arrived = [], []
        start = time.monotonic()
        request = client.execute(code)
        end = start + timeout
        while True:
            message = client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            self.messages.append(message)
            self.arrived.append(time.monotonic() - start)
            if during:
                during(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        while True:
            self.reply = client.get_shell_msg(timeout=TIMEOUT)
            if self.reply["parent_header"].get("msg_id") == request:
                break

    def of(self, kind):
        return [m["content"] for m in self.messages if m["msg_type"] == kind]

    def at(self, kind):
        return [t for m, t in zip(self.messages, self.arrived) if m["msg_type"] == kind]

    def text(self, name="stdout"):
        return "".join(c["text"] for c in self.of("stream") if c["name"] == name)

    @property
    def value(self):
        results = self.of("execute_result")
        return results[0]["data"]["text/plain"] if results else None

    @property
    def status(self):
        return self.reply["content"]["status"]


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def expect_error(cell, ename=None):
    expect(cell.status == "error", "reply status", cell.status)
    expect(len(cell.of("error")) == 1, "one error message, got", len(cell.of("error")))
    error = cell.of("error")[0]
    for key in ("ename", "evalue", "traceback"):
        expect(error[key] == cell.reply["content"][key], key, "differs between reply and iopub")
    if ename:
        expect(error["ename"] == ename, "ename", error["ename"], "instead of", ename)
    return error


def expect_alive(client):
    cell = Cell(client, "20 + 22")
    expect(cell.value == "42", "the next cell answers", cell.value, cell.of("error"))
