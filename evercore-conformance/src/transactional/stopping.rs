//! A worker whose handler writes in a transaction stops soon, whatever it is waiting for.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use evercore::subscription::{SubscriptionProgress, SubscriptionState, TransactionHandler};
use evercore::{Batch, BoxError, Error, FailurePolicy, HandlerRetry};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::cases::{Handed, Outcome};
use super::{SqlFixture, SqlHarness, SqlTransaction};
use crate::assert::assert_error;
use crate::journal::{info, until_true};

/// The time limit of a stop. A stop takes milliseconds, whereas a lease lasts 30 s here and a retry waits an hour.
const BOUND: Duration = Duration::from_secs(10);

async fn soon<T>(stopping: impl Future<Output = T>) -> T {
    timeout(BOUND, stopping).await.expect("what was stopped should end soon")
}

async fn reaches(progress: &SubscriptionProgress, state: SubscriptionState) -> Outcome {
    Ok(until_true(async || Ok(progress.status().state == state)).await?)
}

fn cancel(stop: &CancellationToken) -> Outcome {
    stop.cancel();
    Ok(())
}

impl<H: SqlHarness> SqlFixture<H> {
    /// Runs a subscription until `is_so` completes, calls `end`, and returns the worker's result.
    async fn run_until<F>(
        &self,
        subscription: evercore::subscription::SubscriptionBuilder,
        handler: F,
        is_so: impl Future<Output = Outcome>,
        end: impl AsyncFnOnce() -> Outcome,
    ) -> Result<evercore::Result<()>, BoxError>
    where
        F: TransactionHandler<SqlTransaction<H>>,
    {
        let mut worker = pin!(subscription.run_in(&*self.engine, handler));
        tokio::select! {
            ended = &mut worker => panic!("it has ended before it was stopped: {ended:?}"),
            is_so = is_so => is_so?,
        }
        let (ended, did) = soon(async { tokio::join!(worker, end()) }).await;
        did?;
        Ok(ended)
    }
}

pub async fn a_stop_is_heard_while_there_is_nothing_to_do<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(2).await?;
    let stop = CancellationToken::new();
    let subscription = fixture.store.subscription("idle").stop_on(stop.clone());
    let handler = async |ctx: Handed<'_, H>, batch: Batch| fixture.note_all(ctx, &batch).await;
    let cancel = async || cancel(&stop);
    Ok(fixture.run_until(subscription, handler, fixture.idle("idle"), cancel).await??)
}

pub async fn a_stop_is_heard_after_the_transaction_that_is_open<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(3).await?;
    let (stop, entered, go_on) = (CancellationToken::new(), Notify::new(), Notify::new());
    let subscription = fixture.store.subscription("busy").batch_size(1).stop_on(stop.clone());
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        entered.notify_one();
        go_on.notified().await;
        Ok(())
    };
    let is_busy = async {
        entered.notified().await;
        Ok(())
    };
    let cancel = async || {
        stop.cancel();
        go_on.notify_one();
        Ok(())
    };
    fixture.run_until(subscription, handler, is_busy, cancel).await??;
    assert_eq!(fixture.effects().await?, [1], "it has landed, and the next was not begun");
    assert_eq!(info(&fixture.store, "busy").await?.lag, 2);
    Ok(())
}

pub async fn a_stop_is_heard_while_another_worker_has_the_lease<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.lease("owned", Duration::from_secs(600)).await?;
    let stop = CancellationToken::new();
    let subscription = fixture.store.subscription("owned").stop_on(stop.clone());
    let progress = subscription.progress();
    let handler = async |ctx: Handed<'_, H>, batch: Batch| fixture.note_all(ctx, &batch).await;
    let stands_by = reaches(&progress, SubscriptionState::StandingBy);
    let cancel = async || cancel(&stop);
    Ok(fixture.run_until(subscription, handler, stands_by, cancel).await??)
}

pub async fn a_stop_is_heard_before_a_failed_event_is_tried_again<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(1).await?;
    let stop = CancellationToken::new();
    let subscription = fixture.store.subscription("fails").on_failure(in_an_hour());
    let subscription = subscription.stop_on(stop.clone());
    let progress = subscription.progress();
    let handler = async |_: Handed<'_, H>, _: Batch| Err::<(), BoxError>("no".into());
    let retries = reaches(&progress, SubscriptionState::Retrying);
    let cancel = async || cancel(&stop);
    Ok(fixture.run_until(subscription, handler, retries, cancel).await??)
}

pub async fn a_stop_is_heard_while_it_is_paused<H: SqlHarness>(fixture: SqlFixture<H>) -> Outcome {
    let stop = CancellationToken::new();
    let subscription = fixture.store.subscription("paused").stop_on(stop.clone());
    let progress = subscription.progress();
    let handler = async |ctx: Handed<'_, H>, batch: Batch| fixture.note_all(ctx, &batch).await;
    let pauses = async {
        fixture.idle("paused").await?;
        fixture.store.subscriptions().pause("paused").await?;
        reaches(&progress, SubscriptionState::Paused).await
    };
    let cancel = async || cancel(&stop);
    Ok(fixture.run_until(subscription, handler, pauses, cancel).await??)
}

pub async fn a_closed_store_ends_a_worker_that_waits<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(1).await?;
    let subscription = fixture.store.subscription("fails").on_failure(in_an_hour());
    let progress = subscription.progress();
    let failing = async |_: Handed<'_, H>, _: Batch| Err::<(), BoxError>("no".into());
    let retries = reaches(&progress, SubscriptionState::Retrying);
    let close = async || Ok(fixture.store.close().await?);
    assert_error!(fixture.run_until(subscription, failing, retries, close).await?, Error::Closed);
    Ok(())
}

/// The batch that is being handled may still be committed.
pub async fn a_closed_store_ends_a_worker_that_has_a_transaction_open<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(1).await?;
    let (entered, go_on) = (Notify::new(), Arc::new(Notify::new()));
    let subscription = fixture.store.subscription("busy");
    let busy = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        entered.notify_one();
        go_on.notified().await;
        Ok(())
    };
    let is_busy = async {
        entered.notified().await;
        Ok(())
    };
    let close = async || {
        let closing = fixture.store.close();
        let (closed, ()) = tokio::join!(closing, async { go_on.notify_one() });
        Ok(closed?)
    };
    assert_error!(fixture.run_until(subscription, busy, is_busy, close).await?, Error::Closed);
    Ok(())
}

/// Retries after an hour or a hundred hours.
fn in_an_hour() -> FailurePolicy {
    let hour = Duration::from_secs(360_000);
    FailurePolicy::stop().retry(HandlerRetry::default().attempts(100).base(hour).longest(hour))
}
