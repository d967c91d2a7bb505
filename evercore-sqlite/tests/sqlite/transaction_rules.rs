//! The rules for closures of transactions, and which calls wait for each other.

use std::time::Duration;

use evercore::{Error, EventStore, Expected, NaturalKey, Position, Stream};
use evercore_sqlite::SqliteContext;
use sqlx::Connection;
use tokio::sync::oneshot;

use crate::account::{Account, Deposited, balance, file, open_account, store};
use crate::bank::{Bank, BankError, deposit, execute, upsert};
use crate::dropping::poll;
use crate::raw::{connect, number};

/// Runs a closure in a transaction, with a time limit for the case that it waits for itself.
async fn in_transaction<T>(
    store: &EventStore,
    work: impl AsyncFnOnce(&mut SqliteContext) -> Result<T, BankError> + Clone,
) -> Result<T, BankError> {
    let run = store.with_transaction(work);
    tokio::time::timeout(Duration::from_secs(60), run).await.expect("it does not wait for itself")
}

#[tokio::test]
async fn a_write_beside_the_context_is_refused_at_once() {
    for (bank, other) in Bank::each().await.into_iter().zip(Bank::each().await) {
        let store = &bank.store;
        let refused = in_transaction(store, async |ctx| {
            let mut account = ctx.create_with_key::<Account>("ada").await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            let (id, key) = (account.id(), NaturalKey::new("grace")?);
            let event = [Deposited { amount: 1 }];
            let refused = [
                open_account(store, &[1]).await.map(drop),
                store.append::<Account, _>(Stream::Key(key), Expected::Any, event).await.map(drop),
                store.with_transaction(async |_: &mut SqliteContext| Ok::<_, Error>(())).await,
                store.find_commit(evercore::CommitId::generate()).await.map(drop),
                store.migrate().await,
                store.warmup().await,
                store.close().await,
            ];
            deposit(&other.store, "ada", 3).await.expect("another store is another store");
            let within = other
                .store
                .with_transaction(async |_: &mut SqliteContext| open_account(store, &[1]).await);
            let within = within.await.map(drop);
            upsert(ctx, id.get(), 1).await?;
            Ok(refused.into_iter().chain([within]).collect::<Vec<_>>())
        });
        for refused in refused.await.expect("the transaction itself lands") {
            assert!(matches!(refused, Err(Error::NestedCommit)), "{refused:?}");
        }
        assert_eq!(bank.balances("ada").await, (Some(1), Some(1)));
        open_account(store, &[1]).await.expect("after the transaction, it lands");
    }
}

#[tokio::test]
async fn a_commit_of_a_task_that_the_closure_waits_for_is_busy_in_the_end() {
    for bank in Bank::each_impatient().await {
        let store = &bank.store;
        let landed = in_transaction(store, async |ctx| {
            let beside = store.clone();
            let commit = tokio::spawn(async move { open_account(&beside, &[1]).await });
            let commit = commit.await.expect("no panic");
            assert!(matches!(commit, Err(Error::Busy { .. })), "{commit:?}");
            let beside = store.clone();
            let other = tokio::spawn(async move { deposit(&beside, "ada", 1).await });
            let other = other.await.expect("no panic");
            assert!(matches!(other, Err(BankError::Store(Error::Busy { .. }))), "{other:?}");
            upsert(ctx, 17, 1).await?;
            Ok(())
        });
        landed.await.expect("the transaction itself lands");
        assert_eq!(bank.rows().await, 1);
        open_account(store, &[1]).await.expect("the writer has recovered");
    }
}

#[tokio::test]
async fn commits_wait_for_a_transaction_and_land_after_it() {
    for bank in Bank::each().await {
        let store = &bank.store;
        let commits = in_transaction(store, async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            let (started, has_started) = oneshot::channel();
            let beside = store.clone();
            let commit = tokio::spawn(async move {
                started.send(()).ok();
                open_account(&beside, &[2]).await
            });
            has_started.await.expect("it starts");
            Ok((account.id(), commit))
        });
        let (id, commit) = commits.await.expect("it lands");
        let later = commit.await.expect("no panic").expect("it lands");
        let log = store.read_log(Position::START, 10).await.expect("a page");
        let order: Vec<_> = log.events.iter().map(|event| event.aggregate_id()).collect();
        assert_eq!(order, [id, later]);
    }
}

#[tokio::test]
async fn reads_see_what_was_committed_before() {
    for bank in Bank::each().await {
        let store = &bank.store;
        deposit(store, "ada", 7).await.expect("it lands");
        let id = in_transaction(store, async |ctx| {
            let mut account = ctx.load_by_key::<Account>("ada").await?;
            let id = account.id();
            ctx.apply(&mut account, Deposited { amount: 100 })?;
            upsert(ctx, id.get(), 107).await?;
            // More reads than there are connections for them.
            for _ in 0..10 {
                assert_eq!(balance(store, id).await?, 7);
                assert_eq!(store.history(id, ..).await?.events.len(), 1);
            }
            let beside = store.clone();
            let read = tokio::spawn(async move { balance(&beside, id).await });
            assert_eq!(read.await.expect("no panic")?, 7);
            assert_eq!(ctx.load::<Account>(id).await?.state().balance, 107);
            Ok(id)
        });
        let id = id.await.expect("it lands");
        assert_eq!(balance(store, id).await.expect("it loads"), 107);
        assert_eq!(store.history(id, ..).await.expect("a history").events.len(), 2);
    }
}

#[tokio::test]
async fn a_read_that_was_begun_before_a_transaction_ends_in_it() {
    for polls in 0..6 {
        // New banks, which open a connection for the read.
        for bank in Bank::each_impatient().await {
            let store = &bank.store;
            let id = open_account(store, &[7]).await.expect("it commits");
            // This read takes the existing connection, so that the next one has to open another.
            let mut other = Box::pin(store.history(id, ..));
            drop(poll(&mut other).await);
            let mut read = Box::pin(store.history(id, ..));
            let mut done = false;
            for _ in 0..polls {
                done = done || poll(&mut read).await.is_ready();
            }
            if done {
                continue;
            }
            let read = tokio::sync::Mutex::new(read);
            let landed = in_transaction(store, async |_| {
                let history = (&mut *read.lock().await).await;
                assert_eq!(history.expect("it does not wait for the transaction").events.len(), 1);
                Ok(())
            });
            match landed.await {
                Ok(()) => {}
                // An unfinished read of a database in memory blocks writers, and is not interrupted.
                Err(BankError::Store(Error::Busy { .. })) if bank.file.is_none() => {
                    let refused = open_account(store, &[1]).await;
                    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
                    drop(other);
                    assert_eq!(read.into_inner().await.expect("a history").events.len(), 1);
                    open_account(store, &[1]).await.expect("it is out of the way");
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_transaction_that_user_code_ends_leaves_nothing() {
    let ends = [
        "COMMIT",
        "END; INSERT INTO balances VALUES (18, 1)",
        "ROLLBACK",
        "ROLLBACK; INSERT INTO balances VALUES (18, 1)",
        "ROLLBACK; BEGIN IMMEDIATE; INSERT INTO balances VALUES (18, 1)",
        "ROLLBACK; BEGIN; INSERT INTO balances VALUES (18, 1); COMMIT",
        "INSERT OR ROLLBACK INTO balances VALUES (17, 2)",
    ];
    for bank in Bank::each().await {
        for end in ends {
            let ended = in_transaction(&bank.store, async |ctx| {
                let mut account = ctx.create_with_key::<Account>("ada").await?;
                ctx.apply(&mut account, Deposited { amount: 1 })?;
                upsert(ctx, 17, 1).await?;
                // Some of these statements fail, and the closure ignores the errors.
                sqlx::raw_sql(end).execute(&mut **ctx.transaction()).await.ok();
                upsert(ctx, 19, 1).await.ok();
                Ok(())
            });
            let ended = ended.await;
            let is_ended = matches!(&ended, Err(BankError::Store(Error::TransactionEnded)));
            assert!(is_ended, "{end}: {ended:?}");
            assert_eq!(bank.rows().await, 0, "{end}");
            assert_eq!(bank.balances("ada").await, (None, None), "{end}");
        }
        deposit(&bank.store, "ada", 7).await.expect("nothing is left behind");
        assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
    }
}

#[tokio::test]
async fn a_transaction_within_is_a_savepoint() {
    for bank in Bank::each().await {
        let landed = in_transaction(&bank.store, async |ctx| {
            let mut kept = ctx.transaction().begin().await?;
            sqlx::query("INSERT INTO balances VALUES (17, 1)").execute(&mut *kept).await?;
            let mut undone = kept.begin().await?;
            sqlx::query("INSERT INTO balances VALUES (18, 1)").execute(&mut *undone).await?;
            undone.rollback().await?;
            kept.commit().await?;
            // A savepoint that is never released is committed with the rest.
            sqlx::query("SAVEPOINT mine").execute(&mut **ctx.transaction()).await?;
            upsert(ctx, 19, 1).await?;
            Ok(())
        });
        landed.await.expect("it lands");
        assert_eq!(bank.rows().await, 2);
    }
}

#[tokio::test]
async fn settings_and_tables_that_user_code_leaves_end_with_its_connection() {
    for bank in Bank::each().await {
        let left = "CREATE TEMP TABLE balances (account, amount); CREATE TEMP TABLE scratch (n);
                    PRAGMA query_only = ON; PRAGMA case_sensitive_like = ON; PRAGMA recursive_triggers = ON";
        let left = execute(&bank.store, left).await;
        // A connection that user code has made unable to write fails its own commit as well.
        left.expect_err("it cannot write any more");
        deposit(&bank.store, "ada", 7).await.expect("the next one can");
        assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
        execute(&bank.store, "SELECT * FROM scratch").await.expect_err("it is gone");
        open_account(&bank.store, &[1]).await.expect("the writer never met any of it");
    }
}

#[tokio::test]
async fn a_transaction_is_told_when_another_process_writes_for_too_long() {
    let [bank, _] = Bank::each_impatient().await;
    let (_, path) = bank.file.as_ref().expect("it is in a file");
    let mut other = connect(path).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("it locks");
    let refused = deposit(&bank.store, "ada", 1).await;
    assert!(matches!(&refused, Err(BankError::Store(Error::Busy { .. }))), "{refused:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("it unlocks");
    deposit(&bank.store, "ada", 7).await.expect("it has its turn");
    assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
}

#[tokio::test]
async fn names_of_a_transaction_that_was_undone_are_not_known() {
    let (_folder, path) = file();
    let one = store(&path).await;
    execute(&one, "CREATE TABLE orphans (parent INTEGER REFERENCES aggregate_types (id) DEFERRABLE INITIALLY DEFERRED)")
        .await
        .expect("it is new");
    let undone: Result<(), BankError> = one
        .with_transaction(async |ctx: &mut SqliteContext| {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            let orphan = sqlx::query("INSERT INTO orphans VALUES (99)");
            orphan.execute(&mut **ctx.transaction()).await?;
            Ok(())
        })
        .await;
    undone.expect_err("it fails when all else is written");
    let known = "SELECT COUNT(*) FROM aggregate_types WHERE name = 'account'";
    assert_eq!(number(&path, known).await, 0);
    // The numbers that these names had now stand for others.
    let others = "INSERT INTO aggregate_types (id, name)
                  SELECT coalesce(max(id), 0) + 1, 'loan' FROM aggregate_types;
                  INSERT INTO event_types (id, aggregate_type_id, name)
                  SELECT coalesce(max(id), 0) + 1, (SELECT id FROM aggregate_types WHERE name = 'loan'), 'granted'
                  FROM event_types";
    crate::raw::execute(&path, others).await;
    let id = open_account(&one, &[7]).await.expect("it lands");
    assert_eq!(balance(&store(&path).await, id).await.expect("it is an account"), 7);
    let lands = one.with_transaction(async |ctx: &mut SqliteContext| {
        let mut account = ctx.load::<Account>(id).await?;
        ctx.apply(&mut account, Deposited { amount: 1 })
    });
    lands.await.expect("it lands");
    assert_eq!(balance(&store(&path).await, id).await.expect("it is an account"), 8);
}

#[tokio::test]
async fn a_store_is_closed_when_its_transaction_has_ended() {
    for bank in Bank::each().await {
        let store = &bank.store;
        let (release, released) = oneshot::channel();
        let released = std::sync::Arc::new(tokio::sync::Mutex::new(released));
        let (begun, has_begun) = oneshot::channel();
        let begun = std::sync::Arc::new(std::sync::Mutex::new(Some(begun)));
        let transaction = in_transaction(store, async |ctx| {
            upsert(ctx, 17, 1).await?;
            begun.lock().expect("no panic").take().expect("it runs once").send(()).ok();
            (&mut *released.lock().await).await.expect("it is released");
            Ok(())
        });
        let close = async {
            has_begun.await.expect("it begins");
            let early = tokio::time::timeout(Duration::from_millis(100), store.close()).await;
            early.expect_err("the transaction is open");
            let refused = open_account(store, &[1]).await;
            assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
            release.send(()).expect("the transaction waits");
            store.close().await
        };
        let (landed, closed) = tokio::join!(transaction, close);
        landed.expect("what is under way is finished");
        closed.expect("then it is closed");
        let refused = execute(store, "SELECT 1").await;
        assert!(matches!(refused, Err(BankError::Store(Error::Closed))), "{refused:?}");
        if let Some((folder, path)) = &bank.file {
            assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
            assert_eq!(number(path, "SELECT COUNT(*) FROM balances").await, 1);
        }
    }
}
