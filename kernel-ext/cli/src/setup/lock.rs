//! One set-up at a time in one clone: the second one waits and then finds everything done.

use crate::progress::{Screen, rounded, words};
use crate::root::Places;
use crate::sys;
use crate::trouble::Trouble;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::time::Duration;

/// Takes the lock; held until the file is dropped, and gone with the process however it ends.
pub fn take(places: &Places, screen: &mut Screen) -> Result<File, Trouble> {
    let path = places.state.join("lock");
    let failed = |e: &std::io::Error| Trouble::io("locking", &path, e);
    std::fs::create_dir_all(&places.state).map_err(|e| failed(&e))?;
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = open.map_err(|e| failed(&e))?;
    let mut told = false;
    while !sys::try_lock(&file).map_err(|e| failed(&e))? {
        if sys::stop_requested() {
            return Err(Trouble::Interrupted);
        }
        if !told {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            screen.say(&format!(
                "Another `cargo lathe` (process {}) is setting up this clone; waiting for it.",
                pid.trim()
            ));
            screen.stage("Waiting", Duration::ZERO);
            told = true;
        }
        screen.tick(None, &format!("for {}", words(rounded(screen.elapsed().as_secs_f64()))), None);
        std::thread::sleep(Duration::from_millis(200));
    }
    screen.wipe();
    // Who holds it, for the message above.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}
