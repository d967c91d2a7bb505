//! What durable and ephemeral subscriptions are set up with alike.

/// Gives a builder the methods that say what to follow, and in which steps.
macro_rules! following {
    ($builder:ident) => {
        impl $builder {
            /// Follows the events of an aggregate type; see [`EventFilter`](crate::EventFilter) for how this adds up.
            pub fn aggregate<A: $crate::Aggregate>(mut self) -> Self {
                self.filter = self.filter.aggregate::<A>();
                self
            }

            /// Follows an event; see [`EventFilter`](crate::EventFilter) for how this adds up.
            pub fn event<E: $crate::Event>(mut self) -> Self {
                self.filter = self.filter.event::<E>();
                self
            }

            /// Follows only aggregates that hold this natural key.
            pub fn key(mut self, key: $crate::NaturalKey) -> Self {
                self.filter = self.filter.key(key);
                self
            }

            /// Sets what is followed, in place of all that was named before.
            pub fn filter(mut self, filter: $crate::EventFilter) -> Self {
                self.filter = filter;
                self
            }

            /// Sets the most events that a handler is given together. At least 1, at most
            /// [`Limits::page_events`](crate::Limits::page_events). Default: 500.
            pub const fn batch_size(mut self, events: u32) -> Self {
                self.batch_size = events;
                self
            }

            /// Sets how often to look for events that nobody has told of. Default: the engine's, from 20 ms to 1 s.
            pub const fn poll_interval(mut self, interval: std::time::Duration) -> Self {
                self.poll_interval = Some(interval);
                self
            }
        }
    };
}

pub(super) use following;
