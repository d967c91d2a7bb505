//! The control: leaks something in each round.

use std::fs::File;

use anyhow::Result;
use evercore::EventStore;
use tokio::task::JoinHandle;

use crate::place::Place;

/// The resource that each round leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Leak {
    /// Four MiB of memory.
    Memory,
    /// A task that never ends.
    Tasks,
    /// An open file.
    Handles,
    /// A store that is never closed: its connections on PostgreSQL, its threads on SQLite.
    Stores,
}

/// Everything that was leaked.
#[derive(Debug)]
pub(crate) struct Leaks {
    leak: Option<Leak>,
    memory: Vec<Vec<u8>>,
    tasks: Vec<JoinHandle<()>>,
    handles: Vec<File>,
    stores: Vec<EventStore>,
}

impl Leaks {
    pub(crate) const fn new(leak: Option<Leak>) -> Self {
        Self {
            leak,
            memory: Vec::new(),
            tasks: Vec::new(),
            handles: Vec::new(),
            stores: Vec::new(),
        }
    }

    pub(crate) async fn leak(&mut self, place: &Place) -> Result<()> {
        match self.leak {
            None => {}
            // Not zeros, because the system allocates zeroed pages only on first use.
            Some(Leak::Memory) => self.memory.push(vec![1; 4 * 1024 * 1024]),
            Some(Leak::Tasks) => self.tasks.push(tokio::spawn(std::future::pending())),
            Some(Leak::Handles) => self.handles.push(File::open("/dev/null")?),
            Some(Leak::Stores) => {
                let store = place.open().await?;
                store.warmup().await?;
                self.stores.push(store);
            }
        }
        Ok(())
    }
}
