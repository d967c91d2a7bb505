//! Applies the events that a decision over boundaries emits to the states that it decides on.

use std::any::TypeId;
use std::sync::Arc;

use super::{Boundary, Facts};
use crate::engine::TagQuery;
use crate::{Aggregate, Event, EventMeta, Tags};

/// The tags of an event, and what the boundaries of a decision are about.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    /// `None` if the event has none that are valid, which is reported when it is staged.
    pub(crate) tags: Option<&'a Tags>,
    /// The query of each boundary; `None` if they take any event of their types.
    pub(crate) queries: Option<&'a [Arc<TagQuery>]>,
}

/// The states of boundaries: one, a tuple of up to six, or a [`Vec`]. They take events that belong to no aggregate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no events that belong to no aggregate",
    label = "an event that belongs to no aggregate",
    note = "`{Self}` is not states of boundaries: a boundary, a `Vec` of one, or a tuple of up to six boundaries",
    note = "if `{Self}` is an aggregate, it changes only by events that are declared with `aggregate = …`; `Context::emit` stages events that belong to none"
)]
pub trait BoundaryStates {
    /// Applies an event to each state whose boundary it matches.
    fn apply_fact<E: Event>(&mut self, event: &E, scope: &Scope<'_>, meta: &EventMeta);
}

impl Scope<'_> {
    /// Returns whether an event matches the boundary at this place.
    fn has<E: Event>(&self, place: usize) -> bool {
        let Some(queries) = self.queries else { return true };
        match (queries.get(place), self.tags) {
            (Some(query), Some(tags)) => query.matches(Facts::NAME, E::NAME, tags),
            _ => false,
        }
    }
}

#[diagnostic::do_not_recommend]
impl<B: Boundary> BoundaryStates for B {
    fn apply_fact<E: Event>(&mut self, event: &E, scope: &Scope<'_>, meta: &EventMeta) {
        apply(self, event, scope.has::<E>(0), meta);
    }
}

#[diagnostic::do_not_recommend]
impl<B: Boundary> BoundaryStates for Vec<B> {
    fn apply_fact<E: Event>(&mut self, event: &E, scope: &Scope<'_>, meta: &EventMeta) {
        for (place, state) in self.iter_mut().enumerate() {
            apply(state, event, scope.has::<E>(place), meta);
        }
    }
}

fn apply<B: Boundary, E: Event>(state: &mut B, event: &E, is_within: bool, meta: &EventMeta) {
    let is_declared = |own: &&super::BoundaryEvent<B>| own.event.type_id() == TypeId::of::<E>();
    if let Some(declared) = B::EVENTS.iter().find(is_declared).filter(|_| is_within) {
        (declared.apply_part)(state, event, meta);
    }
}

macro_rules! tuples {
    ($($($name:ident $place:literal)+;)+) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<$($name: Boundary),+> BoundaryStates for ($($name,)+) {
                #[expect(non_snake_case, reason = "a variable for each type")]
                fn apply_fact<Fact: Event>(&mut self, event: &Fact, scope: &Scope<'_>, meta: &EventMeta) {
                    let ($($name,)+) = self;
                    $(apply($name, event, scope.has::<Fact>($place), meta);)+
                }
            }
        )+
    };
}

tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
}
