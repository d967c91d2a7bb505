//! Folds events into the states of boundaries.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Boundary, BoundaryEvent, BoundaryKey};
use crate::engine::{NewEvent, StoredEvent, TagQuery};
use crate::registry::KnownEvent;
use crate::{Error, EventType, RecordedEvent, Registry, Result, Tags};

/// One or several boundaries that are read together: a [`BoundaryKey`], a tuple of up to six, or a [`Vec`] of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the key of a boundary",
    label = "not the key of a boundary",
    note = "`#[derive(Boundary)]` writes the function that makes one: `ctx.read(Seats::of(course))`",
    note = "a tuple of up to six keys, or a `Vec` of keys, reads several boundaries together"
)]
pub trait Boundaries: Send {
    /// Their states.
    type States: Send;

    /// Begins to read them.
    #[doc(hidden)]
    fn begin(self, registry: &Registry, into: &mut Vec<Reading>) -> Result<()>;

    /// Takes their states from the front.
    #[doc(hidden)]
    fn finish(count: usize, states: &mut dyn Iterator<Item = Box<dyn Any + Send>>) -> Self::States;
}

/// A boundary that is being read.
#[doc(hidden)]
pub struct Reading {
    pub(crate) boundary: &'static str,
    pub(crate) query: Arc<TagQuery>,
    pub(crate) is_guarded: bool,
    state: Box<dyn Fold>,
}

/// The state of a boundary, whatever its type.
trait Fold: Send + Sync {
    fn stored(
        &mut self,
        registry: &Registry,
        query: &TagQuery,
        event: &RecordedEvent,
    ) -> Result<()>;

    fn staged(&mut self, event: &NewEvent, aggregate_type: &str) -> Result<()>;

    fn into_state(self: Box<Self>) -> Box<dyn Any + Send>;

    /// Returns the state before the first event.
    fn fresh(&self) -> Box<dyn Fold>;
}

struct State<B>(B);

impl Reading {
    pub(crate) fn new<B: Boundary>(key: BoundaryKey<B>, registry: &Registry) -> Result<Self> {
        let is_guarded = key.is_guarded();
        let query = key.query(|event| {
            registry.check(&event.event)?;
            let names = registry.stored_events(&event.event);
            Ok(names.map(|(aggregate, event)| StoredEvent { aggregate, event }).collect())
        })?;
        Ok(Self { boundary: B::NAME, query, is_guarded, state: Box::new(State(B::default())) })
    }

    /// Returns the same reading before its first event.
    pub(crate) fn fresh(&self) -> Self {
        let Self { boundary, query, is_guarded, state } = self;
        let (boundary, is_guarded) = (*boundary, *is_guarded);
        Self { boundary, query: Arc::clone(query), is_guarded, state: state.fresh() }
    }

    /// Applies a stored event.
    pub(crate) fn stored(&mut self, registry: &Registry, event: &RecordedEvent) -> Result<()> {
        self.state.stored(registry, &self.query, event)
    }

    /// Applies an event that the context has staged, if it matches.
    pub(crate) fn staged(&mut self, event: &NewEvent, aggregate_type: &str) -> Result<()> {
        if self.query.matches(aggregate_type, event.event_type, &event.tags) {
            self.state.staged(event, aggregate_type)
        } else {
            Ok(())
        }
    }

    pub(crate) fn into_state(self) -> Box<dyn Any + Send> {
        self.state.into_state()
    }
}

impl<B: Boundary> Fold for State<B> {
    fn stored(
        &mut self,
        registry: &Registry,
        query: &TagQuery,
        event: &RecordedEvent,
    ) -> Result<()> {
        match registry.known_event(event) {
            Some(KnownEvent::Current(known)) => {
                let is_declared = |own: &&BoundaryEvent<B>| own.event.type_id() == known.type_id();
                let declared = B::EVENTS.iter().find(is_declared);
                let applied = declared.map_or(Ok(()), |declared| {
                    declared.apply(&mut self.0, event.payload(), event.version(), event.meta())
                });
                applied.map_err(|problem| event.unreadable(problem))
            }
            Some(KnownEvent::Retired(retired)) => {
                for part in event.parts(retired)? {
                    let is_declared =
                        |own: &&BoundaryEvent<B>| own.event.type_id() == part.event_type();
                    let Some(declared) = B::EVENTS.iter().find(is_declared) else { continue };
                    let names = (declared.event.aggregate().name(), declared.event.name());
                    let is_wanted = |tags: &Tags| query.matches(names.0, names.1, tags);
                    declared.apply_part(&mut self.0, &part, event.meta(), is_wanted)?;
                }
                Ok(())
            }
            None => Err(Error::UnknownEvent(Box::new(event.place()))),
        }
    }

    fn staged(&mut self, event: &NewEvent, aggregate_type: &str) -> Result<()> {
        let is_declared = |event_type: &EventType| {
            event_type.name() == event.event_type
                && event_type.aggregate().names().any(|name| name == aggregate_type)
        };
        let declared = B::EVENTS.iter().find(|own| is_declared(&own.event));
        declared.map_or(Ok(()), |declared| {
            declared
                .apply(&mut self.0, &event.payload, event.version, &event.meta)
                .map_err(|problem| event.unreadable(aggregate_type, problem))
        })
    }

    fn into_state(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(self.0)
    }

    fn fresh(&self) -> Box<dyn Fold> {
        Box::new(Self(B::default()))
    }
}

impl<B: Boundary> Boundaries for BoundaryKey<B> {
    type States = B;

    fn begin(self, registry: &Registry, into: &mut Vec<Reading>) -> Result<()> {
        into.push(Reading::new(self, registry)?);
        Ok(())
    }

    fn finish(_: usize, states: &mut dyn Iterator<Item = Box<dyn Any + Send>>) -> B {
        take(states)
    }
}

#[diagnostic::do_not_recommend]
impl<B: Boundary> Boundaries for Vec<BoundaryKey<B>> {
    type States = Vec<B>;

    fn begin(self, registry: &Registry, into: &mut Vec<Reading>) -> Result<()> {
        self.into_iter().try_for_each(|key| key.begin(registry, into))
    }

    fn finish(count: usize, states: &mut dyn Iterator<Item = Box<dyn Any + Send>>) -> Vec<B> {
        (0..count).map(|_| take(states)).collect()
    }
}

/// Takes the next state, which is that of a `B`, since the keys were begun in the same order.
fn take<B: Boundary>(states: &mut dyn Iterator<Item = Box<dyn Any + Send>>) -> B {
    let state = states.next().expect("BUG: each key has a state");
    *state.downcast().expect("BUG: states come in the order of their keys")
}

macro_rules! tuples {
    ($($count:literal: $($name:ident)+;)+) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<$($name: Boundary),+> Boundaries for ($(BoundaryKey<$name>,)+) {
                type States = ($($name,)+);

                #[expect(non_snake_case, reason = "a variable for each type")]
                fn begin(self, registry: &Registry, into: &mut Vec<Reading>) -> Result<()> {
                    let ($($name,)+) = self;
                    $($name.begin(registry, into)?;)+
                    Ok(())
                }

                fn finish(
                    _: usize,
                    states: &mut dyn Iterator<Item = Box<dyn Any + Send>>,
                ) -> Self::States {
                    ($(take::<$name>(states),)+)
                }
            }
        )+
    };
}

tuples! {
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("boundary", &self.boundary)
            .field("query", &self.query)
            .field("is_guarded", &self.is_guarded)
            .finish_non_exhaustive()
    }
}
