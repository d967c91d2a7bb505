//! A small domain, and commits that the tests send to an engine directly.

use evercore::engine::StorageEngine;
use evercore::format::Encoding;
use evercore::{Aggregate, AggregateId, Apply, Event, EventMeta, EventStore, Result};
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Account {
    pub(crate) balance: i64,
}

impl Aggregate for Account {
    const NAME: &'static str = "account";
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Deposited {
    pub(crate) amount: i64,
}

impl Event for Deposited {
    type Aggregate = Account;
    const NAME: &'static str = "deposited";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

evercore::register_event!(Deposited);

/// Returns a new file in a directory that is deleted when the `TempDir` is dropped.
pub(crate) fn file() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bank.db");
    (folder, path)
}

pub(crate) async fn engine(path: &std::path::Path) -> SqliteEngine {
    let engine = SqliteEngine::open(path, SqliteOptions::default()).await.expect("it opens");
    engine.migrate().await.expect("it migrates");
    engine
}

pub(crate) async fn store(path: &std::path::Path) -> EventStore {
    let engine = SqliteEngine::open(path, SqliteOptions::default()).await.expect("it opens");
    EventStore::builder().open(engine).await.expect("it migrates")
}

/// Creates an account with one deposit of each amount.
pub(crate) async fn open_account(store: &EventStore, amounts: &[i64]) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            for &amount in amounts {
                ctx.apply(&mut account, Deposited { amount })?;
            }
            Ok(account.id())
        })
        .await
}

pub(crate) async fn balance(store: &EventStore, id: AggregateId) -> Result<i64> {
    store
        .with_readonly_context(async |ctx| Ok(ctx.load::<Account>(id).await?.state().balance))
        .await
}
