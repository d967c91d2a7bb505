//! Finds the handler for an event by its type, under all names and in all versions that it was written in.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::handler::Batch;
use crate::registry::KnownEvent;
use crate::{Aggregate, Event, EventType, RecordedEvent, RetiredType};

/// The handlers of a router. `H` is the handler for the events of one type.
pub(super) struct Routes<H> {
    by_type: Arc<HashMap<TypeId, Arc<Route<H>>>>,
    /// The same routes by the names of the aggregate and of the event, one for each range of versions.
    by_name: HashMap<(&'static str, &'static str), Vec<Arc<Route<H>>>>,
}

/// The route to one handler.
pub(super) struct Route<H> {
    event_type: TypeId,
    is_for: fn(&RecordedEvent) -> bool,
    pub(super) handler: H,
}

/// The destination of an event.
pub(super) enum Routed<'a, H> {
    /// The handler for its type.
    To(Arc<Route<H>>),
    /// The handlers for the events that have replaced it, at least one of which has a handler.
    ToParts(&'a RetiredType),
    /// None: the program knows its type, and there is no handler for it.
    Nowhere,
    /// The program does not know its type.
    Unknown,
}

impl<H> Routes<H> {
    /// Adds the handler for a type of events. It replaces the former one.
    pub(super) fn insert<E: Event>(&mut self, handler: H) {
        let event_type = TypeId::of::<E>();
        let route = Arc::new(Route { event_type, is_for: RecordedEvent::is::<E>, handler });
        for aggregate in E::Aggregate::ALIASES.iter().chain([&E::Aggregate::NAME]) {
            for name in E::ALIASES.iter().chain([&E::NAME]) {
                let routes = self.by_name.entry((aggregate, name)).or_default();
                routes.retain(|former| former.event_type != event_type);
                routes.push(Arc::clone(&route));
            }
        }
        Arc::make_mut(&mut self.by_type).insert(event_type, route);
    }

    /// Returns the destination of an event of this batch. It is the same for all events that are like this one.
    pub(super) fn find<'a>(&self, batch: &'a Batch, event: &RecordedEvent) -> Routed<'a, H> {
        let named = self.by_name.get(&(event.aggregate_type(), event.event_type()));
        if let Some(route) = named.into_iter().flatten().find(|route| (route.is_for)(event)) {
            return Routed::To(Arc::clone(route));
        }
        let is_routed = |part: &EventType| self.by_type.contains_key(&part.type_id());
        match batch.registry().known_event(event) {
            Some(KnownEvent::Retired(retired)) if retired.into_events().iter().any(is_routed) => {
                Routed::ToParts(retired)
            }
            Some(KnownEvent::Retired(_) | KnownEvent::Current(_)) => Routed::Nowhere,
            None => Routed::Unknown,
        }
    }

    /// Returns the routes by the types of the events, for the parts of retired events.
    pub(super) const fn by_type(&self) -> &Arc<HashMap<TypeId, Arc<Route<H>>>> {
        &self.by_type
    }
}

/// Returns the runs of events in a batch that have the same destination.
pub(super) fn runs(batch: &Batch) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let first = batch.get(next)?;
        let alike = batch[next..].iter().take_while(|event| event.is_like(first)).count();
        let events = next..next + alike;
        next = events.end;
        Some(events)
    })
}

impl<H> Default for Routes<H> {
    fn default() -> Self {
        Self { by_type: Arc::default(), by_name: HashMap::new() }
    }
}

impl<H> Clone for Routes<H> {
    fn clone(&self) -> Self {
        Self { by_type: Arc::clone(&self.by_type), by_name: self.by_name.clone() }
    }
}

impl<H> fmt::Debug for Routes<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.by_name.keys().collect();
        names.sort();
        f.debug_list().entries(names).finish()
    }
}
