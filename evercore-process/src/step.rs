//! Defines what a reaction may do.

use std::any::TypeId;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use evercore::command::{Command, EventOf};
use evercore::task::{QueueName, Task, TaskBody};
use evercore::{AggregateId, Context, Decision, Error, Result, StateAggregate};

use crate::process::Process;
use crate::rehearsal::Noted;

/// One step of a process in progress. It derefs to the state.
///
/// A step is a decision: after a conflict with another writer it is taken again, on the new state, so it must depend on
/// nothing but the state and what it reacts to. All that it does lands in one commit, or nothing of it. What cannot be
/// done, such as an event that cannot be encoded, fails the step, which is then retried, parked or stopped at as the
/// [failure policy](crate::ProcessBuilder::on_failure) says.
pub struct Step<'a, P: Process> {
    target: Target<'a, P>,
    rules: &'a Rules,
    does_anything: bool,
    has_ended: bool,
    failure: Option<Error>,
}

/// Where the effects of a step go.
enum Target<'a, P: Process> {
    Context { ctx: &'a mut Context, process: &'a mut StateAggregate<P> },
    Rehearsal { decision: Decision<'a, P>, noted: &'a mut Noted },
}

/// What the reactions of a process say of its steps.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// The queue of the process, for its deadlines and for commands that come back.
    pub(crate) queue: Option<QueueName>,
    /// The types of its deadlines.
    pub(crate) deadlines: HashSet<TypeId>,
    /// The types of commands that come back if they are rejected.
    pub(crate) rejections: HashSet<TypeId>,
    /// The types of commands that come back if they fail for good.
    pub(crate) failures: HashSet<TypeId>,
}

/// What a step has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) does_anything: bool,
    pub(crate) has_ended: bool,
}

impl<'a, P: Process> Step<'a, P> {
    pub(crate) const fn in_context(
        ctx: &'a mut Context,
        process: &'a mut StateAggregate<P>,
        rules: &'a Rules,
    ) -> Self {
        Self::new(Target::Context { ctx, process }, rules)
    }

    pub(crate) fn rehearsed(
        decision: Decision<'a, P>,
        noted: &'a mut Noted,
        rules: &'a Rules,
    ) -> Self {
        Self::new(Target::Rehearsal { decision, noted }, rules)
    }

    const fn new(target: Target<'a, P>, rules: &'a Rules) -> Self {
        Self { target, rules, does_anything: false, has_ended: false, failure: None }
    }

    /// Returns the state of the process, with the events that this step has emitted so far.
    #[must_use]
    pub fn state(&self) -> &P {
        match &self.target {
            Target::Context { process, .. } => process.state(),
            Target::Rehearsal { decision, .. } => decision.state(),
        }
    }

    /// Emits an event of the process, and applies it to the state.
    pub fn emit<E: EventOf<P>>(&mut self, event: E) {
        self.act(|step| match &mut step.target {
            Target::Context { ctx, process } => ctx.apply(process, event),
            Target::Rehearsal { decision, .. } => {
                decision.emit(event);
                Ok(())
            }
        });
    }

    /// Sends a command, which may have the options of a [`Task`]: a time, a key, another queue. If it is rejected, it
    /// comes back to the reaction that is registered by [`rejection`](crate::Reactions::rejection), if there is one; if
    /// it fails for good, to that by [`failure`](crate::Reactions::failure).
    pub fn send<C: Command>(&mut self, command: impl Into<Task<C>>) {
        let mut task = command.into();
        self.act(|step| match &mut step.target {
            Target::Context { ctx, .. } => {
                if step.rules.rejections.contains(&TypeId::of::<C>()) {
                    task = task.return_rejected_to(step.rules.queue()?);
                }
                if step.rules.failures.contains(&TypeId::of::<C>()) {
                    task = task.return_failed_to(step.rules.queue()?);
                }
                ctx.send(task).map(drop)
            }
            Target::Rehearsal { noted, .. } => {
                let command = task.into_body();
                command.target()?;
                noted.sent.push(command.into());
                Ok(())
            }
        });
    }

    /// Enqueues a task, with or without options.
    pub fn enqueue<T: TaskBody>(&mut self, task: impl Into<Task<T>>) {
        let task = task.into();
        self.act(|step| match &mut step.target {
            Target::Context { ctx, .. } => ctx.enqueue(task).map(drop),
            Target::Rehearsal { noted, .. } => {
                noted.enqueued.push(task.into_body().into());
                Ok(())
            }
        });
    }

    /// Sets a deadline: after this much time, the process reacts to `event` as it is registered by
    /// [`deadline`](crate::Reactions::deadline), unless the deadline is [cancelled](Self::cancel) before. A deadline with
    /// the same name that the process has set already is replaced.
    ///
    /// The event is the body of a task, declared with `#[task]`; the task goes to the queue of the process, whatever its
    /// declaration says. The name has up to 235 bytes.
    pub fn deadline<D: TaskBody>(&mut self, name: &str, after: Duration, event: D) {
        self.act(|step| {
            if !step.rules.deadlines.contains(&TypeId::of::<D>()) {
                let problem = format!(
                    "the process `{}` has no reaction to it; register one with `on.deadline`",
                    P::NAME
                );
                let value = D::NAME.to_owned();
                return Err(Error::InvalidTask { what: "deadline", value, problem });
            }
            match &mut step.target {
                Target::Context { ctx, process } => {
                    let key = deadline_key(name, process.id());
                    let task = Task::new(event).after(after).key(key).replace();
                    ctx.enqueue(task.to(step.rules.queue()?)).map(drop)
                }
                Target::Rehearsal { noted, .. } => {
                    noted.set_deadline(name, after, event);
                    Ok(())
                }
            }
        });
    }

    /// Cancels the deadline with this name. If there is none, nothing changes.
    pub fn cancel(&mut self, name: &str) -> &mut Self {
        self.act(|step| match &mut step.target {
            Target::Context { ctx, process } => {
                ctx.cancel_in(step.rules.queue()?, deadline_key(name, process.id()))
            }
            Target::Rehearsal { noted, .. } => {
                noted.cancel_deadline(name);
                Ok(())
            }
        });
        self
    }

    /// Ends the process once this step lands. It answers later events, deadlines, rejections and failures with nothing,
    /// and cannot begin again.
    pub fn end(&mut self) {
        self.act(|step| {
            step.has_ended = true;
            Ok(())
        });
    }

    /// Does something, unless the step has failed already.
    fn act(&mut self, act: impl FnOnce(&mut Self) -> Result<()>) {
        if self.failure.is_none() {
            self.does_anything = true;
            self.failure = act(self).err();
        }
    }

    pub(crate) fn finish(self) -> Result<Ended> {
        let Self { target, does_anything, has_ended, failure, .. } = self;
        if let Target::Rehearsal { decision, noted } = target {
            noted.emit::<P>(decision.emitted())?;
        }
        failure.map_or(Ok(Ended { does_anything, has_ended }), Err)
    }
}

impl Rules {
    fn queue(&self) -> Result<QueueName> {
        Ok(self.queue.clone().expect("BUG: a process in a context has a queue"))
    }
}

impl<P: Process> Deref for Step<'_, P> {
    type Target = P;

    fn deref(&self) -> &P {
        self.state()
    }
}

impl<P: Process + fmt::Debug> fmt::Debug for Step<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("state", self.state())
            .field("has_ended", &self.has_ended)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Returns the key of the task that is a deadline. The id of the process is shorter than its key may be.
fn deadline_key(name: &str, process: AggregateId) -> String {
    format!("{name}/{process}")
}

/// Returns the process whose deadline a task with this key is.
pub(crate) fn process_of(deadline_key: &str) -> Option<AggregateId> {
    let (_, id) = deadline_key.rsplit_once('/')?;
    AggregateId::new(id.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_deadline_names_its_process() {
        for name in ["remind", "a/b", "", "7/"] {
            let id = AggregateId::new(4711).expect("it is valid");
            assert_eq!(process_of(&deadline_key(name, id)), Some(id), "{name}");
        }
        for other in ["remind", "remind/", "remind/-1", "remind/x"] {
            assert_eq!(process_of(other), None, "{other}");
        }
    }
}
