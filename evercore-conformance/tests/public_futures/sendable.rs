//! Awaits every public future as a service does: in a spawned task that owns everything the call borrows.
//!
//! Nothing here runs. Compiling it shows that each future is `Send`, also if a closure borrows captured state.

use std::sync::Arc;
use std::time::Duration;

use evercore::boundary::Tag;
use evercore::command::{CommandId, CommandQuery, Turns};
use evercore::engine::{self, StorageEngine};
use evercore::service::{Lifecycle, Service};
use evercore::subscription::{
    Interrupt, SubscriptionHandle, TransactionHandler, TransactionRouter,
};
use evercore::task::{Claimed, Handlers, Task, TaskError, TaskId, Work};
use evercore::{
    Aggregate, AggregateId, Apply, AsOf, Batch, Boundary, CommandError, CommitId, Context, Decide,
    Decision, Error, EventMeta, EventStore, Expected, Handler, HandlerError, Metadata, Position,
    Received, Registry, Sequence, Start, Stream, Target, command, event, task, with_metadata,
};
use evercore_postgres::{PostgresContext, PostgresEngine, PostgresOptions};
use evercore_process::{Process, Processes, Reactions};
use evercore_services::Services;
use evercore_sqlite::{SqliteContext, SqliteEngine, SqliteOptions, SqliteTransaction};
use evercore_testing::history::{self, History};
use evercore_testing::{Recording, StoreScenario};
use evercore_tower::{Check, CommandRequest, CommandService};
use futures_util::StreamExt;
use tower_service::Service as _;

#[derive(Aggregate, Default)]
pub(crate) struct Account {
    balance: i64,
}

#[derive(Aggregate, Default)]
#[aggregate(unique(email))]
struct Client {
    email: Option<String>,
}

#[event(aggregate = Account)]
struct Deposited {
    amount: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _: &EventMeta) {
        self.balance += event.amount;
    }
}

#[event(tags(seat))]
struct Taken {
    seat: String,
}

#[derive(Boundary, Default)]
#[boundary(key(seat: String), events(Taken))]
struct Held {
    times: u32,
}

impl Apply<Taken> for Held {
    fn apply(&mut self, _: &Taken, _: &EventMeta) {
        self.times += 1;
    }
}

struct Deposit {
    amount: i64,
}

impl Process for Account {
    fn register(on: &mut Reactions<Self>) {
        on.event(|e: &Taken| e.seat.clone(), |step, _| step.emit(Deposited { amount: 1 }));
    }
}

impl Decide<Deposit> for Account {
    type Error = Error;

    fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), Error> {
        account.emit(Deposited { amount: command.amount });
        Ok(())
    }
}

impl Decide<Deposit> for (Held, Held) {
    type Error = Error;

    fn decide(both: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), Error> {
        both.emit(Taken { seat: command.amount.to_string() });
        Ok(())
    }
}

/// The values that a task owns, and that its futures and closures borrow.
pub(crate) struct Owned {
    store: EventStore,
    engine: Arc<dyn StorageEngine>,
    lifecycle: Lifecycle,
    sqlite: SqliteEngine,
    postgres: PostgresEngine,
    id: AggregateId,
    task: TaskId,
    command: CommandId,
    key: String,
    amount: i64,
    position: Position,
}

#[derive(Clone)]
struct Noting(Arc<str>);

impl Handler for Noting {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        tokio::task::yield_now().await;
        println!("{}: {} events", self.0, batch.len());
        Ok(())
    }
}

#[task(queue = "payments")]
struct Pay {
    to: String,
}

#[command(aggregate = Account, target = to)]
struct PayIn {
    to: String,
}

impl Decide<PayIn> for Account {
    type Error = Error;

    fn decide(account: &mut Decision<'_, Self>, _: &PayIn) -> Result<(), Error> {
        account.emit(Deposited { amount: 1 });
        Ok(())
    }
}

struct Paying;

impl Work<Pay> for Paying {
    async fn work(&self, ctx: &mut Context, task: &Claimed<Pay>) -> Result<(), TaskError> {
        let mut account = ctx.load_by_key::<Account>(&task.to).await?;
        Ok(ctx.apply(&mut account, Deposited { amount: 1 })?)
    }
}

fn paying(_: &Owned) -> Handlers {
    Handlers::new().work::<Pay>(Paying)
}

#[derive(Clone)]
struct Copying(Arc<str>);

impl TransactionHandler<SqliteTransaction> for Copying {
    async fn handle(&mut self, ctx: &mut SqliteContext, batch: Batch) -> Result<(), HandlerError> {
        let mut account = ctx.load_by_key::<Account>(&*self.0).await?;
        for event in &batch {
            ctx.apply(&mut account, Deposited { amount: event.position().get() })?;
        }
        Ok(())
    }
}

/// Requires that a handler in transactions can be spawned, also if it borrows from what it captures.
pub(crate) fn a_handler_in_transactions_can_be_spawned(own: Owned) -> evercore::Result<()> {
    let Owned { store, key, amount, .. } = own;
    let subscription = |name| store.subscription(name);
    let on_postgres = {
        let key = key.clone();
        async move |ctx: &mut PostgresContext, batch: Batch| {
            let mut account = ctx.load_by_key::<Account>(&key).await?;
            for _ in &batch {
                ctx.apply(&mut account, Deposited { amount })?;
            }
            Ok::<_, Error>(())
        }
    };
    let router = TransactionRouter::new().on(
        async move |ctx: &mut SqliteContext, deposited: Received<Deposited>| {
            let mut account = ctx.load_by_key::<Account>(&key).await?;
            ctx.apply(&mut account, Deposited { amount: deposited.amount })
        },
    );
    drop(subscription("closure").spawn_in_transaction(on_postgres)?);
    drop(subscription("router").spawn_in_transaction(router.clone())?);
    drop(subscription("service").handler_in_transaction(router));
    drop(subscription("type").spawn_in_transaction(Copying("ada".into()))?);
    Ok(())
}

struct Clerks(Vec<String>);

impl<C: Sync> Check<C> for Clerks {
    type Error = Error;

    async fn check(&self, request: &CommandRequest<C>) -> Result<(), Error> {
        tokio::task::yield_now().await;
        match request.principal() {
            Some(principal) if self.0.iter().any(|clerk| clerk == principal) => Ok(()),
            _ => Err(Error::Closed),
        }
    }
}

/// Requires the bounds of `tokio::spawn` and of handlers in web frameworks.
fn spawned<T: Send, F: Future<Output = T> + Send + 'static>(_: fn(Owned) -> F) {}

/// Lists each public future with its name, and awaits it in a separate task.
macro_rules! sendable {
    ($($name:literal => $task:expr;)+) => {
        /// The names and the source of the calls.
        pub(crate) const SENDABLE: &[(&str, &str)] = &[$(($name, stringify!($task))),+];

        /// Is compiled but never called.
        pub(crate) fn every_public_future_is_send() {
            $(spawned($task);)+
        }
    };
}

sendable! {
    "EventStore::connect" => |own| async move { EventStore::connect(&own.key).await };
    "EventStoreBuilder::connect" => |own| async move { EventStore::builder().connect(&own.key).await };
    "EventStoreBuilder::open" => |own| async move { EventStore::builder().open(own.sqlite).await };
    "EventStoreBuilder::open_shared" => |own| async move { EventStore::builder().open_shared(own.engine).await };
    "EventStore::migrate" => |own| async move { own.store.migrate().await };
    "EventStore::warmup" => |own| async move { own.store.warmup().await };
    "EventStore::close" => |own| async move { own.store.close().await };

    "EventStore::with_context" => |own| async move { own.store.with_context(async |ctx| {
        let mut account = ctx.load_by_key::<Account>(&own.key).await?;
        ctx.apply(&mut account, Deposited { amount: own.amount })
    }).await };
    "EventStore::with_context_committed" => |own| async move { own.store.with_context_committed(async |ctx| {
        let mut account = ctx.load_by_key::<Account>(&own.key).await?;
        ctx.apply(&mut account, Deposited { amount: own.amount })
    }).await };
    "EventStore::with_context_once" => |own| async move { own.store.with_context_once(async |ctx| {
        let mut account = ctx.load_by_key::<Account>(&own.key).await?;
        ctx.apply(&mut account, Deposited { amount: own.amount })
    }).await };
    "EventStore::execute" => |own| async move {
        let deposit = Deposit { amount: own.amount };
        let execute = own.store.execute::<Account, _>(Target::key_or_new(own.key.as_str())?, deposit);
        execute.idempotency_key(own.key.as_str()).await?;
        Ok::<_, CommandError<Error>>(())
    };
    "EventStore::execute_on" => |own| async move {
        let keys = (Held::of(&own.key), Held::of("other"));
        let execute = own.store.execute_on(keys, Deposit { amount: own.amount });
        execute.idempotency_key(own.key.as_str()).await?;
        Ok::<_, CommandError<Error>>(())
    };
    "Context::decide_on" => |own| async move { own.store.with_context(async |ctx| {
        let keys = (Held::of(&own.key), Held::of("other"));
        ctx.decide_on(keys, &Deposit { amount: own.amount }).await.map(drop)
    }).await };
    "EventStore::once" => |own| async move { own.store.once(own.key.as_str(), async |ctx| {
        let mut account = ctx.load_by_key::<Account>(&own.key).await?;
        ctx.apply(&mut account, Deposited { amount: own.amount })
    }).await };
    "EventStore::once_committed" => |own| async move { own.store.once_committed(own.key.as_str(), async |ctx| {
        let mut account = ctx.load_by_key::<Account>(&own.key).await?;
        ctx.apply(&mut account, Deposited { amount: own.amount })
    }).await.map(drop) };
    "timeout" => |own| async move { engine::timeout(Duration::from_secs(1), own.store.head()).await };
    "sleep" => |own| async move { engine::sleep(Duration::from_millis(own.position.get().unsigned_abs())).await };
    "Place::turn" => |own| async move {
        Arc::new(Turns::new()).enter(own.key, 1).expect("the queue is empty").turn().await
    };
    "Place::turn_within" => |own| async move {
        let place = Arc::new(Turns::new()).enter(own.key, 1).expect("the queue is empty");
        place.turn_within(Duration::from_secs(1)).await
    };
    "EventStore::append" => |own| async move {
        let events = [own.amount].into_iter().map(|amount| Deposited { amount });
        own.store.append::<Account, _>(Stream::Id(own.id), Expected::Any, events).await
    };
    "with_metadata" => |own| async move {
        let request = Metadata::new().correlation(own.key.as_str());
        with_metadata(request, async { own.store.with_context(async |ctx| {
            let mut account = ctx.load_by_key::<Account>(&own.key).await?;
            ctx.apply(&mut account, Deposited { amount: own.amount })
        }).await }).await
    };

    "Context::load" => |own| async move { own.store.with_context(async |ctx| {
        ctx.load::<Account>(own.id).await.map(drop)
    }).await };
    "Context::load_by_key" => |own| async move { own.store.with_context(async |ctx| {
        ctx.load_by_key::<Account>(&own.key).await.map(drop)
    }).await };
    "Context::find" => |own| async move { own.store.with_context(async |ctx| {
        ctx.find::<Account>(own.id).await.map(drop)
    }).await };
    "Context::find_by_key" => |own| async move { own.store.with_context(async |ctx| {
        ctx.find_by_key::<Account>(&own.key).await.map(drop)
    }).await };
    "Context::find_by_unique" => |own| async move { own.store.with_context(async |ctx| {
        ctx.find_by_unique(Client::by_email(&own.key)).await.map(drop)
    }).await };
    "Context::load_by_unique" => |own| async move { own.store.with_context(async |ctx| {
        ctx.load_by_unique(Client::by_email(&own.key)).await.map(drop)
    }).await };
    "Context::load_or_create" => |own| async move { own.store.with_context(async |ctx| {
        ctx.load_or_create::<Account>(&own.key).await.map(drop)
    }).await };
    "Context::create" => |own| async move { own.store.with_context(async |ctx| {
        let mut account = ctx.create::<Account>().await?;
        ctx.apply(&mut account, Deposited { amount: own.amount })
    }).await };
    "Context::read" => |own| async move { own.store.with_context(async |ctx| {
        let (held, again) = ctx.read((Held::of(&own.key), Held::of(&own.key).unguarded())).await?;
        ctx.emit(Taken { seat: own.key.clone() })?;
        Ok::<_, Error>(held.times + again.times)
    }).await };
    "Context::create_with_key" => |own| async move { own.store.with_context(async |ctx| {
        ctx.create_with_key::<Account>(&own.key).await.map(drop)
    }).await };

    "EventStore::with_readonly_context" => |own| async move { own.store.with_readonly_context(async |ctx| {
        Ok::<_, Error>(ctx.load_by_key::<Account>(&own.key).await?.state().balance + own.amount)
    }).await };
    "ReadContext::load" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.load::<Account>(own.id).await.map(drop)
    }).await };
    "ReadContext::load_by_key" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.load_by_key::<Account>(&own.key).await.map(drop)
    }).await };
    "ReadContext::find" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.find::<Account>(own.id).await.map(drop)
    }).await };
    "ReadContext::find_by_key" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.find_by_key::<Account>(&own.key).await.map(drop)
    }).await };
    "ReadContext::find_by_unique" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.find_by_unique(Client::by_email(&own.key)).await.map(drop)
    }).await };
    "ReadContext::load_by_unique" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.load_by_unique(Client::by_email(&own.key)).await.map(drop)
    }).await };
    "ReadContext::load_as_of" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.load_as_of::<Account>(own.id, AsOf::Sequence(Sequence::FIRST)).await.map(drop)
    }).await };
    "ReadContext::read" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.read(vec![Held::of(&own.key)]).await.map(drop)
    }).await };
    "ReadContext::read_as_of" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.read_as_of(Held::of(&own.key), own.position).await.map(drop)
    }).await };
    "ReadContext::read_tagged" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.read_tagged(&[Tag::new("seat", &own.key)?], own.position).await
    }).await };
    "ReadContext::history" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.history(own.id, ..).await
    }).await };
    "ReadContext::read_log" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.read_log(own.position, 10).await
    }).await };
    "ReadContext::read_correlated" => |own| async move { own.store.with_readonly_context(async |ctx| {
        ctx.read_correlated(&own.key, own.position).await
    }).await };
    "EventStore::read_tagged" => |own| async move {
        own.store.read_tagged(&[Tag::new("seat", &own.key)?], own.position).await
    };
    "EventStore::history" => |own| async move { own.store.history(own.id, ..).await };
    "EventStore::read_log" => |own| async move { own.store.read_log(own.position, 10).await };
    "EventStore::head" => |own| async move { own.store.head().await };
    "EventStore::read_correlated" => |own| async move { own.store.read_correlated(&own.key, own.position).await };
    "EventStore::find_commit" => |own| async move { own.store.find_commit(CommitId::generate()).await };
    "EventStore::find_by_idempotency_key" => |own| async move { own.store.find_by_idempotency_key(own.key.as_str()).await };
    "TagBackfill::run" => |own| async move { own.store.backfill_tags().run().await };
    "EventStore::claim_unique_values" => |own| async move {
        let Owned { store, mut amount, .. } = own;
        store.claim_unique_values::<Client>(|_| amount += 1).await.map(|claimed| (claimed, amount))
    };
    "Verify::run" => |own| async move { own.store.verify().run().await };

    "SubscriptionBuilder::run" => |own| async move {
        let Owned { store, key, .. } = own;
        store.subscription(key.as_str()).run({
            let (store, key) = (store.clone(), key.clone());
            async move |batch: Batch| store.with_context(async |ctx| {
                let mut account = ctx.load_by_key::<Account>(&key).await?;
                ctx.apply(&mut account, Deposited { amount: batch[0].position().get() })
            }).await
        }).await
    };
    "SubscriptionHandle::shutdown" => |own| async move {
        let worker: SubscriptionHandle =
            own.store.subscription(own.key.as_str()).spawn(Noting(own.key.as_str().into()))?;
        own.store.wait_for(own.key.as_str(), own.position).await?;
        worker.shutdown().await
    };
    "SubscriptionHandle::join" => |own| async move {
        own.store.subscription(own.key.as_str()).spawn(Noting(own.key.into()))?.join().await
    };
    "EphemeralBuilder::run" => |own| async move {
        own.store.ephemeral().start(Start::After(own.position)).run(Noting(own.key.into())).await
    };
    "EphemeralBuilder::stream" => |own| async move {
        let mut events = Box::pin(own.store.ephemeral().start(Start::After(own.position)).stream());
        while let Some(event) = events.next().await {
            own.store.wait_for(own.key.as_str(), event?.position()).await?;
        }
        Ok::<_, Error>(())
    };
    "EventStore::wait_for" => |own| async move { own.store.wait_for(own.key.as_str(), own.position).await };
    "EventStore::wait_until_idle" => |own| async move { own.store.wait_until_idle(own.key.as_str()).await };
    "LogWatch::notified" => |own| async move { own.engine.watch_log().notified().await };
    "Handler::handle" => |own| async move {
        let batch = Batch::new(&[], &Arc::new(Registry::linked()?));
        let mut handler = Noting(own.key.into());
        Handler::handle(&mut handler, batch).await.map_err(|error| Error::storage("handle", error.into_source()))
    };
    "Handler::handle_until" => |own| async move {
        let batch = Batch::new(&[], &Arc::new(Registry::linked()?));
        let mut handler = Noting(own.key.into());
        let handled = handler.handle_until(batch, &Interrupt::new()).await;
        handled.map_err(|error| Error::storage("handle", error.into_source()))
    };

    "Service::run" => |own| async move {
        let mut service = own.store.subscription(own.key.as_str()).handler(Noting(own.key.into()));
        service.run(&own.lifecycle).await
    };
    "Lifecycle::until_ready" => |own| async move { own.lifecycle.until_ready().await };
    "Lifecycle::stopped" => |own| async move { own.lifecycle.stopped().await };
    "Lifecycle::stopped_within" => |own| async move { own.lifecycle.stopped_within(Duration::from_secs(1)).await };
    "Subscriptions::list" => |own| async move { own.store.subscriptions().list().await };
    "Subscriptions::find" => |own| async move { own.store.subscriptions().find(own.key.as_str()).await };
    "Subscriptions::pause" => |own| async move { own.store.subscriptions().pause(own.key.as_str()).await };
    "Subscriptions::resume" => |own| async move { own.store.subscriptions().resume(own.key.as_str()).await };
    "Subscriptions::reset" => |own| async move {
        own.store.subscriptions().reset(own.key.as_str(), Start::Beginning).await
    };
    "Subscriptions::delete" => |own| async move { own.store.subscriptions().delete(own.key.as_str()).await };
    "Subscriptions::redrive" => |own| async move { own.store.subscriptions().redrive(own.key.as_str()).await };
    "Subscriptions::redrive_event" => |own| async move {
        own.store.subscriptions().redrive_event(own.key.as_str(), own.position).await
    };
    "Subscriptions::discard" => |own| async move {
        let admin = own.store.subscriptions();
        admin.discard(own.key.as_str(), own.position, own.key.as_str(), "it is spam").await
    };
    "Subscriptions::discarded" => |own| async move {
        own.store.subscriptions().discarded(own.key.as_str(), own.position, 10).await
    };
    "Subscriptions::parked" => |own| async move {
        own.store.subscriptions().parked(own.key.as_str(), own.position, 10).await
    };

    "EventStore::enqueue" => |own| async move { own.store.enqueue(Task::new(Pay { to: own.key.clone() }).key(own.key)).await };
    "EventStore::dispatch" => |own| async move { own.store.dispatch(PayIn { to: own.key.clone() }).await };
    "EventStore::send" => |own| async move { own.store.send(Task::new(PayIn { to: own.key.clone() }).key(own.key)).await };
    "EventStore::outcome" => |own| async move { own.store.outcome(own.command).await };
    "EventStore::wait_for_outcome" => |own| async move { own.store.wait_for_outcome(own.command, Duration::MAX).await };
    "LoggedCommands::find" => |own| async move { own.store.command_log().find(own.command).await };
    "LoggedCommands::list" => |own| async move {
        own.store.command_log().list(&CommandQuery::new().correlation(own.key), 10).await
    };
    "LoggedCommands::prune" => |own| async move { own.store.command_log().prune(Duration::MAX).await };
    "QueueBuilder::run" => |own| async move { own.store.queue(own.key.as_str()).run(paying(&own)).await };
    "QueueBuilder::run_due" => |own| async move { own.store.queue(own.key.as_str()).run_due(paying(&own)).await };
    "QueueHandle::shutdown" => |own| async move { own.store.queue(own.key.as_str()).spawn(paying(&own))?.shutdown().await };
    "QueueHandle::join" => |own| async move { own.store.queue(own.key.as_str()).spawn(paying(&own))?.join().await };
    "Work::work" => |own| async move {
        let paid = Claimed::from(Pay { to: own.key.clone() });
        own.store.with_context(async |ctx| {
            let worked = Paying.work(ctx, &paid).await;
            worked.map_err(|error| Error::storage("work", error.into_source()))
        }).await
    };
    "Queues::list" => |own| async move { own.store.queues().list().await };
    "Queues::get" => |own| async move { own.store.queues().get(own.key.as_str()).await };
    "Queues::find" => |own| async move { own.store.queues().find(own.key.as_str(), own.key.as_str()).await };
    "Queues::waiting" => |own| async move { own.store.queues().waiting(own.key.as_str(), None, 10).await };
    "Queues::dead" => |own| async move { own.store.queues().dead(own.key.as_str(), None, 10).await };
    "Queues::discarded" => |own| async move { own.store.queues().discarded(own.key.as_str(), None, 10).await };
    "Queues::pause" => |own| async move { own.store.queues().pause(own.key.as_str()).await };
    "Queues::resume" => |own| async move { own.store.queues().resume(own.key.as_str()).await };
    "Queues::retry" => |own| async move { own.store.queues().retry(own.key.as_str(), own.task).await };
    "Queues::retry_all" => |own| async move { own.store.queues().retry_all(own.key.as_str()).await };
    "Queues::discard" => |own| async move {
        own.store.queues().discard(own.key.as_str(), own.task, own.key.as_str()).await
    };
    "Queues::discard_all" => |own| async move {
        own.store.queues().discard_all(own.key.as_str(), own.key.as_str()).await
    };
    "Queues::wait_until_idle" => |own| async move { own.store.queues().wait_until_idle(own.key.as_str()).await };

    "EventStore::with_context_in" => |own| async move { own.store.with_context_in(&own.sqlite, async |ctx| {
        let mut account = ctx.load_by_key::<Account>(&own.key).await?;
        ctx.apply(&mut account, Deposited { amount: own.amount })
    }).await };
    "SubscriptionBuilder::run_in" => |own| async move {
        let handler = async |ctx: &mut PostgresContext, _: Batch| {
            let mut account = ctx.load_by_key::<Account>(&own.key).await?;
            ctx.apply(&mut account, Deposited { amount: own.amount })
        };
        own.store.subscription(own.key.as_str()).run_in(&own.postgres, handler).await
    };

    "SqliteEngine::connect" => |own| async move { SqliteEngine::connect(&own.key).await };
    "SqliteEngine::open" => |own| async move { SqliteEngine::open(&own.key, SqliteOptions::default()).await };
    "SqliteEngine::in_memory" => |_| async move { SqliteEngine::in_memory(SqliteOptions::default()).await };
    "PostgresEngine::open" => |own| async move {
        PostgresEngine::open(own.key.parse::<PostgresOptions>()?).await
    };
    "PostgresEngine::frontier_holders" => |own| async move { own.postgres.frontier_holders().await };
    "EventStore::with_transaction" => |own| async move {
        own.store.with_transaction(async |ctx: &mut SqliteContext| {
            let mut account = ctx.load_by_key::<Account>(&own.key).await?;
            ctx.apply(&mut account, Deposited { amount: own.amount })
        }).await
    };
    "SubscriptionBuilder::run_in_transaction" => |own| async move {
        let handler = async |ctx: &mut SqliteContext, _: Batch| {
            let mut account = ctx.load_by_key::<Account>(&own.key).await?;
            ctx.apply(&mut account, Deposited { amount: own.amount })
        };
        own.store.subscription(own.key.as_str()).run_in_transaction(handler).await
    };
    "EventStore::with_transaction" => |own| async move {
        own.store.with_transaction(async |ctx: &mut PostgresContext| {
            let mut account = ctx.load_by_key::<Account>(&own.key).await?;
            ctx.apply(&mut account, Deposited { amount: own.amount })
        }).await
    };
    "SubscriptionBuilder::run_in_transaction" => |own| async move {
        let handler = async |ctx: &mut PostgresContext, _: Batch| {
            let mut account = ctx.load_by_key::<Account>(&own.key).await?;
            ctx.apply(&mut account, Deposited { amount: own.amount })
        };
        own.store.subscription(own.key.as_str()).run_in_transaction(handler).await
    };

    "TransactionHandler::handle" => |own| async move {
        own.store.with_transaction(async |ctx: &mut SqliteContext| {
            let mut handler = Copying(own.key.as_str().into());
            let batch = Batch::new(&[], &Arc::new(Registry::linked()?));
            let handled = handler.handle(ctx, batch).await;
            handled.map_err(|error| Error::storage("handle", error.into_source()))
        }).await
    };

    "Check::check" => |own| async move {
        let target = Target::key_or_new(own.key.as_str())?;
        let request = CommandRequest::new(target, Deposit { amount: own.amount })?;
        Clerks(vec![own.key]).check(&request).await
    };
    "CommandService::call" => |own| async move {
        let target = Target::key_or_new(own.key.as_str())?;
        let request = CommandRequest::new(target, Deposit { amount: own.amount })?;
        CommandService::<Account>::new(own.store).call(request).await.map(drop)
    };

    "check" => |own| async move { history::check(&History::default(), &own.store).await };
    "Check::run" => |own| async move {
        history::Check::of(&History::default()).run(&own.store).await
    };
    "StoreScenario::when" => |own| async move {
        StoreScenario::on(own.store).given::<Account>(&own.key, ()).when(async |ctx| {
            let mut account = ctx.load_by_key::<Account>(&own.key).await?;
            ctx.apply(&mut account, Deposited { amount: own.amount })
        }).await.then_nothing_else();
    };
    "Done::when" => |own| async move {
        let nothing = StoreScenario::on(own.store).when(async |_| Ok::<_, Error>(())).await;
        nothing.when(async |ctx| ctx.load_by_key::<Account>(&own.key).await.map(drop)).await.then_nothing_else();
    };
    "Recording::handled_by" => |own| async move {
        Recording::new().handled_by(&mut Noting(own.key.into())).await
    };

    "ProcessBuilder::run" => |own| async move { own.store.process::<Account>(&own.key).run().await };
    "ProcessHandle::shutdown" => |own| async move {
        own.store.process::<Account>(&own.key).spawn()?.shutdown().await
    };
    "ProcessHandle::join" => |own| async move {
        own.store.process::<Account>(&own.key).spawn()?.join().await
    };

    "Services::run_until_signal" => |own| async move {
        let services = Services::new().with(own.store.subscription("a").handler(Noting(own.key.into())));
        services.then().run_until_signal().await
    };
    "Services::run_until" => |own| async move {
        let services = Services::new().with(own.store.subscription("a").handler(Noting(own.key.into())));
        services.run_until(own.lifecycle.stopped()).await
    };
    "ServicesStatus::wait_until_ready" => |_| async move { Services::new().status().wait_until_ready().await };
    "ServicesStatus::wait_until" => |own| async move {
        let status = Services::new().status();
        status.wait_until(|services| services.iter().any(|service| *service.name == *own.key)).await
    };
}
