use serde::Deserialize;
use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
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
    /// It belongs to somebody else, who then has the key and can have code run as this user.
    #[error(
        "the connection file {} belongs to another user (id {owner}), who knows the key in it: start Jupyter as the user that runs the \
         kernel, or set JUPYTER_ALLOW_INSECURE_WRITES=true where that is meant",
        path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Anybody who reaches the address could have code run.
    #[error(
        "connection file: no key, and the address {ip} is not this machine's own: messages would not be checked at all"
    )]
    Open {
        /// The address.
        ip: String,
    },
    /// Keys for encryption that are not keys.
    #[error("connection file: {field} is not a CURVE key of 40 characters (Z85)")]
    Curve {
        /// The field.
        field: &'static str,
    },
    /// Encryption is asked for and not there; talking in the clear would be wrong.
    #[error(
        "the connection file asks for encryption (CurveZMQ) and this kernel was built without: build it inside the clone, where \
         .cargo/config.toml turns it on, or start Jupyter with transport_encryption disabled"
    )]
    NoCurve,
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
    /// Public key of the encryption (CurveZMQ), Z85; without keys nothing is encrypted.
    #[serde(default)]
    pub curve_publickey: Option<String>,
    /// Secret key of the encryption, Z85.
    #[serde(default)]
    pub curve_secretkey: Option<String>,
}

/// The keys of encrypted connections, as zmq takes them.
pub(super) struct CurveKeys {
    pub(super) public: Vec<u8>,
    pub(super) secret: Vec<u8>,
}

/// Can connections be encrypted? It depends on how libzmq was built.
pub fn has_curve() -> bool {
    zmq::has("curve").unwrap_or(false)
}

fn tcp() -> String {
    "tcp".into()
}

fn hmac_sha256() -> String {
    "hmac-sha256".into()
}

impl ConnectionFile {
    /// Reads and checks a connection file. When others may read or write it, these rights are taken away, with a line in the
    /// log: with its key anybody can have code run as this user. (Not every front end writes the file as privately as
    /// Jupyter does, so refusing would be too much.)
    ///
    /// # Errors
    /// [`ConnectionError`], for a missing or damaged file, another user's file, an unknown transport or signature scheme, keys
    /// for encryption that cannot be used, an address of the network without a key.
    pub fn read(path: &Path) -> Result<Self, ConnectionError> {
        let read = |source| ConnectionError::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(read)?;
        make_private(&file, path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(read)?;
        let file: Self =
            serde_json::from_slice(&text).map_err(|source| ConnectionError::Parse { path: path.to_owned(), source })?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), ConnectionError> {
        if !["tcp", "ipc"].contains(&self.transport.as_str()) {
            let value = self.transport.clone();
            return Err(ConnectionError::Unsupported { field: "transport", value, known: "tcp, ipc" });
        }
        if self.signature_scheme != "hmac-sha256" && !self.key.is_empty() {
            let value = self.signature_scheme.clone();
            return Err(ConnectionError::Unsupported { field: "signature_scheme", value, known: "hmac-sha256" });
        }
        let local = self.transport == "ipc"
            || self.ip == "localhost"
            || self.ip.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if self.key.is_empty() && !local {
            return Err(ConnectionError::Open { ip: self.ip.clone() });
        }
        if self.curve()?.is_some() && !has_curve() {
            return Err(ConnectionError::NoCurve);
        }
        Ok(())
    }

    /// The keys, when connections are to be encrypted.
    pub(super) fn curve(&self) -> Result<Option<CurveKeys>, ConnectionError> {
        let (public, secret) = (&self.curve_publickey, &self.curve_secretkey);
        if public.is_none() && secret.is_none() {
            return Ok(None);
        }
        let decode = |key: &Option<String>, field| {
            let key = key.as_deref().filter(|key| key.len() == 40 && key.is_ascii());
            key.and_then(|key| zmq::z85_decode(key).ok()).ok_or(ConnectionError::Curve { field })
        };
        let (public, secret) = (decode(public, "curve_publickey")?, decode(secret, "curve_secretkey")?);
        Ok(Some(CurveKeys { public, secret }))
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

/// Takes the rights of others away; the file is open, so that it is this file and no other.
fn make_private(file: &File, path: &Path) -> Result<(), ConnectionError> {
    let metadata = file.metadata().map_err(|source| ConnectionError::Read { path: path.to_owned(), source })?;
    // SAFETY: geteuid cannot fail.
    let (owner, us) = (metadata.uid(), unsafe { libc::geteuid() });
    let meant = std::env::var("JUPYTER_ALLOW_INSECURE_WRITES")
        .is_ok_and(|v| ["true", "1"].contains(&v.to_lowercase().as_str()));
    if meant || !metadata.is_file() {
        return Ok(());
    }
    // Root started us, or we are root: it may read everything anyway.
    if owner != us && owner != 0 && us != 0 {
        return Err(ConnectionError::Owner { path: path.to_owned(), owner });
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o066 != 0 {
        let done = match file.set_permissions(Permissions::from_mode(mode & 0o700)) {
            Ok(()) => "now only you can".to_owned(),
            Err(error) => format!("and that cannot be changed: {error}"),
        };
        eprintln!(
            "lathe-kernel: others could read or write {} (mode {mode:o}), which holds the key to this kernel; {done}",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(change: impl FnOnce(&mut Value)) -> Result<ConnectionFile, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("c.json");
        let mut file = json!({"ip": "127.0.0.1", "shell_port": 1, "control_port": 2, "stdin_port": 3, "iopub_port": 4, "hb_port": 5,
            "key": "k", "transport": "tcp", "signature_scheme": "hmac-sha256", "kernel_name": "lathe"});
        change(&mut file);
        std::fs::write(&path, file.to_string()).map_err(|error| error.to_string())?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o664)).map_err(|error| error.to_string())?;
        let read = ConnectionFile::read(&path).map_err(|error| error.to_string());
        assert_eq!(std::fs::metadata(&path).map(|m| m.mode() & 0o777).ok(), Some(0o600), "others can read the key");
        read
    }

    #[test]
    fn without_a_key_only_this_machine_is_served() {
        let with = |ip: &str, key: &str| read(|file| (file["ip"], file["key"]) = (ip.into(), key.into()));
        for ip in ["127.0.0.1", "::1", "localhost"] {
            assert!(with(ip, "").is_ok(), "{ip}");
        }
        for ip in ["0.0.0.0", "*", "192.168.1.7", "example.org"] {
            assert!(with(ip, "").unwrap_err().contains("no key"), "{ip}");
            assert!(with(ip, "k").is_ok(), "{ip}");
        }
    }

    #[test]
    fn keys_of_encryption_are_checked() {
        let key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
        let with = |public: Value, secret: Value| {
            read(|file| (file["curve_publickey"], file["curve_secretkey"]) = (public, secret))
        };
        assert!(with(Value::Null, Value::Null).is_ok_and(|file| file.curve().is_ok_and(|keys| keys.is_none())));
        for (public, secret, field) in [
            (json!(key), Value::Null, "curve_secretkey"),
            (Value::Null, json!(key), "curve_publickey"),
            (json!("short"), json!(key), "curve_publickey"),
            (json!(key), json!(&key[1..]), "curve_secretkey"),
        ] {
            assert!(with(public, secret).unwrap_err().contains(field), "{field}");
        }
        match with(json!(key), json!(key)) {
            Ok(file) => {
                assert!(has_curve() && file.curve().is_ok_and(|keys| keys.is_some_and(|k| k.public.len() == 32)))
            }
            Err(error) => assert!(!has_curve() && error.contains("built without"), "{error}"),
        }
    }
}
