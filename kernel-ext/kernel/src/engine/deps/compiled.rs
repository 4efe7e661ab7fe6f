//! What cargo says about the files that it compiled.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// What cargo's JSON tells about the files.
#[derive(Default)]
pub(super) struct Compiled {
    /// Everything that was compiled or was there already.
    pub files: BTreeSet<PathBuf>,
    /// Bytes of what was compiled now.
    pub new_bytes: u64,
    /// Package id and library.
    libraries: Vec<(String, PathBuf)>,
    /// For `-L`.
    folders: BTreeSet<String>,
}

impl Compiled {
    pub fn read(artifacts: &str) -> Self {
        let mut all = Self::default();
        for message in artifacts.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let paths = message["linked_paths"].as_array().into_iter().flatten().filter_map(Value::as_str);
            all.folders.extend(paths.map(str::to_owned));
            all.files.extend(message["out_dir"].as_str().map(PathBuf::from));
            if message["reason"] != "compiler-artifact" {
                continue;
            }
            let names = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let files: Vec<PathBuf> = names.map(PathBuf::from).collect();
            if message["fresh"] == false {
                all.new_bytes +=
                    files.iter().filter_map(|file| fs::metadata(file).ok()).map(|meta| meta.len()).sum::<u64>();
            }
            let kinds = message["target"]["kind"].as_array();
            let is = |kind: &str| kinds.is_some_and(|kinds| kinds.iter().any(|k| k == kind));
            let library = files.iter().find(|file| file.extension().is_some_and(|e| e == "rlib" || e == "so"));
            let other = is("custom-build") || is("bin") || message["target"]["name"] == "cell_deps";
            if let (Some(file), false) = (library, other) {
                if let Some(parent) = file.parent() {
                    all.folders.insert(format!("dependency={}", parent.display()));
                }
                let id = message["package_id"].as_str().unwrap_or_default().to_owned();
                all.libraries.push((id, file.clone()));
            }
            // cargo writes the last package's library twice.
            all.files
                .extend(files.into_iter().filter(|file| file.parent().is_none_or(|parent| !parent.ends_with("debug"))));
        }
        all
    }

    /// For rustc; `direct` are names in `use` and package ids.
    pub fn arguments(&self, direct: &[(String, String)]) -> Vec<String> {
        let mut externs = Vec::new();
        for (id, file) in &self.libraries {
            for (name, _) in direct.iter().filter(|(_, direct)| direct == id) {
                externs.extend([String::from("--extern"), format!("{name}={}", file.display())]);
            }
        }
        externs.extend(self.folders.iter().flat_map(|folder| [String::from("-L"), folder.clone()]));
        externs
    }
}

#[cfg(test)]
mod tests {
    use super::Compiled;

    #[test]
    fn direct_crates_get_extern_arguments() {
        let artifacts = r#"{"reason":"compiler-artifact","package_id":"x#1","target":{"kind":["lib"]},"filenames":["/t/deps/libx_y-1.rlib","/t/deps/libx_y-1.rmeta"]}
{"reason":"build-script-executed","linked_paths":["native=/n"]}
{"reason":"compiler-artifact","package_id":"z#1","target":{"kind":["lib"]},"filenames":["/t/deps/libz-1.rlib"]}"#;
        let args = Compiled::read(artifacts).arguments(&[(String::from("xy"), String::from("x#1"))]);
        assert_eq!(args, ["--extern", "xy=/t/deps/libx_y-1.rlib", "-L", "dependency=/t/deps", "-L", "native=/n"]);
    }
}
