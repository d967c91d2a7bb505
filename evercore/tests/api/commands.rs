//! Commands that are sent, beyond what the conformance suite requires of engines.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::chrono::{DateTime, TimeDelta};
use evercore::command::{Command, CommandLog, CommandQuery, Outcome};
use evercore::engine::{Capabilities, Capability, Forward, StorageEngine};
use evercore::evolution::Upcast;
use evercore::task::{Claimed, Handlers, TaskError, TaskId};
use evercore::{
    Aggregate, Apply, BoxError, Clock, Decide, Decision, Error, EventMeta, EventStore,
    HandlerRetry, ManualClock, Registry, Result, Target, command, event, task,
};
use evercore_memory::MemoryEngine;

#[derive(Aggregate, Clone, Debug, Default)]
struct Purse {
    coins: i64,
}

#[event(aggregate = Purse)]
struct CoinsMoved {
    coins: i64,
}

impl Apply<CoinsMoved> for Purse {
    fn apply(&mut self, event: &CoinsMoved, _: &EventMeta) {
        self.coins += event.coins;
    }
}

#[command(aggregate = Purse, target = key_or_new(purse))]
struct PutIn {
    purse: String,
    coins: i64,
}

#[command(aggregate = Purse, target = purse, queue = "payments", name = "take-out")]
struct TakeOut {
    purse: String,
    coins: i64,
}

#[command(aggregate = Purse, target = new())]
struct Sew;

#[command(aggregate = Purse, target = new_with_key(0))]
struct SewFor(String);

#[command(aggregate = Purse, target = purse)]
struct Inspect {
    purse: Target,
}

#[task(queue = "payments")]
struct Pay {}

impl Decide<PutIn> for Purse {
    type Error = std::convert::Infallible;

    fn decide(purse: &mut Decision<'_, Self>, command: &PutIn) -> Result<(), Self::Error> {
        purse.emit(CoinsMoved { coins: command.coins });
        Ok(())
    }
}

impl Decide<TakeOut> for Purse {
    type Error = String;

    fn decide(purse: &mut Decision<'_, Self>, command: &TakeOut) -> Result<(), String> {
        assert!(command.coins != 13, "unlucky");
        if purse.coins < command.coins {
            return Err(format!("there are only\0 {}", purse.coins));
        }
        purse.emit(CoinsMoved { coins: -command.coins });
        Ok(())
    }
}

impl Decide<Sew> for Purse {
    type Error = String;

    fn decide(purse: &mut Decision<'_, Self>, _: &Sew) -> Result<(), String> {
        purse.emit(CoinsMoved { coins: 0 });
        Ok(())
    }
}

impl Decide<SewFor> for Purse {
    type Error = String;

    fn decide(purse: &mut Decision<'_, Self>, _: &SewFor) -> Result<(), String> {
        purse.emit(CoinsMoved { coins: 0 });
        Ok(())
    }
}

impl Decide<Inspect> for Purse {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Inspect) -> Result<(), String> {
        Err("x".repeat(3_000))
    }
}

fn put_in(coins: i64) -> PutIn {
    PutIn { purse: "p".to_owned(), coins }
}

fn take_out(coins: i64) -> TakeOut {
    TakeOut { purse: "p".to_owned(), coins }
}

async fn store() -> Result<EventStore> {
    EventStore::builder().open(MemoryEngine::new()).await
}

#[tokio::test]
async fn all_linked_commands_are_done_beside_other_tasks() -> Result<()> {
    let store = store().await?;
    store.dispatch(put_in(10)).await.expect("it cannot be rejected");
    let taken = store.send(take_out(4)).await?;
    let too_many = store.send(take_out(7)).await?;
    store.enqueue(Pay {}).await?;
    let others = Handlers::new().on(async |_: Claimed<Pay>| -> Result<(), TaskError> { Ok(()) });
    let worked = store.queue("payments").run_due(others.commands()).await?;
    assert_eq!((worked.done, worked.failed, worked.dead), (3, 0, 0));
    assert!(matches!(store.outcome(taken).await?, Some(Outcome::Landed { .. })));
    // A database may not store a NUL.
    let rejected = Outcome::Rejected { reason: "there are only 6".to_owned() };
    assert_eq!(store.outcome(too_many).await?, Some(rejected));
    Ok(())
}

#[tokio::test]
async fn the_targets_of_the_macro() -> Result<()> {
    let key = |key: &str| evercore::NaturalKey::new(key);
    assert_eq!(put_in(1).target()?, Target::KeyOrNew(key("p")?));
    assert_eq!(take_out(1).target()?, Target::Key(key("p")?));
    assert_eq!(Sew.target()?, Target::New);
    assert_eq!(SewFor("q".to_owned()).target()?, Target::NewWithKey(key("q")?));
    let target = Target::Key(key("p")?);
    assert_eq!(Inspect { purse: target.clone() }.target()?, target);
    let store = store().await?;
    let sewn = store.dispatch(SewFor("q".to_owned())).await.expect("nothing is against it");
    assert_eq!(sewn.aggregate().key().map(|key| key.as_str()), Some("q"));
    // A target is stored with the command.
    let id = store.send(Inspect { purse: sewn.id().into() }).await?;
    store.queue("commands").run_due(Handlers::new().commands()).await?;
    match store.outcome(id).await? {
        Some(Outcome::Rejected { reason }) => assert_eq!(reason.len(), 2_000),
        outcome => panic!("a command that is rejected is {outcome:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn a_command_without_a_valid_target_is_not_sent() -> Result<()> {
    let store = store().await?;
    let sent = store.send(PutIn { purse: String::new(), coins: 1 }).await;
    assert!(matches!(sent, Err(Error::InvalidKey { .. })), "{sent:?}");
    assert_eq!(store.queues().get("commands").await?.due, 0);
    let dispatched = store.dispatch(PutIn { purse: String::new(), coins: 1 }).await;
    assert_eq!(dispatched.expect_err("the key is empty").kind(), evercore::ErrorKind::InvalidInput);
    Ok(())
}

#[tokio::test]
async fn a_rejection_on_a_cached_state_is_decided_again() -> Result<()> {
    let engine = MemoryEngine::new();
    let cached = EventStore::builder().cache_aggregates(10).open(engine.clone()).await?;
    cached.dispatch(put_in(1)).await.expect("it cannot be rejected");
    let rival = EventStore::builder().open(engine).await?;
    rival.dispatch(put_in(100)).await.expect("it cannot be rejected");
    let id = cached.send(take_out(50)).await?;
    cached.queue("payments").run_due(Handlers::new().commands()).await?;
    assert!(matches!(cached.outcome(id).await?, Some(Outcome::Landed { .. })));
    let too_many = cached.send(take_out(52)).await?;
    cached.queue("payments").run_due(Handlers::new().commands()).await?;
    let rejected = Outcome::Rejected { reason: "there are only 51".to_owned() };
    assert_eq!(cached.outcome(too_many).await?, Some(rejected));
    Ok(())
}

#[tokio::test]
async fn a_decision_that_panics_is_tried_again_and_dies() -> Result<()> {
    let store = store().await?;
    store.dispatch(put_in(20)).await.expect("it cannot be rejected");
    let id = store.send(take_out(13)).await?;
    let twice = HandlerRetry::default().attempts(2).base(Duration::ZERO).longest(Duration::ZERO);
    let queue = store.queue("payments").retry(twice);
    let worked = queue.run_due(Handlers::new().commands()).await?;
    assert_eq!((worked.failed, worked.dead), (1, 1));
    match store.outcome(id).await? {
        Some(Outcome::Dead { failure, .. }) => assert!(failure.contains("unlucky"), "{failure}"),
        outcome => panic!("a command that has failed for good is {outcome:?}"),
    }
    assert_eq!(store.command_log().find(id).await?, None);
    store.queues().retry("payments", TaskId::from(id)).await?;
    assert!(store.outcome(id).await?.is_some_and(|outcome| !outcome.is_final()));
    Ok(())
}

#[tokio::test]
async fn outcomes_are_kept_for_a_week_unless_the_store_says_otherwise() -> Result<()> {
    let day = TimeDelta::days(1);
    for (log, days) in [
        (None, 7),
        (Some(CommandLog::keep(Duration::from_secs(24 * 60 * 60))), 1),
        (Some(CommandLog::keep_forever()), 1_000),
    ] {
        let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
        let engine = MemoryEngine::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let builder = EventStore::builder();
        let builder = match log {
            Some(log) => builder.command_log(log),
            None => builder,
        };
        let store = builder.open(engine).await?;
        let id = store.send(put_in(1)).await?;
        let run = async || store.queue("commands").run_due(Handlers::new().commands()).await;
        run().await?;
        clock.advance(day * days);
        run().await?;
        assert!(store.outcome(id).await?.is_some(), "it is not older than {days} days");
        clock.advance(TimeDelta::microseconds(1));
        run().await?;
        assert_eq!(store.outcome(id).await?.is_some(), days == 1_000, "{days} days");
    }
    Ok(())
}

/// An engine with tasks, and without a command log.
#[derive(Debug)]
struct Without(MemoryEngine);

#[async_trait]
impl Forward for Without {
    fn engine(&self) -> &dyn StorageEngine {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        self.engine().capabilities().without(Capability::CommandLog)
    }
}

#[tokio::test]
async fn an_engine_without_a_command_log_is_sent_no_commands() -> Result<()> {
    let store = EventStore::builder().open(Without(MemoryEngine::new())).await?;
    let unsupported = |result: Result<()>| {
        matches!(result, Err(Error::Unsupported { operation: Capability::CommandLog, .. }))
    };
    assert!(unsupported(store.send(put_in(1)).await.map(drop)));
    let listed = store.command_log().list(&CommandQuery::new(), 1).await;
    assert!(unsupported(listed.map(drop)));
    assert_eq!(store.queues().get("commands").await?.due, 0);
    let dispatched = store.dispatch(put_in(1)).await;
    assert_eq!(dispatched.expect("it needs no log").state().coins, 1);
    Ok(())
}

#[tokio::test]
async fn a_command_of_an_unknown_type_dies_with_a_reason() -> Result<()> {
    let engine = MemoryEngine::new();
    let sender = EventStore::builder().open(engine.clone()).await?;
    let id = sender.send(put_in(1)).await?;
    let knows_nothing = Registry::builder().build()?;
    let worker = EventStore::builder().registry(knows_nothing).open(engine).await?;
    let once = HandlerRetry::default().attempts(1);
    worker.queue("commands").retry(once).run_due(Handlers::new().commands()).await?;
    match sender.outcome(id).await? {
        Some(Outcome::Dead { failure, .. }) => {
            assert!(failure.contains("`PutIn`") && failure.contains("link the crate"), "{failure}");
        }
        outcome => panic!("a command that nothing reads is {outcome:?}"),
    }
    Ok(())
}

/// The command as an older program has sent it.
mod older {
    use evercore::command::Command;
    use evercore::format::Encoding;
    use evercore::task::{TaskBodies, TaskBody};
    use evercore::{Decide, Decision, Event, Registry, Result, Target};
    use serde::{Deserialize, Serialize};

    use super::{CoinsMoved, Purse};

    #[derive(Serialize, Deserialize)]
    pub(super) struct Collect {
        pub(super) purse: String,
    }

    impl Event for Collect {
        type Aggregate = TaskBodies;
        const NAME: &'static str = "collect";
        const ENCODING: Encoding<Self> = Encoding::serde();
    }

    impl TaskBody for Collect {
        const QUEUE: &'static str = "commands";
    }

    impl Command for Collect {
        type Aggregate = Purse;

        fn target(&self) -> Result<Target> {
            Target::key_or_new(&*self.purse)
        }
    }

    impl Decide<Collect> for Purse {
        type Error = String;

        fn decide(purse: &mut Decision<'_, Self>, _: &Collect) -> Result<(), String> {
            purse.emit(CoinsMoved { coins: 1 });
            Ok(())
        }
    }

    pub(super) fn registry() -> Result<Registry> {
        Registry::builder().event::<Collect>().event::<CoinsMoved>().build()
    }
}

#[command(aggregate = Purse, target = key_or_new(purse), name = "collect", version = 2, upcast_from = [older::Collect])]
struct Collect {
    purse: String,
    coins: i64,
}

impl Upcast<older::Collect> for Collect {
    fn upcast(old: older::Collect) -> std::result::Result<Self, BoxError> {
        Ok(Self { purse: old.purse, coins: 5 })
    }
}

impl Decide<Collect> for Purse {
    type Error = String;

    fn decide(purse: &mut Decision<'_, Self>, command: &Collect) -> Result<(), String> {
        purse.emit(CoinsMoved { coins: command.coins });
        Ok(())
    }
}

#[tokio::test]
async fn a_command_of_an_older_program_is_decided_in_its_present_shape() -> Result<()> {
    let engine = MemoryEngine::new();
    let before = EventStore::builder().registry(older::registry()?).open(engine.clone()).await?;
    let id = before.send(older::Collect { purse: "p".to_owned() }).await?;
    let now = EventStore::builder().open(engine).await?;
    now.queue("commands").run_due(Handlers::new().commands()).await?;
    let Some(Outcome::Landed { aggregate: Some(purse), .. }) = now.outcome(id).await? else {
        panic!("it lands");
    };
    let purse = now.with_readonly_context(async |ctx| ctx.load::<Purse>(purse).await).await?;
    assert_eq!(purse.state().coins, 5);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_worker_removes_old_outcomes_now_and_then() -> Result<()> {
    let log = CommandLog::keep(Duration::ZERO);
    let store = EventStore::builder().command_log(log).open(MemoryEngine::new()).await?;
    let worker = store.queue("commands").spawn(Handlers::new().commands())?;
    for _ in 0..2 {
        let id = store.send(put_in(1)).await?;
        store.wait_for_outcome(id, Duration::from_secs(600)).await?;
        // Time passes at once while all wait.
        let mut seconds = 0;
        while store.outcome(id).await?.is_some() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            seconds += 1;
            assert!(seconds < 120, "it is still there");
        }
    }
    worker.shutdown().await
}
