"""`:dep` in real kernels. Without the network: crates in folders (features, two versions, one that builds for a minute), the
notice before, values kept, the second session, an interrupt, the bound of the cache, edited sources, error messages.

usage: dep.py [CHECK]... [--online]     (with the Python of the environment that `cargo lathe lab` makes)
--online adds crates from the registry: itoa, regex, nalgebra, serde with features; some minutes.
"""
import os
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from cell import Cell, expect, expect_error
from places import Kernel, scratch_cache

checks = {}


def check(function):
    checks[function.__name__] = function
    return function


def crate(folder, name, version, text, more="", build=None):
    """A package in a folder."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n[workspace]\n{more}')
    (folder / "src/lib.rs").write_text(text)
    if build:
        (folder / "build.rs").write_text(build)
    return folder


def ran(cell):
    expect(cell.status == "ok", cell.reply["content"], cell.text("stderr"))
    return cell


def compiled(cell):
    """The crates that were compiled for this cell."""
    return [line.split()[1] for line in cell.text("stderr").splitlines() if line.startswith("Compiling")]


def refuse(cell, *words):
    error = expect_error(cell, "DependencyError")
    for word in words:
        expect(word in error["evalue"], word, "is not in:", error["evalue"])


@check
def folders(work, environment):
    base = crate(work / "base", "base", "0.1.0", '#[cfg(feature = "more")] pub fn more() -> u8 { 3 }\npub fn one() -> u8 { 1 }', "[features]\nmore = []\n")
    helper = crate(work / "helper", "course-helper", "0.2.0", "#[derive(Debug)] pub struct Twice(pub i32);\nimpl Twice { pub fn value(&self) -> i32 { 2 * self.0 + base::one() as i32 } }",
                   f'[dependencies]\nbase = {{ path = "{base}" }}\n')
    old = crate(work / "old", "course-helper", "0.1.0", "pub fn version() -> u8 { 1 }")
    with Kernel(cwd=work, **environment) as client:
        ran(Cell(client, "let kept = vec![1, 2, 3];"))
        # A relative folder begins at the notebook's; the name is read from it.
        cell = ran(Cell(client, ":dep ./helper\nlet twice = course_helper::Twice(21);"))
        text = cell.text("stderr")
        expect(compiled(cell) == ["base", "course-helper"], text)
        notice = text.index("2 crates to compile (base, course-helper), about ")
        expect(notice < text.index("Compiling"), "the cost is said before", text)
        expect(Cell(client, "twice.value() + kept[2]").value == "46", "kept")
        # Two versions of one package; a feature; the crates that are there stay what they are.
        cell = ran(Cell(client, f':dep helper_old = {{ package = "course-helper", path = "{old}" }}\nhelper_old::version() + course_helper::Twice(1).value() as u8'))
        expect(cell.value == "4" and compiled(cell) == ["course-helper"], cell.value, cell.text("stderr"))
        expect(Cell(client, "twice.value()").value == "43", "a value of a crate's type is kept when another crate is added")
        cell = ran(Cell(client, f':dep base = {{ path = "{base}", features = ["more"] }}\nbase::more()'))
        expect(cell.value == "3" and "base" in compiled(cell), cell.value, cell.text("stderr"))
        expect(Cell(client, "kept.len()").value == "3", "kept")
        refuse(Cell(client, ":dep ./nowhere"), "`:dep ./nowhere`", "no crate in this folder", "Cargo.toml")
        refuse(Cell(client, f':dep base = {{ path = "{base}", features = ["none"] }}'), "base", "none")
        expect(Cell(client, "base::more() as usize + kept.len()").value == "6", "nothing was lost")
    with Kernel(cwd=work, **environment) as client:
        cell = ran(Cell(client, ":dep ./helper\ncourse_helper::Twice(1).value()"))
        expect(cell.value == "3" and cell.text("stderr") == "", "compiled for all sessions", cell.text("stderr"))
    (base / "src/lib.rs").write_text("pub fn one() -> u8 { 5 }")
    with Kernel(cwd=work, **environment) as client:
        cell = ran(Cell(client, ":dep ./helper\ncourse_helper::Twice(1).value()"))
        expect(cell.value == "7" and compiled(cell) == ["base", "course-helper"], "edited", cell.value, cell.text("stderr"))


@check
def interrupt(work, environment):
    """The build of a crate is stopped at once, with everything that it started, and the cell does not run."""
    slow = crate(work / "slow", "slow", "0.1.0", "", build="fn main() { std::thread::sleep(std::time::Duration::from_secs(600)); }")
    kernel = Kernel(**environment)
    with kernel as client:
        ran(Cell(client, "let kept = 7;"))
        pressed = []

        def press(message):
            if not pressed and "Compiling slow" in message["content"].get("text", ""):
                time.sleep(1)
                pressed.append(time.monotonic())
                kernel.manager.interrupt_kernel()
        cell = Cell(client, f':dep slow = {{ path = "{slow}" }}\nstd::fs::write("{work}/ran", "")?;', during=press)
        took = time.monotonic() - pressed[0]
        expect_error(cell, "Interrupted")
        expect(not (work / "ran").exists(), "the cell did not run")
        import output_checks
        names = [p.name() for p in output_checks.family(kernel.manager)]
        expect(not {"cargo", "rustc", "build-script-build"} & set(names), names)
        expect(Cell(client, "kept").value == "7", "kept")
        print(f"        stopped after {took:.2f} s")


@check
def bound(work, environment):
    """The cache has a bound: what was not used for longest goes; a session that still uses it compiles it again."""
    big = 'pub static BIG: [u8; 700_000] = [1; 700_000];\npub fn name() -> &\'static str { "%s" }'
    places = {name: crate(work / name, name, "0.1.0", big % name) for name in ("first", "second", "third")}
    environment = dict(environment, LATHE_DEPS_MB="2")
    deps = pathlib.Path(environment["LATHE_CACHE"]) / "deps"
    libraries = lambda: sorted(f.name.split("-")[0] for f in deps.glob("target/debug/deps/*.rlib") if "cell_deps" not in f.name)
    with Kernel(**environment) as early:
        ran(Cell(early, f':dep first = {{ path = "{places["first"]}" }}\nlet text = first::name();'))
        age = time.time() - 7200
        for used in deps.glob("*/used"):
            os.utime(used, (age, age))
        for name in ("second", "third"):
            with Kernel(**environment) as client:
                ran(Cell(client, f':dep {name} = {{ path = "{places[name]}" }}\n{name}::name()'))
        expect(libraries() == ["libsecond", "libthird"], libraries())
        cell = ran(Cell(early, "first::name().len() + text.len()"))
        expect(cell.value == "10" and compiled(cell) == ["first"], cell.value, cell.text("stderr"))


@check
def offline(work, environment):
    """Without the network: what was downloaded once works, the rest is refused with what to do."""
    with Kernel(**dict(environment, CARGO_NET_OFFLINE="true")) as client:
        ran(Cell(client, "let kept = 7;"))
        # Cargo's cache has it, for the kernel itself needs it.
        cell = ran(Cell(client, ':dep itoa = "1"\nitoa::Buffer::new().format(kept + 1).to_owned()'))
        expect(cell.value == '"8"', cell.value)
        refuse(Cell(client, ':dep lathe-no-such-crate = "1"'), '`:dep lathe-no-such-crate = "1"`', "CARGO_NET_OFFLINE is set", "Connect and run the cell again")
        expect(Cell(client, "kept").value == "7", "kept")


def online(work, environment):
    environment = dict(environment, CARGO_NET_OFFLINE="false")
    cells = [("itoa", ':dep itoa = "1"\nlet text = itoa::Buffer::new().format(128u64).to_owned();\ntext.len()', "3"),
             ("regex", ':dep regex = "1"\nlet pattern = regex::Regex::new(r"(\\d+)-(\\d+)")?;\npattern.captures("10-20").map(|c| c[2].to_owned())', 'Some("20")'),
             ("features", ':dep serde = { version = "1", features = ["derive"] }\n:dep serde_yaml = "0.9"\nserde_yaml::to_string(&vec![kept.len(), 2])?', '"- 3\\n- 2\\n"'),
             ("nalgebra", ':dep nalgebra = { version = "0.33", default-features = false, features = ["std"] }\nlet m = nalgebra::Matrix2::new(2.0, 0.0, 0.0, 4.0);\nm.determinant()', "8.0"),
             ("two versions", ':dep itoa_old = { package = "itoa", version = "0.4" }\nlet mut old = String::new();\nitoa_old::fmt(&mut old, 5u8)?;\nold + itoa::Buffer::new().format(6u8)', '"56"')]
    for session in ("first", "second"):
        with Kernel(**environment) as client:
            ran(Cell(client, "let kept = vec![1, 2, 3];"))
            for name, code, answer in cells:
                start = time.monotonic()
                cell = ran(Cell(client, code, timeout=900))
                expect(cell.value == answer, name, cell.value, cell.of("error"))
                text = cell.text("stderr")
                notice = next((line.split(". Interrupt")[0].replace(environment["LATHE_CACHE"], "CACHE") for line in text.splitlines() if " to compile (" in line), "nothing to compile")
                print(f"        {session} session, {name}: {time.monotonic() - start:.1f} s; {len(compiled(cell))} compiled; said: {notice}", flush=True)
                expect(session == "first" or not compiled(cell), "compiled for all sessions", text)
            expect(Cell(client, "kept.len() + text.len()").value == "6", "kept")
            expect(Cell(client, 'pattern.is_match("1-2")').value == "true", "a regex that was made before other crates came")
            refuse(Cell(client, ':dep regex = "99"'), "candidate versions")
            refuse(Cell(client, ':dep lathe-no-such-crate = "1"'), "no matching package named `lathe-no-such-crate`")


def main(wanted):
    if "--online" in wanted:
        checks["online"] = online
        wanted.remove("--online")
    failed = 0
    for name in wanted or checks:
        work = pathlib.Path(tempfile.mkdtemp(prefix="lathe-dep-"))
        start = time.monotonic()
        try:
            checks[name](work, {"LATHE_CACHE": str(scratch_cache(work / "cache"))})
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
