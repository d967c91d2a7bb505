//! Backups of a file that is being written: `VACUUM INTO`, the backup API, and a copy of the file alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use evercore::{AggregateId, EventStore, Position, Result};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::account::{Account, Deposited, balance, file, open_account, store};

/// A bank whose money moves between two accounts all the time, so that their sum tells whether a copy is consistent.
struct Bank {
    _folder: TempDir,
    path: PathBuf,
    store: EventStore,
    accounts: [AggregateId; 2],
    writing: Writing,
}

struct Writing {
    /// The number of transfers that were acknowledged.
    acknowledged: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<()>>,
}

impl Bank {
    async fn open() -> Self {
        let (folder, path) = file();
        let store = store(&path).await;
        let mut accounts = Vec::new();
        for _ in 0..2 {
            accounts.push(open_account(&store, &[0]).await.expect("it commits"));
        }
        let accounts = [accounts[0], accounts[1]];
        // Enough pages that a backup takes longer than a few commits.
        for _ in 0..5 {
            open_account(&store, &[0; 4_000]).await.expect("it commits");
        }
        let writing = Writing::start(&store, accounts);
        writing.go_on(20).await;
        Self { _folder: folder, path, store, accounts, writing }
    }

    /// Ends the writing, and asserts that it went on after the backup.
    async fn end(self) {
        self.writing.go_on(1).await;
        self.writing.stop.store(true, Ordering::Relaxed);
        self.writing.task.await.expect("no panic").expect("every transfer lands");
        self.store.close().await.expect("it closes");
    }

    /// Makes backups, and checks each, until commits have landed during one.
    async fn back_up(&self, back_up: fn(&Path, &Path) -> rusqlite::Result<()>) {
        const TRIES: usize = 50;
        for round in 0..TRIES {
            let (path, copy) = (self.path.clone(), self.path.with_file_name(format!("{round}.db")));
            let to = copy.clone();
            let acknowledged = || self.writing.acknowledged.load(Ordering::SeqCst);
            let before = acknowledged();
            let made = tokio::task::spawn_blocking(move || back_up(&path, &to)).await;
            made.expect("no panic").expect("it is copied");
            let during = acknowledged() - before;
            check(&copy, self.accounts, before).await;
            if during > 0 {
                return;
            }
        }
        panic!("no commit landed during any of {TRIES} backups");
    }
}

impl Writing {
    fn start(store: &EventStore, accounts: [AggregateId; 2]) -> Self {
        let acknowledged = Arc::new(AtomicI64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (store, counter, stopped) =
            (store.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                transfer(&store, accounts).await?;
                counter.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
        Self { acknowledged, stop, task }
    }

    /// Waits until so many more transfers are acknowledged.
    async fn go_on(&self, transfers: i64) {
        let enough = self.acknowledged.load(Ordering::SeqCst) + transfers;
        let wait = async {
            while self.acknowledged.load(Ordering::SeqCst) < enough {
                assert!(!self.task.is_finished(), "the writer has ended");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the writer continues");
    }
}

async fn transfer(store: &EventStore, [from, to]: [AggregateId; 2]) -> Result<()> {
    store
        .with_context(async |ctx| {
            let (mut from, mut to) =
                (ctx.load::<Account>(from).await?, ctx.load::<Account>(to).await?);
            ctx.apply(&mut from, Deposited { amount: -1 })?;
            ctx.apply(&mut to, Deposited { amount: 1 })
        })
        .await
}

/// Opens a copy as a store, and asserts that it is consistent, has at least so many transfers, and can be written.
async fn check(copy: &Path, accounts: [AggregateId; 2], acknowledged: i64) {
    let integrity: String = Connection::open(copy)
        .and_then(|copy| copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .expect("it can be read");
    assert_eq!(integrity, "ok");

    let restored = store(copy).await;
    let report = restored.verify().run().await.expect("it can be verified");
    assert!(report.is_clean(), "{report}");
    let [from, to] = [balance(&restored, accounts[0]).await, balance(&restored, accounts[1]).await]
        .map(|balance| balance.expect("it loads"));
    assert_eq!(from + to, 0, "a transfer is there whole or not at all");
    assert!(to >= acknowledged, "{to} transfers, but {acknowledged} were acknowledged before");

    let head = restored.head().await.expect("a position");
    transfer(&restored, accounts).await.expect("it commits");
    assert_eq!(balance(&restored, accounts[1]).await.expect("it loads"), to + 1);
    let log = restored.read_log(head, 10).await.expect("a page");
    assert_eq!(log.events.len(), 2, "positions continue after those of the copy");
    restored.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_into_beside_a_writer_gives_a_consistent_store() {
    let bank = Bank::open().await;
    let vacuum = |path: &Path, to: &Path| {
        let to = to.display().to_string();
        Connection::open(path)?.execute("VACUUM INTO ?1", [to]).map(drop)
    };
    bank.back_up(vacuum).await;
    bank.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backup_api_in_one_step_beside_a_writer_gives_a_consistent_store() {
    const ALL_PAGES: i32 = -1;
    let bank = Bank::open().await;
    let copy = |path: &Path, to: &Path| {
        let (from, mut to) = (Connection::open(path)?, Connection::open(to)?);
        let copied = Backup::new(&from, &mut to)?.step(ALL_PAGES)?;
        assert!(matches!(copied, StepResult::Done), "it is locked");
        Ok(())
    };
    bank.back_up(copy).await;
    bank.end().await;
}

/// The control: what is in the write-ahead log is missing in a copy of the file.
#[tokio::test]
async fn a_copy_of_the_file_alone_lacks_acknowledged_commits() {
    let (_folder, path) = file();
    let first = store(&path).await;
    open_account(&first, &[1, 2, 3]).await.expect("it commits");
    // Opens the file a second time, in a process that has no locks to lose.
    let copy = path.with_file_name("copy.db");
    let copied = std::process::Command::new("cp").arg(&path).arg(&copy).status();
    assert!(copied.expect("`cp` runs").success());

    let lost = store(&copy).await;
    let log = lost.read_log(Position::START, 10).await.expect("a page");
    assert_eq!(
        log.events,
        [],
        "the copy opens without any error, and is not what was acknowledged"
    );
    assert_eq!(first.read_log(Position::START, 10).await.expect("a page").events.len(), 3);
}
