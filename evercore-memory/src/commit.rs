//! Stores commits: first checks everything that can refuse one, then changes the log.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use evercore::engine::{
    AggregateWrite, Commit, EventRow, Idempotency, IdempotentOutcome, KeyChange, NewEvent,
    Positions, Precondition,
};
use evercore::error::ConflictReason;
use evercore::{AggregateId, CommitOutcome, Committed, Error, NaturalKey, Result, Sequence};
use foldhash::HashSet;

use crate::log::{History, Log, StoredAggregate, Version, position};

impl Log {
    /// Stores a commit. `now` is the time by the clock of the database.
    pub(crate) fn commit(&mut self, commit: Commit, now: DateTime<Utc>) -> Result<Committed> {
        match self.outcomes.get(&commit.id) {
            Some(CommitOutcome::Landed(committed)) => return Ok(committed.clone()),
            Some(CommitOutcome::NeverLands) => return Err(Error::given_up(commit.id)),
            None => {}
        }
        if let Some(Idempotency { key, .. }) = &commit.idempotency
            && self.firsts.contains_key(key)
        {
            return Err(Error::IdempotencyKeyUsed { key: key.to_string() });
        }
        if commit.declared.is_some_and(|declared| declared != self.declared.version) {
            return Err(Error::DeclarationsChanged);
        }
        for write in &commit.writes {
            self.check_precondition(write)?;
        }
        commit.conditions.iter().try_for_each(|condition| self.check(condition))?;
        self.check_keys(&commit.writes)?;
        self.check_unique(&commit.unique)?;
        self.tasks.check(&commit)?;
        Ok(self.land(commit, now))
    }

    fn check_precondition(&self, write: &AggregateWrite) -> Result<()> {
        let conflict = |reason| Error::Conflict {
            aggregate: write.aggregate_type.to_owned(),
            id: write.id,
            reason,
        };
        let check_sequence = |expected: Sequence, actual: Sequence| {
            if expected == actual {
                Ok(())
            } else {
                Err(conflict(ConflictReason::Sequence { expected, actual }))
            }
        };
        let stored = match (&write.precondition, self.aggregates.get(&write.id)) {
            (Precondition::New, None) => return Ok(()),
            (Precondition::New, Some(_)) => return Err(conflict(ConflictReason::Created)),
            (_, None) => {
                let aggregate = write.aggregate_type.to_owned();
                return Err(Error::UnknownId { aggregate, id: write.id });
            }
            (_, Some(stored)) => stored,
        };
        if *stored.aggregate_type != *write.aggregate_type {
            return Err(Error::WrongAggregateType {
                id: write.id,
                expected: write.aggregate_type.to_owned(),
                found: stored.aggregate_type.as_ref().to_owned(),
            });
        }
        match &write.precondition {
            Precondition::New | Precondition::Exists => Ok(()),
            Precondition::At(sequence) => check_sequence(*sequence, stored.sequence()),
            Precondition::Unchanged { sequence, key } => {
                check_sequence(*sequence, stored.sequence())?;
                if stored.current_key() == key.as_ref() {
                    Ok(())
                } else {
                    Err(conflict(ConflictReason::Key))
                }
            }
        }
    }

    /// Checks the natural keys that a commit sets. A key is free if no aggregate holds it, or if its holder's key is
    /// set or cleared in the same commit. No two writes of a commit may set the same key.
    fn check_keys(&self, writes: &[AggregateWrite]) -> Result<()> {
        let changed = || writes.iter().filter(|write| write.key != KeyChange::Keep);
        let changing: HashSet<AggregateId> = changed().map(|write| write.id).collect();
        let mut claimed = HashSet::default();
        for write in changed() {
            let KeyChange::Set(key) = &write.key else { continue };
            let holder = self.holder(&Arc::from(write.aggregate_type), key);
            let is_taken = holder.is_some_and(|holder| !changing.contains(&holder));
            if is_taken || !claimed.insert((write.aggregate_type, key)) {
                let aggregate = write.aggregate_type.to_owned();
                return Err(Error::KeyTaken { aggregate, key: key.to_string() });
            }
        }
        Ok(())
    }

    /// Writes a commit that has passed the checks.
    fn land(&mut self, commit: Commit, now: DateTime<Utc>) -> Committed {
        // The conditions and the version were checked. The engine declares no settlements, so none are sent.
        let Commit {
            id,
            recorded_at,
            writes,
            events,
            snapshots,
            idempotency,
            unique,
            conditions: _,
            tasks,
            completes,
            outcomes,
            declared: _,
        } = commit;
        self.version += 1;
        let version = self.version;

        for write in &writes {
            if write.creates() {
                self.create(write, version);
            }
            if write.key != KeyChange::Keep {
                self.release_key(write.id, version);
            }
        }
        for write in &writes {
            if let KeyChange::Set(key) = &write.key {
                self.claim_key(write.id, key, version);
            }
        }

        self.tasks.land(completes, tasks, now);
        self.change_unique(unique, version);

        let before = self.events.len();
        for event in events {
            self.append(event, recorded_at);
        }
        for snapshot in snapshots {
            let stored = self.stored_mut(snapshot.aggregate_id);
            stored.snapshot = Some(snapshot);
        }

        let positions = if self.events.len() > before {
            let span = Positions::span(position(before + 1), self.head());
            span.expect("BUG: the head is not before an event that was appended")
        } else {
            Positions::NONE
        };
        let committed = Committed::new(id, positions);
        self.commands.add(outcomes, &committed, now);
        self.outcomes.insert(id, CommitOutcome::Landed(committed.clone()));
        if let Some(Idempotency { key, command, result }) = idempotency {
            self.firsts.insert(key, IdempotentOutcome::new(committed.clone(), command, result));
        }
        committed
    }

    fn create(&mut self, write: &AggregateWrite, version: Version) {
        let stored = StoredAggregate {
            aggregate_type: self.aggregate_type(write.aggregate_type),
            created: version,
            key: History::default(),
            events: Vec::new(),
            snapshot: None,
        };
        self.aggregates.insert(write.id, stored);
    }

    /// Returns the shared name of a type, and stores it if it is new.
    pub(crate) fn aggregate_type(&mut self, name: &str) -> Arc<str> {
        shared(&mut self.aggregate_types, name)
    }

    fn release_key(&mut self, id: AggregateId, version: Version) {
        let stored = self.stored_mut(id);
        let Some(old) = stored.current_key().cloned() else { return };
        stored.key.set(version, None);
        let holder = (Arc::clone(&stored.aggregate_type), old);
        self.keys.entry(holder).or_default().set(version, None);
    }

    fn claim_key(&mut self, id: AggregateId, key: &NaturalKey, version: Version) {
        let stored = self.stored_mut(id);
        stored.key.set(version, Some(key.clone()));
        let holder = (Arc::clone(&stored.aggregate_type), key.clone());
        self.keys.entry(holder).or_default().set(version, Some(id));
    }

    fn append(&mut self, event: NewEvent, recorded_at: DateTime<Utc>) {
        let position = position(self.events.len() + 1);
        let NewEvent { event_type, version, payload, meta, tags, .. } = event;
        let event_type = shared(&mut self.event_types, event_type);
        self.tags.add(&tags, position);
        let stored = self.stored_mut(meta.aggregate_id());
        stored.events.push(position);
        let mut row = EventRow::new(
            position,
            meta.aggregate_id(),
            stored.sequence(),
            Arc::clone(&stored.aggregate_type),
            event_type,
            payload,
            recorded_at,
        );
        row.version = version;
        row.tags = tags;
        row.event_time = meta.event_time();
        row.reference = meta.reference().map(Box::from);
        row.metadata = (!meta.metadata().is_empty()).then(|| Box::new(meta.metadata().clone()));
        self.events.push(row.into());
    }

    fn stored_mut(&mut self, id: AggregateId) -> &mut StoredAggregate {
        self.aggregates.get_mut(&id).expect("BUG: a commit names only aggregates that it writes")
    }
}

/// Returns the shared copy of a name, and adds it if it is new.
fn shared(names: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.get(name) {
        return Arc::clone(known);
    }
    let name: Arc<str> = name.into();
    names.insert(Arc::clone(&name));
    name
}
