//! Defines [`Context`], a unit of work whose events are committed together or not at all.

pub(crate) mod boundaries;
pub(crate) mod commit;
pub(crate) mod load;
mod queueing;
pub(crate) mod read_context;
pub(crate) mod rehydrate;
pub(crate) mod rerun;
mod staging;
pub(crate) mod state_aggregate;
mod task_changes;
mod tasks;
mod transaction;
mod unique;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::instrument;

use crate::boundary::states::Scope;
use crate::context::state_aggregate::ContextId;
use crate::engine::{Idempotency, LoadTarget, NewSnapshot};
use crate::error::{unknown_id, unknown_key};
use crate::shared::id_pool::Ids;
use crate::shared::{Shared, TurnKey};
use crate::{
    Aggregate, AggregateId, CommandError, Decide, Decision, Emitted, Error, EventOf, EventOptions,
    IdempotencyKey, Metadata, NaturalKey, Result, Sequence, StateAggregate,
};
pub(crate) use commit::{PendingCommit, Refused};
use load::Found;
pub(crate) use load::Reading;
pub(crate) use queueing::Queueing;
pub(crate) use staging::OnKeyTaken;
use staging::{AskedBy, Staging};
pub use transaction::TransactionContext;

/// A unit of work inside [`EventStore::with_context`](crate::EventStore::with_context).
///
/// It stages the events that are applied, and holds no database transaction. When the closure ends, everything is sent
/// as one commit, which succeeds or fails as a whole. If an aggregate that the context writes to or guards has changed
/// in the meantime, the commit fails with a conflict. Reads see what the context has staged.
#[derive(Debug)]
pub struct Context {
    store: Arc<Shared>,
    id: ContextId,
    staging: Staging,
    ids: Ids,
    reading: Reading,
    queueing: Queueing,
    metadata: Option<Box<Metadata>>,
    /// Whether a read of the store failed with an error that may pass.
    has_met_trouble: AtomicBool,
}

impl Context {
    pub(crate) fn new(store: Arc<Shared>, ids: Ids, reading: Reading, queueing: Queueing) -> Self {
        let (id, staging) = (ContextId::next(), Staging::default());
        let has_met_trouble = AtomicBool::new(false);
        Self { store, id, staging, ids, reading, queueing, metadata: None, has_met_trouble }
    }

    /// Returns whether a read of the store failed with an error that may pass; an error of the closure may be due to
    /// that.
    pub(crate) fn has_met_trouble(&self) -> bool {
        self.has_met_trouble.load(Ordering::Relaxed)
    }

    /// Loads an aggregate by its id.
    ///
    /// # Errors
    /// - [`Error::UnknownId`] if there is none; [`find`](Self::find) returns `None` instead.
    /// - [`Error::WrongAggregateType`] if it is not a `T`.
    /// - [`Error::UnknownEvent`], [`Error::Decode`], [`Error::Upcast`] or [`Error::MissingCodec`] if its events cannot
    ///   be read.
    pub async fn load<T: Aggregate>(&mut self, id: AggregateId) -> Result<StateAggregate<T>> {
        self.find(id).await?.ok_or_else(|| unknown_id::<T>(id))
    }

    /// Loads an aggregate by its natural key.
    ///
    /// # Errors
    /// - [`Error::UnknownKey`] if there is none; [`find_by_key`](Self::find_by_key) returns `None` instead.
    /// - [`Error::InvalidKey`] if the text is not a valid key.
    /// - [`Error::UnknownEvent`], [`Error::Decode`], [`Error::Upcast`] or [`Error::MissingCodec`] if its events cannot
    ///   be read.
    pub async fn load_by_key<T: Aggregate>(
        &mut self,
        key: impl TryInto<NaturalKey, Error: Into<Error>>,
    ) -> Result<StateAggregate<T>> {
        let key = key.try_into().map_err(Into::into)?;
        self.find_key(&key).await?.ok_or_else(|| unknown_key::<T>(&key))
    }

    /// Loads an aggregate by its id, if there is one.
    ///
    /// # Errors
    /// As [`load`](Self::load), except for [`Error::UnknownId`].
    #[instrument(level = "debug", skip_all, fields(aggregate = T::NAME, %id), err(level = "debug"))]
    pub async fn find<T: Aggregate>(
        &mut self,
        id: AggregateId,
    ) -> Result<Option<StateAggregate<T>>> {
        if self.staging.stream(id).is_some() {
            return self.reload(id).await.map(Some);
        }
        let aggregate_type = self.store.stored_name::<T>().await?;
        if let Some(turn) = self.join_queue(|| TurnKey::Id(id)) {
            self.queueing = turn.await;
        }
        if let Some(cached) = self.cache().and_then(|cache| cache.get(id))
            && let Some(found) = Found::cached(id, cached, AskedBy::Id)
        {
            return self.enter(aggregate_type, found).map(Some);
        }
        match self.read_aggregate::<T>(aggregate_type, LoadTarget::Id(id), None).await? {
            Some(found) => self.enter_stored(aggregate_type, found, AskedBy::Id).map(Some),
            None => Ok(None),
        }
    }

    /// Loads an aggregate by its natural key, if there is one.
    ///
    /// # Errors
    /// As [`load_by_key`](Self::load_by_key), except for [`Error::UnknownKey`].
    pub async fn find_by_key<T: Aggregate>(
        &mut self,
        key: impl TryInto<NaturalKey, Error: Into<Error>>,
    ) -> Result<Option<StateAggregate<T>>> {
        let key = key.try_into().map_err(Into::into)?;
        self.find_key(&key).await
    }

    /// Loads the aggregate with this natural key, or stages a new one with it.
    ///
    /// If two contexts create it at the same time, one of them conflicts, and its rerun loads the other's aggregate.
    ///
    /// # Errors
    /// As [`find_by_key`](Self::find_by_key) and [`create_with_key`](Self::create_with_key).
    pub async fn load_or_create<T: Aggregate>(
        &mut self,
        key: impl TryInto<NaturalKey, Error: Into<Error>>,
    ) -> Result<StateAggregate<T>> {
        let key = key.try_into().map_err(Into::into)?;
        self.find_or_stage(&key).await
    }

    /// Stages a new aggregate. It exists once committed, even without events.
    ///
    /// # Errors
    /// - [`Error::Unregistered`] if the store does not know the type.
    /// - The engine's error if it cannot reserve more ids, which it is asked for once in a while.
    pub async fn create<T: Aggregate>(&mut self) -> Result<StateAggregate<T>> {
        self.stage_new(None, OnKeyTaken::Fail).await
    }

    /// Stages a new aggregate with a natural key.
    ///
    /// The commit checks that the key is free: [`Error::KeyTaken`] is returned by
    /// [`with_context`](crate::EventStore::with_context), unless this context itself has seen the key's holder.
    ///
    /// # Errors
    /// - [`Error::InvalidKey`] if the text is not a valid key.
    /// - [`Error::KeyTaken`] if this context has seen another aggregate with that key.
    /// - As [`create`](Self::create).
    pub async fn create_with_key<T: Aggregate>(
        &mut self,
        key: impl TryInto<NaturalKey, Error: Into<Error>>,
    ) -> Result<StateAggregate<T>> {
        let key = key.try_into().map_err(Into::into)?;
        self.stage_new(Some(key), OnKeyTaken::Fail).await
    }

    /// Stages an event and applies it to the state.
    ///
    /// # Errors
    /// On an error, the aggregate and the context stay as they were.
    /// - [`Error::ForeignAggregate`] if the aggregate was loaded in another context.
    /// - [`Error::StaleHandle`] if events were applied through another handle to the aggregate.
    /// - [`Error::Unregistered`] if the store does not know the event.
    /// - [`Error::Encode`], [`Error::NotRoundTrip`], [`Error::PayloadTooLarge`] or [`Error::CommitTooLarge`].
    pub fn apply<T, E>(&mut self, aggregate: &mut StateAggregate<T>, event: E) -> Result<()>
    where
        T: Aggregate,
        E: EventOf<T>,
    {
        self.apply_with(aggregate, event, EventOptions::new())
    }

    /// Stages an event with its own time, reference or metadata, and applies it to the state.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and [`Error::InvalidMetadata`].
    #[instrument(
        level = "debug",
        skip_all,
        fields(aggregate = T::NAME, id = %aggregate.id, event = E::NAME),
        err(level = "debug")
    )]
    pub fn apply_with<T, E>(
        &mut self,
        aggregate: &mut StateAggregate<T>,
        event: E,
        options: EventOptions,
    ) -> Result<()>
    where
        T: Aggregate,
        E: EventOf<T>,
    {
        self.check_handle(aggregate)?;
        let sequence = aggregate.sequence.next();
        let staged = self.store.prepare(
            const { &E::TYPE },
            |codec, round_trips| E::ENCODING.encode(&event, codec, round_trips),
            event.tags(),
            options,
            (aggregate.id, sequence),
            self.metadata.as_deref(),
        )?;
        let meta = staged.meta.clone();
        self.staging.push(&self.store.limits, staged)?;
        event.apply_to(aggregate.state.get_mut(), &Scope::default(), &meta);
        self.keep_state(aggregate);
        self.keep_values(aggregate);
        let former = std::mem::replace(&mut aggregate.sequence, sequence);
        self.stage_snapshot_if_due(aggregate, former);
        Ok(())
    }

    /// Lets the aggregate [decide](Decide) on a command, and stages the events that it emits.
    ///
    /// [`EventStore::execute`](crate::EventStore::execute) does this for a single aggregate.
    ///
    /// # Errors
    /// On an error, nothing is staged. If the decision had already emitted events, the handle is stale: reload the
    /// aggregate.
    /// - [`CommandError::Rejected`] if the aggregate refuses.
    /// - [`CommandError::Store`] as [`apply_with`](Self::apply_with).
    #[instrument(
        level = "debug",
        skip_all,
        fields(aggregate = T::NAME, id = %aggregate.id, command = std::any::type_name::<C>())
    )]
    pub fn decide<T, C>(
        &mut self,
        aggregate: &mut StateAggregate<T>,
        command: &C,
    ) -> Result<(), CommandError<T::Error>>
    where
        T: Aggregate + Decide<C>,
    {
        self.check_handle(aggregate)?;
        let metadata = Metadata::of_event(
            None,
            self.metadata.as_deref(),
            self.store.default_metadata.as_ref(),
        );
        self.staging.release_state(aggregate.id);
        let mut decision = Decision::on(aggregate.state.get_mut())
            .of(aggregate.id, aggregate.sequence)
            .at(self.store.clock.now())
            .with_metadata(metadata)
            .in_codec(self.store.codec())
            .checking(self.store.round_trips());
        let decided = T::decide(&mut decision, command);
        // Whether the events are staged or not, the state has them, so the handle's sequence moves with the state.
        let former = std::mem::replace(&mut aggregate.sequence, decision.sequence());
        let emitted = decision.into_emitted();
        if emitted.is_empty() {
            self.keep_state(aggregate);
        }
        decided.map_err(CommandError::Rejected)?;
        let mut events = Vec::with_capacity(emitted.len());
        for Emitted { event_type, payload, tags, meta } in emitted {
            events.push(self.store.check(event_type, payload, tags, meta)?);
        }
        self.staging.push_all(&self.store.limits, events)?;
        self.keep_values(aggregate);
        self.keep_state(aggregate);
        self.stage_snapshot_if_due(aggregate, former);
        Ok(())
    }

    fn stage_snapshot_if_due<T: Aggregate>(
        &mut self,
        aggregate: &StateAggregate<T>,
        former: Sequence,
    ) {
        let Some(policy) = T::SNAPSHOTS else { return };
        // No snapshot without the unknown events: a program that knows them would start from a state that lacks them.
        if aggregate.has_unknown || !policy.is_due_within(former, aggregate.sequence) {
            return;
        }
        let Ok(entry) = self.store.registry.aggregate::<T>() else { return };
        let Shared { writing, limits, .. } = &*self.store;
        let round_trips = writing.round_trips.up_to(limits.max_snapshot_bytes);
        match policy.encode(aggregate.state.get(), round_trips) {
            Ok(state) => {
                let snapshot = NewSnapshot {
                    aggregate_id: aggregate.id,
                    sequence: aggregate.sequence,
                    fingerprint: entry.fingerprint(policy.fingerprint()),
                    state: state.into(),
                };
                self.staging.set_snapshot(&self.store.limits, snapshot);
            }
            Err(error) => self.store.warn_without_snapshot(T::NAME, &error),
        }
    }

    /// Makes the commit fail with a conflict if the aggregate changes before it, although nothing is written to it.
    ///
    /// For decisions that depend on an aggregate that they only read. An aggregate that is written to is guarded
    /// anyway.
    ///
    /// # Errors
    /// [`Error::ForeignAggregate`] or [`Error::StaleHandle`], as [`apply`](Self::apply).
    #[instrument(
        level = "debug",
        skip_all,
        fields(aggregate = T::NAME, id = %aggregate.id),
        err(level = "debug")
    )]
    pub fn guard<T: Aggregate>(&mut self, aggregate: &StateAggregate<T>) -> Result<()> {
        self.check_handle(aggregate)?;
        self.staging.guard(aggregate.id);
        Ok(())
    }

    /// Stages another natural key for the aggregate.
    ///
    /// # Errors
    /// - [`Error::InvalidKey`] if the text is not a valid key.
    /// - [`Error::KeyTaken`] if this context has seen another aggregate with that key; otherwise the commit checks that
    ///   the key is free.
    /// - [`Error::ForeignAggregate`] or [`Error::StaleHandle`], as [`apply`](Self::apply).
    pub fn change_key<T: Aggregate>(
        &mut self,
        aggregate: &mut StateAggregate<T>,
        key: impl TryInto<NaturalKey, Error: Into<Error>>,
    ) -> Result<()> {
        let key = key.try_into().map_err(Into::into)?;
        self.set_key(aggregate, Some(key))
    }

    /// Stages the removal of the aggregate's natural key. Other contexts can use the key after the commit, this context
    /// at once.
    ///
    /// # Errors
    /// [`Error::ForeignAggregate`] or [`Error::StaleHandle`], as [`apply`](Self::apply).
    pub fn clear_key<T: Aggregate>(&mut self, aggregate: &mut StateAggregate<T>) -> Result<()> {
        self.set_key(aggregate, None)
    }

    /// Sets the metadata of the events that are applied from now on. Precedence, field by field: the event's own
    /// metadata, then this, then that of [`with_metadata`](crate::with_metadata), then that of the store's
    /// [`metadata_source`](crate::EventStoreBuilder::metadata_source).
    ///
    /// # Errors
    /// [`Error::InvalidMetadata`] if it cannot be stored.
    pub fn set_metadata(&mut self, metadata: Metadata) -> Result<()> {
        metadata.check()?;
        self.metadata = (!metadata.is_empty()).then(|| Box::new(metadata));
        Ok(())
    }

    /// Lets the context commit only if no commit with this key exists, by this process or another. When a closure is
    /// called again with the same key, it fails with [`Error::IdempotencyKeyUsed`] and writes nothing; it may fail
    /// earlier with an error of its own, if its rules reject the repetition.
    /// [`EventStore::once`](crate::EventStore::once) returns the first answer instead.
    ///
    /// # Errors
    /// [`Error::InvalidIdempotencyKey`] if the text is not a valid key, or if the context already has a different key.
    pub fn set_idempotency_key(
        &mut self,
        key: impl TryInto<IdempotencyKey, Error: Into<Error>>,
    ) -> Result<()> {
        let key = key.try_into().map_err(Into::into)?;
        // The closure's value is the answer, and it is not stored here.
        let (command, result) = ("a context".into(), "null".into());
        self.set_idempotency(Idempotency { key, command, result })
    }

    /// Sets the idempotency key of the context and what is stored with it.
    pub(crate) fn set_idempotency(&mut self, idempotency: Idempotency) -> Result<()> {
        self.staging.set_idempotency(idempotency)
    }

    #[instrument(
        level = "debug",
        name = "change_key",
        skip_all,
        fields(aggregate = T::NAME, id = %aggregate.id),
        err(level = "debug")
    )]
    fn set_key<T: Aggregate>(
        &mut self,
        aggregate: &mut StateAggregate<T>,
        key: Option<NaturalKey>,
    ) -> Result<()> {
        self.check_handle(aggregate)?;
        self.staging.set_key(aggregate.id, key.clone())?;
        aggregate.key = key;
        Ok(())
    }

    fn check_handle<T: Aggregate>(&self, aggregate: &StateAggregate<T>) -> Result<()> {
        let stream = self.staging.stream(aggregate.id);
        match stream.filter(|_| aggregate.context == self.id) {
            None => {
                Err(Error::ForeignAggregate { aggregate: T::NAME.to_owned(), id: aggregate.id })
            }
            Some(stream) if stream.sequence != aggregate.sequence => Err(Error::StaleHandle {
                aggregate: T::NAME.to_owned(),
                id: aggregate.id,
                handle: aggregate.sequence,
                current: stream.sequence,
            }),
            Some(_) => Ok(()),
        }
    }
}
