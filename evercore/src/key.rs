//! Defines natural keys: names by which the outside world identifies aggregates.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The longest natural key, in bytes of UTF-8. Fits a B-tree entry on every engine with room to spare.
pub const MAX_NATURAL_KEY_BYTES: usize = 255;

/// The name by which the outside world identifies an aggregate, such as an account number or an e-mail address.
///
/// 1 to [`MAX_NATURAL_KEY_BYTES`] bytes of UTF-8 without a NUL. Keys are compared byte for byte, so normalise case and
/// Unicode form before you create one. A key belongs to at most one aggregate of a type.
///
/// # Example
/// ```
/// use evercore::NaturalKey;
///
/// let key = NaturalKey::new("NL91ABNA0417164300")?;
/// assert_eq!(key.as_str(), "NL91ABNA0417164300");
/// assert!(NaturalKey::new("").is_err());
/// # Ok::<_, evercore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NaturalKey(String);

impl NaturalKey {
    /// Creates a key after checking it.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] if it is empty, too long, or contains a NUL.
    pub fn new(key: impl Into<String>) -> Result<Self> {
        let key = key.into();
        let problem = if key.is_empty() {
            "it is empty".to_owned()
        } else if key.len() > MAX_NATURAL_KEY_BYTES {
            format!("it is {} bytes long, but the limit is {MAX_NATURAL_KEY_BYTES}", key.len())
        } else if key.contains('\0') {
            "it holds a NUL character".to_owned()
        } else {
            return Ok(Self(key));
        };
        Err(Error::InvalidKey { key: shorten(&key), problem })
    }

    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shortens and escapes a text from outside for a message.
pub(crate) fn shorten(text: &str) -> String {
    const KEPT_CHARS: usize = 40;
    let head: String = text.chars().take(KEPT_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(KEPT_CHARS).is_some() { format!("{head}…") } else { head }
}

impl AsRef<str> for NaturalKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NaturalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<&str> for NaturalKey {
    type Error = Error;

    fn try_from(key: &str) -> Result<Self> {
        Self::new(key)
    }
}

impl TryFrom<&String> for NaturalKey {
    type Error = Error;

    fn try_from(key: &String) -> Result<Self> {
        Self::new(key)
    }
}

impl TryFrom<String> for NaturalKey {
    type Error = Error;

    fn try_from(key: String) -> Result<Self> {
        Self::new(key)
    }
}

impl From<&NaturalKey> for NaturalKey {
    fn from(key: &NaturalKey) -> Self {
        key.clone()
    }
}

impl From<NaturalKey> for String {
    fn from(key: NaturalKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() -> Result<()> {
        let key = NaturalKey::new("é 漢字")?;
        assert_eq!(
            (key.as_str(), key.as_ref(), key.to_string()),
            ("é 漢字", "é 漢字", "é 漢字".to_owned())
        );
        Ok(())
    }

    #[test]
    fn a_refusal_shows_the_head_of_the_key() {
        let Err(Error::InvalidKey { key, .. }) = NaturalKey::new("a\0b") else {
            panic!("it holds a NUL");
        };
        assert_eq!(key, "a\\0b");
        let Err(Error::InvalidKey { key, .. }) = NaturalKey::new("é".repeat(200)) else {
            panic!("it is too long");
        };
        assert_eq!(key, format!("{}…", "é".repeat(40)));
    }
}
