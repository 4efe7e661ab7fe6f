//! The proof: a kernel is started as Jupyter starts it, and calculates.

use super::Check;
use crate::client::{ClientError, KernelClient, Launch, Transport};
use crate::installation::Spec;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// The kernel answers in a fraction of a second, its engine in seconds; a machine that swaps takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Starts the kernel of this kernelspec, or without one this program.
pub(super) fn start(program: &Path, spec: Option<&Spec>, prepared: bool) -> Check {
    const NAME: &str = "a kernel";
    if !prepared {
        return Check::note(NAME, "not started, because the prelude is not compiled", "prepare it, then ask again");
    }
    let mut launch = spec.map_or_else(|| Launch::program(program), Spec::launch);
    launch.transport = Transport::Tcp;
    match calculate(&launch) {
        Ok(found) => Check::ok(NAME, found),
        Err((what, cure)) => Check::problem(NAME, what, cure),
    }
}

fn calculate(launch: &Launch) -> Result<String, (String, String)> {
    let hint = |error: &ClientError| match error {
        ClientError::Spawn { .. } => "build it again: `cargo lathe setup`",
        ClientError::Silent { .. } => {
            "is the machine out of memory, or busy? Otherwise report this with the text above"
        }
        _ => "mend what the kernel says above; `cargo lathe setup` builds and prepares everything again",
    };
    let failed = |error: ClientError| (error.to_string(), hint(&error).to_owned());
    let began = Instant::now();
    let mut client = KernelClient::start(launch, PATIENCE).map_err(failed)?;
    let answered = began.elapsed();
    let first = one_and_one(&mut client)?;
    let result = began.elapsed();
    let warm = Instant::now();
    one_and_one(&mut client)?;
    let again = warm.elapsed();
    let version = client.info().get("implementation_version").and_then(|v| v.as_str()).unwrap_or("?").to_owned();
    if !client.shutdown() {
        let what = format!("{version} calculates, but does not end when it is asked to");
        return Err((what, "report this; the kernel was ended by force".to_owned()));
    }
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    Ok(format!(
        "{version} answers after {}, shows 1 + 1 = {first} after {}, again in {}, and ends when asked",
        seconds(answered),
        seconds(result),
        seconds(again)
    ))
}

/// Runs `1 + 1`; gives what the kernel shows.
fn one_and_one(client: &mut KernelClient) -> Result<String, (String, String)> {
    let report = |what: String| (what, "report this with the text above".to_owned());
    let code = json!({"code": "1 + 1", "silent": false, "store_history": false, "allow_stdin": false});
    let id = client.request("execute_request", code).map_err(|error| report(error.to_string()))?;
    let mut shown = Vec::new();
    let reply = client.finish(&id, Some(PATIENCE), &mut |message| {
        if message.kind() == "execute_result" {
            let text = message.content.get("data").and_then(|data| data.get("text/plain")).and_then(|t| t.as_str());
            shown.push(text.unwrap_or_default().to_owned());
        }
    });
    let reply = reply.map_err(|error| report(error.to_string()))?;
    if reply.text("status") != "ok" {
        return Err(report(format!("`1 + 1` fails: {}: {}", reply.text("ename"), reply.text("evalue"))));
    }
    match shown.as_slice() {
        [value] if value == "2" => Ok(value.clone()),
        other => Err(report(format!("`1 + 1` shows {other:?}"))),
    }
}
