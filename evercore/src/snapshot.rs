//! Snapshots: a state kept beside its events, so that a load need not replay them all.

use std::fmt;
use std::num::NonZeroU32;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::capture::Captured;
use crate::format::codec::json;
use crate::format::round_trip::{self, RoundTrips};
use crate::{BoxError, Codec, Sequence};

/// Tells one shape of a state from another. A snapshot of another fingerprint is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

/// How an aggregate's snapshots are taken and read.
///
/// A snapshot is written with the commit that crosses a multiple of `every`, unless it would not restore the state as it
/// is. One that cannot be used is a miss: the state is replayed.
pub struct SnapshotPolicy<T> {
    every: NonZeroU32,
    fingerprint: Fingerprint,
    encode: fn(&T, RoundTrips) -> Result<Vec<u8>, BoxError>,
    decode: fn(&[u8]) -> Option<T>,
    capture: fn(&T) -> Option<Captured>,
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

    /// Writes a state, after the checks that are asked for.
    pub(crate) fn encode(&self, state: &T, round_trips: RoundTrips) -> Result<Vec<u8>, BoxError> {
        (self.encode)(state, round_trips)
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<T> {
        (self.decode)(bytes)
    }

    /// The state as it can be compared. `None` if its own `Serialize` refuses.
    pub(crate) fn capture(&self, state: &T) -> Option<Captured> {
        (self.capture)(state)
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
            encode: |state, round_trips| round_trip::encode(state, Codec::Json, round_trips),
            decode: |bytes| json::decode(bytes).ok(),
            capture: |state| Captured::of(state, Codec::Json.is_human_readable()).ok(),
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
