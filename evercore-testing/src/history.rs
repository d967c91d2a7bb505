//! Records what clients saw of a store, and checks whether the store kept its promises to them.
//!
//! A [`Recorder`] sits between a store and its engine. For each commit it records what the commit writes, what it was
//! decided on, and the outcome as far as the client learned it. It also records which events subscriptions hand to
//! their handlers. When all clients have finished, [`check`] reads the log and verifies that:
//!
//! - an acknowledged commit is stored exactly once and as it was sent, a refused commit is not stored, and a commit
//!   whose outcome no client learned is stored as a whole or not at all;
//! - the sequences of each aggregate are 1, 2, 3 …, and a natural key belongs to one aggregate of a type;
//! - all commits can be put in an order in which each was decided on the state that preceded it: no write was stale, no
//!   guard was overlooked, no key was given away twice, each boundary had the events that were seen of it, and no commit
//!   that began after the acknowledgement of another comes before it;
//! - a commit that began after another was acknowledged has the higher position;
//! - handlers received the events of the log in order and without a gap ([`Follower`]);
//! - a state loaded from a snapshot equals that of a full replay ([`Check::states_of`]).
//!
//! Recording works with any engine and any program. Each event carries the id of its commit in the metadata field
//! [`COMMIT_FIELD`], which the recorder adds before the commit reaches the engine.
//!
//! # Example
//! ```standalone_crate
//! use std::sync::Arc;
//!
//! use evercore::{Aggregate, Error, EventStore, state_event};
//! use evercore_memory::MemoryEngine;
//! use evercore_testing::history::{self, Recorder};
//!
//! #[derive(Aggregate, Default)]
//! struct Account { balance: i64 }
//!
//! #[state_event(aggregate = Account)]
//! struct BalanceSet { balance: i64 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let recorder = Recorder::new();
//! let engine = recorder.observe(Arc::new(MemoryEngine::new()));
//! let store = EventStore::builder().open_shared(engine).await?;
//!
//! store
//!     .with_context(async |ctx| {
//!         let mut account = ctx.load_or_create::<Account>("ada").await?;
//!         ctx.apply(&mut account, BalanceSet { balance: 7 })
//!     })
//!     .await?;
//!
//! let verdict = history::check(&recorder.history(), &store).await?;
//! assert_eq!(verdict.violations(), []);
//! # Ok(())
//! # }
//! ```
//!
//! # Several processes
//!
//! [`Recorder::lines`] writes each observation as a line of JSON, for example to a pipe. [`History::read`] reads the
//! lines back, even if the process was killed. To combine the histories of several processes, use [`History::then`] for
//! processes that ran one after another and [`History::beside`] for processes that ran at the same time.

mod check;
mod commits;
mod delivery;
mod evidence;
mod landing;
mod observation;
mod observed;
mod order;
mod recorder;
mod sessions;
mod stamp;
mod states;
mod violation;

pub use check::{Check, Counts, Verdict, check};
pub use delivery::{Follower, Repeats};
pub use observation::{
    AtomBegun, CommitBegun, ConditionBegun, DecidedOn, EventBegun, Fingerprint, Handled, KeyWish,
    Observation, Refusal, WriteBegun,
};
pub use recorder::{Recorded, Recorder};
pub use sessions::{History, Unreadable};
pub use stamp::COMMIT_FIELD;
pub use violation::{Obstacle, Violation};
