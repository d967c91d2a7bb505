//! Events and the user's own rows are committed together or not at all.

use std::cell::Cell;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use evercore::error::ConflictReason;
use evercore::{AggregateId, Error, EventStore, RetryPolicy};
use evercore_memory::MemoryEngine;
use evercore_sqlite::SqliteContext;

use crate::account::{Account, Deposited, balance, file, open_account, store};
use crate::bank::{Bank, BankError, deposit, execute, upsert};
use crate::dropping::drop_after;
use crate::raw::number;

#[tokio::test]
async fn rows_and_events_land_together() {
    for bank in Bank::each().await {
        deposit(&bank.store, "ada", 7).await.expect("nothing speaks against it");
        deposit(&bank.store, "ada", 5).await.expect("nothing speaks against it");
        assert_eq!(bank.balances("ada").await, (Some(12), Some(12)));
    }
}

#[tokio::test]
async fn rows_land_without_events_and_events_without_rows() {
    for bank in Bank::each().await {
        execute(&bank.store, "INSERT INTO balances VALUES (17, 1)").await.expect("it lands");
        assert_eq!(bank.rows().await, 1);
        let id: Result<_, Error> = bank
            .store
            .with_transaction(async |ctx: &mut SqliteContext| {
                let mut account = ctx.create::<Account>().await?;
                ctx.apply(&mut account, Deposited { amount: 7 })?;
                Ok(account.id())
            })
            .await;
        let id = id.expect("it lands");
        assert_eq!(balance(&bank.store, id).await.expect("it loads"), 7);
    }
}

#[tokio::test]
async fn a_closure_that_fails_leaves_neither() {
    for bank in Bank::each().await {
        deposit(&bank.store, "ada", 7).await.expect("nothing speaks against it");
        let refused = deposit(&bank.store, "ada", -8).await;
        assert!(matches!(refused, Err(BankError::Refused)), "{refused:?}");
        let new = deposit(&bank.store, "grace", -1).await;
        assert!(matches!(new, Err(BankError::Refused)), "{new:?}");
        assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
        assert_eq!(bank.balances("grace").await, (None, None));
        assert_eq!(bank.rows().await, 1);
    }
}

#[tokio::test]
async fn a_statement_that_fails_leaves_neither() {
    for bank in Bank::each().await {
        let failed: Result<(), BankError> = bank
            .store
            .with_transaction(async |ctx: &mut SqliteContext| {
                let mut account = ctx.create_with_key::<Account>("ada").await?;
                ctx.apply(&mut account, Deposited { amount: 1 })?;
                upsert(ctx, account.id().get(), 1).await?;
                let twice = sqlx::query("INSERT INTO balances SELECT * FROM balances");
                twice.execute(&mut **ctx.transaction()).await?;
                Ok(())
            })
            .await;
        let is_constraint = matches!(
            &failed,
            Err(BankError::Sql(sqlx::Error::Database(error))) if error.is_unique_violation()
        );
        assert!(is_constraint, "{failed:?}");
        assert_eq!(bank.balances("ada").await, (None, None));
        assert_eq!(bank.rows().await, 0);
    }
}

#[tokio::test]
async fn a_failure_at_commit_leaves_neither_rows_nor_events() {
    for bank in Bank::each().await {
        let orphans = "CREATE TABLE orphans (parent INTEGER REFERENCES balances (account)
                       DEFERRABLE INITIALLY DEFERRED)";
        execute(&bank.store, orphans).await.expect("it is new");
        let failed: Result<(), BankError> = bank
            .store
            .with_transaction(async |ctx: &mut SqliteContext| {
                let mut account = ctx.create_with_key::<Account>("ada").await?;
                ctx.apply(&mut account, Deposited { amount: 1 })?;
                let orphan = sqlx::query("INSERT INTO orphans VALUES (99)");
                orphan.execute(&mut **ctx.transaction()).await?;
                Ok(())
            })
            .await;
        let is_storage = matches!(&failed, Err(BankError::Store(Error::Storage { .. })));
        assert!(is_storage, "{failed:?}");
        assert_eq!(bank.balances("ada").await, (None, None));
        deposit(&bank.store, "ada", 7).await.expect("nothing is left behind");
        assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
    }
}

/// Inserts an event behind the context's back, because no other connection can write while the transaction is open.
const TAMPER: &str = "INSERT INTO events (aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at)
    SELECT aggregate_id, sequence + 1, event_type_id, version, codec, payload, event_time, recorded_at
    FROM events ORDER BY position DESC LIMIT 1";

#[tokio::test]
async fn a_conflict_runs_the_closure_again_in_a_fresh_transaction() {
    for bank in Bank::each().await {
        deposit(&bank.store, "ada", 7).await.expect("nothing speaks against it");
        let runs = Cell::new(0);
        let landed: Result<(), BankError> = bank
            .store
            .with_transaction(async |ctx: &mut SqliteContext| {
                runs.set(runs.get() + 1);
                let mut account = ctx.load_by_key::<Account>("ada").await?;
                ctx.apply(&mut account, Deposited { amount: 100 })?;
                upsert(ctx, 1000 + runs.get(), account.state().balance).await?;
                if runs.get() == 1 {
                    sqlx::raw_sql(TAMPER).execute(&mut **ctx.transaction()).await?;
                }
                Ok(())
            })
            .await;
        landed.expect("it lands when it is run again");
        assert_eq!(runs.get(), 2);
        assert_eq!(bank.balances("ada").await, (Some(7), Some(107)));
        assert_eq!(bank.rows().await, 2, "ada's, and that of the second run");
    }
}

#[tokio::test]
async fn a_conflict_that_is_not_tried_again_undoes_the_rows_as_well() {
    let (_folder, path) = file();
    let url = ["sqlite://", path.to_str().expect("a path of text")].concat();
    let single = EventStore::builder().retry(RetryPolicy::none()).connect(&url).await;
    let single = single.expect("it opens");
    execute(&single, "CREATE TABLE balances (account INTEGER PRIMARY KEY, amount)")
        .await
        .expect("new");
    let id = open_account(&single, &[7]).await.expect("it commits");
    let conflict: Result<(), BankError> = single
        .with_transaction(async |ctx: &mut SqliteContext| {
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, Deposited { amount: 100 })?;
            upsert(ctx, id.get(), 107).await?;
            sqlx::raw_sql(TAMPER).execute(&mut **ctx.transaction()).await?;
            Ok(())
        })
        .await;
    let is_conflict = matches!(
        &conflict,
        Err(BankError::Store(Error::Conflict { reason: ConflictReason::Sequence { .. }, .. }))
    );
    assert!(is_conflict, "{conflict:?}");
    assert_eq!(number(&path, "SELECT COUNT(*) FROM balances").await, 0);
    assert_eq!(number(&path, "SELECT COUNT(*) FROM events").await, 1);
}

#[tokio::test]
async fn a_dropped_transaction_leaves_both_or_neither_and_others_go_on() {
    for bank in Bank::each().await {
        for polls in 0..60 {
            drop_after(polls, deposit(&bank.store, "ada", 1)).await;
            drop_after(polls, deposit(&bank.store, "grace", -1)).await;
            open_account(&bank.store, &[1]).await.expect("the writer goes on");
            let (row, events) = bank.balances("ada").await;
            assert_eq!(row, events, "after {polls} polls");
            assert_eq!(bank.balances("grace").await, (None, None));
            assert_eq!(bank.rows().await, i64::from(row.is_some()));
        }
        let before = bank.balances("ada").await.0.unwrap_or(0);
        deposit(&bank.store, "ada", 1).await.expect("it lands");
        assert_eq!(bank.balances("ada").await, (Some(before + 1), Some(before + 1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_transactions_and_commits_lose_nothing() {
    const TASKS: i64 = 20;
    const DEPOSITS: i64 = 5;
    for bank in Bank::each().await {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let store = bank.store.clone();
                tokio::spawn(async move {
                    for _ in 0..DEPOSITS {
                        deposit(&store, "ada", 1).await?;
                        let id = open_account(&store, &[task]).await?;
                        assert_eq!(balance(&store, id).await?, task);
                    }
                    Ok::<_, BankError>(())
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic").expect("each waits for its turn");
        }
        let all = Some(TASKS * DEPOSITS);
        assert_eq!(bank.balances("ada").await, (all, all));
    }
}

#[tokio::test]
async fn ids_of_a_transaction_are_unique() {
    for bank in Bank::each().await {
        let before = open_account(&bank.store, &[1]).await.expect("it commits");
        let created: Result<Vec<AggregateId>, Error> = bank
            .store
            .with_transaction(async |ctx: &mut SqliteContext| {
                let mut ids = Vec::new();
                for _ in 0..3000 {
                    ids.push(ctx.create::<Account>().await?.id());
                }
                Ok(ids)
            })
            .await;
        let mut ids = created.expect("more than are reserved at a time");
        ids.push(before);
        for _ in 0..100 {
            ids.push(open_account(&bank.store, &[1]).await.expect("it commits"));
        }
        let undone = deposit(&bank.store, "ada", -1).await;
        assert!(matches!(undone, Err(BankError::Refused)), "{undone:?}");
        deposit(&bank.store, "ada", 1).await.expect("it lands");
        let given = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), given);
    }
}

#[tokio::test]
async fn a_spawned_task_borrows_its_captures() {
    for bank in Bank::each().await {
        let store = bank.store.clone();
        let task = tokio::spawn(async move {
            let (key, amount) = (String::from("ada"), String::from("7"));
            store
                .with_transaction(async |ctx: &mut SqliteContext| {
                    let mut account = ctx.load_or_create::<Account>(key.as_str()).await?;
                    let amount = amount.parse().expect("a number");
                    ctx.apply(&mut account, Deposited { amount })?;
                    upsert(ctx, account.id().get(), amount).await?;
                    Ok::<_, BankError>(())
                })
                .await
        });
        task.await.expect("no panic").expect("it lands");
        assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
    }
}

#[tokio::test]
async fn an_axum_handler_borrows_its_arguments() {
    async fn handler(State(store): State<Arc<EventStore>>, Path(key): Path<String>) -> String {
        let landed: Result<i64, BankError> = store
            .with_transaction(async |ctx: &mut SqliteContext| {
                let account = ctx.load_or_create::<Account>(key.as_str()).await?;
                upsert(ctx, account.id().get(), 0).await?;
                Ok(account.state().balance)
            })
            .await;
        format!("{key}: {landed:?}")
    }

    let (_folder, path) = file();
    let store = Arc::new(store(&path).await);
    execute(&store, "CREATE TABLE balances (account INTEGER PRIMARY KEY, amount)")
        .await
        .expect("new");
    // Compiling this is the test: axum's `Handler` requires a `Send` future.
    let _: Router = Router::new().route("/{key}", post(handler)).with_state(Arc::clone(&store));
    assert_eq!(handler(State(store), Path("ada".to_owned())).await, "ada: Ok(0)");
}

#[tokio::test]
async fn a_store_on_an_engine_without_transactions_says_so() {
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("it opens");
    let refused: Result<(), Error> =
        store.with_transaction(async |_: &mut SqliteContext| Ok(())).await;
    let is_refused = matches!(refused, Err(Error::Unsupported { engine: "memory", .. }));
    assert!(is_refused, "{refused:?}");
}
