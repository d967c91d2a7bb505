//! Does commands that were sent: lets the aggregate decide, and commits the events, the completion of the task and the
//! outcome together.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument, debug_span, info};

use super::command_name;
use super::named::Command;
use super::target::Target;
use crate::context::Reading;
use crate::engine::{Capability, CommandOutcome, Completion, require};
use crate::report::to_stored;
use crate::store::attempt::{Attempt, Reruns, committed, proven};
use crate::task::claimed::About;
use crate::task::handlers::{Completed, Delivery, Handled};
use crate::task::slots::Slot;
use crate::{
    Aggregate, AggregateId, CommandError, CommandId, Context, Error, EventStore, Metadata, Report,
    Result, StateAggregate, TaskOptions,
};

/// The most characters of the reason for a rejection that are stored.
pub const MAX_REJECTION_CHARS: usize = 2_000;

/// Does a command that a worker has claimed.
pub(super) async fn handle<C: Command>(store: EventStore, delivery: Delivery) -> Handled {
    let (about, slot) = (Arc::clone(&delivery.about), delivery.slot.clone());
    let command = delivery.read::<C>()?;
    require(&*store.inner.engine, Capability::CommandLog)?;
    let sent = Sent {
        store: &store,
        target: command.target(),
        command: &*command,
        about: &about,
        slot: &slot,
    };
    let span = debug_span!(
        "do_command",
        aggregate = <C as Command>::Aggregate::NAME,
        command = command_name::<C>(),
        id = %sent.id()
    );
    let done = async {
        let mut reruns = store.begin(Reading::Cache)?;
        loop {
            match sent.attempt(&mut reruns).await {
                Ok(()) => return Ok(Completed::WithItsEffects),
                Err(failure) => store.wait_to_rerun(&mut reruns, failure).await?,
            }
        }
    };
    done.instrument(span).await
}

/// A command that was sent.
struct Sent<'a, C> {
    store: &'a EventStore,
    command: &'a C,
    target: Result<Target>,
    about: &'a About,
    slot: &'a Slot,
}

/// The end of an attempt that has one.
enum Decided {
    Landed { aggregate: Option<AggregateId> },
    Rejected { aggregate: Option<AggregateId>, reason: String },
}

impl<C: Command> Sent<'_, C> {
    fn id(&self) -> CommandId {
        CommandId::from_uuid(*self.about.lease.id.as_uuid())
    }

    async fn attempt(&self, reruns: &mut Reruns) -> Result<(), Attempt<Error>> {
        self.slot.hold().await;
        let began = Instant::now();
        let mut context = reruns.context(self.store);
        let decided = self.decide(&mut context).await;
        self.slot.give_back();
        reruns.queueing = context.take_queueing();
        let has_cached = context.has_cached();
        let sent = match decided {
            Ok(decided @ Decided::Rejected { .. }) if !has_cached => {
                return self.reject(reruns, decided, began.elapsed()).await;
            }
            // Another attempt decides on the stored state.
            Ok(Decided::Rejected { .. }) => return Err(Attempt::Unproven(None)),
            Ok(landed) => self.commit(context, landed, began.elapsed()).await,
            Err(error) => Err(Attempt::Work(error)),
        };
        match proven(has_cached, sent.map(|committed| ((), committed))) {
            Err(Attempt::Commit(refused)) if is_answer(&refused.error) => {
                let rejected = rejected(None, &Report::new(&refused.error).to_string());
                self.reject(reruns, rejected, began.elapsed()).await
            }
            answer => answer.map(|((), _)| ()),
        }
    }

    /// Lets the aggregate decide. Errors that only another command could avoid reject it.
    async fn decide(&self, context: &mut Context) -> Result<Decided> {
        let target = match &self.target {
            Ok(target) => target,
            Err(error) => return Ok(rejected(None, &Report::new(error).to_string())),
        };
        let mut aggregate: StateAggregate<<C as Command>::Aggregate> =
            match context.target(target).await {
                Ok(aggregate) => aggregate,
                Err(error) if is_answer(&error) => {
                    return Ok(rejected(None, &Report::new(&error).to_string()));
                }
                Err(error) => return Err(error),
            };
        let id = aggregate.id();
        match context.decide(&mut aggregate, self.command) {
            Ok(()) => {
                let has_emitted = !context.staged_events().is_empty();
                let exists = has_emitted || context.emitted_nothing(id, true);
                Ok(Decided::Landed { aggregate: exists.then_some(id) })
            }
            Err(CommandError::Rejected(reason)) => {
                let exists = context.emitted_nothing(id, false);
                Ok(rejected(exists.then_some(id), &reason.to_string()))
            }
            Err(CommandError::Store(error)) => Err(error),
        }
    }

    /// Commits a rejection, and nothing else.
    async fn reject(
        &self,
        reruns: &mut Reruns,
        rejected: Decided,
        took: Duration,
    ) -> Result<(), Attempt<Error>> {
        let mut context = reruns.context(self.store);
        reruns.queueing = context.take_queueing();
        self.commit(context, rejected, took).await.map(drop)
    }

    async fn commit(
        &self,
        mut context: Context,
        decided: Decided,
        took: Duration,
    ) -> Result<Option<crate::Committed>, Attempt<Error>> {
        context.complete(Completion::Task(self.about.lease.clone()));
        let outcome = self.outcome(decided, took);
        let said = outcome.rejection.clone();
        context.record(outcome);
        if let Some(reason) = &said {
            self.give_back(&mut context, reason).map_err(Attempt::Work)?;
        }
        let answer = committed(context.finish(&self.store.inner)).await?;
        if let Some(reason) = said {
            let (id, command) = (self.id(), C::NAME);
            info!(queue = %self.about.lease.queue, %id, command, %reason, "a command was rejected");
        }
        Ok(answer)
    }

    /// Enqueues a rejected command to the queue of its sender, if it is to come back.
    fn give_back(&self, context: &mut Context, reason: &str) -> Result<()> {
        let Some(queue) = self.about.metadata.rejected_to() else { return Ok(()) };
        // The metadata that the commit would add are there already, so that the reason is cut to the room that is left.
        let default_metadata = self.store.inner.default_metadata.as_ref();
        let around = Metadata::of_event(None, None, default_metadata).unwrap_or_default();
        let back = TaskOptions {
            queue: Ok(Some(queue)),
            metadata: Some(around.rejected_for(reason)),
            ..TaskOptions::new()
        };
        context.enqueue_with(self.command, back).map(drop)
    }

    fn outcome(&self, decided: Decided, took: Duration) -> CommandOutcome {
        let (aggregate_id, rejection) = match decided {
            Decided::Landed { aggregate } => (aggregate, None),
            Decided::Rejected { aggregate, reason } => (aggregate, Some(reason.into())),
        };
        let About { task_type, enqueued_at, metadata, .. } = self.about;
        // As its events have it.
        let caused = self.about.as_cause();
        CommandOutcome {
            id: self.id(),
            command: task_type.clone(),
            aggregate_type: <C as Command>::Aggregate::NAME.into(),
            aggregate_id,
            rejection,
            principal: metadata.principal_id().map(Into::into),
            correlation_id: caused.correlation_id().map(Into::into),
            causation_id: metadata.causation_id().map(Into::into),
            sent_at: *enqueued_at,
            took,
        }
    }
}

fn rejected(aggregate: Option<AggregateId>, reason: &str) -> Decided {
    Decided::Rejected { aggregate, reason: to_stored(reason, MAX_REJECTION_CHARS) }
}

/// Returns whether an error is an answer to the command, which it would get again.
const fn is_answer(error: &Error) -> bool {
    matches!(
        error,
        Error::UnknownId { .. }
            | Error::WrongAggregateType { .. }
            | Error::UnknownKey { .. }
            | Error::KeyTaken { .. }
            | Error::ValueTaken { .. }
    )
}
