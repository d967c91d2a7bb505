//! The state of all aggregates and keys after some of the commits.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use evercore::{AggregateId, NaturalKey, Sequence};

use super::super::observation::{DecidedOn, KeyWish};
use super::super::violation::Obstacle;
use super::{Node, Touch};

/// The aggregates and the holders of keys.
#[derive(Debug, Default)]
pub(in crate::history) struct Ended {
    aggregates: BTreeMap<AggregateId, Standing>,
    holders: HashMap<(String, NaturalKey), AggregateId>,
    /// A hash of the key holders.
    mark: u64,
}

/// The state of an aggregate.
#[derive(Clone, Debug)]
pub(in crate::history) struct Standing {
    pub(in crate::history) aggregate_type: String,
    sequence: Sequence,
    /// `None` if the key is unknown because no recorder observed the aggregate's creation.
    pub(in crate::history) key: Option<Option<NaturalKey>>,
}

/// The changes that undo a commit.
#[derive(Debug, Default)]
pub(super) struct Undo {
    aggregates: Vec<(AggregateId, Option<Standing>)>,
    holders: Vec<((String, NaturalKey), Option<AggregateId>)>,
    mark: u64,
}

impl Ended {
    /// Returns the state before the first commit, with the aggregates that no commit creates.
    pub(super) fn before(nodes: &[Node]) -> Self {
        let mut aggregates = BTreeMap::new();
        let touches = || nodes.iter().flat_map(|node| &node.touches);
        for touch in touches() {
            let (sequence, key) = (Sequence::ZERO, None);
            let aggregate_type = touch.aggregate_type.clone();
            aggregates.entry(touch.aggregate).or_insert(Standing { aggregate_type, sequence, key });
        }
        for touch in touches().filter(|touch| touch.decided_on == DecidedOn::New) {
            aggregates.remove(&touch.aggregate);
        }
        Self { aggregates, holders: HashMap::new(), mark: 0 }
    }

    pub(in crate::history) const fn aggregates(&self) -> &BTreeMap<AggregateId, Standing> {
        &self.aggregates
    }

    pub(in crate::history) fn holder(
        &self,
        aggregate_type: &str,
        key: &NaturalKey,
    ) -> Option<AggregateId> {
        self.holders.get(&(aggregate_type.to_owned(), key.clone())).copied()
    }

    /// Returns whether the key of this aggregate is unknown.
    pub(in crate::history) fn may_hold(&self, aggregate: Option<AggregateId>) -> bool {
        let standing = aggregate.and_then(|id| self.aggregates.get(&id));
        standing.is_some_and(|standing| standing.key.is_none())
    }

    /// Returns the reason why a commit cannot come next.
    pub(super) fn obstacle(&self, node: &Node) -> Option<Obstacle> {
        let states = node.touches.iter().find_map(|touch| self.state_obstacle(touch));
        states.or_else(|| node.touches.iter().find_map(|touch| self.key_obstacle(touch, node)))
    }

    fn state_obstacle(&self, touch: &Touch) -> Option<Obstacle> {
        let aggregate = touch.aggregate;
        let standing = self.aggregates.get(&aggregate);
        let standing = match (&touch.decided_on, standing) {
            (DecidedOn::New, None) => return None,
            (DecidedOn::New, Some(_)) => return Some(Obstacle::Exists(aggregate)),
            (_, Some(standing)) if standing.aggregate_type == touch.aggregate_type => standing,
            _ => return Some(Obstacle::Missing(aggregate)),
        };
        let found = standing.sequence;
        if let Some(needed) = touch.needed().filter(|needed| *needed != found) {
            return Some(Obstacle::Sequence { aggregate, needed, found });
        }
        match (&touch.decided_on, &standing.key) {
            (DecidedOn::State { key, .. }, Some(found)) if key != found => {
                let (needed, found) = (key.clone(), found.clone());
                Some(Obstacle::Key { aggregate, needed, found })
            }
            _ => None,
        }
    }

    /// Checks a claimed key. It is free if no aggregate holds it, or if its holder gives it up in the same commit.
    fn key_obstacle(&self, touch: &Touch, node: &Node) -> Option<Obstacle> {
        let KeyWish::Set(key) = &touch.key else { return None };
        let taken = |holder| Some(Obstacle::Taken { key: key.clone(), holder });
        let is_rival = |other: &&Touch| {
            other.aggregate != touch.aggregate
                && other.aggregate_type == touch.aggregate_type
                && other.key == touch.key
        };
        if let Some(rival) = node.touches.iter().find(is_rival) {
            return taken(rival.aggregate);
        }
        let holder = self.holder(&touch.aggregate_type, key)?;
        let gives_up = |other: &Touch| other.aggregate == holder && other.key != KeyWish::Keep;
        if holder == touch.aggregate || node.touches.iter().any(gives_up) {
            return None;
        }
        taken(holder)
    }

    pub(super) fn apply(&mut self, node: &Node) -> Undo {
        let mut undo = Undo { mark: self.mark, ..Undo::default() };
        for touch in &node.touches {
            undo.aggregates.push((touch.aggregate, self.aggregates.get(&touch.aggregate).cloned()));
            self.release_key(touch, &mut undo);
        }
        for touch in &node.touches {
            self.change(touch, &mut undo);
        }
        undo
    }

    fn release_key(&mut self, touch: &Touch, undo: &mut Undo) {
        if touch.key == KeyWish::Keep {
            return;
        }
        let Some(standing) = self.aggregates.get(&touch.aggregate) else { return };
        if let Some(Some(old)) = &standing.key {
            let place = (touch.aggregate_type.clone(), old.clone());
            let holder = self.holders.remove(&place);
            self.mark ^= mark_of(&place, touch.aggregate);
            undo.holders.push((place, holder));
        }
    }

    fn change(&mut self, touch: &Touch, undo: &mut Undo) {
        let standing = self.aggregates.entry(touch.aggregate).or_insert_with(|| Standing {
            aggregate_type: touch.aggregate_type.clone(),
            sequence: Sequence::ZERO,
            key: Some(None),
        });
        if let Some(written) = touch.written {
            standing.sequence = written.to;
        }
        match (&touch.key, &touch.decided_on) {
            (KeyWish::Set(key), _) => {
                standing.key = Some(Some(key.clone()));
                let place = (touch.aggregate_type.clone(), key.clone());
                self.mark ^= mark_of(&place, touch.aggregate);
                let former = self.holders.insert(place.clone(), touch.aggregate);
                undo.holders.push((place, former));
            }
            (KeyWish::Clear, _) => standing.key = Some(None),
            // The first observed commit reveals the key of an aggregate that an unobserved writer created.
            (KeyWish::Keep, DecidedOn::State { key, .. }) if standing.key.is_none() => {
                standing.key = Some(key.clone());
                if let Some(key) = key {
                    let place = (touch.aggregate_type.clone(), key.clone());
                    self.mark ^= mark_of(&place, touch.aggregate);
                    let former = self.holders.insert(place.clone(), touch.aggregate);
                    undo.holders.push((place, former));
                }
            }
            (KeyWish::Keep, _) => {}
        }
    }

    /// Returns a hash of the key holders. Sequences need none: they follow from the set of ordered commits.
    pub(super) const fn mark(&self) -> u64 {
        self.mark
    }

    pub(super) fn take_back(&mut self, undo: Undo) {
        self.mark = undo.mark;
        for (place, holder) in undo.holders.into_iter().rev() {
            match holder {
                Some(holder) => self.holders.insert(place, holder),
                None => self.holders.remove(&place),
            };
        }
        for (aggregate, standing) in undo.aggregates.into_iter().rev() {
            match standing {
                Some(standing) => self.aggregates.insert(aggregate, standing),
                None => self.aggregates.remove(&aggregate),
            };
        }
    }
}

/// Hashes one holder. Hashes are combined by exclusive or, like the pieces of a board in Zobrist's "A New Hashing
/// Method with Application for Game Playing" (1970).
fn mark_of(place: &(String, NaturalKey), holder: AggregateId) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((place, holder))
}

impl Touch {
    /// Returns the sequence that the aggregate must have before the commit.
    pub(super) fn needed(&self) -> Option<Sequence> {
        match self.decided_on {
            // A new aggregate has no sequence before.
            DecidedOn::New => None,
            _ => self.decided_on.sequence().or(self.written.map(|written| written.from)),
        }
    }
}
