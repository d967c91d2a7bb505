//! Formats violations as messages.

use std::fmt;

use evercore::{AggregateId, NaturalKey, Position};

use super::super::observation::Handled;
use super::{Obstacle, Violation};

impl fmt::Display for Handled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, aggregate, sequence } = self;
        write!(f, "the event at position {position} (aggregate {aggregate}, sequence {sequence})")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unordered { position, after } => {
                write!(f, "the log gives position {position} after {after}")
            }
            Self::Sequence { event, expected } => {
                write!(f, "{event} should have the sequence {expected}")
            }
            Self::Unclaimed { event, commit: None } => write!(f, "{event} names no commit"),
            Self::Unclaimed { event, commit: Some(commit) } => {
                write!(f, "{event} is of commit {commit}, which no client has sent")
            }
            Self::NeverBegun { commit } => {
                write!(f, "commit {commit} was acknowledged, and no client has sent it")
            }
            Self::Lost { commit, present, of } => {
                write!(
                    f,
                    "commit {commit} was acknowledged, and {present} of its {of} events are there"
                )
            }
            Self::Torn { commit, present, of } => {
                write!(f, "commit {commit} is there in part: {present} of its {of} events")
            }
            Self::Doubled { commit, present, of } => {
                write!(f, "commit {commit} has {of} events, and {present} are there")
            }
            Self::Refused { commit, reason, position } => {
                write!(f, "commit {commit} was refused ({reason:?}), and is there at {position}")
            }
            Self::Altered { commit, event } => {
                write!(f, "{event} is not what commit {commit} was to write there")
            }
            Self::Misplaced { commit, told, found } => {
                let (told, found) = (Places(told), Places(found));
                write!(f, "commit {commit} was acknowledged at {told}, and is at {found}")
            }
            Self::Outcome { commit, landed } => {
                let outcome = if *landed { "landed" } else { "never lands" };
                write!(f, "commit {commit} is said to have {outcome}, which is not so")
            }
            Self::Stale { commit, aggregate, decided_on, written } => write!(
                f,
                "commit {commit} was decided on sequence {decided_on} of aggregate {aggregate}, and has written sequence {written}"
            ),
            Self::StaleBoundary { commit, boundary, seen, there } => write!(
                f,
                "commit {commit} was decided on {seen} new events of `{boundary}`, and {there} lie before it in the log"
            ),
            Self::Early { commit, position, acknowledged, at } => write!(
                f,
                "commit {commit} is at {position}, and began after commit {acknowledged} was acknowledged at {at}"
            ),
            Self::IdempotencyKey { key, first, second } => {
                write!(
                    f,
                    "commits {first} and {second} have landed with the idempotency key `{key}`"
                )
            }
            Self::NoOrder { after, stuck } => {
                write!(f, "after {after} commits, none can come next")?;
                stuck.iter().try_for_each(|(commit, obstacle)| write!(f, "; {commit} {obstacle}"))
            }
            Self::Undecided { steps } => {
                write!(f, "no order of the commits was found in {steps} steps")
            }
            Self::Existence { aggregate, stored: true } => {
                write!(f, "aggregate {aggregate} is stored, and no commit has created it")
            }
            Self::Existence { aggregate, stored: false } => {
                write!(f, "aggregate {aggregate} was created, and is not stored")
            }
            Self::Key { aggregate, expected, found } => {
                let (expected, found) = (Named(expected), Named(found));
                write!(f, "aggregate {aggregate} should have {expected}, and has {found}")
            }
            Self::Holder { aggregate_type, key, expected, found } => {
                let (expected, found) = (Holder(expected), Holder(found));
                write!(
                    f,
                    "the key `{key}` of {aggregate_type} should lead to {expected}, and leads to {found}"
                )
            }
            Self::State { aggregate } => {
                write!(f, "aggregate {aggregate} has another state after a full replay")
            }
            Self::Missed { subscription, event } => {
                write!(f, "`{subscription}` was never given {event}")
            }
            Self::Repeated { subscription, event, times } => {
                write!(f, "in `{subscription}`, {event} has taken effect {times} times")
            }
            Self::Overtaken { subscription, event, earlier } => {
                write!(f, "`{subscription}` was given {event} before {earlier}")
            }
            Self::NotFollowed { subscription, event } => {
                write!(f, "`{subscription}` was given {event}, which it does not follow")
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(aggregate) => write!(f, "creates aggregate {aggregate}, which exists"),
            Self::Missing(aggregate) => {
                write!(f, "needs aggregate {aggregate}, which is not there")
            }
            Self::Sequence { aggregate, needed, found } => {
                write!(f, "needs aggregate {aggregate} at sequence {needed}, and it is at {found}")
            }
            Self::Key { aggregate, needed, found } => {
                let (needed, found) = (Named(needed), Named(found));
                write!(f, "needs aggregate {aggregate} with {needed}, and it has {found}")
            }
            Self::Taken { key, holder } => {
                write!(f, "claims the key `{key}`, which aggregate {holder} holds")
            }
            Self::Boundary { boundary, needed, found } => {
                write!(f, "needs {needed} events of `{boundary}`, and there are {found}")
            }
            Self::BoundaryNeeded { position } => write!(
                f,
                "adds the event at position {position} to a boundary that others still need without it"
            ),
            Self::Needed { aggregate, sequence } => write!(
                f,
                "goes on from sequence {sequence} of aggregate {aggregate}, which others still need"
            ),
        }
    }
}

struct Places<'a>(&'a [Position]);

impl fmt::Display for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no position");
        }
        let all: Vec<_> = self.0.iter().map(Position::to_string).collect();
        f.write_str(&all.join(", "))
    }
}

struct Named<'a>(&'a Option<NaturalKey>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, "the key `{key}`"),
            None => f.write_str("no key"),
        }
    }
}

struct Holder<'a>(&'a Option<AggregateId>);

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "aggregate {id}"),
            None => f.write_str("nothing"),
        }
    }
}
