//! Links traces from a commit to the handlers of its events, and records metrics.
//!
//! [`MeterObserver`] records what a store does on an OpenTelemetry meter.
//!
//! A store with [`trace_metadata`] records on every event the span in which it was staged, in the form of W3C Trace
//! Context: the metadata `traceparent` and `tracestate` (<https://www.w3.org/TR/trace-context/>). A [`traced`] handler
//! works in a span of its own for each event, which links to that span, in any process and at any later time.
//!
//! # Example
//! ```standalone_crate
//! # use evercore::{Aggregate, Error, EventStore, state_event};
//! # use evercore_memory::MemoryEngine;
//! # #[derive(Aggregate, Default)]
//! # struct Account { balance: i64 }
//! # #[state_event(aggregate = Account)]
//! # struct BalanceImported { balance: i64 }
//! use evercore::{RecordedEvent, each};
//! use evercore_opentelemetry::{trace_metadata, traced};
//! use opentelemetry::trace::TracerProvider as _;
//! use tracing::{Instrument, info_span};
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
//! let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bank"));
//! let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
//!
//! let store = EventStore::builder().metadata_source(trace_metadata).open(MemoryEngine::new()).await?;
//! let commit = store.with_context(async |ctx| {
//!     let mut account = ctx.create::<Account>().await?;
//!     ctx.apply(&mut account, BalanceImported { balance: 7 })
//! });
//! commit.instrument(info_span!("request")).await?;
//!
//! let event = &store.read_log(evercore::Position::START, 1).await?.events[0];
//! assert!(event.metadata().get("traceparent").is_some());
//!
//! let worker = store.subscription("mails").spawn(traced(each(async |event: RecordedEvent| -> Result<(), Error> {
//!     println!("{} happened", event.event_type());
//!     Ok(())
//! })))?;
//! # store.wait_until_idle("mails").await?;
//! # worker.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod lags;
mod metrics;

use std::panic::AssertUnwindSafe;
use std::str::FromStr;

use evercore::subscription::Interrupt;
use evercore::{Batch, Handler, HandlerError, Metadata, RecordedEvent, Report};
use futures_util::FutureExt;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::{Instrument, Span, error, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use metrics::MeterObserver;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The only existing version of `traceparent`.
const VERSION: &str = "00";

/// A handler that works in a span for each event. Made by [`traced`].
#[derive(Clone, Debug)]
#[must_use = "a handler does nothing until a subscription runs it"]
pub struct Traced<H>(H);

/// Returns the current span as metadata: `traceparent`, and `tracestate` if there is one. Outside of any trace, the
/// metadata are empty.
///
/// For [`EventStoreBuilder::metadata_source`](evercore::EventStoreBuilder::metadata_source).
#[must_use]
pub fn trace_metadata() -> Metadata {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return Metadata::new();
    }
    let flags = span.trace_flags() & TraceFlags::SAMPLED;
    let parent = format!("{VERSION}-{}-{}-{:02x}", span.trace_id(), span.span_id(), flags.to_u8());
    let metadata = Metadata::new().with(TRACEPARENT, parent);
    match span.trace_state().header() {
        state if state.is_empty() => metadata,
        state => metadata.with(TRACESTATE, state),
    }
}

/// Returns the span in which an event was staged. `None` if the event has no valid `traceparent`.
#[must_use]
pub fn span_context(event: &RecordedEvent) -> Option<SpanContext> {
    let text = |name| event.metadata().get(name).and_then(|value| value.as_str());
    let mut parts = text(TRACEPARENT)?.split('-');
    let (Some(VERSION), Some(trace), Some(span), Some(flags), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    if (trace.len(), span.len(), flags.len()) != (32, 16, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let state = text(TRACESTATE).and_then(|state| TraceState::from_str(state).ok());
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags,
        true,
        state.unwrap_or_default(),
    );
    context.is_valid().then_some(context)
}

/// Links a span to the spans in which events were staged: for handlers that make their own spans, and for transactional
/// ones.
pub fn link<'a>(span: &Span, events: impl IntoIterator<Item = &'a RecordedEvent>) {
    for context in events.into_iter().filter_map(span_context) {
        span.add_link(context);
    }
}

/// Runs a handler in a span for each event, which begins a trace and links to the span in which the event was staged.
///
/// The handler gets its events one at a time. Its errors and panics are recorded as an error of the event's span.
pub const fn traced<H: Handler>(handler: H) -> Traced<H> {
    Traced(handler)
}

impl<H: Handler> Handler for Traced<H> {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        // A time limit is that of the handler which calls this one.
        let batch = Batch::new(&batch, batch.registry());
        self.handle_until(batch, &Interrupt::new()).await.map(drop)
    }

    async fn handle_until(
        &mut self,
        batch: Batch,
        interrupt: &Interrupt,
    ) -> Result<usize, HandlerError> {
        for (index, event) in batch.iter().enumerate() {
            if index > 0 && interrupt.is_requested() {
                return Ok(index);
            }
            let span = info_span!(
                parent: None,
                "handle",
                aggregate = event.aggregate_type(),
                event = event.event_type(),
                id = event.id(),
            );
            link(&span, [event]);
            let handling =
                AssertUnwindSafe(self.0.handle(batch.single(index)).instrument(span.clone()));
            let handled = handling.catch_unwind().await;
            let handled = handled.unwrap_or_else(|panic| Err(HandlerError::panicked(&*panic)));
            if let Err(error) = handled {
                let source = error.into_source();
                error!(parent: &span, error = %Report::new(&*source), "the handler failed");
                return Err(HandlerError::at(index, source));
            }
        }
        Ok(batch.len())
    }
}

#[cfg(test)]
mod tests;
