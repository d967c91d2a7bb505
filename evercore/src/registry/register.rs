//! Registers hand-written types, as the macros do for theirs.

/// Registers a hand-written [`Aggregate`](crate::Aggregate) with [`Registry::linked`](crate::Registry::linked).
///
/// Only needed for an aggregate without events: registering an event also registers its aggregate.
#[macro_export]
macro_rules! register_aggregate {
    ($aggregate:ty) => {
        $crate::__private::inventory::submit! { $crate::registry::AggregateType::of::<$aggregate>() }
    };
}

/// Registers a hand-written [`Event`](crate::Event) and its aggregate with
/// [`Registry::linked`](crate::Registry::linked).
///
/// # Example
/// ```standalone_crate
/// use evercore::format::Encoding;
/// use evercore::{Aggregate, Apply, Event, EventMeta};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default)]
/// struct Counter(u32);
///
/// impl Aggregate for Counter {
///     const NAME: &'static str = "counter";
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Counted;
///
/// impl Event for Counted {
///     type Aggregate = Counter;
///     const NAME: &'static str = "counted";
///     const ENCODING: Encoding<Self> = Encoding::serde();
/// }
///
/// impl Apply<Counted> for Counter {
///     fn apply(&mut self, _event: &Counted, _meta: &EventMeta) {
///         self.0 += 1;
///     }
/// }
///
/// evercore::register_event!(Counted);
///
/// # fn main() -> evercore::Result<()> {
/// assert!(evercore::Registry::linked()?.knows_event::<Counted>());
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! register_event {
    ($event:ty) => {
        $crate::__private::inventory::submit! { $crate::registry::EventType::of::<$event>() }
    };
}
