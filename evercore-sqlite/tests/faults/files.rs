//! Files that other programs remove, replace, lock or damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evercore::error::OpenProblem;
use evercore::{AggregateId, Error, EventStore, Position};
use evercore_sqlite::SqliteOptions;
use tempfile::TempDir;

use crate::bank::{Books, Failure, open, open_accounts, pay, pay_with_receipt};
use crate::disk::folder;

/// A database with some commits in it, and the store that wrote them.
struct Bank {
    folder: TempDir,
    store: EventStore,
    accounts: Vec<AggregateId>,
}

impl Bank {
    async fn open() -> Self {
        Self::open_with(SqliteOptions::default()).await
    }

    async fn open_with(options: SqliteOptions) -> Self {
        let folder = folder();
        let store = open(&folder.path().join("bank.db"), options).await.expect("it opens");
        let accounts = open_accounts(&store, 0, 3).await.expect("it commits");
        pay(&store, 1, &accounts, "").await.expect("it commits");
        Self { folder, store, accounts }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("bank.db")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(["bank.db", suffix].concat())
    }

    /// Asserts that every way of writing is refused with an expected error.
    async fn assert_refused(&self, is_as_wanted: impl Fn(&Error) -> bool) {
        let accounts = &self.accounts;
        let appended = pay(&self.store, 10, accounts, "").await.map_err(Failure::from);
        let transacted = pay_with_receipt(&self.store, 11, accounts).await;
        let created = open_accounts(&self.store, 12, 1).await.map(drop);
        for refused in [appended, transacted, created] {
            match refused {
                Err(Failure::Store(error)) if is_as_wanted(&error) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn is_moved(error: &Error) -> bool {
    matches!(error, Error::CannotOpen { problem: OpenProblem::Moved, .. })
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_acknowledged_that_goes_to_a_file_that_was_removed() {
    for suffix in ["", "-wal", "-shm"] {
        let bank = Bank::open().await;
        let (path, aside) = (bank.beside(suffix), bank.folder.path().join("aside"));
        fs::rename(&path, &aside).expect("it can be moved");
        bank.assert_refused(is_moved).await;
        // After the file is put back, the store works as before.
        fs::rename(&aside, &path).expect("it can be moved");
        pay(&bank.store, 2, &bank.accounts, "").await.expect("it commits");
        bank.store.close().await.expect("it closes");
        let store = open(&bank.file(), SqliteOptions::default()).await.expect("it opens");
        let books = Books::read(&store, &bank.file()).await.expect("it can be read");
        assert_eq!(books.log.len(), 9, "without `bank.db{suffix}` for a while");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_acknowledged_once_another_database_is_in_the_place_of_the_file() {
    let (bank, other) = (Bank::open().await, Bank::open().await);
    other.store.close().await.expect("it closes");
    fs::rename(other.file(), bank.file()).expect("it can be moved");
    bank.assert_refused(is_moved).await;
    let refused = pay(&bank.store, 13, &bank.accounts, "").await.expect_err("it was replaced");
    assert!(refused.to_string().contains("moved, replaced or deleted"), "{refused}");
    assert!(refused.to_string().contains("bank.db"), "{refused}");
}

/// Opens a connection like a program that knows nothing of evercore.
fn outsider(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).expect("it opens")
}

#[tokio::test]
async fn a_writer_that_keeps_the_lock_is_waited_for_within_the_bound_and_nothing_is_lost() {
    const PATIENCE: Duration = Duration::from_millis(60);
    let bank = Bank::open_with(SqliteOptions::default().busy_timeout(PATIENCE)).await;
    let other = outsider(&bank.file());
    other.execute_batch("BEGIN IMMEDIATE").expect("it locks");
    let started = Instant::now();
    bank.assert_refused(|error| matches!(error, Error::Busy { .. }) && error.is_retryable()).await;
    let waited = started.elapsed();
    // Three ways of writing, some of which reserve ids first.
    assert!((PATIENCE * 3..PATIENCE * 200).contains(&waited), "{waited:?}");
    let page = bank.store.read_log(Position::START, 10).await.expect("readers do not wait");
    assert_eq!(page.events.len(), 6);
    other.execute_batch("ROLLBACK").expect("it unlocks");
    bank.store.with_context(async |_| Ok::<_, Error>(())).await.expect("it works again");
    pay(&bank.store, 2, &bank.accounts, "").await.expect("it commits");
    let books = Books::read(&bank.store, &bank.file()).await.expect("it can be read");
    assert_eq!(books.log.len(), 9);
}

#[tokio::test]
async fn a_file_that_another_program_has_for_itself_is_busy() {
    let folder = folder();
    let path = folder.path().join("bank.db");
    open(&path, SqliteOptions::default())
        .await
        .expect("it opens")
        .close()
        .await
        .expect("it closes");
    let other = outsider(&path);
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;")
        .expect("it locks");
    let options = SqliteOptions::default().busy_timeout(Duration::from_millis(60));
    let refused = open(&path, options.clone()).await.expect_err("it is locked");
    assert!(matches!(refused, Error::Busy { .. }), "{refused:?}");
    drop(other);
    open(&path, options).await.expect("it is free again");
}

/// Overwrites a part of the file, which must not be in use.
fn damage(path: &Path, from: usize, length: usize) {
    let mut content = fs::read(path).expect("it is there");
    let end = (from + length).min(content.len());
    content[from..end].fill(0xA5);
    fs::write(path, content).expect("it is written");
}

/// Does everything that a store can do, until something fails.
async fn use_all(path: &Path) -> Result<(), Failure> {
    let store = open(path, SqliteOptions::default()).await?;
    store.read_log(Position::START, 1_000).await?;
    let accounts = open_accounts(&store, 20, 3).await?;
    pay(&store, 21, &accounts, "").await?;
    Ok(())
}

#[tokio::test]
async fn a_damaged_header_is_refused_and_the_file_left_as_it_is() {
    let bank = Bank::open().await;
    bank.store.close().await.expect("it closes");
    damage(&bank.file(), 0, 16);
    let before = fs::read(bank.file()).expect("it is there");
    let refused = use_all(&bank.file()).await.expect_err("it is no database any more");
    let Failure::Store(refused) = refused else { panic!("{refused:?}") };
    let problem = OpenProblem::NotADatabase;
    assert!(matches!(&refused, Error::CannotOpen { problem: found, .. } if *found == problem));
    assert!(refused.to_string().contains("bank.db"), "{refused}");
    assert_eq!(fs::read(bank.file()).expect("it is there"), before);
}

#[tokio::test]
async fn a_damaged_page_is_an_error_that_names_the_file_and_says_what_to_do() {
    let bank = Bank::open().await;
    bank.store.close().await.expect("it closes");
    let whole = fs::read(bank.file()).expect("it is there");
    let page = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    let mut told = 0;
    for damaged in 0..whole.len() / page {
        let folder = folder();
        let path = folder.path().join("bank.db");
        fs::write(&path, &whole).expect("it is written");
        // After the file header, which another test damages.
        damage(&path, damaged * page + 100 * usize::from(damaged == 0), 64);
        match use_all(&path).await {
            Err(Failure::Store(error @ Error::Corrupt { .. })) => {
                let text = error.to_string();
                assert!(text.contains("bank.db") && text.contains("restore it"), "{text}");
                told += 1;
            }
            Err(Failure::Statement(error)) => {
                assert!(error.to_string().contains("malformed"), "{error}");
                told += 1;
            }
            // A page that is unused, or belongs to a table that is not read here.
            Ok(()) => {}
            Err(other) => panic!("page {damaged}: {other:?}"),
        }
    }
    assert!(told > 10, "only {told} damaged pages were noticed");
}

/// SQLite cannot detect this: the log has its own checksums and does not name its database. The docs warn of it.
#[tokio::test]
async fn a_log_of_another_database_is_taken_for_its_own() {
    let (bank, other) = (Bank::open().await, Bank::open().await);
    pay(&other.store, 2, &other.accounts, "").await.expect("it commits");
    let theirs = Books::read(&other.store, &other.file()).await.expect("it can be read");
    bank.store.close().await.expect("it closes");
    fs::copy(other.beside("-wal"), bank.beside("-wal")).expect("it is copied");
    let store = open(&bank.file(), SqliteOptions::default()).await.expect("it opens");
    let found = Books::read(&store, &bank.file()).await.expect("it can be read");
    assert_eq!(found, theirs);
}
