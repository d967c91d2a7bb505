//! From a handler's span to the one that committed. In a program of its own: what is traced is decided once for all
//! threads of one.

use std::time::Duration;

use evercore::{Aggregate, BoxError, EventStore, Position, RecordedEvent, each, state_event};
use evercore_memory::MemoryEngine;
use evercore_opentelemetry::{span_context, trace_metadata, traced};
use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Aggregate, Default)]
struct Lamp {
    is_on: bool,
}

#[state_event(aggregate = Lamp)]
struct Switched {
    is_on: bool,
}

#[tokio::test]
async fn a_handlers_span_links_to_the_one_that_committed() -> Result<(), BoxError> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("lamps"));
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let store =
        EventStore::builder().metadata_source(trace_metadata).open(MemoryEngine::new()).await?;
    let switch = store.with_context(async |ctx| {
        let mut lamp = ctx.create::<Lamp>().await?;
        ctx.apply(&mut lamp, Switched { is_on: true })?;
        ctx.apply(&mut lamp, Switched { is_on: false })
    });
    switch.instrument(info_span!("request")).await?;

    let handler = traced(each(async |_event: RecordedEvent| Ok::<_, evercore::Error>(())));
    let worker = store.subscription("lights").spawn(handler)?;
    let position = store.head().await?;
    tokio::time::timeout(Duration::from_secs(10), store.wait_for("lights", position)).await??;
    worker.shutdown().await?;
    provider.force_flush()?;

    let spans = exporter.get_finished_spans()?;
    let committing: Vec<_> = store.read_log(Position::START, 10).await?.events;
    let contexts: Vec<_> = committing.iter().map(span_context).collect();
    let request = spans.iter().find(|span| span.name == "request").expect("it has ended");
    for context in &contexts {
        let context = context.as_ref().expect("it was staged in a span");
        assert_eq!(context.trace_id(), request.span_context.trace_id());
    }
    let handling: Vec<_> = spans.iter().filter(|span| span.name == "handle").collect();
    let linked: Vec<_> = handling
        .iter()
        .map(|span| span.links.iter().map(|link| link.span_context.span_id()).collect::<Vec<_>>())
        .collect();
    let staged: Vec<_> = contexts.iter().flatten().map(|context| vec![context.span_id()]).collect();
    assert_eq!(linked, staged);
    for span in handling {
        assert_ne!(span.span_context.trace_id(), request.span_context.trace_id(), "a trace anew");
    }

    let failing = traced(each(async |_event: RecordedEvent| {
        let cause = std::io::Error::other("no mail server");
        Err::<(), _>(evercore::Error::storage("send a mail", cause))
    }));
    store.subscription("mails").run(failing).await.expect_err("its handler fails");
    provider.force_flush()?;
    let spans = exporter.get_finished_spans()?;
    let failed = spans.iter().rfind(|span| span.name == "handle").expect("it has handled one");
    assert!(matches!(failed.status, Status::Error { .. }), "{:?}", failed.status);
    let said = format!("{:?}", failed.events);
    assert!(said.contains("failed to send a mail: no mail server"), "{said}");
    Ok(())
}
