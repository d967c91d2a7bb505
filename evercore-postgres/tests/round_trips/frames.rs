//! Splits the bytes of a PostgreSQL connection into messages.

/// A message.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The message type; 0 for the client's first message, which has none.
    pub(crate) kind: u8,
    body: Vec<u8>,
}

/// The bytes received so far in one direction of a connection.
#[derive(Debug)]
pub(crate) struct Frames {
    pending: Vec<u8>,
    starts_without_kind: bool,
}

impl Frame {
    /// Returns the `n`th of the zero-terminated strings at the beginning of the body.
    pub(crate) fn string(&self, n: usize) -> &[u8] {
        self.body.split(|&byte| byte == 0).nth(n).expect("the message has such a string")
    }
}

impl Frames {
    pub(crate) fn of_client() -> Self {
        Self { pending: Vec::new(), starts_without_kind: true }
    }

    pub(crate) fn of_server() -> Self {
        Self { pending: Vec::new(), starts_without_kind: false }
    }

    /// Adds bytes, and returns the messages that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.pending.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = self.next() {
            frames.push(frame);
        }
        frames
    }

    fn next(&mut self) -> Option<Frame> {
        let kind_bytes = usize::from(!self.starts_without_kind);
        let length = self.pending.get(kind_bytes..kind_bytes + 4)?;
        let length = u32::from_be_bytes(length.try_into().expect("they are four"));
        // The length includes itself but not the message type.
        let end = kind_bytes + usize::try_from(length).expect("a message fits into memory");
        if self.pending.len() < end {
            return None;
        }
        let message: Vec<u8> = self.pending.drain(..end).collect();
        let kind = if self.starts_without_kind { 0 } else { message[0] };
        self.starts_without_kind = false;
        Some(Frame { kind, body: message[kind_bytes + 4..].to_vec() })
    }
}
