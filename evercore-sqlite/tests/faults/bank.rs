//! The domain of these tests: numbered commits of several payments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use evercore::{
    Aggregate, AggregateId, Apply, EventMeta, EventStore, Position, RetryPolicy, Sequence, event,
};
use evercore_sqlite::{SqliteContext, SqliteEngine, SqliteOptions};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(snapshot_every = 3)]
pub(crate) struct Account {
    payments: usize,
}

#[event(aggregate = Account)]
pub(crate) struct Paid {
    /// The number of the commit.
    number: usize,
    note: String,
}

impl Apply<Paid> for Account {
    fn apply(&mut self, _event: &Paid, _meta: &EventMeta) {
        self.payments += 1;
    }
}

/// A payment as recorded in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    position: Position,
    account: AggregateId,
    sequence: Sequence,
    pub(crate) number: usize,
}

/// The whole contents of the database.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Books {
    pub(crate) log: Vec<Payment>,
    /// The numbers of the commits that have a row of the user.
    receipts: BTreeSet<usize>,
    /// The number of payments of each account, from its snapshot.
    payments: BTreeMap<AggregateId, usize>,
}

/// The contents of the commits that were sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    /// The number of events, by the number of the commit.
    pub(crate) events: BTreeMap<usize, usize>,
    /// The commits with a row of the user.
    pub(crate) receipts: BTreeSet<usize>,
}

/// A problem found in a database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Problem {
    /// An acknowledged commit is missing.
    Lost(usize),
    /// A commit is only partly stored.
    Torn(usize),
    /// The log is not a prefix of what was written.
    Differs(String),
    /// An account's state differs from a replay of its events.
    State(AggregateId),
    /// The database cannot be used.
    Unusable(String),
}

pub(crate) type Result<T, E = evercore::Error> = std::result::Result<T, E>;

/// The errors of a closure that executes its own statements.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] evercore::Error),
}

/// Opens a store without retries.
pub(crate) async fn open(database: &Path, options: SqliteOptions) -> Result<EventStore> {
    let engine = SqliteEngine::open(database, options).await?;
    EventStore::builder().retry(RetryPolicy::none()).open(engine).await
}

/// Opens accounts in one commit, and creates the user's table.
pub(crate) async fn open_accounts(
    store: &EventStore,
    number: usize,
    accounts: usize,
) -> Result<Vec<AggregateId>, Failure> {
    store
        .with_transaction(async |ctx: &mut SqliteContext| {
            sqlx::query("CREATE TABLE IF NOT EXISTS receipts (number INTEGER NOT NULL)")
                .execute(&mut **ctx.transaction())
                .await?;
            write_receipt(ctx, number).await?;
            let mut opened = Vec::new();
            for account in 0..accounts {
                let key = format!("account {number}-{account}");
                let mut account = ctx.create_with_key::<Account>(key).await?;
                ctx.apply(&mut account, Paid { number, note: String::new() })?;
                opened.push(account.id());
            }
            Ok::<_, Failure>(opened)
        })
        .await
}

/// Makes payments to accounts in one commit.
pub(crate) async fn pay(
    store: &EventStore,
    number: usize,
    accounts: &[AggregateId],
    note: &str,
) -> Result<()> {
    store
        .with_context(async |ctx| {
            for &id in accounts {
                let mut account = ctx.load::<Account>(id).await?;
                ctx.apply(&mut account, Paid { number, note: note.to_owned() })?;
            }
            Ok(())
        })
        .await
}

/// Changes the key of an account, and makes a payment to it.
pub(crate) async fn rename(
    store: &EventStore,
    number: usize,
    account: AggregateId,
    key: &str,
) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.load::<Account>(account).await?;
            ctx.change_key(&mut account, key)?;
            ctx.apply(&mut account, Paid { number, note: String::new() })
        })
        .await
}

/// Does the same as [`pay`], and writes a row as well.
pub(crate) async fn pay_with_receipt(
    store: &EventStore,
    number: usize,
    accounts: &[AggregateId],
) -> Result<(), Failure> {
    store
        .with_transaction(async |ctx: &mut SqliteContext| {
            write_receipt(ctx, number).await?;
            for &id in accounts {
                let mut account = ctx.load::<Account>(id).await?;
                ctx.apply(&mut account, Paid { number, note: String::new() })?;
            }
            Ok::<_, Failure>(())
        })
        .await
}

async fn write_receipt(ctx: &mut SqliteContext, number: usize) -> Result<(), Failure> {
    sqlx::query("INSERT INTO receipts VALUES (?)")
        .bind(i64::try_from(number).expect("a small number"))
        .execute(&mut **ctx.transaction())
        .await?;
    Ok(())
}

impl Books {
    /// Reads the whole contents.
    pub(crate) async fn read(store: &EventStore, database: &Path) -> Result<Self> {
        let mut books = Self::default();
        let mut after = Position::START;
        loop {
            let page = store.read_log(after, 1_000).await?;
            for event in &page.events {
                books.log.push(Payment {
                    position: event.position(),
                    account: event.aggregate_id(),
                    sequence: event.sequence(),
                    number: event.decode::<Paid>()?.number,
                });
            }
            if page.at_end {
                break;
            }
            after = page.end;
        }
        let accounts: BTreeSet<_> = books.log.iter().map(|payment| payment.account).collect();
        books.payments = store
            .with_readonly_context(async |ctx| {
                let mut payments = BTreeMap::new();
                for &id in &accounts {
                    payments.insert(id, ctx.load::<Account>(id).await?.state().payments);
                }
                Ok::<_, evercore::Error>(payments)
            })
            .await?;
        books.receipts = receipts(database);
        Ok(books)
    }

    /// Returns the problems if these must be a prefix of `whole` that includes all acknowledged commits.
    pub(crate) fn problems(&self, whole: &Self, acknowledged: &BTreeSet<usize>) -> Vec<Problem> {
        let sent = Sent { events: count(&whole.log), receipts: whole.receipts.clone() };
        let mut found = self.problems_alone(&sent, acknowledged);
        if !whole.log.starts_with(&self.log) {
            let differs = self.log.iter().zip(&whole.log).find(|(is, ought)| is != ought);
            found.push(Problem::Differs(format!("{differs:?}, of {}", self.log.len())));
        }
        found
    }

    /// Returns the problems if these must consist of sent commits that include all acknowledged ones.
    pub(crate) fn problems_alone(
        &self,
        sent: &Sent,
        acknowledged: &BTreeSet<usize>,
    ) -> Vec<Problem> {
        let is = count(&self.log);
        let lost = acknowledged.iter().filter(|number| !is.contains_key(number));
        let torn = is.iter().filter(|(number, events)| sent.events.get(number) != Some(events));
        let with_receipt = sent.receipts.iter().filter(|number| is.contains_key(number));
        let with_receipt = with_receipt.copied().collect();
        let torn_receipts = self.receipts.symmetric_difference(&with_receipt);
        let mut found: Vec<_> = lost.copied().map(Problem::Lost).collect();
        found.extend(
            torn.map(|(number, _)| number).chain(torn_receipts).copied().map(Problem::Torn),
        );
        for (&account, &payments) in &self.payments {
            let events = self.log.iter().filter(|payment| payment.account == account);
            let sequences: Vec<_> = events.map(|payment| payment.sequence.get()).collect();
            let expected: Vec<_> = (1..).take(payments).collect();
            if sequences != expected {
                found.push(Problem::State(account));
            }
        }
        found
    }
}

fn count(log: &[Payment]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for payment in log {
        *counts.entry(payment.number).or_default() += 1;
    }
    counts
}

/// Returns the numbers in the user's table; none if the table does not exist yet.
fn receipts(database: &Path) -> BTreeSet<usize> {
    let connection = rusqlite::Connection::open(database).expect("it opens");
    let Ok(mut statement) = connection.prepare("SELECT number FROM receipts") else {
        return BTreeSet::new();
    };
    let numbers = statement.query_map([], |row| row.get::<_, i64>(0)).expect("it runs");
    let numbers = numbers.map(|number| number.expect("a number"));
    numbers.map(|number| usize::try_from(number).expect("a small number")).collect()
}
