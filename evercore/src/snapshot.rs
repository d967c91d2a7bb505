//! Defines snapshots: stored states, so that a load need not replay all events.

use std::fmt;
use std::num::NonZeroU32;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::capture::Captured;
use crate::format::codec::json;
use crate::format::round_trip::{self, RoundTrips};
use crate::{BoxError, Codec, Sequence};

/// Identifies the shape of a state. A snapshot with another fingerprint is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

/// The policy by which snapshots of an aggregate are taken and read.
///
/// A snapshot is written with the commit that crosses a multiple of `every`, unless it would not restore the same
/// state. If a stored snapshot cannot be used, the state is replayed from all events.
pub struct SnapshotPolicy<T> {
    every: NonZeroU32,
    fingerprint: Fingerprint,
    encode: fn(&T, RoundTrips) -> Result<Vec<u8>, BoxError>,
    decode: fn(&[u8]) -> Option<T>,
    capture: fn(&T) -> Option<Captured>,
}

impl Fingerprint {
    /// Creates a fingerprint from any 64 bits that change when the shape does.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the 64 bits.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<T> SnapshotPolicy<T> {
    /// Returns the number of events from one snapshot to the next.
    #[must_use]
    pub const fn every(&self) -> NonZeroU32 {
        self.every
    }

    /// Returns the fingerprint of the state's shape.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns whether the events after `from`, up to `to`, include one whose sequence is a multiple of `every`.
    pub(crate) fn is_due_within(&self, from: Sequence, to: Sequence) -> bool {
        let every = i64::from(self.every.get());
        to.get() / every > from.get() / every
    }

    /// Encodes a state, after the requested checks.
    pub(crate) fn encode(&self, state: &T, round_trips: RoundTrips) -> Result<Vec<u8>, BoxError> {
        (self.encode)(state, round_trips)
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<T> {
        (self.decode)(bytes)
    }

    /// Captures the state in a form that can be compared. `None` if its own `Serialize` fails.
    pub(crate) fn capture(&self, state: &T) -> Option<Captured> {
        (self.capture)(state)
    }
}

impl<T: Serialize + DeserializeOwned> SnapshotPolicy<T> {
    /// Takes snapshots as JSON, one per `every` events.
    ///
    /// # Panics
    /// At compile time, when used in a constant with an `every` of 0.
    #[must_use]
    pub const fn json(every: u32, fingerprint: Fingerprint) -> Self {
        let Some(every) = NonZeroU32::new(every) else {
            panic!("a snapshot every 0 events is impossible; leave the policy out instead");
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
