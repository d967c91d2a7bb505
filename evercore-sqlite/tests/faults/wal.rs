//! A write-ahead log that is truncated or damaged at any byte of its last commits.
//!
//! `EVERCORE_EVERY_BYTE` tries all bytes; by default, only those around the boundaries of frames and some in between.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use evercore_sqlite::SqliteOptions;

use crate::bank::{Books, Problem, open, open_accounts, pay, pay_with_receipt};
use crate::disk::folder;

const COMMITS: usize = 12;

/// The number of commits whose frames are cut.
const LAST: usize = 3;

/// The sizes of the log's header and of each frame's header: <https://sqlite.org/fileformat2.html#walformat>.
const HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// A prime, so that the cuts hit all parts of frames.
const STRIDE: u64 = 997;

/// The files of a database that was not closed.
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
    /// The length of the log when each commit was acknowledged.
    lengths: Vec<u64>,
    books: Books,
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a small file")
}

fn log_of(database: &Path) -> PathBuf {
    database.with_file_name("bank.db-wal")
}

impl Files {
    async fn write() -> Self {
        let folder = folder();
        let database = folder.path().join("bank.db");
        let store = open(&database, SqliteOptions::default()).await.expect("it opens");
        let accounts = open_accounts(&store, 0, 3).await.expect("it commits");
        let length = || log_of(&database).metadata().expect("it is there").len();
        let mut lengths = vec![length()];
        for number in 1..COMMITS {
            match number % 3 {
                0 => pay_with_receipt(&store, number, &accounts[..2]).await.expect("it commits"),
                1 => pay(&store, number, &accounts, "").await.expect("it commits"),
                _ => drop(open_accounts(&store, number, 2).await.expect("it commits")),
            }
            lengths.push(length());
        }
        let books = Books::read(&store, &database).await.expect("it can be read");
        let read = |path: &Path| fs::read(path).expect("it is there");
        Self { database: read(&database), log: read(&log_of(&database)), lengths, books }
    }

    /// Opens the database with this much of the log, and returns the problems.
    async fn open_with(&self, length: u64) -> Vec<Problem> {
        self.open_beside(&self.log[..place(length)], length).await
    }

    /// Opens the database with a log in which this byte is changed, and returns the problems.
    async fn open_with_damage(&self, at: u64) -> Vec<Problem> {
        let mut log = self.log.clone();
        log[place(at)] ^= 0x10;
        self.open_beside(&log, at).await
    }

    /// Opens the database with a log that is intact up to `length`.
    async fn open_beside(&self, log: &[u8], length: u64) -> Vec<Problem> {
        let folder = folder();
        let database = folder.path().join("bank.db");
        fs::write(&database, &self.database).expect("there is room");
        fs::write(log_of(&database), log).expect("there is room");
        let acknowledged = (0..self.lengths.len()).filter(|&number| self.lengths[number] <= length);
        let acknowledged: BTreeSet<_> = acknowledged.collect();
        let last = acknowledged.last().copied();
        let store = match open(&database, SqliteOptions::default()).await {
            Ok(store) => store,
            Err(error) => return vec![Problem::Unusable(format!("{error:?}"))],
        };
        let books = Books::read(&store, &database).await.expect("it can be read");
        let mut found = books.problems(&self.books, &acknowledged);
        // Commits after the cut must be missing; otherwise this test checks the wrong file.
        if books.log.last().map(|payment| payment.number) != last {
            found.push(Problem::Differs(format!("it ends with {:?}", books.log.last())));
        }
        if let Err(error) = open_accounts(&store, 1_000, 1).await {
            found.push(Problem::Unusable(format!("it cannot be written: {error:?}")));
        }
        found
    }

    fn page_size(&self) -> u64 {
        // SQLite stores a page size of 64 KiB, which does not fit, as 1.
        u64::from(u16::from_be_bytes([self.database[16], self.database[17]]))
    }

    /// Returns the offsets at which the log is cut.
    fn cuts(&self) -> Vec<u64> {
        let (from, to) = (self.lengths[COMMITS - 1 - LAST], self.lengths[COMMITS - 1]);
        let all = from..=to;
        if std::env::var_os("EVERCORE_EVERY_BYTE").is_some() {
            return all.collect();
        }
        let frame = FRAME_HEADER + self.page_size();
        let is_near_a_bound = |at: &u64| {
            let within = (at - HEADER) % frame;
            [0, 1, FRAME_HEADER - 1, FRAME_HEADER, FRAME_HEADER + 1, frame - 1].contains(&within)
        };
        all.filter(|at| is_near_a_bound(at) || at % STRIDE == 0).collect()
    }
}

#[tokio::test]
async fn a_log_that_ends_early_holds_all_commits_before_its_end_and_none_in_part() {
    let files = Files::write().await;
    let cuts = files.cuts();
    println!("{} cuts in {} bytes", cuts.len(), files.log.len());
    assert!(cuts.len() > 100, "{}", cuts.len());
    for cut in cuts {
        assert_eq!(files.open_with(cut).await, [], "cut at {cut} of {}", files.log.len());
    }
}

#[tokio::test]
async fn a_log_that_is_damaged_holds_all_commits_before_the_damage_and_none_in_part() {
    let files = Files::write().await;
    let last = u64::try_from(files.log.len()).expect("a small file");
    for at in files.cuts().into_iter().filter(|&at| at < last) {
        assert_eq!(files.open_with_damage(at).await, [], "damaged at {at} of {last}");
    }
}

#[tokio::test]
async fn a_commit_that_is_cut_off_is_missed() {
    let mut files = Files::write().await;
    let last = *files.lengths.last().expect("there are some");
    // The control: the last commit is treated as if it had been acknowledged a byte before its end.
    *files.lengths.last_mut().expect("there are some") = last - 1;
    let found = files.open_with(last - 1).await;
    assert!(found.contains(&Problem::Lost(COMMITS - 1)), "{found:?}");
}
