//! `lathe`: checks what the lab needs, builds it, and starts its programs. Written as `cargo lathe ...`.

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!(
        "Lathe does not run on {} ({}).\n  why: its kernel and its compiled parts exist for Linux on x86-64 and aarch64 only.\n  \
         how: use a Linux machine or container, or on Windows WSL2 (`wsl --install`, then clone and start Lathe inside it).",
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    std::process::exit(1);
}

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod browser;
#[cfg(target_os = "linux")]
mod checks;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod hash;
#[cfg(target_os = "linux")]
mod json;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod proc;
#[cfg(target_os = "linux")]
mod progress;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod setup;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod tasks;
#[cfg(target_os = "linux")]
mod trouble;

#[cfg(target_os = "linux")]
fn main() {
    let code = match args::parse(std::env::args_os().skip(1)).and_then(tasks::run) {
        Ok(()) => 0,
        Err(trouble) => {
            eprintln!("\nlathe: {trouble}");
            trouble.code()
        }
    };
    std::process::exit(code);
}
