//! Replays an aggregate whose Rust type only the registry knows, and compares it with its snapshot.

use std::any::Any;

use crate::format::capture::{Sets, first_difference};
use crate::format::round_trip::RoundTrips;
use crate::{Aggregate, SnapshotPolicy, Tags};

/// The number of times that a state is decoded and encoded again to find out which of its lists keep their order. A set
/// of two elements that is written in random order keeps it in all of them with a probability of 2⁻⁶⁴.
const ROUND_TRIPS: u32 = 32;

/// An aggregate's state during a replay.
pub(crate) trait Replaying: Send {
    /// Returns the state, of the aggregate's Rust type.
    fn state(&mut self) -> &mut dyn Any;

    /// Returns the unique values of the state; `None` if they are invalid.
    fn unique(&self) -> Option<Tags>;

    /// Compares the state with a snapshot.
    fn compare(&self, snapshot: &[u8]) -> Comparison;
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Same,
    /// They differ, first at this field.
    Differs(String),
    /// The snapshot cannot be decoded as the type.
    Unreadable,
}

/// Begins a replay with the default state.
pub(crate) fn begin<T: Aggregate>() -> Box<dyn Replaying> {
    Box::new(Typed(T::default()))
}

struct Typed<T>(T);

impl<T: Aggregate> Replaying for Typed<T> {
    fn state(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn unique(&self) -> Option<Tags> {
        T::UNIQUE.and_then(|unique| unique.of(&self.0).ok())
    }

    fn compare(&self, snapshot: &[u8]) -> Comparison {
        match T::SNAPSHOTS {
            Some(policy) => compare(&policy, &self.0, snapshot),
            None => Comparison::Unreadable,
        }
    }
}

/// Compares the decoded snapshot with the replayed state, value by value. The bytes do not decide: two different states
/// may be encoded alike.
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
