//! Snapshots: a state kept beside its events, so that a load need not replay them all.

use std::fmt;
use std::num::NonZeroU32;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Sequence;
use crate::codec::json;

/// Tells one shape of a state from another. A snapshot of another fingerprint is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

/// How an aggregate's snapshots are taken and read.
///
/// A snapshot is written with the commit that crosses a multiple of `every`. One that cannot be used is a miss: the
/// state is replayed.
pub struct SnapshotPolicy<T> {
    every: NonZeroU32,
    fingerprint: Fingerprint,
    encode: fn(&T) -> Result<Vec<u8>, serde_json::Error>,
    decode: fn(&[u8]) -> Option<T>,
}

impl Fingerprint {
    /// A fingerprint from any 64 bits that change when the shape does.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<T> SnapshotPolicy<T> {
    /// The number of events from one snapshot to the next.
    #[must_use]
    pub const fn every(&self) -> NonZeroU32 {
        self.every
    }

    /// The shape of the state.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether one of the events after `from`, up to `to`, completes a stretch of `every` events.
    pub(crate) fn is_due_within(&self, from: Sequence, to: Sequence) -> bool {
        let every = i64::from(self.every.get());
        to.get() / every > from.get() / every
    }

    pub(crate) fn encode(&self, state: &T) -> Result<Vec<u8>, serde_json::Error> {
        (self.encode)(state)
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<T> {
        (self.decode)(bytes)
    }
}

impl<T: Serialize + DeserializeOwned> SnapshotPolicy<T> {
    /// Snapshots as JSON, one for each `every` events.
    ///
    /// # Panics
    /// At compile time, when used in a constant with an `every` of 0.
    #[must_use]
    pub const fn json(every: u32, fingerprint: Fingerprint) -> Self {
        let Some(every) = NonZeroU32::new(every) else {
            panic!("a snapshot every 0 events; leave the policy out instead");
        };
        Self {
            every,
            fingerprint,
            encode: |state| serde_json::to_vec(state),
            decode: |bytes| json::decode(bytes).ok(),
        }
    }
}

impl<T> fmt::Debug for SnapshotPolicy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotPolicy")
            .field("every", &self.every)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
