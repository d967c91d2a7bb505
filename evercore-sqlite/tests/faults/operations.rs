//! All operations that write, to be tried one at a time on a disk that fails.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use evercore::{
    AggregateId, Batch, BoxError, CommitId, CommitOutcome, Error, EventStore, FailurePolicy,
};
use evercore_sqlite::{SqliteContext, SqliteOptions};
use tokio_util::sync::CancellationToken;

use crate::bank::{
    Books, Failure, Problem, Sent, open, open_accounts, pay, pay_with_receipt, rename,
};
use crate::disk::Disk;

/// An operation that writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// Opens a new file and creates the schema.
    Open,
    /// Creates aggregates with keys, in a transaction with the user's table.
    Create,
    /// Appends events to known aggregates.
    Append,
    /// Appends many events, with snapshots.
    AppendMuch,
    /// Changes a natural key.
    Rename,
    /// Commits the user's own rows together with events.
    Transact,
    /// Stores a subscription, handles events in a transaction, and settles them.
    Follow,
    /// Closes the store, which copies the write-ahead log into the database.
    Close,
    /// The control: makes payments to two accounts as if in one commit, but commits in between.
    AppendInTwo,
}

impl Operation {
    pub(crate) const ALL: [Self; 8] = [
        Self::Open,
        Self::Create,
        Self::Append,
        Self::AppendMuch,
        Self::Rename,
        Self::Transact,
        Self::Follow,
        Self::Close,
    ];
}

/// The number of events in a large commit.
const MANY: usize = 40;

/// A database and its known contents.
pub(crate) struct Trial {
    pub(crate) disk: Disk,
    store: Option<EventStore>,
    accounts: Vec<AggregateId>,
    sent: Sent,
    acknowledged: BTreeSet<usize>,
    /// A commit whose outcome is unknown.
    unknown: Option<(usize, CommitId)>,
    last: usize,
}

impl Trial {
    /// Creates a database with accounts, or none if opening is the operation.
    pub(crate) async fn prepare(operation: Operation) -> Self {
        Self::prepare_on(Disk::new(), operation).await
    }

    /// Does the same as [`prepare`](Self::prepare), on this disk.
    pub(crate) async fn prepare_on(disk: Disk, operation: Operation) -> Self {
        let mut trial = Self {
            disk,
            store: None,
            accounts: Vec::new(),
            sent: Sent::default(),
            acknowledged: BTreeSet::new(),
            unknown: None,
            last: 0,
        };
        if !matches!(operation, Operation::Open) {
            trial.open().await.expect("it opens");
            trial.create().await.expect("it commits");
            let kept = trial.perform(Operation::Append).await;
            kept.expect("it commits");
        }
        trial
    }

    fn database(&self) -> PathBuf {
        self.disk.database()
    }

    pub(crate) fn store(&self) -> &EventStore {
        self.store.as_ref().expect("BUG: it is open")
    }

    async fn open(&mut self) -> Result<(), Error> {
        self.store = Some(open(&self.database(), SqliteOptions::default()).await?);
        Ok(())
    }

    /// Performs an operation once.
    pub(crate) async fn perform(&mut self, operation: Operation) -> Result<(), Failure> {
        match operation {
            Operation::Open => Ok(self.open().await?),
            Operation::Create => self.create().await,
            Operation::Follow => follow(self.store()).await,
            Operation::Close => Ok(self.store().close().await?),
            Operation::Append
            | Operation::AppendMuch
            | Operation::Rename
            | Operation::Transact
            | Operation::AppendInTwo => self.pay(operation).await,
        }
    }

    async fn pay(&mut self, operation: Operation) -> Result<(), Failure> {
        let number = self.next(operation);
        let (store, accounts) = (self.store(), &self.accounts[..3]);
        let done: Result<(), Failure> = async {
            match operation {
                Operation::AppendMuch => {
                    let many: Vec<_> = accounts.iter().copied().cycle().take(MANY).collect();
                    pay(store, number, &many, &"x".repeat(5_000)).await?;
                }
                Operation::Rename => {
                    rename(store, number, accounts[0], &format!("renamed {number}")).await?;
                }
                Operation::Transact => pay_with_receipt(store, number, &accounts[1..]).await?,
                Operation::AppendInTwo => {
                    pay(store, number, &accounts[..1], "").await?;
                    pay(store, number, &accounts[1..], "").await?;
                }
                _ => pay(store, number, accounts, "").await?,
            }
            Ok(())
        }
        .await;
        self.remember(number, done)
    }

    async fn create(&mut self) -> Result<(), Failure> {
        let number = self.next(Operation::Create);
        let opened = open_accounts(self.store(), number, 3).await;
        let done = opened.map(|opened| self.accounts.extend(opened));
        self.remember(number, done)
    }

    /// Assigns a number to the next commit, and records its contents.
    fn next(&mut self, operation: Operation) -> usize {
        self.last += 1;
        let events = match operation {
            Operation::Rename => 1,
            Operation::Transact => 2,
            Operation::AppendMuch => MANY,
            _ => 3,
        };
        self.sent.events.insert(self.last, events);
        if matches!(operation, Operation::Create | Operation::Transact) {
            self.sent.receipts.insert(self.last);
        }
        self.last
    }

    fn remember(&mut self, number: usize, done: Result<(), Failure>) -> Result<(), Failure> {
        match &done {
            Ok(()) => drop(self.acknowledged.insert(number)),
            Err(Failure::Store(Error::OutcomeUnknown { commit, .. })) => {
                self.unknown = Some((number, *commit));
            }
            Err(_) => {}
        }
        done
    }

    /// Follows the log on a disk that fails once and then works again.
    pub(crate) async fn follow_until_it_works(&mut self) -> Result<(), Failure> {
        let mended = async {
            while self.disk.failures() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.disk.repair();
            std::future::pending().await
        };
        tokio::select! {
            followed = follow(self.store()) => followed,
            never = mended => never,
        }
    }

    /// Returns the problems after the disk works again.
    pub(crate) async fn look(&mut self, operation: Operation) -> Vec<Problem> {
        if self.store.is_none() || matches!(operation, Operation::Close) {
            self.open().await.expect("it opens again");
        }
        let mut found = self.look_once().await;
        // The store must continue to work, and so must a newly opened one.
        for operation in [Operation::Create, Operation::AppendMuch, Operation::Transact] {
            if let Err(error) = self.perform(operation).await {
                found.push(Problem::Unusable(format!("{operation:?}: {error:?}")));
            }
        }
        if let Err(error) = follow(self.store()).await {
            found.push(Problem::Unusable(format!("it cannot be followed: {error:?}")));
        }
        self.store().close().await.expect("it closes");
        self.open().await.expect("it opens again");
        found.extend(self.look_once().await);
        found
    }

    async fn look_once(&mut self) -> Vec<Problem> {
        let books = Books::read(self.store(), &self.database()).await.expect("it can be read");
        if let Some((number, commit)) = self.unknown.take() {
            let outcome = self.store().find_commit(commit).await.expect("it can be asked");
            if matches!(outcome, CommitOutcome::Landed(_)) {
                self.acknowledged.insert(number);
            }
        }
        let mut found = books.problems_alone(&self.sent, &self.acknowledged);
        let there: BTreeSet<_> = books.log.iter().map(|payment| payment.number).collect();
        let refused = there.difference(&self.acknowledged).copied();
        found.extend(refused.map(|number| Problem::Differs(format!("{number} was refused"))));
        found
    }
}

/// Handles all events, and records each in a table.
async fn follow(store: &EventStore) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let handler = async |ctx: &mut SqliteContext, batch: Batch| {
        sqlx::query("CREATE TABLE IF NOT EXISTS handled (position INTEGER PRIMARY KEY)")
            .execute(&mut **ctx.transaction())
            .await?;
        for event in &batch {
            // A repetition is an error.
            sqlx::query("INSERT INTO handled VALUES (?)")
                .bind(event.position().get())
                .execute(&mut **ctx.transaction())
                .await?;
        }
        Ok::<_, BoxError>(())
    };
    let mut following = pin!(
        store
            .subscription("follower")
            .on_failure(FailurePolicy::stop())
            // A lease that could not be released expires.
            .lease(Duration::from_millis(500))
            .stop_on(stop.clone())
            .run_in_transaction(handler)
    );
    tokio::select! {
        ended = &mut following => return Ok(ended?),
        idle = until_idle(store) => idle?,
    }
    stop.cancel();
    Ok(following.await?)
}

async fn until_idle(store: &EventStore) -> Result<(), Error> {
    loop {
        match store.wait_until_idle("follower").await {
            // The subscription will be stored, at the latest when the disk works again.
            Err(Error::UnknownSubscription { .. }) => tokio::task::yield_now().await,
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            idle => return idle,
        }
    }
}
