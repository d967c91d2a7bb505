//! Claims the unique values of aggregates that were stored before their type declared any.

use futures_util::future::join_all;
use tracing::{info, instrument};

use super::EventStore;
use crate::clock::to_stored_precision;
use crate::context::rehydrate::{Rehydrated, rehydrate};
use crate::engine::{
    AggregateWrite, Capability, Commit, KeyChange, LoadTarget, Precondition, UniqueChange,
    UniqueName, UniqueStep, require,
};
use crate::retry::pause;
use crate::unique::{ClaimedValues, Unclaimed};
use crate::{Aggregate, AggregateId, Error, Result, Sequence, Tag};

/// The aggregates of a page.
const PAGE: u32 = 200;

/// The aggregates whose values are claimed at the same time, so that engines store their commits together.
const AT_ONCE: usize = 16;

/// The outcome for one aggregate.
#[derive(Default)]
struct Claimed {
    values: u64,
    unclaimed: Vec<Error>,
}

impl EventStore {
    /// Claims the unique values of all aggregates of a type that had aggregates before it declared them.
    ///
    /// New commits claim values from the first program on that declares them. This call does so for the rest: it reads
    /// all aggregates in the order of their ids, and commits their values without events, each aggregate if it is still
    /// as it was read. Values that it cannot claim are in the report: the value belongs to another aggregate, or cannot
    /// be stored. Without any, the names are complete from then on, and aggregates are found by them. Otherwise, change
    /// the aggregates that are reported and call again. A call that is dropped or fails goes on where it was: after the
    /// last page before the first value that could not be claimed.
    ///
    /// It waits for commits that are on their way and were made before the names were declared, so a transaction that a
    /// program has left open holds it up.
    ///
    /// `progress` is called after each page.
    ///
    /// # Errors
    /// - [`Error::Unsupported`] if the engine has no unique values, or cannot list its aggregates.
    /// - [`Error::Conflict`] if other writers change an aggregate faster than it is read.
    /// - The errors of a load, and those of the engine.
    #[instrument(level = "debug", skip_all, fields(aggregate = A::NAME), err(level = "debug"))]
    pub async fn claim_unique_values<A: Aggregate>(
        &self,
        mut progress: impl FnMut(&ClaimedValues) + Send,
    ) -> Result<ClaimedValues> {
        require(&*self.inner.engine, Capability::UniqueValues)?;
        require(&*self.inner.engine, Capability::Inspection)?;
        let mut report = ClaimedValues::default();
        let names = self.incomplete::<A>().await?;
        let Some(mut up_to) = names.iter().map(|(_, claimed_up_to)| *claimed_up_to).min() else {
            report.is_complete = true;
            return Ok(report);
        };
        let names: Vec<_> = names.into_iter().map(|(name, _)| name).collect();
        self.inner.engine.begin_claiming().await?;
        loop {
            let inspection = self.inner.engine.inspection();
            let page = inspection.aggregates(Some(up_to), PAGE).await?;
            let Some(last) = page.last().map(|last| last.id) else { break };
            let aggregate_type = self.inner.stored_name::<A>().await?;
            let mut ids = Vec::new();
            for row in page {
                let found = row.aggregate.and_then(|columns| columns.aggregate_type);
                if found.is_some_and(|found| *found == *aggregate_type) {
                    ids.push(AggregateId::new(row.id)?);
                }
            }
            for ids in ids.chunks(AT_ONCE) {
                let claims = ids.iter().map(|id| self.claim_values::<A>(aggregate_type, *id));
                for (id, claimed) in ids.iter().zip(join_all(claims).await) {
                    let Claimed { values, unclaimed } = claimed?;
                    report.aggregates += 1;
                    report.values += values;
                    for error in unclaimed {
                        report.add(Unclaimed { aggregate_id: *id, error });
                    }
                }
            }
            up_to = last;
            if report.unclaimed_count == 0 {
                self.inner.engine.record_claimed(&names, up_to, false).await?;
            }
            progress(&report);
        }
        if report.unclaimed_count == 0 {
            self.inner.engine.record_claimed(&names, up_to, true).await?;
            report.is_complete = true;
        }
        info!(
            aggregate = A::NAME,
            aggregates = report.aggregates,
            values = report.values,
            unclaimed = report.unclaimed_count,
            "claimed the unique values of the aggregates that were stored before"
        );
        Ok(report)
    }

    /// Returns the names of a type that are not complete, each with the aggregate up to which its values are claimed.
    async fn incomplete<A: Aggregate>(&self) -> Result<Vec<(UniqueName, i64)>> {
        let aggregate_type = self.inner.stored_name::<A>().await?;
        let stored = self.inner.reload_declared().await?;
        let declared = A::UNIQUE.map_or(&[][..], |unique| unique.names());
        let names =
            declared.iter().map(|declared| UniqueName { aggregate_type, name: declared.name });
        let incomplete = names.filter_map(|own| {
            let mut stored = stored.unique.stored().iter();
            let stored = stored
                .find(|stored| stored.is(own.aggregate_type, own.name))
                .filter(|stored| !stored.is_complete)?;
            Some((own, stored.claimed_up_to))
        });
        Ok(incomplete.collect())
    }

    /// Claims the values of one aggregate, as far as they are free.
    async fn claim_values<A: Aggregate>(
        &self,
        aggregate_type: &'static str,
        id: AggregateId,
    ) -> Result<Claimed> {
        let mut failed = 0;
        loop {
            match self.try_claiming::<A>(aggregate_type, id).await {
                Err(error) if error.is_conflict() => {
                    failed += 1;
                    let Some(wait) = self.inner.wait_after(failed) else { return Err(error) };
                    pause(wait).await;
                }
                claimed => return claimed,
            }
        }
    }

    async fn try_claiming<A: Aggregate>(
        &self,
        aggregate_type: &'static str,
        id: AggregateId,
    ) -> Result<Claimed> {
        let store = &*self.inner;
        let target = LoadTarget::Id(id);
        let found = rehydrate::<A>(&*store.engine, store, aggregate_type, target, None).await?;
        let (Some(Rehydrated { key, sequence, state, .. }), Some(unique)) = (found, A::UNIQUE)
        else {
            return Ok(Claimed::default());
        };
        let mut claimed = Claimed::default();
        // Without an event, it has no values.
        if sequence == Sequence::ZERO {
            return Ok(claimed);
        }
        let mut values: Vec<Tag> = match unique.of(&state) {
            Ok(values) => values.into(),
            Err(error) => {
                claimed.unclaimed.push(error);
                return Ok(claimed);
            }
        };
        while !values.is_empty() {
            let change = |value: &Tag| UniqueChange {
                aggregate_id: id,
                aggregate_type,
                value: value.clone(),
                step: UniqueStep::Claim,
            };
            let write = AggregateWrite {
                id,
                aggregate_type,
                precondition: Precondition::Unchanged { sequence, key: key.clone() },
                key: KeyChange::Keep,
            };
            let commit = Commit {
                writes: vec![write],
                unique: values.iter().map(change).collect(),
                ..Commit::new(to_stored_precision(store.clock.now()))
            };
            match store.send(commit).await {
                Ok(_) => {
                    claimed.values = u64::try_from(values.len()).unwrap_or(u64::MAX);
                    break;
                }
                Err(Error::ValueTaken { aggregate, name, value, holder }) => {
                    let left = values.len();
                    values.retain(|own| own.name() != name || own.value() != value);
                    let error = Error::ValueTaken { aggregate, name, value, holder };
                    if values.len() == left {
                        return Err(error);
                    }
                    claimed.unclaimed.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(claimed)
    }
}
