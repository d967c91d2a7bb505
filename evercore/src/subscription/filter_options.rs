//! Defines the options that durable and ephemeral subscriptions share.

/// Adds the methods to a builder that set what it follows, and in which steps.
macro_rules! following {
    ($builder:ident) => {
        impl $builder {
            /// Follows the events of an aggregate type. [`EventFilter`](crate::EventFilter) describes how several calls
            /// add up.
            pub fn aggregate<A: $crate::Aggregate>(mut self) -> Self {
                self.filter = self.filter.aggregate::<A>();
                self
            }

            /// Follows an event type. [`EventFilter`](crate::EventFilter) describes how several calls add up.
            pub fn event<E: $crate::Event>(mut self) -> Self {
                self.filter = self.filter.event::<E>();
                self
            }

            /// Follows only the events of aggregates that hold this natural key.
            pub fn key(mut self, key: $crate::NaturalKey) -> Self {
                self.filter = self.filter.key(key);
                self
            }

            /// Follows only events that have this tag, and each other one that is added.
            pub fn tag(mut self, tag: $crate::boundary::Tag) -> Self {
                self.filter = self.filter.tag(tag);
                self
            }

            /// Sets the filter, in place of all that was named before.
            pub fn filter(mut self, filter: $crate::EventFilter) -> Self {
                self.filter = filter;
                self
            }

            /// Sets the most events that the handler is given together. At least 1, at most
            /// [`Limits::page_events`](crate::Limits::page_events). Default: 500.
            pub const fn batch_size(mut self, events: u32) -> Self {
                self.batch_size = events;
                self
            }

            /// Sets how long the handler may take for one event, if it is given them one by one, as by
            /// [`each`](crate::each) and routers; otherwise for one batch. A handler that takes longer is dropped where
            /// it awaits, and has failed with [`Error::HandlerTimedOut`](crate::Error::HandlerTimedOut): its
            /// [failure policy](Self::on_failure) says what follows. Code that blocks its thread cannot be dropped.
            /// Default: no limit.
            pub const fn handle_within(mut self, limit: std::time::Duration) -> Self {
                self.handle_within = Some(limit);
                self
            }

            /// Sets how often the log is looked at without a wake-up, for commits that no signal has announced.
            /// Default: the engine's, from 20 ms to 1 s.
            pub const fn poll_interval(mut self, interval: std::time::Duration) -> Self {
                self.poll_interval = Some(interval);
                self
            }
        }
    };
}

pub(super) use following;
