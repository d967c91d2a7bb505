//! Replaying an aggregate of which only the registry knows the type, and comparing it with its snapshot.

use std::any::Any;

use crate::format::capture::{Sets, first_difference};
use crate::format::round_trip::RoundTrips;
use crate::{Aggregate, SnapshotPolicy};

/// How often a state is read and written again to find out which of its lists keep their order. A set of two, written in
/// random order, keeps it each time with a probability of 2 to the power of -64.
const ROUND_TRIPS: u32 = 32;

/// A state under replay.
pub(crate) trait Replaying: Send {
    /// The state, of the aggregate's Rust type.
    fn state(&mut self) -> &mut dyn Any;

    /// Compares it with a snapshot.
    fn compare(&self, snapshot: &[u8]) -> Comparison;
}

/// What has come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Same,
    /// At this field first.
    Differs(String),
    /// The snapshot is not read as the type.
    Unreadable,
}

/// Begins with the default state.
pub(crate) fn begin<T: Aggregate>() -> Box<dyn Replaying> {
    Box::new(Typed(T::default()))
}

struct Typed<T>(T);

impl<T: Aggregate> Replaying for Typed<T> {
    fn state(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn compare(&self, snapshot: &[u8]) -> Comparison {
        match T::SNAPSHOTS {
            Some(policy) => compare(&policy, &self.0, snapshot),
            None => Comparison::Unreadable,
        }
    }
}

/// Compares what the snapshot would be loaded as with the replayed state, value by value: the bytes of a snapshot may be
/// the same for two states.
fn compare<T>(policy: &SnapshotPolicy<T>, replayed: &T, snapshot: &[u8]) -> Comparison {
    let load = || policy.capture(&policy.decode(snapshot)?);
    let (Some(loaded), Some(state)) = (load(), policy.capture(replayed)) else {
        return Comparison::Unreadable;
    };
    let mut sets = Sets::default();
    let Some(mut difference) = first_difference(&loaded, &state, &sets) else {
        return Comparison::Same;
    };
    let written = policy.encode(replayed, RoundTrips::TRUSTED).ok();
    let written_again = || policy.capture(&policy.decode(written.as_deref()?)?);
    for _ in 0..ROUND_TRIPS {
        for (value, again) in [(&loaded, load()), (&state, written_again())] {
            if let Some(again) = again {
                sets.learn(value, &again);
            }
        }
        match first_difference(&loaded, &state, &sets) {
            None => return Comparison::Same,
            Some(again) => difference = again,
        }
    }
    Comparison::Differs(difference.path)
}

#[cfg(test)]
mod tests;
