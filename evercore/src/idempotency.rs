//! Defines idempotency keys, which make a commit happen once, however often it is tried.

use std::fmt;

use crate::key::shorten;
use crate::{Error, Result};

/// The longest idempotency key, in bytes of UTF-8.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// A caller's name for one request, such as the request's id: of all commits with the same key, only one succeeds.
///
/// 1 to [`MAX_IDEMPOTENCY_KEY_BYTES`] bytes of UTF-8 without a NUL. Keys are unique within the store, not per
/// aggregate, and are kept forever.
///
/// # Example
/// ```
/// use evercore::IdempotencyKey;
///
/// let key = IdempotencyKey::new("request-0193f3a1")?;
/// assert_eq!(key.as_str(), "request-0193f3a1");
/// assert!(IdempotencyKey::new("").is_err());
/// # Ok::<_, evercore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Creates a key after checking it.
    ///
    /// # Errors
    /// [`Error::InvalidIdempotencyKey`] if it is empty, too long, or contains a NUL.
    pub fn new(key: impl Into<Box<str>>) -> Result<Self> {
        let key = key.into();
        let problem = if key.is_empty() {
            "it is empty".to_owned()
        } else if key.len() > MAX_IDEMPOTENCY_KEY_BYTES {
            format!("it is {} bytes long, but the limit is {MAX_IDEMPOTENCY_KEY_BYTES}", key.len())
        } else if key.contains('\0') {
            "it holds a NUL character".to_owned()
        } else {
            return Ok(Self(key));
        };
        Err(Error::InvalidIdempotencyKey { key: shorten(&key), problem })
    }

    /// Returns the key as text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<&str> for IdempotencyKey {
    type Error = Error;

    fn try_from(key: &str) -> Result<Self> {
        Self::new(key)
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = Error;

    fn try_from(key: String) -> Result<Self> {
        Self::new(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() -> Result<()> {
        let key = IdempotencyKey::new("é 漢字")?;
        assert_eq!((key.as_str(), key.to_string()), ("é 漢字", "é 漢字".to_owned()));
        Ok(())
    }
}
