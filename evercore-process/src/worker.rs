//! Takes the steps of a process in contexts of a store.

use std::any::Any;
use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use evercore::subscription::Interrupt;
use evercore::{
    Aggregate, Batch, Context, Error, EventStore, Handler, HandlerError, NaturalKey, RecordedEvent,
    Result, StateAggregate, each,
};
use tracing::debug;

use crate::process::Process;
use crate::reactions::{Due, Reaction, Reactions};
use crate::step::{Ended, Step};

/// What the workers of a process need.
#[derive(Debug)]
pub(crate) struct Worker<P: Process> {
    pub(crate) store: EventStore,
    /// The name of the process's subscription.
    pub(crate) name: String,
    pub(crate) reactions: Reactions<P>,
}

/// Marks a process that has ended: its natural key is the id of the process. A [registry](evercore::Registry) that is built
/// by hand needs it beside the types of the process.
#[derive(Aggregate, Clone, Copy, Debug, Default)]
#[aggregate(name = "evercore.ended-process")]
pub struct EndedProcess;

/// Hands the events of a subscription to a [process](Process), one at a time.
#[derive(Debug)]
pub struct Steps<P: Process>(pub(crate) Arc<Worker<P>>);

/// The steps for an event. Boxed, so that programs need no higher limit of recursion to compile.
pub(crate) type Taking = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// The reason why the steps for an event were not taken.
enum NotTaken {
    /// The reaction with this index does not begin its process.
    BeginsNothing(usize),
    Store(Error),
}

impl From<Error> for NotTaken {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl<P: Process> Worker<P> {
    /// Takes the steps for an event in one commit, which lands once for each event, however often the event is given:
    /// the commit has the name and the position as its idempotency key. That a step does nothing is stored, too, since it
    /// might do something in a later state.
    async fn take(&self, event: &RecordedEvent) -> Result<()> {
        let due = self.reactions.due(self.store.registry(), event)?;
        if due.is_empty() {
            return Ok(());
        }
        let key = once("process", &self.name, event);
        let (due, key) = (&*due, &*key);
        let mut without = HashSet::new();
        loop {
            let skipped = &without;
            let taken = self
                .store
                .with_context(async move |ctx: &mut Context| {
                    ctx.set_idempotency_key(key)?;
                    self.take_all(ctx, due, skipped).await
                })
                .await;
            match taken {
                Ok(()) => return Ok(()),
                Err(NotTaken::BeginsNothing(index)) => {
                    without.insert(index);
                }
                Err(NotTaken::Store(Error::IdempotencyKeyUsed { .. })) => {
                    debug!(process = %self.name, position = %event.position(), "the process has reacted to the event before");
                    return Ok(());
                }
                Err(NotTaken::Store(error)) => return Err(error),
            }
        }
    }

    async fn take_all(
        &self,
        ctx: &mut Context,
        due: &[Due<'_, P>],
        without: &HashSet<usize>,
    ) -> Result<(), NotTaken> {
        let mut begun: HashSet<&NaturalKey> = HashSet::new();
        for (index, Due { reaction, key, input }) in due.iter().enumerate() {
            if without.contains(&index) {
                continue;
            }
            let mut process = ctx.load_or_create::<P>(key.clone()).await?;
            let ended = self.step(ctx, &mut process, reaction, &**input, "").await?;
            if ended.does_anything {
                begun.insert(key);
            } else if process.is_new() && !begun.contains(key) {
                return Err(NotTaken::BeginsNothing(index));
            }
        }
        Ok(())
    }

    /// Takes a step, unless the process has ended.
    pub(crate) async fn step(
        &self,
        ctx: &mut Context,
        process: &mut StateAggregate<P>,
        reaction: &Reaction<P>,
        input: &(dyn Any + Send + Sync),
        why: &str,
    ) -> Result<Ended> {
        let id = process.id();
        if ctx.find_by_key::<EndedProcess>(id.to_string()).await?.is_some() {
            debug!(process = %self.name, %id, "a process that has ended does not react");
            return Ok(Ended { does_anything: true, has_ended: true });
        }
        if !process.is_new() {
            // What the step does rests on the state, also if it emits nothing.
            ctx.guard(process)?;
        }
        let ended = {
            let mut step = Step::in_context(ctx, process, self.reactions.rules());
            reaction.react(&mut step, input, why);
            step.finish()?
        };
        if ended.has_ended {
            ctx.load_or_create::<EndedProcess>(id.to_string()).await?;
        }
        Ok(ended)
    }
}

/// Returns the idempotency key of the commit that reacts to an event.
pub(crate) fn once(kind: &str, name: &str, event: &RecordedEvent) -> String {
    format!("evercore.{kind}/{name}/{}", event.position())
}

impl<P: Process> Clone for Steps<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Process> Steps<P> {
    /// Handles single events, so that what a step writes names its event as the cause.
    fn one_by_one(&self) -> impl Handler + use<P> {
        let worker = Arc::clone(&self.0);
        each(move |event: RecordedEvent| -> Taking {
            Box::pin(async move { worker.take(&event).await })
        })
    }
}

impl<P: Process> Handler for Steps<P> {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        self.one_by_one().handle(batch).await
    }

    async fn handle_until(
        &mut self,
        batch: Batch,
        interrupt: &Interrupt,
    ) -> Result<usize, HandlerError> {
        self.one_by_one().handle_until(batch, interrupt).await
    }
}
