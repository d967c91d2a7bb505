//! An engine whose answers about subscriptions are counted, and can be made to fail or to hang.

use std::future::pending;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use async_trait::async_trait;
use evercore::engine::{Forward, StorageEngine, StoredSubscription};
use evercore::{Error, Result, SubscriptionName};
use evercore_memory::MemoryEngine;

#[derive(Debug, Default)]
pub(crate) struct Watched {
    engine: MemoryEngine,
    /// The number of looks at the subscriptions.
    pub(crate) looks: AtomicU32,
    mood: AtomicU8,
}

#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Mood {
    Answers,
    Fails,
    Hangs,
}

impl Watched {
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    pub(crate) fn looks(&self) -> u32 {
        self.looks.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Forward for Watched {
    fn engine(&self) -> &dyn StorageEngine {
        &self.engine
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
    ) -> Result<Vec<StoredSubscription>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        match self.mood.load(Ordering::SeqCst) {
            1 => {
                let cause = "cannot reach postgres://ada:s3cret@db/bank: no route to host";
                Err(Error::Unavailable { source: cause.into() })
            }
            2 => pending().await,
            _ => self.engine().subscriptions(name).await,
        }
    }
}
