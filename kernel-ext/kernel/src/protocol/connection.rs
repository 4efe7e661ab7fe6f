use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Why the connection file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// It cannot be read.
    #[error("cannot read the connection file {}: {source}; Jupyter writes it when it starts a kernel", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not what Jupyter writes.
    #[error("{} is not a Jupyter connection file: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// An unknown way to connect or to sign.
    #[error("connection file: {field} \"{value}\" is not supported (known: {known})")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
        /// What we support.
        known: &'static str,
    },
}

/// Where a kernel listens, and the key that signs its messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ConnectionFile {
    /// `tcp` or `ipc`.
    #[serde(default = "tcp")]
    pub transport: String,
    /// Address, or the start of a path for `ipc`.
    pub ip: String,
    /// Requests.
    pub shell_port: u32,
    /// Urgent requests.
    pub control_port: u32,
    /// Questions to the user (unused).
    pub stdin_port: u32,
    /// Broadcast of outputs.
    pub iopub_port: u32,
    /// Heartbeat.
    pub hb_port: u32,
    /// Key for signatures; empty: messages are not signed.
    #[serde(default)]
    pub key: String,
    /// `hmac-sha256`.
    #[serde(default = "hmac_sha256")]
    pub signature_scheme: String,
}

fn tcp() -> String {
    "tcp".into()
}

fn hmac_sha256() -> String {
    "hmac-sha256".into()
}

impl ConnectionFile {
    /// Reads and checks a connection file.
    ///
    /// # Errors
    /// [`ConnectionError`], for a missing or damaged file, an unknown transport or an unknown signature scheme.
    pub fn read(path: &Path) -> Result<Self, ConnectionError> {
        let text = std::fs::read(path).map_err(|source| ConnectionError::Read { path: path.to_owned(), source })?;
        let file: Self =
            serde_json::from_slice(&text).map_err(|source| ConnectionError::Parse { path: path.to_owned(), source })?;
        if !["tcp", "ipc"].contains(&file.transport.as_str()) {
            let value = file.transport;
            return Err(ConnectionError::Unsupported { field: "transport", value, known: "tcp, ipc" });
        }
        if file.signature_scheme != "hmac-sha256" && !file.key.is_empty() {
            let value = file.signature_scheme;
            return Err(ConnectionError::Unsupported { field: "signature_scheme", value, known: "hmac-sha256" });
        }
        Ok(file)
    }

    /// The zmq address of a port.
    pub fn endpoint(&self, port: u32) -> String {
        match self.transport.as_str() {
            "ipc" => format!("ipc://{}-{port}", self.ip),
            transport => format!("{transport}://{}:{port}", self.ip),
        }
    }

    /// The file of an `ipc` socket.
    pub(super) fn socket_file(&self, port: u32) -> Option<PathBuf> {
        (self.transport == "ipc").then(|| PathBuf::from(format!("{}-{port}", self.ip)))
    }
}
