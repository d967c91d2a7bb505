//! The parts that workers share a subscription by.

use crate::engine::Lane;
use crate::{Error, Result};

/// The most partitions of a subscription.
pub const MAX_PARTITIONS: u32 = 1024;

/// A share of all lanes: those whose number leaves the remainder `index` when it is divided by `count`. Each aggregate is
/// a lane, whose number is its id, unless the subscription has [lanes by a tag](super::SubscriptionBuilder::lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    index: u32,
    count: u32,
}

impl Partition {
    /// The partition of all lanes.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Returns the partition with this number, from 0, of `count` partitions.
    ///
    /// # Errors
    /// [`Error::InvalidNumber`] unless `count` is 1 to [`MAX_PARTITIONS`] and `index` is below it.
    pub fn new(index: u32, count: u32) -> Result<Self> {
        if count == 0 || count > MAX_PARTITIONS {
            let (what, value) = ("number of partitions", count.into());
            return Err(Error::InvalidNumber { what, least: 1, value });
        }
        if index >= count {
            let (what, value) = ("partition", index.into());
            return Err(Error::InvalidNumber { what, least: 0, value });
        }
        Ok(Self { index, count })
    }

    /// Returns its number, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Returns the number of all partitions.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Returns whether a lane belongs to it; an aggregate is a lane.
    #[must_use]
    pub fn contains(self, lane: impl Into<Lane>) -> bool {
        lane.into().get() % i64::from(self.count) == i64::from(self.index)
    }
}
