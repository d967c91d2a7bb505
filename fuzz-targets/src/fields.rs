//! Splits bytes into numbers and texts, and joins them again.

/// Reads values from bytes. There is always another value: missing bytes read as zero or empty.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

/// Builds the bytes from which [`Fields`] reads the values.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Seed(Vec<u8>);

impl<'a> Fields<'a> {
    /// Reads from these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads eight bytes as a little-endian number.
    pub fn number(&mut self) -> i64 {
        let mut number = [0; 8];
        let bytes = self.take(8);
        number[..bytes.len()].copy_from_slice(bytes);
        i64::from_le_bytes(number)
    }

    /// Reads a length of two bytes, then as many bytes as that, or as there are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let mut length = [0; 2];
        let bytes = self.take(2);
        length[..bytes.len()].copy_from_slice(bytes);
        self.take(u16::from_le_bytes(length).into())
    }

    /// Like [`bytes`](Self::bytes), with `None` for zero bytes.
    pub fn optional(&mut self) -> Option<&'a [u8]> {
        Some(self.bytes()).filter(|bytes| !bytes.is_empty())
    }

    /// Like [`optional`](Self::optional), with `None` for invalid UTF-8.
    pub fn text(&mut self) -> Option<&'a str> {
        self.optional().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Returns the remaining bytes.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

impl Seed {
    /// Appends a number.
    pub fn number(mut self, number: i64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    /// Appends bytes with their length.
    ///
    /// # Panics
    /// If there are more than 65,535 bytes.
    pub fn bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let length = u16::try_from(bytes.len()).expect("a seed is short");
        self.0.extend(length.to_le_bytes());
        self.0.extend(bytes);
        self
    }

    /// Appends the remaining bytes and returns everything.
    #[must_use]
    pub fn rest(mut self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.0.extend(bytes.as_ref());
        self.0
    }
}
