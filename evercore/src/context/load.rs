//! Finds aggregates for a context: in its own staging, in the cache, or in storage.

use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use tracing::instrument;

use super::Context;
use super::staging::{AskedBy, Base, OnKeyTaken, Origin, SharedState};
use crate::context::rehydrate::{Rehydrated, rehydrate};
use crate::engine::LoadTarget;
use crate::error::unknown_id;
use crate::format::link::Link;
use crate::observer::Observation;
use crate::shared::TurnKey;
use crate::shared::cache::{Cache, Cached};
use crate::shared::state::State;
use crate::{Aggregate, AggregateId, AsOf, Error, NaturalKey, Result, Sequence, StateAggregate};

/// Where a context looks for aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The cache first. A decision on cached states counts only if the commit succeeds.
    Cache,
    Storage,
}

/// An aggregate that was found in the cache or in storage.
pub(super) struct Found<T> {
    id: AggregateId,
    key: Option<NaturalKey>,
    sequence: Sequence,
    state: State<T>,
    has_unknown: bool,
    link: Option<Link>,
    origin: Origin,
    asked_by: AskedBy,
}

impl Context {
    pub(crate) async fn find_or_stage<T: Aggregate>(
        &mut self,
        key: &NaturalKey,
    ) -> Result<StateAggregate<T>> {
        if let Some(found) = self.find_key(key).await? {
            return Ok(found);
        }
        self.stage_new(Some(key.clone()), OnKeyTaken::Conflict).await
    }

    #[instrument(level = "debug", name = "find_by_key", skip_all, fields(aggregate = T::NAME, %key), err(level = "debug"))]
    pub(crate) async fn find_key<T: Aggregate>(
        &mut self,
        key: &NaturalKey,
    ) -> Result<Option<StateAggregate<T>>> {
        let aggregate_type = self.store.stored_name::<T>().await?;
        if let Some(id) = self.staging.holder(aggregate_type, key) {
            return self.reload(id).await.map(Some);
        }
        if let Some(turn) = self.join_queue(|| TurnKey::Key(aggregate_type, key.clone())) {
            self.queueing = turn.await;
        }
        // The cached holder may be an aggregate that this context knows, but without this key. Then only storage can
        // tell who holds the key now.
        let cached = self.cache().and_then(|cache| cache.holder(aggregate_type, key));
        if let Some((id, cached)) = cached.filter(|(id, _)| self.staging.stream(*id).is_none())
            && let Some(found) = Found::cached(id, cached, AskedBy::Key)
        {
            return self.enter(aggregate_type, found).map(Some);
        }
        match self.read_aggregate::<T>(aggregate_type, LoadTarget::Key(key.clone()), None).await? {
            // This context knows the aggregate, but without this key: it has moved the key away.
            Some(found) if self.staging.stream(found.id).is_some() => Ok(None),
            Some(found) => self.enter_stored(aggregate_type, found, AskedBy::Key).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn read_aggregate<T: Aggregate>(
        &self,
        aggregate_type: &'static str,
        target: LoadTarget,
        as_of: Option<AsOf>,
    ) -> impl Future<Output = Result<Option<Rehydrated<T>>>> + Send + use<'_, T> {
        let store = &*self.store;
        if self.cache().is_some() && as_of.is_none() {
            store.observe(&Observation::CacheLookup { hit: false });
        }
        let read = rehydrate(&*store.engine, store, aggregate_type, target, as_of);
        // A combinator instead of an async block: the block's future would be twice as large.
        read.map(|found| self.noted(found))
    }

    /// Records that a read failed with an error that may pass.
    pub(super) fn noted<T>(&self, done: Result<T>) -> Result<T> {
        if done.as_ref().is_err_and(Error::is_retryable) {
            self.has_met_trouble.store(true, Ordering::Relaxed);
        }
        done
    }

    pub(super) fn enter_stored<T: Aggregate>(
        &mut self,
        aggregate_type: &'static str,
        found: Rehydrated<T>,
        asked_by: AskedBy,
    ) -> Result<StateAggregate<T>> {
        let Rehydrated { id, key, sequence, state, has_unknown, link } = found;
        if let Some(cache) = &self.store.cache {
            cache.correct(id, sequence, key.as_ref());
        }
        let state = self.store.held(state);
        let origin = Origin::Storage;
        let found = Found { id, key, sequence, state, has_unknown, link, origin, asked_by };
        self.enter(aggregate_type, found)
    }

    pub(super) fn enter<T: Aggregate>(
        &mut self,
        aggregate_type: &'static str,
        found: Found<T>,
    ) -> Result<StateAggregate<T>> {
        let Found { id, key, sequence, state, has_unknown, link, origin, asked_by } = found;
        if origin == Origin::Cache {
            self.store.observe(&Observation::CacheLookup { hit: true });
        }
        let base = Base::Loaded { sequence, key: key.clone(), link, origin, asked_by };
        self.staging.enter(&self.store.limits, id, aggregate_type, base, key.clone())?;
        let (context, is_new) = (self.id, false);
        let aggregate = StateAggregate { context, id, key, sequence, state, has_unknown, is_new };
        self.begin_values(&aggregate);
        self.keep_state(&aggregate);
        Ok(aggregate)
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.store.cache.as_ref().filter(|_| self.reading == Reading::Cache)
    }

    /// Shares the handle's state with the staging, so that it is available when the context commits.
    pub(super) fn keep_state<T: Aggregate>(&mut self, aggregate: &StateAggregate<T>) {
        if let Some(state) = aggregate.state.share() {
            let has_unknown = aggregate.has_unknown;
            self.staging.keep_state(aggregate.id, SharedState { state, has_unknown });
        }
    }

    /// Returns another handle to an aggregate that this context knows: as first read, plus the staged events.
    pub(super) async fn reload<T: Aggregate>(
        &mut self,
        id: AggregateId,
    ) -> Result<StateAggregate<T>> {
        let aggregate_type = self.store.stored_name::<T>().await?;
        let stream = self.staging.stream(id).expect("BUG: only known aggregates are reloaded");
        if stream.aggregate_type != aggregate_type {
            return Err(Error::WrongAggregateType {
                id,
                expected: T::NAME.to_owned(),
                found: stream.aggregate_type.to_owned(),
            });
        }
        let (context, key, sequence) = (self.id, stream.key.clone(), stream.sequence);
        let is_new = matches!(stream.base, Base::Created { .. });
        if let Some(SharedState { state, has_unknown }) = stream.state.clone()
            && let Some(state) = State::of_shared(state)
        {
            return Ok(StateAggregate { context, id, key, sequence, state, has_unknown, is_new });
        }
        let (mut state, has_unknown) = match stream.base {
            Base::Created { .. } => (T::default(), false),
            Base::Loaded { sequence, .. } => {
                let as_of = Some(AsOf::Sequence(sequence));
                // Boxed, as it is seldom needed, to keep it out of the size of other futures.
                let found =
                    Box::pin(self.read_aggregate::<T>(aggregate_type, LoadTarget::Id(id), as_of))
                        .await?;
                let found = found.ok_or_else(|| unknown_id::<T>(id))?;
                (found.state, found.has_unknown)
            }
        };
        let entry = self.store.registry.aggregate::<T>()?;
        for event in self.staging.events_of(id) {
            let event_type = entry
                .find(event.event_type, event.version)
                .expect("BUG: a staged event was checked against the registry");
            event_type
                .apply(&mut state, &event.payload, event.version, &event.meta)
                .map_err(|problem| event.unreadable(T::NAME, problem))?;
        }
        let state = self.store.held(state);
        Ok(StateAggregate { context, id, key, sequence, state, has_unknown, is_new })
    }

    #[instrument(level = "debug", name = "create", skip_all, fields(aggregate = T::NAME), err(level = "debug"))]
    pub(crate) async fn stage_new<T: Aggregate>(
        &mut self,
        key: Option<NaturalKey>,
        on_key_taken: OnKeyTaken,
    ) -> Result<StateAggregate<T>> {
        self.store.registry.aggregate::<T>()?;
        let id = self.ids.next(&self.store.ids, &*self.store.engine).await;
        let id = self.noted(id)?;
        let base = Base::Created { on_key_taken };
        let aggregate_type = self.store.stored_name::<T>().await?;
        self.staging.enter(&self.store.limits, id, aggregate_type, base, key.clone())?;
        let (sequence, state) = (Sequence::ZERO, self.store.held(T::default()));
        let (context, has_unknown, is_new) = (self.id, false, true);
        let aggregate = StateAggregate { context, id, key, sequence, state, has_unknown, is_new };
        self.begin_values(&aggregate);
        self.keep_state(&aggregate);
        Ok(aggregate)
    }
}

impl<T: Aggregate> Found<T> {
    /// Wraps a cached aggregate. `None` if its state is of another type.
    pub(super) fn cached(id: AggregateId, cached: Cached, asked_by: AskedBy) -> Option<Self> {
        let Cached { sequence, key, state, has_unknown, link } = cached;
        let state = State::of_shared(state)?;
        let origin = Origin::Cache;
        Some(Self { id, key, sequence, state, has_unknown, link, origin, asked_by })
    }
}
