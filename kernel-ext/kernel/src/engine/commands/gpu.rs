//! `:gpu`.

use super::two_forms;
use crate::engine::original_env;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const QUERY: &str = "name,driver_version,memory.used,memory.total,utilization.gpu,temperature.gpu";
/// A driver in trouble does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the driver says, as text and HTML.
pub(super) fn table() -> (String, String) {
    match ask() {
        Ok(answer) => {
            let head = ["GPU", "driver", "memory used", "memory", "busy", "temperature"];
            let mut rows = vec![head.map(str::to_owned).to_vec()];
            rows.extend(answer.lines().map(row));
            two_forms("Graphics cards", &rows)
        }
        Err(reason) => {
            let text = format!("no GPU: {reason}; cells compute on the CPU");
            (text.clone(), format!("<p>{}</p>", super::escape(&text)))
        }
    }
}

fn row(line: &str) -> Vec<String> {
    let units = ["", "", " MiB", " MiB", " %", " °C"];
    line.split(',').zip(units).map(|(value, unit)| format!("{}{unit}", value.trim())).collect()
}

fn ask() -> Result<String, String> {
    let mut child = original_env::command("nvidia-smi")
        .args([&format!("--query-gpu={QUERY}"), "--format=csv,noheader,nounits"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|_| without_tool(Path::new("/proc/driver/nvidia/version").exists()))?;
    let until = Instant::now() + PATIENCE;
    while child.try_wait().ok().flatten().is_none() {
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("nvidia-smi gave no answer in {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let answer = text(&output.stdout);
    if !output.status.success() {
        let said = [answer, text(&output.stderr)].join(" ");
        return Err(format!("nvidia-smi says: {}", said.trim()));
    }
    if answer.is_empty() { Err(String::from("nvidia-smi lists none")) } else { Ok(answer) }
}

fn without_tool(driver: bool) -> String {
    String::from(if driver {
        "there is an NVIDIA driver, but the program nvidia-smi was not found"
    } else {
        "there is no NVIDIA driver on this machine (neither nvidia-smi nor /proc/driver/nvidia)"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_get_their_units() {
        let found = row("NVIDIA H200, 580.95, 3, 143771, 0, 31");
        assert_eq!(found, ["NVIDIA H200", "580.95", "3 MiB", "143771 MiB", "0 %", "31 °C"]);
    }

    #[test]
    fn there_is_always_an_answer() {
        let (text, html) = table();
        assert!(!text.is_empty() && html.starts_with('<'));
        assert_ne!(without_tool(true), without_tool(false));
    }
}
