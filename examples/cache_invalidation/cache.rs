//! Caches balances in memory, for as long as they are valid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::{AggregateId, Error, EventStore, RecordedEvent, Start, each};
use tokio::sync::watch;

use crate::Account;

/// The most balances that are kept.
const MOST: usize = 10_000;

/// A cache of account balances, which reads missing ones from the store.
pub(crate) struct Cache {
    store: EventStore,
    kept: Arc<Kept>,
}

/// The state shared by the subscription's handler and the readers of the cache.
#[derive(Default)]
struct Kept {
    balances: Mutex<Balances>,
    /// The number of events that have invalidated a balance; `None` while the cache does not follow the log.
    forgotten: watch::Sender<Option<u64>>,
}

#[derive(Default)]
struct Balances {
    by_account: HashMap<AggregateId, i64>,
    hits: u64,
    misses: u64,
}

/// A guard that exists while the cache follows the log. Once it is dropped, changes are not noticed any more, so the
/// cache is emptied and stays empty.
struct Followed<'a>(&'a Kept);

impl Drop for Followed<'_> {
    fn drop(&mut self) {
        let mut balances = self.0.balances();
        balances.by_account.clear();
        self.0.forgotten.send_replace(None);
    }
}

impl Cache {
    pub(crate) fn new(store: &EventStore) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), kept: Arc::default() })
    }

    /// Removes balances that change, for as long as the future is polled.
    pub(crate) async fn follow(&self) -> Result<(), Error> {
        // Balances cached from now on are read after this position, so any event that changes them comes after it.
        let head = self.store.head().await?;
        let _followed = self.kept.followed();
        let kept = Arc::clone(&self.kept);
        let forget = each(async move |event: RecordedEvent| -> Result<(), Error> {
            kept.forget(event.aggregate_id());
            Ok(())
        });
        let following = self.store.ephemeral().aggregate::<Account>().start(Start::After(head));
        following.run(forget).await
    }

    pub(crate) async fn balance(&self, account: AggregateId) -> Result<i64, Error> {
        if let Some(balance) = self.kept.find(account) {
            return Ok(balance);
        }
        let before = *self.kept.forgotten.borrow();
        let read = async |ctx: &evercore::ReadContext| ctx.load::<Account>(account).await;
        let balance = self.store.with_readonly_context(read).await?.state().balance;
        self.kept.keep(account, balance, before);
        Ok(balance)
    }

    /// Waits until the cache follows the log.
    pub(crate) async fn followed(&self) {
        self.wait_until(|forgotten| forgotten.is_some()).await;
    }

    /// Waits until more than `before` events have invalidated a balance.
    pub(crate) async fn forgets_more_than(&self, before: u64) {
        self.wait_until(|forgotten| forgotten.is_some_and(|forgotten| forgotten > before)).await;
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.kept.forgotten.borrow().unwrap_or(0)
    }

    pub(crate) fn hits(&self) -> u64 {
        self.kept.balances().hits
    }

    pub(crate) fn misses(&self) -> u64 {
        self.kept.balances().misses
    }

    async fn wait_until(&self, is_so: impl Fn(Option<u64>) -> bool) {
        let mut forgotten = self.kept.forgotten.subscribe();
        // Cannot fail: the sender lives as long as the cache.
        let _changed = forgotten.wait_for(|forgotten| is_so(*forgotten)).await;
    }
}

impl Kept {
    fn followed(&self) -> Followed<'_> {
        self.forgotten.send_replace(Some(0));
        Followed(self)
    }

    fn find(&self, account: AggregateId) -> Option<i64> {
        let mut balances = self.balances();
        let found = balances.by_account.get(&account).copied();
        match found {
            Some(_) => balances.hits += 1,
            None => balances.misses += 1,
        }
        found
    }

    /// Caches a balance, unless an event has invalidated one since before it was read: the balance might be out of
    /// date.
    fn keep(&self, account: AggregateId, balance: i64, before: Option<u64>) {
        let mut balances = self.balances();
        if before.is_none() || *self.forgotten.borrow() != before {
            return;
        }
        if balances.by_account.len() >= MOST {
            balances.by_account.clear();
        }
        balances.by_account.insert(account, balance);
    }

    fn forget(&self, account: AggregateId) {
        let mut balances = self.balances();
        balances.by_account.remove(&account);
        self.forgotten.send_modify(|forgotten| *forgotten = forgotten.map(|count| count + 1));
    }

    fn balances(&self) -> MutexGuard<'_, Balances> {
        self.balances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
