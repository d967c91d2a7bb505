//! An engine whose answers about subscriptions are counted, and can be made to fail, to hang or to block.

use std::future::pending;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use evercore::engine::{Detail, Forward, StorageEngine, StoredSubscription};
use evercore::{Error, Result, SubscriptionName};
use evercore_memory::MemoryEngine;

use crate::PATIENCE;

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
    /// Blocks its thread until the mood is another one.
    Blocks,
}

impl Watched {
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    fn block(&self) {
        let began = Instant::now();
        while self.mood.load(Ordering::SeqCst) == Mood::Blocks as u8 && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
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
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        match self.mood.load(Ordering::SeqCst) {
            1 => {
                let cause = "cannot reach postgres://ada:s3cret@db/bank: no route to host";
                Err(Error::Unavailable { source: cause.into() })
            }
            2 => pending().await,
            3 => {
                self.block();
                self.engine().subscriptions(name, detail).await
            }
            _ => self.engine().subscriptions(name, detail).await,
        }
    }
}
