//! Handles what comes back to a process as tasks of its queue: its deadlines, and its commands that were rejected.

use std::any::{Any, TypeId};
use std::sync::Arc;

use evercore::task::{Claimed, TaskBody, TaskError, Work};
use evercore::{Context, Result, StateAggregate};
use tracing::debug;

use crate::process::Process;
use crate::reactions::Reaction;
use crate::step::process_of;
use crate::worker::Worker;

/// Handles the deadlines of a process.
pub(crate) struct Deadline<P: Process>(Arc<Worker<P>>);

/// Handles rejected commands of a process.
pub(crate) struct Rejection<P: Process>(Arc<Worker<P>>);

impl<P: Process> Deadline<P> {
    pub(crate) fn of(worker: &Arc<Worker<P>>) -> Self {
        Self(Arc::clone(worker))
    }
}

impl<P: Process> Rejection<P> {
    pub(crate) fn of(worker: &Arc<Worker<P>>) -> Self {
        Self(Arc::clone(worker))
    }
}

impl<P: Process, D: TaskBody> Work<D> for Deadline<P> {
    async fn work(&self, ctx: &mut Context, task: &Claimed<D>) -> Result<(), TaskError> {
        let Some(id) = task.key().and_then(|key| process_of(key.as_str())) else {
            return Err(TaskError::permanent(
                "the key of the task is not that of a deadline; deadlines are set by the steps of a process, and their queue is for nothing else",
            ));
        };
        let process = ctx.find::<P>(id).await?;
        let reaction = self.0.reaction::<D>();
        Ok(self.0.react(ctx, process, reaction, &**task, "").await?)
    }
}

impl<P: Process, C: TaskBody> Work<C> for Rejection<P> {
    async fn work(&self, ctx: &mut Context, task: &Claimed<C>) -> Result<(), TaskError> {
        let Some(why) = task.rejection() else {
            return Err(TaskError::permanent(
                "the command was not rejected; the queue of a process is not for commands that are to be done",
            ));
        };
        let reaction = self.0.reaction::<C>();
        let Some(key) = reaction.key(&**task)? else { return Ok(()) };
        let process = ctx.find_by_key::<P>(key).await?;
        Ok(self.0.react(ctx, process, reaction, &**task, why).await?)
    }
}

impl<P: Process> Worker<P> {
    fn reaction<T: 'static>(&self) -> &Reaction<P> {
        let reaction = self.reactions.to_returned(TypeId::of::<T>());
        reaction.expect("BUG: handlers are made of the reactions")
    }

    /// Takes the step of a process that has begun.
    async fn react(
        &self,
        ctx: &mut Context,
        process: Option<StateAggregate<P>>,
        reaction: &Reaction<P>,
        input: &(dyn Any + Send + Sync),
        why: &str,
    ) -> Result<()> {
        match process {
            Some(mut process) => self.step(ctx, &mut process, reaction, input, why).await.map(drop),
            None => {
                debug!(process = %self.name, "a process that has not begun does not react");
                Ok(())
            }
        }
    }
}
