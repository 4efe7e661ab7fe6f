use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

/// Stands between the routing frames and the message.
pub const DELIMITER: &[u8] = b"<IDS|MSG>";
/// The protocol version that we speak.
pub(super) const VERSION: &str = "5.4";

/// Why a message was dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No delimiter, or frames missing behind it.
    #[error("{0} frames and no complete message in them")]
    Frames(usize),
    /// Signed with another key, or not signed.
    #[error("its signature is wrong")]
    Signature,
    /// Received before: somebody plays it again.
    #[error("it was received before")]
    Repeated,
    /// A part that is not JSON or not an object.
    #[error("its {0} is not a JSON object")]
    Json(&'static str),
    /// A header without type or id.
    #[error("its header has no {0}")]
    Header(&'static str),
}

/// A message, received or to be sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Routing frames (on iopub: the topic).
    pub identities: Vec<Vec<u8>>,
    /// Type, id, session, date ...
    pub header: Map<String, Value>,
    /// The header of the request that this answers; empty for none.
    pub parent: Map<String, Value>,
    /// Metadata.
    pub metadata: Map<String, Value>,
    /// Content, by type.
    pub content: Map<String, Value>,
}

impl Message {
    /// The type, for example `execute_request`.
    pub fn kind(&self) -> &str {
        self.header.get("msg_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The id.
    pub fn id(&self) -> &str {
        self.header.get("msg_id").and_then(Value::as_str).unwrap_or_default()
    }

    /// A text field of the content, empty when absent.
    pub fn text(&self, field: &str) -> &str {
        self.content.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A yes/no field of the content.
    pub fn flag(&self, field: &str, default: bool) -> bool {
        self.content.get(field).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A number in the content.
    pub fn number(&self, field: &str) -> Option<i64> {
        self.content.get(field).and_then(Value::as_i64)
    }
}

/// Makes frames of messages and messages of frames, with one key and one session.
///
/// ```
/// use lathe_kernel::protocol::{Codec, WireError};
/// let codec = Codec::new("key", "lathe");
/// let message = codec.message("status", serde_json::json!({"execution_state": "idle"}), &Default::default());
/// let mut frames = codec.encode(&message);
/// assert_eq!(codec.decode(frames.clone()), Ok(message));
/// frames[1][0] ^= 1;
/// assert_eq!(codec.decode(frames), Err(WireError::Signature));
/// ```
#[derive(Clone)]
pub struct Codec {
    mac: Option<Hmac<Sha256>>,
    session: String,
    username: String,
}

impl Codec {
    /// A codec for this key (empty: no signatures) with a new session id.
    pub fn new(key: &str, username: &str) -> Self {
        // HMAC takes keys of any length, so the error cannot occur; an unsigned codec must not be its substitute.
        let mac = match key {
            "" => None,
            key => Hmac::new_from_slice(key.as_bytes()).ok(),
        };
        Self { mac, session: uuid::Uuid::new_v4().to_string(), username: username.to_owned() }
    }

    /// A new message of this type.
    pub fn message(&self, kind: &str, content: Value, parent: &Map<String, Value>) -> Message {
        let header = json!({
            "msg_id": uuid::Uuid::new_v4().to_string(),
            "msg_type": kind,
            "session": self.session,
            "username": self.username,
            "date": jiff::Timestamp::now().to_string(),
            "version": VERSION,
        });
        let map = |value| match value {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Message { header: map(header), parent: parent.clone(), content: map(content), ..Message::default() }
    }

    fn sign<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Option<Hmac<Sha256>> {
        let mut mac = self.mac.clone()?;
        parts.for_each(|part| mac.update(part));
        Some(mac)
    }

    /// The frames of a message.
    pub fn encode(&self, message: &Message) -> Vec<Vec<u8>> {
        let Message { identities, header, parent, metadata, content } = message;
        let parts = [header, parent, metadata, content].map(|part| serde_json::to_vec(part).unwrap_or_default());
        let signature = self.sign(parts.iter().map(Vec::as_slice)).map_or(String::new(), |mac| {
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
        });
        let mut frames = identities.clone();
        frames.push(DELIMITER.to_vec());
        frames.push(signature.into_bytes());
        frames.extend(parts);
        frames
    }

    /// Reads frames; the signature is compared in constant time.
    ///
    /// # Errors
    /// [`WireError`], when the message should be dropped.
    pub fn decode(&self, mut frames: Vec<Vec<u8>>) -> Result<Message, WireError> {
        let count = frames.len();
        let delimiter = frames.iter().position(|frame| frame == DELIMITER).ok_or(WireError::Frames(count))?;
        let body = frames.split_off(delimiter);
        let [_, signature, parts @ ..] = body.as_slice() else { return Err(WireError::Frames(count)) };
        let Some(parts) = parts.first_chunk::<4>() else { return Err(WireError::Frames(count)) };
        if let Some(mac) = self.sign(parts.iter().map(Vec::as_slice)) {
            let given = unhex(signature).ok_or(WireError::Signature)?;
            mac.verify_slice(&given).map_err(|_| WireError::Signature)?;
        }
        let object = |part: &[u8], name| serde_json::from_slice(part).map_err(|_| WireError::Json(name));
        let message = Message {
            identities: frames,
            header: object(&parts[0], "header")?,
            parent: object(&parts[1], "parent header")?,
            metadata: object(&parts[2], "metadata")?,
            content: object(&parts[3], "content")?,
        };
        for (value, name) in [(message.kind(), "msg_type"), (message.id(), "msg_id")] {
            if value.is_empty() {
                return Err(WireError::Header(name));
            }
        }
        Ok(message)
    }
}

/// The bytes that these hexadecimal digits, of either case, stand for.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|d| d as u8);
    if text.len() % 2 == 1 {
        return None;
    }
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
