//! The hash at the end of a payload, which chains the events of an aggregate.

use std::fmt;

/// The length of a hash: SHA-256 (FIPS 180-4).
pub(crate) const LINK_BYTES: usize = 32;

/// The hash of an event and of all events of its aggregate before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link([u8; LINK_BYTES]);

impl Link {
    pub(crate) const fn new(hash: [u8; LINK_BYTES]) -> Self {
        Self(hash)
    }

    /// Wraps bytes as a hash. `None` if their number is not that of a hash.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; LINK_BYTES] {
        &self.0
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
