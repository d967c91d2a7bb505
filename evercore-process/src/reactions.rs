//! Registers reactions, and finds those to an event.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use evercore::command::Command;
use evercore::subscription::SubscriptionBuilder;
use evercore::task::{Handlers, TaskBody};
use evercore::{Event, NaturalKey, RecordedEvent, Registry, Result};

use crate::process::{Process, ProcessKey};
use crate::returned::{Deadline, Rejection};
use crate::step::{Rules, Step};
use crate::worker::Worker;

/// The reactions of a process, which it [registers](Process::register).
///
/// A reaction is a closure over a [`Step`] and what it reacts to. There is one for each type; a second one replaces the
/// first.
pub struct Reactions<P: Process> {
    pub(crate) events: Vec<Reaction<P>>,
    pub(crate) returned: Vec<Reaction<P>>,
    rules: Rules,
}

/// The reaction to the events, deadlines or rejected commands of one type.
pub(crate) struct Reaction<P: Process> {
    pub(crate) input: TypeId,
    kind: Kind<P>,
    key: Key,
    react: React<P>,
}

enum Kind<P: Process> {
    Event {
        follow: fn(SubscriptionBuilder) -> SubscriptionBuilder,
        read: Read,
    },
    /// A deadline or a rejection, which comes as a task.
    Task {
        add: fn(Handlers, &Arc<Worker<P>>) -> Handlers,
    },
}

pub(crate) type Input = Box<dyn Any + Send + Sync>;
type Read = fn(&Registry, &RecordedEvent) -> Result<Vec<Input>>;
type Key = Box<dyn Fn(&dyn Any) -> Result<Option<NaturalKey>> + Send + Sync>;
type React<P> = Box<dyn Fn(&mut Step<'_, P>, &dyn Any, &str) + Send + Sync>;

/// An event and the reaction to it.
pub(crate) struct Due<'a, P: Process> {
    pub(crate) reaction: &'a Reaction<P>,
    pub(crate) key: NaturalKey,
    pub(crate) input: Input,
}

impl<P: Process> Reactions<P> {
    pub(crate) fn of_process() -> Self {
        let mut reactions =
            Self { events: Vec::new(), returned: Vec::new(), rules: Rules::default() };
        P::register(&mut reactions);
        reactions
    }

    /// Reacts to the events of a type. The first closure computes the key of the process from the event: a `String`, a
    /// [`NaturalKey`], or an `Option` of these, where `None` means that the event concerns no process.
    pub fn event<E: Event, K: ProcessKey>(
        &mut self,
        key: impl Fn(&E) -> K + Send + Sync + 'static,
        react: impl Fn(&mut Step<'_, P>, &E) + Send + Sync + 'static,
    ) {
        let reaction = Reaction {
            input: TypeId::of::<E>(),
            kind: Kind::Event { follow: follow::<E>, read: read::<E> },
            key: Box::new(move |event| key(typed(event)).into_key()),
            react: Box::new(move |step, event, _| react(step, typed(event))),
        };
        put(&mut self.events, reaction);
    }

    /// Reacts to the rejection of a command of this type that the process has sent. The first closure computes the key of
    /// the process from the command; the other one is also given the reason.
    pub fn rejection<C: Command, K: ProcessKey>(
        &mut self,
        key: impl Fn(&C) -> K + Send + Sync + 'static,
        react: impl Fn(&mut Step<'_, P>, &C, &str) + Send + Sync + 'static,
    ) {
        let reaction = Reaction {
            input: TypeId::of::<C>(),
            kind: Kind::Task { add: |handlers, worker| handlers.work::<C>(Rejection::of(worker)) },
            key: Box::new(move |command| key(typed(command)).into_key()),
            react: Box::new(move |step, command, why| react(step, typed(command), why)),
        };
        self.rules.rejections.insert(TypeId::of::<C>());
        put(&mut self.returned, reaction);
    }

    /// Reacts to the deadlines of a type that the process has [set](Step::deadline).
    pub fn deadline<D: TaskBody>(
        &mut self,
        react: impl Fn(&mut Step<'_, P>, &D) + Send + Sync + 'static,
    ) {
        let reaction = Reaction {
            input: TypeId::of::<D>(),
            kind: Kind::Task { add: |handlers, worker| handlers.work::<D>(Deadline::of(worker)) },
            key: Box::new(|_| Ok(None)),
            react: Box::new(move |step, event, _| react(step, typed(event))),
        };
        self.rules.deadlines.insert(TypeId::of::<D>());
        put(&mut self.returned, reaction);
    }

    /// Restricts a subscription to the events that the process reacts to.
    pub(crate) fn follow(&self, subscription: SubscriptionBuilder) -> SubscriptionBuilder {
        self.events.iter().fold(subscription, |subscription, reaction| match &reaction.kind {
            Kind::Event { follow, .. } => follow(subscription),
            Kind::Task { .. } => subscription,
        })
    }

    /// Makes the handlers of the queue; `None` if the process has neither deadlines nor reactions to rejections.
    pub(crate) fn handlers(worker: &Arc<Worker<P>>) -> Option<Handlers> {
        let returned = &worker.reactions.returned;
        (!returned.is_empty()).then(|| {
            returned.iter().fold(Handlers::new(), |handlers, reaction| match &reaction.kind {
                Kind::Event { .. } => handlers,
                Kind::Task { add } => add(handlers, worker),
            })
        })
    }

    /// Returns the reactions to a stored event, or to the events that it stands for.
    pub(crate) fn due(
        &self,
        registry: &Registry,
        event: &RecordedEvent,
    ) -> Result<Vec<Due<'_, P>>> {
        let mut due = Vec::new();
        for reaction in &self.events {
            let Kind::Event { read, .. } = &reaction.kind else { continue };
            for input in read(registry, event)? {
                if let Some(key) = reaction.key(&*input)? {
                    due.push(Due { reaction, key, input });
                }
            }
        }
        Ok(due)
    }

    /// Returns the reaction to a deadline or a rejected command.
    pub(crate) fn to_returned(&self, input: TypeId) -> Option<&Reaction<P>> {
        self.returned.iter().find(|reaction| reaction.input == input)
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) const fn rules_mut(&mut self) -> &mut Rules {
        &mut self.rules
    }
}

impl<P: Process> Reaction<P> {
    pub(crate) fn key(&self, input: &dyn Any) -> Result<Option<NaturalKey>> {
        (self.key)(input)
    }

    pub(crate) fn react(&self, step: &mut Step<'_, P>, input: &dyn Any, why: &str) {
        (self.react)(step, input, why);
    }
}

fn put<P: Process>(reactions: &mut Vec<Reaction<P>>, reaction: Reaction<P>) {
    reactions.retain(|former| former.input != reaction.input);
    reactions.push(reaction);
}

fn typed<T: 'static>(input: &dyn Any) -> &T {
    input.downcast_ref().expect("BUG: a reaction goes by the type of its input")
}

pub(crate) fn follow<E: Event>(subscription: SubscriptionBuilder) -> SubscriptionBuilder {
    subscription.event::<E>()
}

pub(crate) fn read<E: Event>(registry: &Registry, event: &RecordedEvent) -> Result<Vec<Input>> {
    let events = registry.decode_all::<E>(event)?;
    Ok(events.into_iter().map(|event| Box::new(event) as Input).collect())
}

impl<P: Process> fmt::Debug for Reactions<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactions")
            .field("process", &P::NAME)
            .field("events", &self.events.len())
            .field("deadlines_and_rejections", &self.returned.len())
            .finish()
    }
}
