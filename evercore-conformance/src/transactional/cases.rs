//! The cases of the transactional suite.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use evercore::engine::{
    AcquireRequest, Acquired, Completion, CursorMove, Grant, LeaseKey, NewSubscription, Settlement,
    SubscriptionStorage, Transactor,
};
use evercore::observer::CommitAnswer;
use evercore::subscription::{SubscriptionBuilder, TransactionHandler};
use evercore::{
    Batch, BoxError, Error, EventStore, FailurePolicy, Position, RecordedEvent, Report, Start,
    SubscriptionName, TransactionContext,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{SqlFixture, SqlHarness, SqlTransaction, open_with};
use crate::assert::assert_error;
use crate::counts::Counts;
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::whole_log;
use crate::journal::{cursor, info, positions, until_true};

pub(super) type Outcome = Result<(), BoxError>;
pub(super) type Handed<'a, H> = &'a mut TransactionContext<SqlTransaction<H>>;

impl<H: SqlHarness> SqlFixture<H> {
    /// Records in the table that an event took effect.
    pub(super) async fn note(&self, ctx: Handed<'_, H>, event: &RecordedEvent) -> Outcome {
        let (position, aggregate) = (event.position(), event.aggregate_id());
        let sql = format!("INSERT INTO {} VALUES ({position}, {aggregate})", self.table);
        self.harness.execute(ctx.transaction(), &sql).await
    }

    pub(super) async fn note_all(&self, ctx: Handed<'_, H>, batch: &Batch) -> Outcome {
        for event in batch {
            self.note(ctx, event).await?;
        }
        Ok(())
    }

    pub(super) async fn counters(&self, count: i64) -> Outcome {
        for value in 0..count {
            counter::create(&self.store, value).await?;
        }
        Ok(())
    }

    pub(super) async fn log(&self) -> Result<Vec<RecordedEvent>, BoxError> {
        Ok(whole_log(&*self.engine).await?)
    }

    /// Runs a subscription until the scenario is done, then stops it.
    pub(super) async fn run_beside<F>(
        &self,
        subscription: SubscriptionBuilder,
        handler: F,
        scenario: impl Future<Output = Outcome>,
    ) -> Outcome
    where
        F: TransactionHandler<SqlTransaction<H>>,
    {
        let stop = CancellationToken::new();
        let worker = subscription.stop_on(stop.clone()).run_in(&*self.engine, handler);
        let scenario = async {
            let outcome = scenario.await;
            stop.cancel();
            outcome
        };
        let (ended, outcome) = tokio::join!(worker, scenario);
        ended?;
        outcome
    }

    /// Waits until a subscription that is about to start has handled all events.
    pub(super) async fn idle(&self, name: &str) -> Outcome {
        until_true(async || Ok(self.store.subscriptions().find(name).await?.is_some())).await?;
        Ok(self.store.wait_until_idle(name).await?)
    }

    /// Stores a subscription and acquires its lease, as a worker does.
    pub(super) async fn lease(&self, name: &str, lasts: Duration) -> Result<LeaseKey, BoxError> {
        let new = NewSubscription {
            name: SubscriptionName::new(name)?,
            filter: Arc::default(),
            partitions: 1,
            start: Start::Beginning,
            if_different: evercore::engine::IfDifferent::Refuse,
        };
        self.engine.register(&new).await?;
        let request = AcquireRequest {
            subscription: new.name,
            owner: "a worker".to_owned(),
            lease: lasts,
            filter: new.filter,
            partitions: 1,
        };
        match self.engine.acquire(&request).await? {
            Acquired::Granted(Grant { lease, .. }) => Ok(lease),
            other => panic!("the lease should be free, not {other:?}"),
        }
    }

    /// Writes a row and commits it together with a settlement.
    async fn land(&self, settlement: &Settlement) -> Result<(), BoxError> {
        let mut transaction = self.engine.begin(Some(Duration::from_secs(10))).await?;
        let sql = format!("INSERT INTO {} VALUES (1, 1)", self.table);
        self.harness.execute(&mut transaction, &sql).await?;
        let mut commit = crate::raw::commit(Vec::new(), Vec::new());
        commit.completes.push(Completion::Settlement(settlement.clone()));
        Ok(self.engine.finish(transaction, commit).await.map(drop)?)
    }
}

fn step(lease: &LeaseKey, to: Position) -> Settlement {
    Settlement {
        lease: lease.clone(),
        cursor: Some(CursorMove { from: Position::START, to }),
        parked: Vec::new(),
        unparked: None,
        failure: None,
    }
}

pub async fn effects_and_record_land_together<H: SqlHarness>(fixture: SqlFixture<H>) -> Outcome {
    fixture.counters(20).await?;
    let subscription = fixture.store.subscription("together").batch_size(6);
    let handler = async |ctx: Handed<'_, H>, batch: Batch| fixture.note_all(ctx, &batch).await;
    fixture.run_beside(subscription, handler, fixture.idle("together")).await?;
    assert_eq!(fixture.effects().await?, positions(&fixture.log().await?));
    let stored = info(&fixture.store, "together").await?;
    assert_eq!((stored.lag, stored.partitions[0].owner.as_deref()), (0, None));
    Ok(())
}

pub async fn the_writes_of_a_failed_handler_are_undone<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(4).await?;
    let failing = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        Err::<(), BoxError>("after it has written".into())
    };
    let ended = fixture.store.subscription("undone").run_in(&*fixture.engine, failing).await;
    assert_error!(ended, Error::HandlerFailed { position, .. } if position.get() == 1);
    let panicking = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        assert!(batch.is_empty(), "a spider");
        Ok::<(), BoxError>(())
    };
    let ended = fixture.store.subscription("undone").run_in(&*fixture.engine, panicking).await;
    assert_error!(ended, Error::HandlerFailed { .. });
    assert_eq!(fixture.effects().await?, [0; 0]);
    assert_eq!(cursor(&fixture.store, "undone").await?, Position::START);

    let handler = async |ctx: Handed<'_, H>, batch: Batch| fixture.note_all(ctx, &batch).await;
    let subscription = fixture.store.subscription("undone");
    fixture.run_beside(subscription, handler, fixture.idle("undone")).await?;
    assert_eq!(fixture.effects().await?.len(), 4);
    Ok(())
}

/// The answer to the first settlement was lost, so the worker repeats the batch.
pub async fn a_batch_that_was_recorded_before_is_undone<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(1).await?;
    let head = fixture.log().await?[0].position();
    let lease = fixture.lease("again", Duration::from_secs(600)).await?;
    fixture.land(&step(&lease, head)).await?;
    fixture.land(&step(&lease, head)).await?;
    assert_eq!(fixture.effects().await?, [1]);
    Ok(())
}

pub async fn events_of_a_handler_land_with_its_record<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(5).await?;
    let failed = AtomicBool::new(false);
    // Responds to each of the first five events with another event, and fails once.
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        for event in batch.iter().filter(|event| event.position().get() <= 5) {
            let mut counter = ctx.load::<Counter>(event.aggregate_id()).await?;
            ctx.apply(&mut counter, Added { by: 100 })?;
            let mut answer = ctx.create::<Counter>().await?;
            ctx.apply(&mut answer, Added { by: 0 })?;
        }
        if !failed.swap(true, Ordering::SeqCst) {
            return Err("once".into());
        }
        fixture.note_all(ctx, &batch).await
    };
    let first = fixture.store.subscription("answers").run_in(&*fixture.engine, &handler).await;
    assert_error!(first, Error::HandlerFailed { .. });
    assert_eq!(fixture.log().await?.len(), 5, "nothing of the failed one landed");
    let subscription = fixture.store.subscription("answers");
    fixture.run_beside(subscription, &handler, fixture.idle("answers")).await?;
    let log = fixture.log().await?;
    assert_eq!(log.len(), 15);
    assert_eq!(fixture.effects().await?, positions(&log));
    Ok(())
}

pub async fn a_conflict_in_a_handler_is_tried_again<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    let id = counter::create(&fixture.store, 1).await?;
    let runs = AtomicU32::new(0);
    let (loaded, changed) = (Notify::new(), Notify::new());
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        if batch[0].position().get() > 1 {
            return Ok(());
        }
        let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
        let expected = if first {
            evercore::Sequence::FIRST
        } else {
            ctx.load::<Counter>(id).await?.sequence()
        };
        if first {
            // This decision is based on an outdated state.
            let mut counter = ctx.load::<Counter>(id).await?;
            assert_eq!(counter.sequence(), expected);
            loaded.notify_one();
            if !H::HOLDS_WRITERS_BACK {
                changed.notified().await;
            }
            ctx.apply(&mut counter, Added { by: 10 })?;
            return fixture.note(ctx, &batch[0]).await;
        }
        let mut counter = ctx.load::<Counter>(id).await?;
        ctx.apply(&mut counter, Added { by: 10 })?;
        fixture.note(ctx, &batch[0]).await
    };
    let scenario = async {
        loaded.notified().await;
        if !H::HOLDS_WRITERS_BACK {
            counter::add(&fixture.store, id, 100).await?;
            changed.notify_one();
        }
        fixture.idle("conflict").await
    };
    let subscription = fixture.store.subscription("conflict").batch_size(1);
    fixture.run_beside(subscription, handler, scenario).await?;
    let (expected_runs, expected_value) = if H::HOLDS_WRITERS_BACK { (1, 11) } else { (2, 111) };
    assert_eq!(counter::value(&fixture.store, id).await?, expected_value);
    assert_eq!(runs.load(Ordering::SeqCst), expected_runs);
    assert_eq!(fixture.effects().await?, [1], "the first run left nothing");
    Ok(())
}

pub async fn racing_workers_handle_each_event_once<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    let neighbour = fixture.neighbour().await?;
    fixture.counters(60).await?;
    let run = async |fixture: &SqlFixture<H>| {
        let subscription = fixture
            .store
            .subscription("raced")
            .partitions(3)
            .batch_size(3)
            .lease(Duration::from_millis(1_500));
        let handler = async |ctx: Handed<'_, H>, batch: Batch| fixture.note_all(ctx, &batch).await;
        fixture.run_beside(subscription, handler, fixture.idle("raced")).await
    };
    let (one, other) = tokio::join!(run(&fixture), run(&neighbour));
    one?;
    other?;
    assert_eq!(fixture.effects().await?, positions(&fixture.log().await?));
    Ok(())
}

pub async fn a_worker_that_lost_the_lease_commits_nothing<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(1).await?;
    let head = fixture.log().await?[0].position();
    let zombie = fixture.lease("zombie", Duration::from_secs(600)).await?;
    fixture.engine.release(&zombie).await?;
    let owner = fixture.lease("zombie", Duration::from_secs(600)).await?;
    let refused = fixture.land(&step(&zombie, head)).await.expect_err("it has lost the lease");
    assert!(
        matches!(refused.downcast_ref(), Some(Error::LeaseLost { .. })),
        "it should know that: {refused:?}"
    );
    assert_eq!(fixture.effects().await?, [0; 0]);
    fixture.land(&step(&owner, head)).await?;
    assert_eq!(fixture.effects().await?, [1]);
    Ok(())
}

pub async fn a_worker_that_loses_its_lease_while_it_handles_commits_nothing<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    if H::HOLDS_WRITERS_BACK {
        // The transaction itself is the fence: no other worker can take the lease while it is open.
        return Ok(());
    }
    fixture.counters(1).await?;
    let runs = AtomicU32::new(0);
    let entered = Notify::new();
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        if runs.fetch_add(1, Ordering::SeqCst) == 0 {
            entered.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    let scenario = async {
        entered.notified().await;
        // The owner loses the lease, as it would to another worker.
        fixture.store.subscriptions().reset("loses", Start::Beginning).await?;
        fixture.idle("loses").await
    };
    let subscription = fixture.store.subscription("loses").poll_interval(Duration::from_millis(20));
    fixture.run_beside(subscription, handler, scenario).await?;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(fixture.effects().await?, [1], "what the first run wrote is undone");
    Ok(())
}

pub async fn a_failing_event_is_parked_and_its_effects_are_undone<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(5).await?;
    let log = fixture.log().await?;
    let (bad, good) = (log[2].aggregate_id(), log[3].aggregate_id());
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        if batch.iter().any(|event| event.aggregate_id() == bad) {
            return Err("not to my taste".into());
        }
        Ok(())
    };
    let subscription = fixture.store.subscription("parks").on_failure(FailurePolicy::park());
    let scenario = async {
        fixture.idle("parks").await?;
        // A batch of two events: one is handled; the other is parked together with the handled one's settlement.
        let both = fixture.store.with_context(async |ctx| {
            for id in [bad, good] {
                let mut counter = ctx.load::<Counter>(id).await?;
                ctx.apply(&mut counter, Added { by: 1 })?;
            }
            Ok::<_, Error>(())
        });
        both.await?;
        fixture.idle("parks").await
    };
    fixture.run_beside(subscription, handler, scenario).await?;
    let log = fixture.log().await?;
    let expected = log.iter().filter(|event| event.aggregate_id() != bad);
    assert_eq!(fixture.effects().await?, positions(expected));
    let parked = fixture.store.subscriptions().parked("parks", Position::START, 10).await?.events;
    let parked: Vec<_> = parked.into_iter().map(|parked| parked.event).collect();
    let waiting: Vec<_> = log.iter().filter(|event| event.aggregate_id() == bad).cloned().collect();
    assert_eq!(parked, waiting);
    Ok(())
}

pub async fn an_observer_is_told_of_transactions<H: SqlHarness>(fixture: SqlFixture<H>) -> Outcome {
    let counts = Arc::new(Counts::default());
    let builder = EventStore::builder().observer(Arc::clone(&counts));
    let fixture = SqlFixture { store: open_with(builder, &fixture.engine).await?, ..fixture };
    fixture.counters(3).await?;
    let written = fixture.store.with_context_in(&*fixture.engine, async |ctx| {
        let mut counter = ctx.create::<Counter>().await?;
        ctx.apply(&mut counter, Added { by: 1 })?;
        ctx.apply(&mut counter, Added { by: 1 })
    });
    written.await?;
    assert_eq!(counts.now().answered(CommitAnswer::Stored), (4, 5));

    let bad = fixture.log().await?[1].aggregate_id();
    let handler = async |_: Handed<'_, H>, batch: Batch| -> Outcome {
        let is_bad = batch.iter().any(|event| event.aggregate_id() == bad);
        if is_bad { Err("not to my taste".into()) } else { Ok(()) }
    };
    let subscription = fixture.store.subscription("observed").on_failure(FailurePolicy::park());
    fixture.run_beside(subscription, handler, fixture.idle("observed")).await?;
    let counted = counts.now();
    assert_eq!((counted.handled, counted.parked), (4, 1), "{counted:?}");
    // The transactions that only record a batch are no commits.
    assert_eq!(counted.answered(CommitAnswer::Stored), (4, 5), "{counted:?}");
    Ok(())
}

pub async fn a_redriven_event_takes_effect_once<H: SqlHarness>(fixture: SqlFixture<H>) -> Outcome {
    fixture.counters(3).await?;
    let is_fussy = AtomicBool::new(true);
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        if is_fussy.load(Ordering::SeqCst) { Err("not now".into()) } else { Ok(()) }
    };
    let scenario = async {
        fixture.idle("redriven").await?;
        assert_eq!(info(&fixture.store, "redriven").await?.parked, 3);
        is_fussy.store(false, Ordering::SeqCst);
        fixture.store.subscriptions().redrive("redriven").await?;
        fixture.idle("redriven").await
    };
    let subscription = fixture.store.subscription("redriven").on_failure(FailurePolicy::park());
    fixture.run_beside(subscription, handler, scenario).await?;
    assert_eq!(fixture.effects().await?, positions(&fixture.log().await?));
    assert_eq!(info(&fixture.store, "redriven").await?.parked, 0);
    Ok(())
}

/// A driver's error, wrapped as applications do.
#[derive(Debug, thiserror::Error)]
#[error("the balance could not be written")]
struct Wrapped(#[source] BoxError);

pub async fn a_transaction_that_breaks_off_is_no_failure_of_its_handler<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(3).await?;
    let policies = [("stopping", FailurePolicy::stop()), ("parking", FailurePolicy::park())];
    for (name, policy) in policies {
        let given = AtomicU32::new(0);
        let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
            fixture.note_all(ctx, &batch).await?;
            match given.fetch_add(1, Ordering::Relaxed) {
                0 => Err(fixture.harness.break_off(ctx.transaction()).await),
                1 => Err(Wrapped(fixture.harness.break_off(ctx.transaction()).await).into()),
                _ => Ok(()),
            }
        };
        let subscription = fixture.store.subscription(name).on_failure(policy);
        fixture.run_beside(subscription, handler, fixture.idle(name)).await?;
        assert_eq!(given.into_inner(), 3, "each time the whole batch");
        let stored = info(&fixture.store, name).await?;
        assert_eq!((stored.parked, stored.partitions[0].failure.as_deref()), (0, None));
    }
    assert_eq!(fixture.effects().await?, [1, 1, 2, 2, 3, 3]);
    Ok(())
}

/// An error of another resource that the handler uses beside its transaction. Other code may hold the error as well.
#[derive(Clone, Debug)]
struct Elsewhere(Arc<dyn std::error::Error + Send + Sync>);

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other database could not be written")
    }
}

impl std::error::Error for Elsewhere {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// The other database is of the same kind, so its driver returns the same errors.
pub async fn trouble_of_another_database_is_a_failure_of_its_handler<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(2).await?;
    let mut other = fixture.engine.begin(None).await?;
    let trouble = Elsewhere(fixture.harness.break_off(&mut other).await.into());
    drop(other);
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        if batch.iter().any(|event| event.position().get() == 1) {
            return Err(trouble.clone().into());
        }
        Ok(())
    };
    assert_parks_the_first(&fixture, "elsewhere", handler).await
}

/// Asserts that the first event is parked because `handler` fails on it, and that the other one is handled.
async fn assert_parks_the_first<H, F>(fixture: &SqlFixture<H>, name: &str, handler: F) -> Outcome
where
    H: SqlHarness,
    F: TransactionHandler<SqlTransaction<H>>,
{
    let ended = fixture.store.subscription(name).run_in(&*fixture.engine, handler.clone()).await;
    assert_error!(ended, Error::HandlerFailed { position, .. } if position.get() == 1);
    let parking = fixture.store.subscription(name).on_failure(FailurePolicy::park());
    fixture.run_beside(parking, handler, fixture.idle(name)).await?;
    let parked = fixture.store.subscriptions().parked(name, Position::START, 10).await?.events;
    let parked: Vec<_> = parked.iter().map(|parked| parked.event.position().get()).collect();
    assert_eq!(parked, [1]);
    assert_eq!(fixture.effects().await?, [2]);
    Ok(())
}

pub async fn a_statement_that_is_wrong_is_a_failure_of_its_handler<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(2).await?;
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        if batch.iter().any(|event| event.position().get() == 1) {
            fixture.harness.execute(ctx.transaction(), "SELECT absent").await?;
        }
        fixture.note_all(ctx, &batch).await
    };
    assert_parks_the_first(&fixture, "wrong", handler).await
}

pub async fn a_commit_that_is_refused_is_a_failure_of_its_handler<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    counter::create_with_key(&fixture.store, "taken", 0).await?;
    fixture.counters(1).await?;
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        if batch.iter().any(|event| event.position().get() == 1) {
            let mut counter = ctx.create_with_key::<Counter>("taken").await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
        }
        fixture.note_all(ctx, &batch).await
    };
    assert_parks_the_first(&fixture, "taken", handler).await
}

pub async fn a_commit_beside_the_context_of_a_handler_is_refused<H: SqlHarness>(
    fixture: SqlFixture<H>,
) -> Outcome {
    fixture.counters(2).await?;
    let handler = async |ctx: Handed<'_, H>, batch: Batch| -> Outcome {
        fixture.note_all(ctx, &batch).await?;
        if batch.iter().any(|event| event.position().get() == 1) {
            counter::create(&fixture.store, 7).await?;
        }
        Ok(())
    };
    let first = fixture.store.subscription("beside").batch_size(1);
    let ended = first.run_in(&*fixture.engine, handler).await.expect_err("it was refused");
    assert!(Report::new(&ended).to_string().contains("detached()"), "{ended:?}");
    assert_eq!(fixture.effects().await?, [] as [i64; 0]);
    assert_eq!(fixture.log().await?.len(), 2, "nothing has landed beside");
    Ok(())
}
