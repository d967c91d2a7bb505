//! Handlers of single events in a transaction, and handlers that run in tasks and services.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use evercore::engine::{Precondition, StorageEngine, Transaction};
use evercore::service::{Lifecycle, Service};
use evercore::subscription::{TransactionHandler, TransactionRouter};
use evercore::{
    Batch, Error, EventStore, FailurePolicy, HandlerError, HandlerRetry, Position, Received,
    RecordedEvent,
};
use tokio_util::sync::CancellationToken;

use super::cases::{Handed, Outcome};
use super::{SqlFixture, SqlHarness, SqlTransaction};
use crate::assert::assert_error;
use crate::domain::counter::{self, Added, Counter};
use crate::domain::customer::{self, Client, Deposited, Greeted, MoneyDeposited, Renamed};
use crate::journal::positions;
use crate::raw;

/// A handler with a state of its own, which is no closure.
#[derive(Debug)]
struct Notes<H: SqlHarness> {
    fixture: Arc<SqlFixture<H>>,
    calls: Arc<AtomicU32>,
}

impl<H: SqlHarness> Clone for Notes<H> {
    fn clone(&self) -> Self {
        Self { fixture: Arc::clone(&self.fixture), calls: Arc::clone(&self.calls) }
    }
}

impl<H: SqlHarness> TransactionHandler<SqlTransaction<H>> for Notes<H> {
    async fn handle(&mut self, ctx: Handed<'_, H>, batch: Batch) -> Result<(), HandlerError> {
        self.fixture.note_all(ctx, &batch).await.map_err(HandlerError::new)?;
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(HandlerError::new("the first call fails"));
        }
        Ok(())
    }
}

pub async fn a_handler_in_a_task_takes_effect_once<H>(fixture: SqlFixture<H>) -> Outcome
where
    H: SqlHarness,
    SqlTransaction<H>: Transaction<Engine = H::Engine>,
{
    fixture.counters(5).await?;
    let fixture = Arc::new(fixture);
    let notes = Notes { fixture: Arc::clone(&fixture), calls: Arc::default() };
    let subscription = fixture.store.subscription("task").on_failure(FailurePolicy::park());
    let worker = subscription.spawn_in_transaction(notes.clone())?;
    fixture.idle("task").await?;
    worker.shutdown().await?;
    assert_eq!(fixture.effects().await?, positions(&fixture.log().await?), "each once");
    assert_eq!(notes.calls.load(Ordering::SeqCst), 6, "the batch, then each event alone");
    Ok(())
}

pub async fn a_service_in_transactions_can_be_run_again<H>(fixture: SqlFixture<H>) -> Outcome
where
    H: SqlHarness,
    SqlTransaction<H>: Transaction<Engine = H::Engine>,
{
    fixture.counters(3).await?;
    let fixture = Arc::new(fixture);
    let notes = Notes { fixture: Arc::clone(&fixture), calls: Arc::default() };
    let mut service = fixture.store.subscription("service").handler_in_transaction(notes);
    assert_eq!(service.name(), "service");
    let stop = CancellationToken::new();
    let failed = service.run(&Lifecycle::new(stop.clone())).await;
    let failed = failed.expect_err("the first call fails").into_source();
    assert!(failed.is::<Error>() && fixture.effects().await?.is_empty(), "{failed}");

    let scenario = async {
        let handled = fixture.idle("service").await;
        stop.cancel();
        handled
    };
    let lifecycle = Lifecycle::new(stop.clone());
    let (ended, handled) = tokio::join!(service.run(&lifecycle), scenario);
    ended.map_err(evercore::service::ServiceError::into_source)?;
    handled?;
    assert!(lifecycle.is_ready());
    assert_eq!(fixture.effects().await?, [1, 2, 3]);
    Ok(())
}

pub async fn a_route_is_given_its_events_in_a_transaction<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(4).await?;
    let fixture = Arc::new(fixture);
    let router = TransactionRouter::new().on({
        let fixture = Arc::clone(&fixture);
        async move |ctx: Handed<'_, H>, added: Received<Added>| -> Outcome {
            fixture.note(ctx, added.recorded()).await?;
            if added.by == 2 { Err("it is two".into()) } else { Ok(()) }
        }
    });
    let subscription = fixture.store.subscription("routed").on_failure(FailurePolicy::park());
    fixture.run_beside(subscription, router.clone(), fixture.idle("routed")).await?;
    assert_eq!(
        fixture.effects().await?,
        [1, 2, 4],
        "what failed, and with it its batch, is undone"
    );
    let parked = fixture.store.subscriptions().parked("routed", Position::START, 10).await?.events;
    assert_eq!(parked[0].reason.as_deref(), Some("it is two"));

    let ended = fixture.store.subscription("stops").run_in(&*fixture.engine, router).await;
    assert_error!(ended, Error::HandlerFailed { position, .. } if position.get() == 3);
    assert_eq!(fixture.effects().await?, [1, 1, 2, 2, 4], "the events before it are handled");
    Ok(())
}

pub async fn events_of_a_route_are_linked_to_their_cause<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(2).await?;
    let causes = fixture.log().await?;
    let copy = async |ctx: Handed<'_, H>, added: Received<Added>| -> Outcome {
        if added.by < 100 {
            let mut copy = ctx.create::<Counter>().await?;
            ctx.apply(&mut copy, Added { by: added.by + 100 })?;
        }
        Ok(())
    };
    let subscription = fixture.store.subscription("copies");
    let router = TransactionRouter::new().on(copy);
    fixture.run_beside(subscription, router, fixture.idle("copies")).await?;
    let log = fixture.log().await?;
    assert_eq!(log.len(), 4);
    for (cause, effect) in causes.iter().zip(&log[2..]) {
        assert_eq!(effect.metadata().causation_id(), Some(&*cause.id()));
        assert_eq!(effect.metadata().correlation_id(), Some(&*cause.id()));
    }

    let single = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        assert_eq!(batch.len(), 1);
        if batch[0].position().get() == 1 {
            let mut copy = ctx.create::<Counter>().await?;
            ctx.apply(&mut copy, Added { by: 200 })?;
        }
        Ok(())
    };
    let subscription = fixture.store.subscription("single").batch_size(1);
    fixture.run_beside(subscription, single, fixture.idle("single")).await?;
    let last = fixture.log().await?.pop().expect("it was written");
    assert_eq!(last.metadata().causation_id(), Some(&*causes[0].id()));
    Ok(())
}

pub async fn a_route_is_given_the_parts_of_retired_events<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    let fixture = Arc::new(fixture);
    let older = EventStore::builder().registry(customer::older_registry()?);
    let older = older.open_shared(Arc::clone(&fixture.engine) as _).await?;
    older
        .with_context(async |ctx| {
            let mut client = ctx.create::<Client>().await?;
            ctx.apply(&mut client, Greeted { name: "Ada".to_owned(), cents: 5 })?;
            ctx.apply(&mut client, Deposited(1))
        })
        .await?;
    let store = EventStore::builder().registry(customer::registry()?);
    let store = store.open_shared(Arc::clone(&fixture.engine) as _).await?;
    let renamed = {
        let fixture = Arc::clone(&fixture);
        async move |ctx: Handed<'_, H>, renamed: Received<Renamed>| -> Outcome {
            assert_eq!(renamed.name, "Ada");
            fixture.note(ctx, renamed.recorded()).await
        }
    };
    let deposited = {
        let fixture = Arc::clone(&fixture);
        async move |ctx: Handed<'_, H>, deposited: Received<MoneyDeposited>| -> Outcome {
            assert!(deposited.cents == 5 || deposited.cents == 100, "{deposited:?}");
            fixture.note(ctx, deposited.recorded()).await
        }
    };
    let subscription = store.subscription("customers");
    let router = TransactionRouter::new().on(renamed).on(deposited);
    fixture.run_beside(subscription, router, fixture.idle("customers")).await?;
    assert_eq!(fixture.effects().await?, [1, 1, 2], "two parts, and an event in an older shape");

    let nothing = TransactionRouter::new();
    let subscription = store.subscription("nothing");
    fixture.run_beside(subscription, nothing, fixture.idle("nothing")).await
}

pub async fn a_route_is_not_given_what_does_not_decode<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    let engine = &*fixture.engine;
    let id = raw::fresh_id(engine).await?;
    let write = raw::write::<Counter>(id, Precondition::New);
    let event = raw::encoded_event::<Added>(id, 1, r#"{"by":"much"}"#);
    engine.commit(raw::commit(vec![write], vec![event])).await?;
    counter::create(&fixture.store, 1).await?;
    let note = async |ctx: Handed<'_, H>, added: Received<Added>| -> Outcome {
        ctx.load::<Counter>(added.recorded().aggregate_id()).await?;
        Ok(())
    };
    let ended =
        fixture.store.subscription("strict").run_in(engine, TransactionRouter::new().on(note));
    assert_error!(ended.await, Error::HandlerFailed { source, position, .. }
        if position.get() == 1
            && source.downcast_ref::<Error>().is_some_and(|error| matches!(error, Error::Decode(_))));
    Ok(())
}

pub async fn a_router_in_transactions_deals_with_unknown_events<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(1).await?;
    let fixture = Arc::new(fixture);
    let store = EventStore::builder().registry(customer::registry()?);
    let store = store.open_shared(Arc::clone(&fixture.engine) as _).await?;
    let router = TransactionRouter::<SqlTransaction<H>>::new;
    let ended = store.subscription("strict").run_in(&*fixture.engine, router()).await;
    assert_error!(ended, Error::HandlerFailed { source, .. }
        if source.downcast_ref::<Error>().is_some_and(|error| matches!(error, Error::UnknownEvent(_))));

    let skipping = store.subscription("skips");
    fixture.run_beside(skipping, router().skip_unknown(), fixture.idle("skips")).await?;
    assert!(fixture.effects().await?.is_empty());

    let noting = router().on_unknown({
        let fixture = Arc::clone(&fixture);
        async move |ctx: Handed<'_, H>, event: RecordedEvent| -> Outcome {
            fixture.note(ctx, &event).await
        }
    });
    let subscription = store.subscription("notes");
    fixture.run_beside(subscription, noting, fixture.idle("notes")).await?;
    assert_eq!(fixture.effects().await?, [1]);
    Ok(())
}

/// The transaction of a handler that hangs is undone, and the batch comes again.
pub async fn a_handler_that_hangs_in_a_transaction_is_undone<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(3).await?;
    let (fixture, hangs) = (Arc::new(fixture), Arc::new(AtomicBool::new(true)));
    let hanging = {
        let (fixture, hangs) = (Arc::clone(&fixture), Arc::clone(&hangs));
        async move |ctx: Handed<'_, H>, added: Received<Added>| -> Outcome {
            fixture.note(ctx, added.recorded()).await?;
            if added.by == 1 && hangs.swap(false, Ordering::SeqCst) {
                pending::<()>().await;
            }
            Ok(())
        }
    };
    let patient = HandlerRetry::default().attempts(100).longest(Duration::from_millis(5));
    let subscription = fixture.store.subscription("hangs").handle_within(Duration::from_secs(1));
    let subscription = subscription.on_failure(FailurePolicy::stop().retry(patient));
    let router = TransactionRouter::new().on(hanging);
    fixture.run_beside(subscription, router, fixture.idle("hangs")).await?;
    assert!(!hangs.load(Ordering::SeqCst));
    assert_eq!(fixture.effects().await?, [1, 2, 3]);

    let hanging = async |_: Handed<'_, H>, _: Batch| -> Outcome { pending().await };
    let subscription = fixture.store.subscription("ends").handle_within(Duration::from_millis(50));
    let ended = subscription.run_in(&*fixture.engine, hanging).await;
    assert_error!(ended, Error::HandlerFailed { source, .. }
        if matches!(source.downcast_ref(), Some(Error::HandlerTimedOut { .. })));
    Ok(())
}
