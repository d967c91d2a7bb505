//! Power failures: all changes that SQLite makes to files are recorded, and the files are rebuilt in states that a disk
//! may have after losing its power at a given moment.
//!
//! `EVERCORE_POWER_CUTS` sets the number of states that are tried at each moment.

mod ruins;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use evercore::EventStore;
use evercore_sqlite::{SqliteOptions, Synchronous};
use fastrand::Rng;

use crate::bank::{Books, Problem, open, open_accounts, pay, pay_with_receipt};
use crate::disk::{Change, Disk, Entry, folder};
use ruins::{Left, Ruins, build};

/// The number of random states at each moment, besides the two in which nothing or everything unsynced is kept.
const CUTS: usize = 4;

/// Large enough that the log is sometimes copied into the database, which happens at 1,000 pages.
const LARGE: usize = 90_000;

/// The smallest page size of SQLite, so that a log of 1,000 pages fills up quickly.
const PAGE: u32 = 512;

/// The changes to the disk, and the contents at the end.
struct Session {
    record: Vec<Entry>,
    books: Books,
}

/// The result of all power failures.
struct Outcome {
    moments: usize,
    cuts: usize,
    events: usize,
    found: BTreeSet<Problem>,
}

impl Session {
    /// Creates a database, writes to it from one task and from many, closes it, and continues in a second run.
    async fn take_place(synchronous: Synchronous) -> Self {
        let disk = Disk::recorded();
        let options = || SqliteOptions::default().synchronous(synchronous);
        let database = disk.database();
        set_page_size(&database);
        let store = open(&database, options()).await.expect("it opens");
        let accounts = open_accounts(&store, 0, 6).await.expect("it commits");
        disk.learn(0);
        let large = "x".repeat(LARGE);
        for number in 1..24 {
            let (one, other) = (accounts[number % 3], accounts[3 + number % 3]);
            match number % 8 {
                3 => pay_with_receipt(&store, number, &[one, other]).await.expect("it commits"),
                5 | 6 => pay(&store, number, &[one, other], &large).await.expect("it commits"),
                7 => drop(open_accounts(&store, number, 2).await.expect("it commits")),
                _ => pay(&store, number, &[one, other], "").await.expect("it commits"),
            }
            disk.learn(number);
        }
        crowd(&disk, &store, 100).await;
        store.close().await.expect("it closes");
        let store = open(&database, options()).await.expect("it opens");
        for number in 200..206 {
            pay(&store, number, &accounts[..2], "").await.expect("it commits");
            disk.learn(number);
        }
        let books = Books::read(&store, &database).await.expect("it can be read");
        // The changes while closing are not used.
        let record = disk.take_record();
        store.close().await.expect("it closes");
        Self { record, books }
    }

    /// Simulates a power failure before each sync.
    async fn cut_power(&self, cuts: usize) -> Outcome {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let started = Instant::now();
        let mut outcome = Outcome { moments: 0, cuts: 0, events: 0, found: BTreeSet::new() };
        let mut left = vec![Left::Nothing, Left::Everything];
        left.extend([Left::TheFirst, Left::Some].into_iter().cycle().take(cuts));
        let mut ruins = Ruins::default();
        // The end of the record is a moment like that before a sync, at which the most can be lost.
        for entry in self.record.iter().map(Some).chain([None]) {
            let is_moment =
                matches!(entry, None | Some(Entry::Changed { change: Change::Sync, .. }));
            if is_moment && ruins.has_unsynced() {
                outcome.moments += 1;
                for &left in &left {
                    self.look_at(&ruins, left, &mut rng, &mut outcome).await;
                }
            }
            entry.into_iter().for_each(|entry| ruins.follow(entry));
        }
        println!(
            "{} cuts at {} moments, {} events looked at, in {:.1?}",
            outcome.cuts,
            outcome.moments,
            outcome.events,
            started.elapsed()
        );
        outcome
    }

    async fn look_at(&self, ruins: &Ruins, left: Left, rng: &mut Rng, outcome: &mut Outcome) {
        let folder = folder();
        build(&ruins.leave(left, rng), folder.path());
        outcome.cuts += 1;
        match self.look(&folder.path().join("bank.db"), ruins.learned()).await {
            Ok((events, found)) => {
                outcome.events += events;
                outcome.found.extend(found);
            }
            Err(error) => {
                outcome.found.insert(Problem::Unusable(format!("{error} ({left:?}): {error:?}")));
            }
        }
    }

    async fn look(
        &self,
        database: &Path,
        acknowledged: &BTreeSet<usize>,
    ) -> evercore::Result<(usize, Vec<Problem>)> {
        let store = open(database, SqliteOptions::default()).await?;
        let books = Books::read(&store, database).await?;
        let mut found = books.problems(&self.books, acknowledged);
        // The database must still be writable.
        if let Err(error) = open_accounts(&store, 1_000, 1).await {
            found.push(Problem::Unusable(format!("it cannot be written: {error:?}")));
        }
        let after = Books::read(&store, database).await?;
        if after.log.len() != books.log.len() + 1 {
            found.push(Problem::Unusable("it forgets what is written".to_owned()));
        }
        store.close().await?;
        Ok((books.log.len(), found))
    }
}

/// Writes from several tasks, so that commits share a sync.
async fn crowd(disk: &Disk, store: &EventStore, from: usize) {
    const TASKS: usize = 4;
    const EACH: usize = 3;
    let writing = (0..TASKS).map(|task| async move {
        let own = open_accounts(store, from + task, 2).await.expect("it commits");
        disk.learn(from + task);
        for turn in 1..=EACH {
            let number = from + turn * TASKS + task;
            pay(store, number, &own, "").await.expect("it commits");
            disk.learn(number);
        }
    });
    futures_util::future::join_all(writing).await;
}

/// Sets the page size of a new database.
fn set_page_size(database: &Path) {
    let connection = rusqlite::Connection::open(database).expect("it opens");
    connection.pragma_update(None, "page_size", PAGE).expect("it is new");
    connection.execute_batch("VACUUM").expect("it is written");
}

fn cuts() -> usize {
    let wanted = std::env::var("EVERCORE_POWER_CUTS").ok();
    wanted.map_or(CUTS, |wanted| wanted.parse().expect("a number of cuts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commits_survive_a_power_cut_and_none_is_left_in_part() {
    let session = Session::take_place(Synchronous::Full).await;
    let outcome = session.cut_power(cuts()).await;
    assert_eq!(outcome.found, BTreeSet::new());
    assert!(outcome.moments > 40, "the disk was hardly used: {}", outcome.moments);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_acknowledged_before_its_sync_is_found_to_be_lost() {
    let session = Session::take_place(Synchronous::Normal).await;
    let found = session.cut_power(0).await.found;
    assert!(found.iter().any(|problem| matches!(problem, Problem::Lost(_))), "{found:?}");
    // Nothing else can happen to such a commit.
    assert!(found.iter().all(|problem| matches!(problem, Problem::Lost(_))), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_ignores_syncs_is_found_out() {
    for ignored in [&[Change::Sync, Change::SyncFolder][..], &[Change::SyncFolder]] {
        let mut session = Session::take_place(Synchronous::Full).await;
        session.record.retain(|entry| match entry {
            Entry::Changed { change, .. } => !ignored.contains(change),
            Entry::Learned(_) => true,
        });
        let found = session.cut_power(0).await.found;
        assert!(found.iter().any(|problem| matches!(problem, Problem::Lost(_))), "{found:?}");
    }
}
