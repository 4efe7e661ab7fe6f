"""Jupyter's own conformance suite (PyPI: jupyter_kernel_test 0.7) against our kernel, and what the suite leaves out.

usage: kernel_conformance.py [TEST ...]

Nothing may be skipped. Works with any Python that has jupyter_kernel_test; KERNEL names another kernelspec.
"""
import os
import sys
import tempfile
import time
import unittest

# A history of its own: the suite counts what it finds there, and the user's must stay as it is.
scratch = tempfile.TemporaryDirectory()
os.environ["LATHE_HISTORY"] = os.path.join(scratch.name, "history.jsonl")

import jupyter_kernel_test as jkt
from jupyter_client.manager import start_new_kernel
from jupyter_kernel_test.msgspec_v5 import validate_message

KERNEL = os.environ.get("KERNEL", "lathe")
# The suite's own 15 s are too short for a first cell on a machine that builds something else.
PATIENCE = 180


def warm(client):
    """The engine starts in the background; the suite's time limits are for a kernel that is there."""
    client.execute("1 + 1", store_history=False)
    client.get_shell_msg(timeout=PATIENCE)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        client.complete("String::new().to_upp")
        if client.get_shell_msg(timeout=PATIENCE)["content"]["matches"]:
            return


class Suite(jkt.KernelTests):
    kernel_name = KERNEL
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oops");'
    completion_samples = [
        {"text": "let s = String::new(); s.to_upp", "matches": {"to_uppercase"}},
        {"text": "std::collections::HashM", "matches": {"HashMap"}},
        {"text": 'let größe = "π"; größe.to_upp', "matches": {"to_uppercase"}},
    ]
    complete_code_samples = [
        "1 + 1", "fn f() -> i32 { 2 }", "let x = 3;", "// a comment", ":help", 'let s = r#"{"#;', "for i in 0..3 {\n}",
    ]
    incomplete_code_samples = ["fn f() {", "let v = vec![1,", 'println!("a', "/* not yet", "if a {\n    match b {", "let x ="]
    invalid_code_samples = ["let = = 3;", "fn 5x() {}", "let v = [1);", "}"]
    code_page_something = "Vec::push?"
    code_generate_error = 'panic!("boom");'
    code_execute_result = [
        {"code": "6*7", "result": "42"},
        {"code": "(1..=4).sum::<i32>()", "result": "10"},
        {"code": 'format!("{}", "é")', "result": '"é"'},
        {"code": "vec![1.5, 2.0]", "result": "[1.5, 2.0]"},
    ]
    code_display_data = [
        {"code": 'display(html("<b>bold</b>"));', "mime": "text/html"},
        {"code": 'display(markdown("*bold*"));', "mime": "text/markdown"},
        {
            "code": 'lines(&df!("t" => [0.0, 1.0], "y" => [3.0, 2.0]).unwrap(), "t", ["y"]).unwrap().show();',
            "mime": "image/png",
        },
    ]
    code_history_pattern = "6?7*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "String::new"
    code_clear_output = "clear_output(false);"

    @classmethod
    def setUpClass(cls):
        cls.km, cls.kc = start_new_kernel(kernel_name=cls.kernel_name, startup_timeout=PATIENCE)
        warm(cls.kc)


class Welcome(jkt.IopubWelcomeTests):
    kernel_name = KERNEL
    support_iopub_welcome = True


class Protocol(unittest.TestCase):
    """What the messaging specification asks for and the suite does not look at."""

    @classmethod
    def setUpClass(cls):
        cls.km, cls.kc = start_new_kernel(kernel_name=KERNEL, startup_timeout=PATIENCE)
        warm(cls.kc)

    @classmethod
    def tearDownClass(cls):
        cls.kc.stop_channels()
        cls.km.shutdown_kernel()
        assert not cls.km.is_alive()

    def reply(self, request, kind):
        while True:
            reply = self.kc.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"]["msg_id"] == request:
                if reply["content"].get("status") != "aborted":
                    validate_message(reply, kind, request)
                return reply["content"]

    def heard(self, request):
        messages = []
        while True:
            message = self.kc.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request:
                validate_message(message)
                messages.append(message)
                if message["content"].get("execution_state") == "idle":
                    return messages

    def run_cell(self, code, **options):
        request = self.kc.execute(code, **options)
        reply = self.reply(request, "execute_reply")
        return reply, self.heard(request)

    @staticmethod
    def kinds(messages):
        return [m["content"].get("execution_state") or m["msg_type"] for m in messages]

    def test_kernel_info_is_complete(self):
        content = self.reply(self.kc.kernel_info(), "kernel_info_reply")
        language = content["language_info"]
        for key in ("name", "version", "mimetype", "file_extension", "pygments_lexer", "codemirror_mode", "nbconvert_exporter"):
            self.assertTrue(language[key], key)
        self.assertEqual(content["protocol_version"], "5.4")
        self.assertIsInstance(content["supported_features"], list)
        self.assertTrue(content["implementation_version"] and "Rust" in content["banner"])
        self.assertTrue(all(link["url"].startswith("https://") and link["text"] for link in content["help_links"]))

    def test_a_cell_is_broadcast_in_order(self):
        reply, heard = self.run_cell('println!("a"); 5')
        self.assertEqual(self.kinds(heard), ["busy", "execute_input", "stream", "execute_result", "idle"])
        self.assertEqual(heard[1]["content"]["execution_count"], reply["execution_count"])
        self.assertEqual(heard[3]["content"]["execution_count"], reply["execution_count"])

    def test_counts_follow_stored_cells(self):
        first = self.run_cell("let counted = 1;")[0]["execution_count"]
        self.assertEqual(self.run_cell("1", store_history=False)[0]["execution_count"], first)
        self.assertEqual(self.run_cell("1", silent=True)[0]["execution_count"], first)
        self.assertEqual(self.run_cell("")[0]["execution_count"], first)
        failed, _ = self.run_cell("nosuch")
        self.assertEqual((failed["status"], failed["execution_count"]), ("error", first + 1))
        self.assertEqual(self.run_cell("2")[0]["execution_count"], first + 2)

    def test_silent_cells_run_and_say_nothing(self):
        _, heard = self.run_cell("let from_silence = 11; println!(\"x\"); from_silence", silent=True)
        self.assertEqual(self.kinds(heard), ["busy", "idle"])
        self.assertEqual(self.run_cell("from_silence", silent=True, user_expressions={"v": "from_silence"})[0]
                         ["user_expressions"]["v"]["data"]["text/plain"], "11")

    def test_user_expressions(self):
        asked = {"sum": "listed.iter().sum::<i32>()", "list": "listed", "again": "listed", "wrong": "nosuch", "code": "let"}
        reply, heard = self.run_cell("let listed = vec![1, 2, 3];", user_expressions=asked)
        answers = reply["user_expressions"]
        self.assertEqual(set(answers), set(asked))
        self.assertEqual(answers["sum"]["data"]["text/plain"], "6")
        self.assertEqual(answers["list"], answers["again"])
        self.assertEqual((answers["wrong"]["status"], answers["wrong"]["ename"]), ("error", "E0425"))
        self.assertTrue(answers["wrong"]["traceback"])
        self.assertEqual(answers["code"]["status"], "error")
        self.assertEqual(self.kinds(heard), ["busy", "execute_input", "idle"])

    def test_an_error_aborts_what_was_queued(self):
        first = self.kc.execute('std::thread::sleep(std::time::Duration::from_millis(500)); panic!("stop")')
        second = self.kc.execute("1 + 1")
        self.assertEqual(self.reply(first, "execute_reply")["status"], "error")
        self.assertEqual(self.reply(second, "execute_reply")["status"], "aborted")
        self.assertEqual(self.kinds(self.heard(second)), ["busy", "idle"])
        third = self.kc.execute("panic!(\"go on\")", stop_on_error=False)
        fourth = self.kc.execute("2 + 2")
        self.assertEqual(self.reply(third, "execute_reply")["status"], "error")
        self.assertEqual(self.reply(fourth, "execute_reply")["status"], "ok")
        self.heard(fourth)

    def test_documentation_pages(self):
        for code in ("?String", "Vec::push??", "println!?", "lines?"):
            page, = self.run_cell(code)[0]["payload"]
            self.assertEqual((page["source"], page["start"]), ("page", 0), code)
            self.assertTrue(page["data"]["text/plain"] and page["data"]["text/html"], code)
        self.assertEqual(self.run_cell("?no_such_name")[0]["payload"], [])
        # A value with a question mark is Rust.
        self.run_cell("let fine: Result<i32, String> = Ok(7);")
        reply, heard = self.run_cell("fine?")
        self.assertEqual((reply["payload"], heard[-2]["content"]["data"]["text/plain"]), ([], "7"))

    def test_inspection_is_plain_and_rich(self):
        content = self.reply(self.kc.inspect("let v = String::new();", len("let v = String::n")), "inspect_reply")
        self.assertTrue(content["found"])
        self.assertIn("String", content["data"]["text/plain"])
        self.assertIn("<", content["data"]["text/html"])
        self.assertFalse(self.reply(self.kc.inspect("no_such_name"), "inspect_reply")["found"])

    def test_completions_are_names_in_characters(self):
        code = 'let größe = "日本"; größe.to_upp + 1'
        end = code.index(" + 1")
        content = self.reply(self.kc.complete(code, end), "complete_reply")
        self.assertEqual((content["cursor_start"], content["cursor_end"]), (end - len("to_upp"), end))
        content = self.reply(self.kc.complete("String::from_utf"), "complete_reply")
        self.assertIn("from_utf8", content["matches"])
        self.assertFalse([m for m in content["matches"] if not m.isidentifier()], content["matches"])

    def test_incomplete_code_is_indented(self):
        content = self.reply(self.kc.is_complete("if a {\n    match b {"), "is_complete_reply")
        self.assertEqual(content, {"status": "incomplete", "indent": " " * 8})

    def test_clear_output_waits(self):
        _, heard = self.run_cell('println!("a"); clear_output(true); println!("b");')
        self.assertEqual(self.kinds(heard), ["busy", "execute_input", "stream", "clear_output", "stream", "idle"])
        self.assertTrue(heard[3]["content"]["wait"])

    def test_comms(self):
        content = self.reply(self.kc.comm_info(), "comm_info_reply")
        self.assertIsInstance(content["comms"], dict)
        self.assertEqual(self.reply(self.kc.comm_info("no.such.target"), "comm_info_reply")["comms"], {})

    def test_interrupt(self):
        request = self.kc.execute('println!("go"); loop { check(); std::thread::sleep(std::time::Duration::from_millis(5)); }')
        while self.kc.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
            pass
        self.km.interrupt_kernel()
        self.assertEqual(self.reply(request, "execute_reply")["status"], "error")
        self.assertEqual(self.run_cell("6 * 7")[1][-2]["content"]["data"]["text/plain"], "42")

    def test_history_reaches_back_to_the_kernel_before(self):
        self.run_cell("1000 + 1")
        client, manager = self.kc, self.km
        manager.restart_kernel(now=False)
        client.wait_for_ready(timeout=PATIENCE)
        request = client.history(hist_access_type="range", session=-1, start=0, raw=True, output=True)
        last = self.reply(request, "history_reply")["history"][-1]
        self.assertEqual(last[2], ["1000 + 1", "1001"])
        self.run_cell("1000 + 2")
        history = lambda **how: self.reply(client.history(raw=True, output=False, **how), "history_reply")["history"]
        (old, _, before), (new, number, now) = history(hist_access_type="tail", n=2)
        self.assertEqual((before, now, number), ("1000 + 1", "1000 + 2", 1))
        self.assertGreater(new, old)
        self.assertEqual(history(hist_access_type="range", session=0, start=1, stop=2), [[new, 1, "1000 + 2"]])
        self.assertEqual(history(hist_access_type="search", pattern="1000 + ?", unique=True, n=1), [[new, 1, "1000 + 2"]])


class Verdict(unittest.TextTestResult):
    """One line per test."""

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self.began = time.monotonic()

    def line(self, word, test):
        print(f"{word:8}{time.monotonic() - self.began:6.2f} s  {test.id().split('.', 1)[1]}", flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, err):
        self.line("FAILED", test)
        unittest.TestResult.addFailure(self, test, err)

    addError = addFailure

    def addSkip(self, test, reason):
        self.line("SKIPPED", test)
        unittest.TestResult.addSkip(self, test, reason)

    def addSubTest(self, test, subtest, err):
        unittest.TestResult.addSubTest(self, test, subtest, err)


def main():
    loader = unittest.defaultTestLoader
    names = sys.argv[1:]
    module = sys.modules[__name__]
    suite = loader.loadTestsFromNames(names, module) if names else loader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Verdict).run(suite)
    return 0 if result.wasSuccessful() and not result.skipped else 1


if __name__ == "__main__":
    sys.exit(main())
