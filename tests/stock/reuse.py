"""A rustc wrapper for chapter.py: gives cargo the libraries that this workspace has compiled already.

Stock evcxr compiles its dependencies with a profile and a target folder of its own: polars alone takes minutes. Here each
request for a library that the workspace has (same package, same version) is answered by a copy, so that the trial takes
the time of its cells. All libraries come from one build, so they fit each other; what is not found is compiled.
"""
import json
import os
import shutil
import sys


def option(arguments, name):
    """The value of `--name value`, `--name=value` or `-C name=value`."""
    for at, argument in enumerate(arguments):
        if argument == name and at + 1 < len(arguments):
            return arguments[at + 1]
        if argument.startswith(name + "="):
            return argument[len(name) + 1:]
    return None


def copy(source, target):
    """A file of its own: cargo compares times, and a library may be asked for twice (host and target)."""
    if os.path.exists(target):
        os.unlink(target)
    shutil.copy(source, target)


def main():
    command = sys.argv[1:]
    arguments = command[1:]
    crate, folder = option(arguments, "--crate-name"), option(arguments, "--out-dir")
    kind = option(arguments, "--crate-type")
    known = {}
    if crate and folder and kind:
        with open(os.environ["LATHE_STOCK_REUSE"]) as file:
            known = json.load(file)
    extra = next((a[len("extra-filename="):] for a in arguments if a.startswith("extra-filename=")), "")
    script = kind == "bin" and crate.startswith("build_script_")
    name = "build-script" if script else kind
    key = f"{os.environ.get('CARGO_PKG_NAME')} {os.environ.get('CARGO_PKG_VERSION')} {name}"
    files = known.get(key)
    if not files or not all(map(os.path.exists, files)):
        os.execvp(command[0], command)
    for file in files:
        ending = os.path.splitext(file)[1]
        target = os.path.join(folder, f"{crate}{extra}" if script else f"lib{crate}{extra}{ending}")
        copy(file, target)
        if ending == ".rmeta":
            print(json.dumps({"$message_type": "artifact", "artifact": target, "emit": "metadata"}), file=sys.stderr)
    source = next(a for a in arguments if a.endswith(".rs"))
    with open(os.path.join(folder, f"{crate}{extra}.d"), "w") as file:
        file.write(f"{target}: {source}\n\n{source}:\n")


main()
