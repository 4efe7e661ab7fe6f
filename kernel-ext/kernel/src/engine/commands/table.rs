//! Which commands there are.

use super::two_forms;

/// Who carries a command out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doer {
    Ours,
    Evcxr,
}

/// A command.
#[derive(Debug)]
pub(super) struct Command {
    /// The first one is shown; the others work too.
    pub names: &'static [&'static str],
    pub args: &'static str,
    pub what: &'static str,
    pub doer: Doer,
}

const fn ours(names: &'static [&'static str], args: &'static str, what: &'static str) -> Command {
    Command { names, args, what, doer: Doer::Ours }
}

const fn evcxr(names: &'static [&'static str], args: &'static str, what: &'static str) -> Command {
    Command { names, args, what, doer: Doer::Evcxr }
}

/// Every command, in the order of `:help`.
pub(super) const COMMANDS: &[Command] = &[
    ours(&[":help", ":?"], "", "this table"),
    ours(&[":vars", ":who", ":whos"], "", "the variables: name, type, size, the cell that made them"),
    evcxr(&[":type"], "NAME", "type of a variable"),
    evcxr(&[":t"], "NAME", "short for :type"),
    evcxr(&[":doc"], "NAME", "documentation of a type, function, module or keyword"),
    ours(&[":time", ":timing"], "[on|off]", "say after every cell how long compiling and running took"),
    ours(&[":gpu"], "", "the graphics cards, or why there is none"),
    evcxr(&[":explain"], "", "the compiler's explanation of the last error"),
    evcxr(&[":dep"], "NAME = \"VERSION\"", "add a crate: also { path = .. } and features; says first what it costs"),
    evcxr(&[":show_deps"], "", "the crates added by :dep"),
    ours(&[":restart"], "", "new process: variables are lost, functions and types stay"),
    ours(&[":clear"], "", "forget everything: variables, functions, types, :dep crates"),
    evcxr(&[":fmt"], "[FORMAT]", "how a value without a picture is shown, for example {:#?}"),
    evcxr(&[":efmt"], "[FORMAT]", "how an error behind ? is shown, for example {:?}"),
    evcxr(&[":types"], "", "show the type with each value, on or off"),
    evcxr(&[":version"], "", "version of evcxr, which runs the cells"),
    evcxr(&[":last_error_json"], "", "the last error as the compiler wrote it"),
    evcxr(&[":last_compile_dir"], "", "where the last cell was compiled"),
];

/// What is no command but belongs to the table.
const OTHERS: [(&str, &str); 4] = [
    ("!COMMAND", "run a line in the shell, with its output as it comes"),
    ("//! opt = 2", "first line of a cell: optimise its own code (0 to 3)"),
    ("//! time", "first line of a cell: say how long it took"),
    ("check()", "in a loop of your own: lets \"interrupt\" stop it and keep the variables"),
];

/// evcxr's commands that have no use here, and what to do instead.
pub(super) const REFUSED: &[(&str, &str)] = &[
    (
        ":opt",
        "write `//! opt = 2` in the first line of a cell that computes much; long loops of your own get it anyway",
    ),
    (":cache", "the prelude is compiled once and kept, and so are the crates of `:dep`"),
    (":sccache", "the prelude is compiled once and kept, and so are the crates of `:dep`"),
    (
        ":clear_cache",
        "the crates of `:dep` lie in the folder `deps` of Lathe's cache folder, of which the oldest go by themselves",
    ),
    (":toolchain", "the file rust-toolchain.toml of the clone says which compiler is used"),
    (":offline", "set CARGO_NET_OFFLINE=true before Jupyter starts"),
    (":linker", "cells link only one library, which takes a few hundredths of a second"),
    (":codegen_backend", "the prelude was compiled with the ordinary one"),
    (":allow_static_linking", "cells always link the prelude as one shared library"),
    (":build_env", "set the variable before Jupyter starts"),
    (":env", "write `unsafe { std::env::set_var(\"NAME\", \"VALUE\") }` in a cell"),
    (":load_config", "the prelude is loaded at the start; put your own definitions into a cell"),
    (":preserve_vars_on_panic", "variables always survive a panic"),
    (":quit", "shut the kernel down from the front end (menu Kernel)"),
    (":time_passes", "it needs a nightly compiler; `:time` tells compiling from running"),
    (":internal_debug", "it is for evcxr's own developers"),
];

/// The table as text and HTML.
pub(super) fn help() -> (String, String) {
    let mut rows = vec![vec![String::from("command"), String::from("what it does")]];
    rows.extend(COMMANDS.iter().map(|command| {
        vec![format!("{} {}", command.names[0], command.args).trim_end().to_owned(), command.what.to_owned()]
    }));
    rows.extend(OTHERS.iter().map(|(what, does)| vec![(*what).to_owned(), (*does).to_owned()]));
    two_forms("Commands, written above the Rust code of a cell", &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_one_place() {
        let mut names: Vec<&str> = COMMANDS.iter().flat_map(|command| command.names).copied().collect();
        names.extend(REFUSED.iter().map(|(name, _)| *name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let (text, html) = help();
        assert!(COMMANDS.iter().all(|command| text.contains(command.what)));
        assert!(html.contains("<caption>") && html.contains("!COMMAND"));
    }
}
