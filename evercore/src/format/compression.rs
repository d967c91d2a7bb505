//! Compresses and decompresses payloads.

use crate::DecodeError;
use crate::format::error::MissingFeature;

/// The largest size to which a compressed payload may grow when it is read: 64 MiB. Larger payloads are stored
/// uncompressed.
pub const MAX_INFLATED_BYTES: usize = 64 * 1024 * 1024;

/// The compression of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not compressed.
    #[default]
    None,
    /// Zstandard (RFC 8878). Requires the feature `zstd`.
    Zstd,
}

/// The error for a build that lacks compression.
pub(crate) const MISSING: MissingFeature = MissingFeature { format: "zstd", feature: "zstd" };

/// Returns whether this build supports compressed payloads.
pub(crate) const fn is_built() -> bool {
    cfg!(feature = "zstd")
}

/// Returns the compressed bytes; `None` if they would not be fewer, or if the payload is too large to be decompressed
/// again.
pub(crate) fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() > MAX_INFLATED_BYTES {
        return None;
    }
    zstd::deflate(bytes).filter(|deflated| deflated.len() < bytes.len())
}

/// Decompresses bytes to at most [`MAX_INFLATED_BYTES`], whatever size they claim.
pub(crate) fn inflate(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    zstd::inflate(bytes)
}

#[cfg(feature = "zstd")]
mod zstd {
    use super::MAX_INFLATED_BYTES;
    use crate::DecodeError;

    pub(super) fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
        zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL).ok()
    }

    pub(super) fn inflate(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        zstd::bulk::decompress(bytes, MAX_INFLATED_BYTES).map_err(|error| {
            let limit = format!("it cannot be decompressed to at most {MAX_INFLATED_BYTES} bytes");
            DecodeError::whole(std::io::Error::new(error.kind(), format!("{limit}: {error}")))
        })
    }
}

#[cfg(not(feature = "zstd"))]
mod zstd {
    use super::MISSING;
    use crate::DecodeError;

    pub(super) fn deflate(_: &[u8]) -> Option<Vec<u8>> {
        None
    }

    pub(super) fn inflate(_: &[u8]) -> Result<Vec<u8>, DecodeError> {
        Err(DecodeError::missing(MISSING))
    }
}

#[cfg(all(test, feature = "zstd"))]
mod tests {
    use super::*;

    /// A payload that could not be read again is never written.
    #[test]
    fn compressed_payloads_can_be_decompressed() {
        let largest = vec![0; MAX_INFLATED_BYTES];
        let deflated = deflate(&largest).expect("its bytes are all zero");
        assert!(inflate(&deflated).is_ok_and(|inflated| inflated == largest));
        assert_eq!(deflate(&vec![0; MAX_INFLATED_BYTES + 1]), None);
    }

    #[test]
    fn compressed_payloads_are_shorter() {
        let lengths: Vec<_> = (0..100)
            .map(|length| (length, zstd::deflate(&vec![b'x'; length]).expect("it can").len()))
            .collect();
        assert!(lengths.iter().any(|(plain, deflated)| plain == deflated), "{lengths:?}");
        for (plain, deflated) in lengths {
            assert_eq!(deflate(&vec![b'x'; plain]).is_some(), deflated < plain, "{plain} bytes");
        }
    }
}
