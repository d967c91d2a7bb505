//! Runs a bank that takes deposits and the worker that keeps its balances: the part that is the same on both engines.

use std::time::Duration;

use evercore::subscription::{SubscriptionBuilder, SubscriptionProgress};
use evercore::{
    Aggregate, Apply, Batch, Context, Error, EventMeta, EventStore, Metadata, Position, event,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The name of the subscription: all workers with this name share its cursor.
pub(crate) const NAME: &str = "balances";

/// Adds a deposit to the read model. The statement is not idempotent: the transaction makes it take effect once.
pub(crate) const ADD: &str = include_str!("add.sql");
pub(crate) const CREATE: &str = include_str!("create.sql");
pub(crate) const READ: &str = "SELECT owner, amount, deposits FROM balances ORDER BY owner";

#[derive(Aggregate, Default)]
#[aggregate(name = "account")]
pub(crate) struct Account {
    balance: i64,
}

#[event(aggregate = Account, name = "money-deposited")]
pub(crate) struct MoneyDeposited {
    pub(crate) owner: String,
    pub(crate) amount: i64,
}

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

/// A row of the read model: owner, amount, and the number of deposits.
pub(crate) type Balance = (String, i64, i64);

/// The part that needs types of the engine.
pub(crate) trait ReadModel {
    /// Creates its table, unless it exists.
    async fn create(&self, store: &EventStore) -> anyhow::Result<()>;

    /// Keeps the read model up to date until the subscription is stopped, and reports each batch to `worker`.
    async fn keep(
        &self,
        subscription: SubscriptionBuilder,
        worker: &Worker,
    ) -> evercore::Result<()>;

    async fn read(&self, store: &EventStore) -> anyhow::Result<Vec<Balance>>;
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The name of this worker; if not given, it has its process number.
    #[arg(long)]
    pub(crate) owner: Option<String>,

    /// Ends after so many deposits. Without it, Ctrl-C ends it.
    #[arg(long)]
    pub(crate) deposits: Option<u32>,

    /// The milliseconds between two deposits.
    #[arg(long, default_value_t = 500)]
    pub(crate) pause: u64,

    /// The seconds that others wait when this worker disappears without releasing its lease.
    #[arg(long, default_value_t = 5)]
    pub(crate) lease: u64,
}

/// Prints what a worker does.
pub(crate) struct Worker {
    name: String,
}

/// The result of a run.
pub(crate) struct Outcome {
    pub(crate) balances: Vec<Balance>,
    /// The events that this worker has handled; others may have handled the rest.
    pub(crate) handled: u64,
}

/// Takes deposits and keeps the balances, until it is stopped or has taken the number of deposits in the options.
pub(crate) async fn run(
    store: &EventStore,
    read_model: &impl ReadModel,
    options: Options,
    stop: CancellationToken,
) -> anyhow::Result<Outcome> {
    let name = options.owner.unwrap_or_else(|| format!("worker {}", std::process::id()));
    let worker = Worker { name };
    read_model.create(store).await?;

    let subscription = store
        .subscription(NAME)
        .event::<MoneyDeposited>()
        .owner(&worker.name)
        .lease(Duration::from_secs(options.lease))
        .stop_on(stop.clone());
    let progress = subscription.progress();

    let keep = async {
        // The subscription ends by itself only if it cannot continue; then the rest is stopped as well.
        let _stop = stop.clone().drop_guard();
        read_model.keep(subscription, &worker).await
    };
    let take = async {
        let _stop = stop.clone().drop_guard();
        let (deposits, pause) = (options.deposits, Duration::from_millis(options.pause));
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            done = worker.take_deposits(store, deposits, pause) => done,
        }
    };
    let (kept, taken, ()) = tokio::join!(keep, take, worker.say_who_works(store, &progress, &stop));
    kept?;
    taken?;
    worker.say("stopped; a standby worker takes over at once");
    Ok(Outcome { balances: read_model.read(store).await?, handled: progress.status().handled })
}

impl Worker {
    /// Takes one deposit after the other, then waits until the read model has them all, even if another worker keeps
    /// it.
    async fn take_deposits(
        &self,
        store: &EventStore,
        count: Option<u32>,
        pause: Duration,
    ) -> Result<(), Error> {
        const OWNERS: [&str; 3] = ["Ada", "Edsger", "Grace"];
        let (mut taken, mut last) = (0, Position::START);
        for owner in OWNERS.iter().cycle().copied() {
            if count == Some(taken) {
                break;
            }
            let deposit = async |ctx: &mut Context| {
                ctx.set_metadata(Metadata::new().principal(&self.name))?;
                let mut account = ctx.load_or_create::<Account>(owner).await?;
                ctx.apply(&mut account, MoneyDeposited { owner: owner.to_owned(), amount: 10 })
            };
            let ((), landed) = store.with_context_committed(deposit).await?;
            last = landed.and_then(|commit| commit.position()).unwrap_or(last);
            taken += 1;
            sleep(pause).await;
        }
        store.wait_for(NAME, last).await
    }

    /// Prints that a batch is handled. A batch may be printed twice, if its transaction does not commit.
    pub(crate) fn handles(&self, batch: &Batch) {
        if let Some(last) = batch.last() {
            self.say(format_args!("handles {}, up to position {}", batch.len(), last.position()));
        }
    }

    /// Prints the owner of the subscription whenever it changes, until it is stopped.
    async fn say_who_works(
        &self,
        store: &EventStore,
        progress: &SubscriptionProgress,
        stop: &CancellationToken,
    ) {
        let mut said = None;
        while !stop.is_cancelled() {
            let owner = if progress.status().partitions.is_empty() {
                self.other_owner(store).await
            } else {
                Some(self.name.clone())
            };
            if owner.is_some() && owner != said {
                match owner.as_ref().filter(|owner| **owner != self.name) {
                    Some(other) => self.say(format_args!("stands by for {other}")),
                    None => self.say("has the lease and keeps the balances"),
                }
                said = owner;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(Duration::from_millis(100)) => {}
            }
        }
    }

    async fn other_owner(&self, store: &EventStore) -> Option<String> {
        let stored = store.subscriptions().find(NAME).await.ok()??;
        let owner = stored.partitions.into_iter().find_map(|partition| partition.owner)?;
        (owner != self.name).then_some(owner)
    }

    fn say(&self, what: impl std::fmt::Display) {
        println!("{}: {what}", self.name);
    }
}

/// Returns a token that the first Ctrl-C cancels: the current batch is finished, and the lease released.
pub(crate) fn ctrl_c() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            token.cancel();
        }
    });
    stop
}

pub(crate) fn print(Outcome { balances, handled }: &Outcome) {
    println!("\nThis worker has handled {handled} deposits; the read model says:");
    println!("{:<10} {:>8} {:>9}", "owner", "amount", "deposits");
    for (owner, amount, deposits) in balances {
        println!("{owner:<10} {amount:>8} {deposits:>9}");
    }
}
