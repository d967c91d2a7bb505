//! Tests a service whose storage fails, on an engine that injects faults on demand.

use std::cell::Cell;
use std::time::Duration;

use evercore::error::ConflictReason;
use evercore::{
    Aggregate, CommandError, CommitOutcome, Context, Decide, Decision, Error, EventStore,
    ReadContext, Result, RetryPolicy, Sequence, Target, state_event,
};
use evercore_memory::{CommitFault, MemoryEngine, ReadFault};
use tokio::time::Instant;

#[derive(Aggregate, Default)]
#[aggregate(name = "account")]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
struct BalanceSet {
    balance: i64,
}

struct Deposit(i64);

impl Decide<Deposit> for Account {
    type Error = std::convert::Infallible;

    fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), Self::Error> {
        account.emit(BalanceSet { balance: account.balance + command.0 });
        Ok(())
    }
}

/// The service under test, with one account.
struct Bank {
    engine: MemoryEngine,
    store: EventStore,
    /// The number of decisions that were made.
    decisions: Cell<u32>,
}

impl Bank {
    async fn open() -> Result<Self> {
        let engine = MemoryEngine::new();
        let retry = RetryPolicy::default().attempts(3);
        let store = EventStore::builder().retry(retry).open(engine.clone()).await?;
        let bank = Self { engine, store, decisions: Cell::new(0) };
        bank.deposit(100).await?;
        bank.decisions.set(0);
        Ok(bank)
    }

    async fn deposit(&self, amount: i64) -> Result<()> {
        let decisions = &self.decisions;
        self.store
            .with_context(async |ctx| {
                decisions.set(decisions.get() + 1);
                deposit(ctx, amount).await
            })
            .await
    }

    /// Retries like a service does, around the store's own retries.
    async fn deposit_until_reached(&self, amount: i64) -> Result<()> {
        loop {
            match self.deposit(amount).await {
                Err(error) if error.is_retryable() => {}
                outcome => return outcome,
            }
        }
    }

    async fn balance(&self) -> Result<i64> {
        let read = async |ctx: &ReadContext| ctx.load_by_key::<Account>("ada").await;
        Ok(self.store.with_readonly_context(read).await?.state().balance)
    }
}

async fn deposit(ctx: &mut Context, amount: i64) -> Result<()> {
    let mut account = ctx.load_or_create::<Account>("ada").await?;
    let balance = account.state().balance + amount;
    ctx.apply(&mut account, BalanceSet { balance })
}

#[tokio::test]
async fn conflicts_make_a_context_run_again() -> Result<()> {
    let bank = Bank::open().await?;
    bank.engine.faults().next_commits(2, CommitFault::Conflict);
    bank.deposit(5).await?;
    assert_eq!(bank.decisions.get(), 3);
    assert_eq!(bank.balance().await?, 105);
    Ok(())
}

#[tokio::test]
async fn the_last_conflict_is_returned() -> Result<()> {
    let bank = Bank::open().await?;
    bank.engine.faults().next_commits(3, CommitFault::Conflict);
    let refused = bank.deposit(5).await.expect_err("three attempts, three conflicts");
    let Error::Conflict { reason: ConflictReason::Sequence { expected, actual }, .. } = refused
    else {
        panic!("not as a stale write is refused: {refused}");
    };
    assert_eq!((expected, actual), (Sequence::new(1)?, Sequence::new(2)?));
    assert_eq!(bank.engine.faults().remaining(), 0);
    assert_eq!(bank.balance().await?, 100, "nothing landed");
    Ok(())
}

/// Another writer comes first, and then the repetition of the same request.
#[tokio::test]
async fn a_last_conflict_does_not_hide_that_the_same_has_landed() -> Result<()> {
    let engine = MemoryEngine::new();
    let store = EventStore::builder().retry(RetryPolicy::none()).open(engine.clone()).await?;
    let runs = Cell::new(0);
    let once = async || {
        let request = store.once_committed("request", async |ctx| {
            runs.set(runs.get() + 1);
            deposit(ctx, 5).await?;
            Ok::<_, Error>(runs.get())
        });
        request.await
    };
    let execute = async || {
        let ada = Target::key_or_new("ada")?;
        store.execute::<Account, _>(ada, Deposit(7)).idempotency_key("command").await
    };
    let conflict = CommitFault::Conflict;

    engine.faults().next_commit(conflict.clone());
    assert!(matches!(once().await, Err(Error::Conflict { .. })), "nothing has landed");
    let first = once().await?;
    engine.faults().next_commit(conflict.clone());
    let again = once().await?;
    assert_eq!((first.value(), again.value(), runs.get()), (&2, &2, 3));
    assert_eq!(again.commit(), first.commit());

    engine.faults().next_commit(conflict.clone());
    let refused = execute().await;
    assert!(matches!(refused, Err(CommandError::Store(Error::Conflict { .. }))));
    let first = execute().await.expect("it lands");
    engine.faults().next_commit(conflict);
    let again = execute().await.expect("it has landed");
    assert_eq!((again.state().balance, again.commit()), (12, first.commit()));
    assert_eq!(engine.faults().remaining(), 0);
    Ok(())
}

#[tokio::test]
async fn a_rerun_decides_on_the_commits_of_other_writers() -> Result<()> {
    let bank = Bank::open().await?;
    let rival = bank.store.clone();
    bank.engine.faults().before_next_commit(async move {
        let landed = rival.with_context(async |ctx| deposit(ctx, 30).await).await;
        landed.expect("nothing is planned for the rival");
    });
    bank.deposit(5).await?;
    assert_eq!(bank.decisions.get(), 2);
    assert_eq!(bank.balance().await?, 135);
    Ok(())
}

#[tokio::test]
async fn a_services_own_retry_is_exercised() -> Result<()> {
    let bank = Bank::open().await?;
    bank.engine
        .faults()
        .next_commit(CommitFault::Unavailable)
        .next_commit(CommitFault::Busy)
        .next_commit(CommitFault::DiskFull)
        .next_load(ReadFault::Unavailable);
    bank.deposit_until_reached(5).await?;
    assert_eq!(bank.decisions.get(), 5, "one for each fault, and the one that lands");
    assert_eq!(bank.balance().await?, 105);
    Ok(())
}

#[tokio::test]
async fn permanent_failures_are_not_retried() -> Result<()> {
    let bank = Bank::open().await?;
    bank.engine.faults().next_commit(CommitFault::Failed);
    let refused = bank.deposit_until_reached(5).await.expect_err("the disk fails");
    assert!(matches!(refused, Error::Storage { operation: "commit", .. }), "{refused}");
    assert_eq!(bank.decisions.get(), 1);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for() -> Result<()> {
    let bank = Bank::open().await?;
    bank.engine.faults().next_commit(CommitFault::AnswerLost);
    bank.deposit(5).await?;
    assert_eq!((bank.decisions.get(), bank.balance().await?), (1, 105), "it landed once");

    bank.engine.faults().next_commit(CommitFault::RequestLost);
    bank.deposit_until_reached(5).await?;
    assert_eq!((bank.decisions.get(), bank.balance().await?), (3, 110), "it was sent again");
    Ok(())
}

#[tokio::test]
async fn a_failed_outcome_lookup_is_reported_as_unknown() -> Result<()> {
    for (fault, balance) in [(CommitFault::AnswerLost, 105), (CommitFault::RequestLost, 100)] {
        let bank = Bank::open().await?;
        bank.engine.faults().next_commit(fault.clone()).next_outcomes(1, ReadFault::Failed);
        let unknown = bank.deposit(5).await.expect_err("the outcome is unknown");
        let Error::OutcomeUnknown { commit, .. } = unknown else {
            panic!("{fault:?}: {unknown}");
        };
        assert_eq!(bank.balance().await?, balance, "{fault:?}");
        let landed = matches!(bank.store.find_commit(commit).await?, CommitOutcome::Landed(_));
        assert_eq!(landed, balance == 105, "{fault:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_with_an_unknown_outcome_can_be_repeated() -> Result<()> {
    for (fault, is_repetition) in
        [(CommitFault::AnswerLost, true), (CommitFault::RequestLost, false)]
    {
        let bank = Bank::open().await?;
        let request = async |answer: u32| {
            let request = bank.store.once_committed("wish", async |ctx| {
                let mut account = ctx.create_with_key::<Account>("a new one").await?;
                ctx.apply(&mut account, BalanceSet { balance: 5 })?;
                Ok::<_, Error>(answer)
            });
            request.await
        };
        bank.engine.faults().next_commit(fault.clone()).next_outcomes(1, ReadFault::Failed);
        let unknown = request(1).await;
        assert!(matches!(unknown, Err(Error::OutcomeUnknown { .. })), "{fault:?}: {unknown:?}");
        let again = request(2).await?;
        let answer = if is_repetition { 1 } else { 2 };
        assert_eq!((*again.value(), again.is_repetition()), (answer, is_repetition), "{fault:?}");
        let found = bank.store.find_by_idempotency_key("wish").await?;
        assert_eq!(found.map(|found| found.id), again.commit());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_asked_for_until_the_database_is_back() -> Result<()> {
    let bank = Bank::open().await?;
    let faults = bank.engine.faults();
    faults.next_commit(CommitFault::AnswerLost).next_outcomes(5, ReadFault::Unavailable);
    bank.deposit(5).await?;
    assert_eq!((bank.decisions.get(), bank.balance().await?), (1, 105), "it landed once");
    assert_eq!(faults.remaining(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_asked_for_ten_times_at_the_most() -> Result<()> {
    let bank = Bank::open().await?;
    let faults = bank.engine.faults();
    faults.next_commit(CommitFault::AnswerLost).next_outcomes(100, ReadFault::Unavailable);
    let unknown = bank.deposit(5).await;
    assert!(matches!(unknown, Err(Error::OutcomeUnknown { .. })), "{unknown:?}");
    assert_eq!(faults.remaining(), 90);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_delayed_commit_lands_late_and_not_at_all_if_it_is_dropped() -> Result<()> {
    let bank = Bank::open().await?;
    let minute = Duration::from_secs(60);

    bank.engine.faults().next_commits(2, CommitFault::Delay(minute));
    let impatient = tokio::time::timeout(minute / 2, bank.deposit(5)).await;
    assert!(impatient.is_err(), "it is still on its way");
    assert_eq!(bank.balance().await?, 100);

    let began = Instant::now();
    bank.deposit(5).await?;
    assert_eq!((began.elapsed(), bank.balance().await?), (minute, 105));

    bank.engine.faults().next_load(ReadFault::Delay(minute));
    let began = Instant::now();
    assert_eq!((bank.balance().await?, began.elapsed()), (105, minute));
    Ok(())
}

#[tokio::test]
async fn cleared_faults_do_not_occur() -> Result<()> {
    let bank = Bank::open().await?;
    let faults = bank.engine.faults();
    faults.next_commits(7, CommitFault::Failed).next_loads(2, ReadFault::Failed);
    assert_eq!(faults.remaining(), 9);
    faults.clear();
    assert_eq!(faults.remaining(), 0);
    bank.deposit(5).await
}
