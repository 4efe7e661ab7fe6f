use std::path::{Path, PathBuf};

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The user's own data folder of Jupyter: what `jupyter --data-dir` prints.
pub fn user_data() -> Option<PathBuf> {
    variable("JUPYTER_DATA_DIR")
        .or_else(|| Some(variable("XDG_DATA_HOME")?.join("jupyter")))
        .or_else(|| Some(variable("HOME")?.join(".local/share/jupyter")))
}

/// The Python environment that is active in this shell.
pub fn sys_prefix() -> Option<PathBuf> {
    variable("VIRTUAL_ENV").or_else(|| variable("CONDA_PREFIX"))
}

/// The environment that `cargo lathe lab` made beside this program, or the one that `LATHE_ENV` names (tests must not touch
/// the learner's).
pub(super) fn lab_environment(program: &Path) -> Option<PathBuf> {
    let beside = || Some(program.parent()?.parent()?.join("lathe/env"));
    let dir = variable("LATHE_ENV").or_else(beside)?;
    dir.is_dir().then(|| dir.canonicalize().unwrap_or(dir))
}

/// Folders of Python environments whose `jupyter` can be started from here: the lab's own, the active one, and that of the
/// `jupyter` on the path.
pub(super) fn environments(program: &Path) -> Vec<PathBuf> {
    let on_path = variable("PATH")
        .iter()
        .flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>())
        .find(|dir| dir.join("jupyter").is_file())
        .and_then(|bin| bin.parent().map(Path::to_owned));
    distinct(lab_environment(program).into_iter().chain(sys_prefix()).chain(on_path))
}

/// Jupyter's data folders that can be found from here, each once: `JUPYTER_PATH`, the user's, those of the environments,
/// the system's. `program` is the kernel, beside which the lab's environment is.
pub fn data_folders(program: &Path) -> Vec<PathBuf> {
    let listed = variable("JUPYTER_PATH").into_iter().flat_map(|all| std::env::split_paths(&all).collect::<Vec<_>>());
    let environments = environments(program).into_iter().map(|dir| dir.join("share/jupyter"));
    let system = ["/usr/local/share/jupyter", "/usr/share/jupyter"].map(PathBuf::from);
    distinct(listed.chain(user_data()).chain(environments).chain(system))
}

fn distinct(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for path in paths {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !seen.contains(&real) {
            seen.push(real);
            found.push(path);
        }
    }
    found
}
