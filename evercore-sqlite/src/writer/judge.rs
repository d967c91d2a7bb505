//! Which commits of a group land: judged one after the other, each on what those before it leave.

use std::collections::{HashMap, HashSet};

use evercore::engine::{AggregateWrite, Commit, KeyChange, Precondition};
use evercore::{AggregateId, ConflictReason, Error, IdempotencyKey, NaturalKey, Result, Sequence};

use crate::types::{AggregateTypeId, Names};

/// An aggregate, as the group's commits so far leave it.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) aggregate_type: AggregateTypeId,
    pub(super) key: Option<NaturalKey>,
    pub(super) sequence: Sequence,
}

/// The aggregates and keys that the group is about, as its commits so far leave them.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    aggregates: HashMap<AggregateId, Standing>,
    holders: HashMap<(AggregateTypeId, NaturalKey), AggregateId>,
    /// The idempotency keys of commits that landed.
    used: HashSet<IdempotencyKey>,
}

impl Overlay {
    /// Takes in an aggregate as the database has it.
    pub(super) fn enter(&mut self, id: AggregateId, standing: Standing) {
        if let Some(key) = &standing.key {
            self.enter_holder(standing.aggregate_type, key.clone(), id);
        }
        self.aggregates.insert(id, standing);
    }

    /// Takes in who has a key in the database.
    pub(super) fn enter_holder(
        &mut self,
        aggregate_type: AggregateTypeId,
        key: NaturalKey,
        id: AggregateId,
    ) {
        self.holders.insert((aggregate_type, key), id);
    }

    /// Takes in idempotency keys that commits in the database have.
    pub(super) fn enter_used(&mut self, keys: HashSet<IdempotencyKey>) {
        self.used = keys;
    }

    pub(super) fn get(&self, id: AggregateId) -> Option<&Standing> {
        self.aggregates.get(&id)
    }

    /// The next sequence of an aggregate that an accepted commit writes to.
    pub(super) fn advance(&mut self, id: AggregateId) -> Option<Sequence> {
        let standing = self.aggregates.get_mut(&id)?;
        standing.sequence = standing.sequence.next();
        Some(standing.sequence)
    }

    /// Judges a commit. If it is to land, its new aggregates and keys are taken in; its events are not yet.
    pub(super) fn accept(&mut self, commit: &Commit, names: &Names) -> Result<()> {
        let idempotency_key = commit.idempotency.as_ref().map(|given| &given.key);
        if let Some(key) = idempotency_key.filter(|key| self.used.contains(key)) {
            return Err(Error::IdempotencyKeyUsed { key: key.to_string() });
        }
        for write in &commit.writes {
            self.check_precondition(write, names)?;
        }
        self.check_keys(commit, names)?;
        for write in &commit.writes {
            self.release(write);
        }
        for write in &commit.writes {
            self.claim(write, names);
        }
        self.used.extend(idempotency_key.cloned());
        Ok(())
    }

    fn check_precondition(&self, write: &AggregateWrite, names: &Names) -> Result<()> {
        let aggregate = || write.aggregate_type.to_owned();
        let conflict =
            |reason| Err(Error::Conflict { aggregate: aggregate(), id: write.id, reason });
        let standing = match (self.get(write.id), &write.precondition) {
            (None, Precondition::New) => return Ok(()),
            (Some(_), Precondition::New) => return conflict(ConflictReason::Created),
            (None, _) => return Err(Error::UnknownId { aggregate: aggregate(), id: write.id }),
            (Some(standing), _) => standing,
        };
        if names.aggregate(write.aggregate_type) != Some(standing.aggregate_type) {
            return Err(Error::WrongAggregateType {
                id: write.id,
                expected: aggregate(),
                found: names.aggregate_name(standing.aggregate_type)?.as_ref().to_owned(),
            });
        }
        let check_sequence = |expected: Sequence| {
            let actual = standing.sequence;
            if actual == expected {
                Ok(())
            } else {
                conflict(ConflictReason::Sequence { expected, actual })
            }
        };
        match &write.precondition {
            Precondition::New | Precondition::Exists => Ok(()),
            Precondition::At(sequence) => check_sequence(*sequence),
            Precondition::Unchanged { sequence, key } => {
                check_sequence(*sequence)?;
                if standing.key == *key { Ok(()) } else { conflict(ConflictReason::Key) }
            }
        }
    }

    /// The key changes of a commit take effect together, so that a key which one aggregate gives up is free for another.
    fn check_keys(&self, commit: &Commit, names: &Names) -> Result<()> {
        let changing: HashSet<AggregateId> = commit
            .writes
            .iter()
            .filter(|write| write.key != KeyChange::Keep)
            .map(|write| write.id)
            .collect();
        let mut claimed = HashSet::new();
        for write in &commit.writes {
            let KeyChange::Set(key) = &write.key else { continue };
            let holder = names
                .aggregate(write.aggregate_type)
                .and_then(|aggregate_type| self.holders.get(&(aggregate_type, key.clone())));
            let is_taken = holder.is_some_and(|holder| !changing.contains(holder));
            if is_taken || !claimed.insert((write.aggregate_type, key)) {
                return Err(Error::KeyTaken {
                    aggregate: write.aggregate_type.to_owned(),
                    key: key.to_string(),
                });
            }
        }
        Ok(())
    }

    fn release(&mut self, write: &AggregateWrite) {
        if write.key == KeyChange::Keep {
            return;
        }
        if let Some(standing) = self.aggregates.get_mut(&write.id)
            && let Some(key) = standing.key.take()
        {
            self.holders.remove(&(standing.aggregate_type, key));
        }
    }

    fn claim(&mut self, write: &AggregateWrite, names: &Names) {
        let Some(aggregate_type) = names.aggregate(write.aggregate_type) else { return };
        let standing = self.aggregates.entry(write.id).or_insert_with(|| Standing {
            aggregate_type,
            key: None,
            sequence: Sequence::ZERO,
        });
        if let KeyChange::Set(key) = &write.key {
            standing.key = Some(key.clone());
            self.holders.insert((aggregate_type, key.clone()), write.id);
        }
    }
}
