//! What clients saw of a store, and whether the store has kept its promises to them.
//!
//! A [`Recorder`] stands between a store and its engine, and notes for each commit what it was to write, what it was
//! decided on, and what became of it as far as the client was told. It notes what subscriptions hand to their handlers
//! as well. When all is over, [`check`] reads the log and compares:
//!
//! - what was acknowledged is there, exactly once and as it was sent; what was refused is not; of what nobody was told
//!   the outcome, there is all or nothing;
//! - the sequences of each aggregate are 1, 2, 3 …, and a key belongs to one aggregate of a type;
//! - there is an order of all commits in which each was decided on what was true: no stale write, no guard overlooked,
//!   no key given twice, and nothing that begins after another's acknowledgement comes before it;
//! - a commit that began after another was acknowledged has the higher position;
//! - what handlers were given is the log, in its order, without a gap ([`Follower`]);
//! - a state from a snapshot is that of a full replay ([`Check::states_of`]).
//!
//! It works with any engine and any program. Each event carries the id of its commit in a field of its metadata,
//! [`COMMIT_FIELD`], which the recorder adds on the way to the engine.
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
//! [`Recorder::lines`] writes each observation as a line of JSON, to a pipe say. [`History::read`] reads them back, also
//! from a process that was killed. Put together what several have seen: [`History::then`] for processes that followed
//! each other, [`History::beside`] for those that ran at the same time.

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
    CommitBegun, DecidedOn, EventBegun, Fingerprint, Handled, KeyWish, Observation, Refusal,
    WriteBegun,
};
pub use recorder::{Recorded, Recorder};
pub use sessions::{History, Unreadable};
pub use stamp::COMMIT_FIELD;
pub use violation::{Obstacle, Violation};
