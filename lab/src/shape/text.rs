//! Messages with numbers in them for errors that the compiler finds while it computes a constant.

/// A piece of a message.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Text(&'static str),
    Size(usize),
}

const LONGEST: usize = 256;

struct Message {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Message {
    /// Cut off at the longest length.
    const fn push(&mut self, bytes: &[u8]) {
        let mut i = 0;
        while i < bytes.len() && self.len < LONGEST {
            self.bytes[self.len] = bytes[i];
            self.len += 1;
            i += 1;
        }
    }

    const fn push_size(&mut self, size: usize) {
        let mut digits = [0; 20];
        let (mut from, mut rest) = (digits.len(), size);
        loop {
            from -= 1;
            digits[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.push(digits.split_at(from).1);
    }

    const fn of(parts: &[Part]) -> Self {
        let mut message = Self { bytes: [0; LONGEST], len: 0 };
        let mut i = 0;
        while i < parts.len() {
            match parts[i] {
                Part::Text(text) => message.push(text.as_bytes()),
                Part::Size(size) => message.push_size(size),
            }
            i += 1;
        }
        message
    }

    const fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "sizes do not fit",
        }
    }
}

/// Ends the evaluation of a constant, and with it the build, with this message.
#[track_caller]
pub(crate) const fn fail(parts: &[Part]) -> ! {
    panic!("{}", Message::of(parts).text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_out() {
        let message = Message::of(&[
            Part::Size(0),
            Part::Text(" of "),
            Part::Size(120_450),
            Part::Text(" – "),
            Part::Size(usize::MAX),
        ]);
        assert_eq!(message.text(), format!("0 of 120450 – {}", usize::MAX));
        assert_eq!(Message::of(&[Part::Text("0123456789"); 30]).text().len(), LONGEST);
    }
}
