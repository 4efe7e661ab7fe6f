//! The `lathe-data` binary.

use std::process::{Command, Output};

fn lathe_data(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lathe-data")).args(arguments).output().expect("the binary starts")
}

#[test]
fn writes_the_same_files_for_a_seed() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| {
        let out = folder.path().join(name);
        let run =
            lathe_data(&["plant", "--seed", "7", "--days", "2", "--format", "csv", "--out", out.to_str().unwrap()]);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let mut names: Vec<_> =
            std::fs::read_dir(&out).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(
            names,
            ["log.csv", "sensors.csv", "truth_failures.csv", "truth_hourly.csv", "truth_sensor_faults.csv"]
        );
        std::fs::read_to_string(out.join("sensors.csv")).unwrap()
    };
    let (a, b) = (read("a"), read("b"));
    assert!(a == b);
    assert_eq!(a.lines().count(), 1 + 3 * 2 * 1440);
    assert_eq!(a.lines().next(), Some("time,machine,running,product,temperature,pressure,vibration,current"));
    assert!(a.lines().nth(1).is_some_and(|l| l.starts_with("2024-01-01T00:00:00,M1,true,")), "{:?}", a.lines().nth(1));
}

#[test]
fn parquet_is_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let run = lathe_data(&["plant", "--days", "1", "--machines", "1", "--out", folder.path().to_str().unwrap()]);
    assert!(run.status.success());
    let bytes = std::fs::read(folder.path().join("sensors.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}

#[test]
fn help_and_errors_say_what_to_do() {
    let help = lathe_data(&["plant", "--help"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("--seed"));
    let wrong = lathe_data(&["plant", "--days", "0", "--out", "never"]);
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("PlantConfig.days = 0 is outside 1..=3660"), "{said}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let blocked = lathe_data(&["plant", "--days", "1", "--out", file.path().join("x").to_str().unwrap()]);
    assert_eq!(blocked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&blocked.stderr).contains("could not make the folder"));
}
