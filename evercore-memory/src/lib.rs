//! Stores Evercore's events in memory, for unit tests.
//!
//! It fulfils the whole contract of [`StorageEngine`](evercore::engine::StorageEngine) except durability: commits are
//! atomic, views are consistent, and any number of tasks may use it. It is written to be obviously right, so it can be
//! read as the specification of the engines with a database.
//!
//! # Example
//! ```standalone_crate
//! use evercore::{Aggregate, Error, EventStore, state_event};
//! use evercore_memory::MemoryEngine;
//!
//! #[derive(Aggregate, Default)]
//! struct Account { balance: i64 }
//!
//! #[state_event(aggregate = Account)]
//! struct BalanceSet { balance: i64 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> evercore::Result<()> {
//! let store = EventStore::builder().open(MemoryEngine::new()).await?;
//! let id = store
//!     .with_context(async |ctx| -> Result<_, Error> {
//!         let mut account = ctx.create::<Account>().await?;
//!         ctx.apply(&mut account, BalanceSet { balance: 7 })?;
//!         Ok(account.id())
//!     })
//!     .await?;
//! assert_eq!(store.history(id, ..).await?.events.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! [`Faults`] test what a program does when its storage fails: conflicts, delays, lost answers.
//!
//! Code that takes a URL can be given `memory:`, which opens a new store each time, once the program names this crate:
//! `use evercore_memory as _;`.

mod commands;
mod commit;
mod engine;
mod faults;
mod inspection;
mod log;
mod parked;
mod read;
mod subscriptions;
mod tagging;
mod tags;
mod tasks;
mod unique;

pub use engine::MemoryEngine;
pub use faults::{CommitFault, Faults, ReadFault};
