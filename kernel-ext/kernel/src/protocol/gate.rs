//! What gets in: messages that are whole, signed right and not a repetition.

use super::message::{Codec, DELIMITER, Message, WireError, unhex};
use std::collections::{HashSet, VecDeque};

/// Signatures that are remembered: some 3 MB, hours of work.
const REMEMBERED: usize = 1 << 15;
/// Dropped messages that are logged one by one; then only every thousandth, so that a flood does not fill the disk.
const LOGGED: u64 = 20;

type Signature = [u8; 32];

/// Admits messages of one key.
pub(super) struct Gate {
    codec: Codec,
    seen: HashSet<Signature>,
    order: VecDeque<Signature>,
    dropped: u64,
}

impl Gate {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, seen: HashSet::new(), order: VecDeque::new(), dropped: 0 }
    }

    /// The message in these frames; `None`, with a line in the log, when it must be dropped.
    pub(super) fn admit(&mut self, frames: Vec<Vec<u8>>, socket: &str) -> Option<Message> {
        match self.check(frames) {
            Ok(message) => Some(message),
            Err(error) => {
                self.dropped += 1;
                if self.dropped <= LOGGED || self.dropped.is_multiple_of(1000) {
                    eprintln!("lathe-kernel: dropped a message on {socket} ({} so far): {error}", self.dropped);
                }
                None
            }
        }
    }

    fn check(&mut self, frames: Vec<Vec<u8>>) -> Result<Message, WireError> {
        let signature = frames.iter().skip_while(|frame| *frame != DELIMITER).nth(1).and_then(|hex| unhex(hex));
        let message = self.codec.decode(frames)?;
        // Only right signatures are remembered: nobody without the key can fill the memory. Without a key they are empty.
        if let Some(signature) = signature.and_then(|bytes| Signature::try_from(bytes).ok()) {
            if !self.seen.insert(signature) {
                return Err(WireError::Repeated);
            }
            self.order.push_back(signature);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_signed_message_gets_in_once_and_memory_is_bounded() {
        let codec = Codec::new("key", "test");
        let mut gate = Gate::new(codec.clone());
        let frames = |i: usize| codec.encode(&codec.message("x", json!({"i": i}), &Default::default()));
        let first = frames(0);
        assert!(gate.admit(first.clone(), "shell").is_some());
        let mut shouted = first.clone();
        shouted[1].make_ascii_uppercase();
        for again in [first.clone(), shouted] {
            assert_eq!(gate.check(again), Err(WireError::Repeated));
        }
        for i in 0..REMEMBERED {
            assert!(gate.admit(frames(i), "shell").is_some());
        }
        assert_eq!((gate.seen.len(), gate.order.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn wrong_signatures_are_not_remembered_and_no_key_means_no_check() {
        let mut gate = Gate::new(Codec::new("key", "test"));
        let open = Codec::new("", "test");
        let frames = open.encode(&open.message("x", json!({}), &Default::default()));
        assert!(gate.admit(frames.clone(), "shell").is_none() && gate.seen.is_empty());
        let mut gate = Gate::new(open);
        assert!(gate.admit(frames.clone(), "shell").is_some() && gate.admit(frames, "shell").is_some());
    }
}
