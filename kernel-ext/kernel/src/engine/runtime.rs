//! The loop of the process that runs cells: what evcxr's own does, with the commands on a descriptor of their own, so that
//! standard input belongs to the cells and a cell that reads it can never swallow a command.

use std::ffi::{CStr, CString, c_void};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};

/// Runs one function of one library after the other until the commands end.
pub(super) fn serve(commands: File) -> ! {
    // Values that cells keep; not Send, so this thread is the only one that touches it.
    let mut store: *mut c_void = std::ptr::null_mut();
    for line in BufReader::new(commands).lines() {
        let run = line.map_err(|error| error.to_string()).and_then(|line| {
            let (library, function) = command(&line).ok_or_else(|| format!("not a command: {line:?}"))?;
            load(library, function)
        });
        match run {
            // SAFETY: evcxr generated the function with this type, for the store of this process.
            Ok(run) => store = unsafe { run(store) },
            Err(error) => {
                eprintln!("lathe: a cell cannot be loaded: {error}");
                std::process::exit(99);
            }
        }
        // The kernel's pump waits for this line; without a pump there is nobody to tell.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(b"EVCXR_EXECUTION_COMPLETE\n").and_then(|()| out.flush());
    }
    std::process::exit(0);
}

/// `LOAD_AND_RUN library function`; the library's path may hold spaces.
fn command(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("LOAD_AND_RUN ")?.rsplit_once(' ')
}

type Run = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

fn load(library: &str, function: &str) -> Result<Run, String> {
    let library = CString::new(library).map_err(|error| error.to_string())?;
    let function = CString::new(function).map_err(|error| error.to_string())?;
    // SAFETY: valid C strings. The library is never unloaded, because values made by it live on.
    let symbol = unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
        if handle.is_null() { std::ptr::null_mut() } else { libc::dlsym(handle, function.as_ptr()) }
    };
    if symbol.is_null() {
        // SAFETY: a C string of the loader, or null; no other call in between.
        let said = unsafe {
            let said = libc::dlerror();
            if said.is_null() { None } else { Some(CStr::from_ptr(said).to_string_lossy().into_owned()) }
        };
        return Err(said.unwrap_or_else(|| String::from("no such function")));
    }
    // SAFETY: evcxr generated it with this type.
    Ok(unsafe { std::mem::transmute::<*mut c_void, Run>(symbol) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_and_what_is_missing_is_named() {
        assert_eq!(
            command("LOAD_AND_RUN /tmp/a b/libcode_1.so run_user_code_1"),
            Some(("/tmp/a b/libcode_1.so", "run_user_code_1"))
        );
        assert_eq!(command("Ada"), None);
        let error = load("/nowhere/libcode_1.so", "run").unwrap_err();
        assert!(error.contains("/nowhere/libcode_1.so"), "{error}");
    }
}
