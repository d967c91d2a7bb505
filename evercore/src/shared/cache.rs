//! Keeps the states of aggregates in memory from one commit to the next.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use quick_cache::sync::{Cache as Bounded, EntryAction, EntryResult};

use crate::format::link::Link;
use crate::{AggregateId, NaturalKey, Sequence};

/// The states of the aggregates that commits of this store have touched last, up to a capacity.
///
/// A cached state may be stale, since other processes write as well: it counts only once a commit has checked it.
pub(crate) struct Cache {
    states: Bounded<AggregateId, Cached>,
    /// Aggregates by the stored name of their type and their key. An aggregate in here may have lost the key since.
    holders: Bounded<(&'static str, NaturalKey), AggregateId>,
}

/// An aggregate as a commit has left it.
#[derive(Clone)]
pub(crate) struct Cached {
    pub(crate) sequence: Sequence,
    pub(crate) key: Option<NaturalKey>,
    /// A value of the aggregate's Rust type.
    pub(crate) state: Arc<dyn Any + Send + Sync>,
    pub(crate) has_unknown: bool,
    pub(crate) link: Option<Link>,
}

/// The cache entry that a context would store for an aggregate.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: AggregateId,
    pub(crate) aggregate_type: &'static str,
    /// `None` if the context holds no state that could be cached.
    pub(crate) cached: Option<Cached>,
}

impl Cache {
    /// Creates a cache for about this many aggregates.
    pub(crate) fn of(aggregates: usize) -> Self {
        Self { states: Bounded::new(aggregates), holders: Bounded::new(aggregates) }
    }

    pub(crate) fn get(&self, id: AggregateId) -> Option<Cached> {
        self.states.get(&id)
    }

    /// Returns the aggregate that had a key when it was last stored here.
    pub(crate) fn holder(
        &self,
        aggregate_type: &'static str,
        key: &NaturalKey,
    ) -> Option<(AggregateId, Cached)> {
        let id = self.holders.get(&(aggregate_type, key.clone()))?;
        let cached = self.states.get(&id)?;
        (cached.key.as_ref() == Some(key)).then_some((id, cached))
    }

    /// Stores the states after a commit that succeeded.
    pub(crate) fn put_all(&self, known: Vec<Known>) {
        for Known { id, aggregate_type, cached } in known {
            match cached {
                Some(cached) => self.put(id, aggregate_type, cached),
                None => self.forget(id),
            }
        }
    }

    pub(crate) fn forget(&self, id: AggregateId) {
        self.states.remove(&id);
    }

    /// Drops an entry that is older than what a load has found.
    pub(crate) fn correct(&self, id: AggregateId, sequence: Sequence, key: Option<&NaturalKey>) {
        self.states.remove_if(&id, |known| match known.sequence.cmp(&sequence) {
            Ordering::Less => true,
            Ordering::Equal => known.key.as_ref() != key,
            Ordering::Greater => false,
        });
    }

    /// Stores an entry unless a newer one exists: tasks arrive here in any order after their commits.
    fn put(&self, id: AggregateId, aggregate_type: &'static str, mut newcomer: Cached) {
        if let Some(key) = &newcomer.key {
            let holder = (aggregate_type, key.clone());
            if self.holders.peek(&holder) != Some(id) {
                self.holders.insert(holder, id);
            }
        }
        let entry = self.states.entry(&id, None, |_, known| {
            match newcomer.sequence.cmp(&known.sequence) {
                Ordering::Less => EntryAction::Retain(()),
                // A key change does not advance the sequence, so it is unknown which of the two is newer.
                Ordering::Equal if newcomer.key != known.key => EntryAction::Remove,
                Ordering::Equal => EntryAction::Retain(()),
                // The swap lets the former state be dropped after this call, outside of the lock.
                Ordering::Greater => {
                    std::mem::swap(known, &mut newcomer);
                    EntryAction::Retain(())
                }
            }
        });
        if let EntryResult::Vacant(place) = entry {
            // Fails if another task was faster. That is fine: its state is checked by a commit, as this one would have
            // been.
            let _ = place.insert(newcomer);
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("aggregates", &self.states.len())
            .field("capacity", &self.states.capacity())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("sequence", &self.sequence)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Result;

    const TYPE: &str = "account";

    fn cached(sequence: i64, key: &str) -> Result<Cached> {
        Ok(Cached {
            sequence: Sequence::new(sequence)?,
            key: Some(NaturalKey::new(key)?),
            state: Arc::new(sequence),
            has_unknown: false,
            link: None,
        })
    }

    fn sequence_of(cache: &Cache, id: AggregateId) -> Option<i64> {
        cache.get(id).map(|cached| cached.sequence.get())
    }

    #[test]
    fn an_older_state_does_not_replace_a_newer_one() -> Result<()> {
        let (cache, id) = (Cache::of(10), AggregateId::FIRST);
        for (put, expected) in [(3, 3), (2, 3), (5, 5), (4, 5)] {
            cache.put(id, TYPE, cached(put, "key")?);
            assert_eq!(sequence_of(&cache, id), Some(expected));
        }
        Ok(())
    }

    #[test]
    fn two_states_at_one_sequence_are_both_dropped() -> Result<()> {
        let (cache, id) = (Cache::of(10), AggregateId::FIRST);
        cache.put(id, TYPE, cached(3, "old")?);
        cache.put(id, TYPE, cached(3, "new")?);
        assert_eq!(sequence_of(&cache, id), None);
        Ok(())
    }

    #[test]
    fn an_aggregate_is_not_found_by_its_former_key() -> Result<()> {
        let (cache, id) = (Cache::of(10), AggregateId::FIRST);
        let (old, new) = (NaturalKey::new("old")?, NaturalKey::new("new")?);
        cache.put(id, TYPE, cached(3, "old")?);
        assert_eq!(cache.holder(TYPE, &old).map(|(holder, _)| holder), Some(id));
        assert!(cache.holder("other type", &old).is_none());
        cache.put(id, TYPE, cached(4, "new")?);
        assert!(cache.holder(TYPE, &old).is_none());
        assert_eq!(cache.holder(TYPE, &new).map(|(holder, _)| holder), Some(id));
        Ok(())
    }

    #[test]
    fn a_load_drops_what_is_older_and_nothing_else() -> Result<()> {
        let (cache, id) = (Cache::of(10), AggregateId::FIRST);
        let key = NaturalKey::new("key")?;
        let finds = |sequence, key| -> Result<Option<i64>> {
            cache.put(id, TYPE, cached(3, "key")?);
            cache.correct(id, Sequence::new(sequence)?, key);
            Ok(sequence_of(&cache, id))
        };
        assert_eq!(finds(2, None)?, Some(3));
        assert_eq!(finds(3, Some(&key))?, Some(3));
        assert_eq!(finds(3, None)?, None);
        assert_eq!(finds(4, Some(&key))?, None);
        Ok(())
    }

    #[test]
    fn states_and_keys_are_bounded() -> Result<()> {
        let cache = Cache::of(10);
        for id in 1..=1_000 {
            cache.put(AggregateId::new(id)?, TYPE, cached(1, &format!("key {id}"))?);
            assert!(cache.states.len() <= 10 && cache.holders.len() <= 10);
        }
        assert!(cache.states.len() > 5, "it is used as well");
        Ok(())
    }
}
