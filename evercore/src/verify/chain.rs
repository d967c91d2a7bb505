//! Checks the chain of hashes of one aggregate.

use super::{EventAt, Finding};
use crate::chain::Digesting;
use crate::format::link::Link;
use crate::{Position, RecordedEvent};

/// A chain that is checked event by event.
#[derive(Debug)]
pub(super) struct Chain {
    before: Before,
    has_begun: bool,
    /// The last chained event up to the position of each digest.
    heads: Vec<Head>,
}

/// The state of the previous event's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// There is no previous event, or it has no hash.
    WithoutHash,
    Hash(Link),
    /// The previous event is missing, or cannot be read.
    Unknown,
}

#[derive(Debug)]
struct Head {
    up_to: Position,
    last: Option<(i64, Link)>,
}

impl Chain {
    pub(super) fn new(digests: &[Digesting]) -> Self {
        let heads = digests.iter().map(|digest| Head { up_to: digest.position(), last: None });
        Self { before: Before::WithoutHash, has_begun: false, heads: heads.collect() }
    }

    /// Notes that an event is missing or cannot be read, so that the next hash cannot be checked.
    pub(super) fn interrupt(&mut self) {
        self.before = Before::Unknown;
    }

    pub(super) fn event(&mut self, event: &RecordedEvent, at: &EventAt) -> Option<Finding> {
        let Some(link) = event.payload().link() else {
            self.before = Before::WithoutHash;
            return self.has_begun.then(|| Finding::HashMissing { event: at.clone() });
        };
        let is_right = match self.before {
            Before::Unknown => true,
            Before::WithoutHash => is_right(None, event, link),
            Before::Hash(before) => is_right(Some(before), event, link),
        };
        (self.before, self.has_begun) = (Before::Hash(link), true);
        for head in &mut self.heads {
            if event.position() <= head.up_to {
                head.last = Some((event.sequence().get(), link));
            }
        }
        (!is_right).then(|| Finding::HashDiffers { event: at.clone() })
    }

    /// Returns whether the last event is known to have another hash than this one, or none.
    pub(super) fn ends_otherwise(&self, link: Link) -> bool {
        match self.before {
            Before::Hash(before) => before != link,
            Before::WithoutHash => true,
            Before::Unknown => false,
        }
    }

    /// Adds the aggregate to the digests that the chain was made for.
    pub(super) fn add_to(&self, digests: &mut [Digesting], aggregate_id: i64) {
        for (head, digest) in self.heads.iter().zip(digests) {
            if let Some((sequence, link)) = head.last {
                digest.add(aggregate_id, sequence, link);
            }
        }
    }
}

fn is_right(before: Option<Link>, event: &RecordedEvent, link: Link) -> bool {
    Link::of_recorded(before, event).is_ok_and(|right| right == link)
}
