//! `install`, `list`, `remove`, `doctor`, `status`: what a user does with the kernel itself.

use crate::Done;
use crate::cli::{InstallArgs, Place, RemoveArgs};
use lathe_kernel::installation::doctor::{self, Check, Grade, Patient};
use lathe_kernel::installation::{self, InstallRequest, Spec};
use lathe_kernel::prepared;
use serde_json::json;
use std::error::Error;
use std::io::{BufRead, IsTerminal, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

impl Place {
    /// Jupyter's data folder there; none when no place was named.
    fn data(&self) -> Result<Option<PathBuf>, Box<dyn Error>> {
        let below = |prefix: &Path| prefix.join("share/jupyter");
        if let Some(prefix) = &self.prefix {
            return Ok(Some(below(&std::path::absolute(prefix)?)));
        }
        if self.sys_prefix {
            let prefix =
                installation::sys_prefix().ok_or("no Python environment is active: name it with --prefix DIR")?;
            return Ok(Some(below(&prefix)));
        }
        match self.user {
            true => Ok(Some(installation::user_data().ok_or("HOME is not set: use --prefix DIR")?)),
            false => Ok(None),
        }
    }

    /// The named place, or all that can be found.
    fn all(&self) -> Result<Vec<PathBuf>, Box<dyn Error>> {
        Ok(match self.data()? {
            Some(data) => vec![data],
            None => installation::data_folders(&std::env::current_exe()?),
        })
    }
}

/// Writes a kernelspec.
pub fn install(args: InstallArgs) -> Done {
    let data = args.place.data()?.ok_or("name a place: --user, --sys-prefix or --prefix DIR")?;
    let installed = installation::install(&InstallRequest {
        data,
        kernel: std::env::current_exe()?,
        root: prepared::workspace_root()?,
        name: args.name,
        display_name: args.display_name,
        env: args.env,
        replace: args.replace,
    })?;
    let (shown, folder) = (&installed.display_name, installed.folder.display());
    writeln!(stdout(), "registered \"{shown}\" as `{}` in {folder}", installed.name)?;
    if let Some(other) = installed.beside {
        writeln!(stdout(), "(`lathe` is the kernel of {}; --replace takes the name from it)", other.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the kernelspecs of Lathe.
pub fn list(place: &Place, json: bool) -> Done {
    let entries = installation::list(&place.all()?);
    let mut out = stdout().lock();
    if json {
        let all: Vec<_> = entries
            .iter()
            .map(|entry| {
                let Spec { folder, display_name, argv, env, .. } = &entry.spec;
                let env: serde_json::Map<_, _> = env.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect();
                json!({
                    "name": entry.spec.name(), "display_name": display_name, "folder": folder, "argv": argv, "env": env,
                    "starts": entry.starts(), "state": entry.words(), "status": entry.status.as_ref().ok(),
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        writeln!(out, "no kernel of Lathe is registered; `cargo lathe kernel install --user` does it")?;
    }
    for entry in &entries {
        let spec = &entry.spec;
        writeln!(out, "{:<16} \"{}\"", spec.name(), spec.display_name)?;
        writeln!(out, "    folder   {}", spec.folder.display())?;
        let version = entry.status.as_ref().map(|s| format!(" {} (Rust {})", s.version, s.rust)).unwrap_or_default();
        writeln!(out, "    program  {}{version}", spec.program().display())?;
        if let Some(root) = spec.root() {
            writeln!(out, "    clone    {}", root.display())?;
        }
        writeln!(out, "    state    {}", entry.words())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes kernelspecs, after asking.
pub fn remove(args: RemoveArgs) -> Done {
    // A clone that is gone has no root; then only names say what to remove.
    let root = prepared::workspace_root().unwrap_or_default();
    let specs = installation::removable(&args.place.all()?, &args.names, &root)?;
    let mut out = stdout().lock();
    if specs.is_empty() {
        writeln!(out, "nothing to remove: no kernelspec of this clone was found")?;
        return Ok(ExitCode::SUCCESS);
    }
    for spec in &specs {
        writeln!(out, "{:<16} \"{}\" in {}", spec.name(), spec.display_name, spec.folder.display())?;
    }
    if !args.yes {
        if !stdin().is_terminal() {
            writeln!(stderr(), "lathe-kernel: nobody can be asked here; say --yes to remove the above")?;
            return Ok(ExitCode::from(2));
        }
        write!(out, "Remove? [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        stdin().lock().read_line(&mut answer)?;
        if !["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
            writeln!(out, "kept")?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    for spec in &specs {
        let folder = spec.folder.display();
        match installation::remove(spec)? {
            true => writeln!(out, "removed {folder}")?,
            false => writeln!(out, "removed our files from {folder}; it holds others, which stay")?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for each check, and its cure.
pub fn doctor(start: bool, json: bool) -> Done {
    let patient = Patient { program: std::env::current_exe()?, root: prepared::workspace_root().ok(), start };
    let mut out = stdout().lock();
    let mut broken = Ok(());
    let checks = doctor::examine(&patient, &mut |check| {
        if !json && broken.is_ok() {
            broken = line(&mut out, check);
        }
    });
    broken?;
    let healthy = doctor::is_healthy(&checks);
    if json {
        let report = json!({"version": env!("CARGO_PKG_VERSION"), "ok": healthy, "checks": checks});
        writeln!(out, "{report:#}")?;
    } else {
        let problems = checks.iter().filter(|check| check.grade == Grade::Problem).count();
        match problems {
            0 => writeln!(out, "\nThe kernel works.")?,
            1 => writeln!(out, "\n1 problem.")?,
            n => writeln!(out, "\n{n} problems.")?,
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(out: &mut impl Write, check: &Check) -> std::io::Result<()> {
    let grade = match check.grade {
        Grade::Ok => "ok",
        Grade::Note => "note",
        Grade::Problem => "PROBLEM",
    };
    let found = check.found.replace('\n', "\n                             ");
    writeln!(out, "  {grade:<8} {:<17} {found}", check.name)?;
    if let Some(cure) = &check.cure {
        writeln!(out, "  {:<8} {:<17} cure: {cure}", "", "")?;
    }
    out.flush()
}

/// What `list` asks each program.
pub fn status(json: bool) -> Done {
    let status = installation::status();
    if json {
        writeln!(stdout(), "{}", serde_json::to_string(&status)?)?;
    } else {
        writeln!(stdout(), "lathe-kernel {} (Rust {}): {}", status.version, status.rust, status.words())?;
    }
    Ok(if status.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
