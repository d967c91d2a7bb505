//! The conformance suite of Evercore, for authors of storage engines.
//!
//! The suite checks that an engine keeps the promises of Evercore and the contract of [`evercore::engine`].
//! One macro call makes every case a test of your crate, in modules named after the promises, so that
//! `cargo test --test conformance -- --list` reads as a list of what the engine guarantees:
//!
//! | module | promise |
//! |---|---|
//! | `p1` | A context commits as a whole or not at all. |
//! | `p2` | An acknowledged commit is stored exactly once; a commit whose answer was lost is stored as a whole or not at all. |
//! | `p3` | The sequences of an aggregate are 1, 2, 3 … |
//! | `p4` | A write that was decided on stale state is never committed. |
//! | `p5` | A natural key or a unique value belongs to at most one aggregate of a type. |
//! | `p6` | A snapshot and the events after it give the same state as a full replay. |
//! | `p7` | A subscription misses nothing that its filter matches. |
//! | `p8` | A subscription receives its events in order. |
//! | `p9` | Each event is handled at least once; exactly once if the handler writes in the transaction it is given. |
//! | `p10` | A partition has one owner at a time; a worker that lost the lease cannot move the cursor. |
//! | `p11` | No event is dropped silently. |
//! | `p12` | Invalid input is a typed error before anything is written. |
//! | `p13` | Everything is read in pages. |
//! | `p14` | A decision that rests on tags lands only if it has seen all events with them, in the order of the log. |
//! | `contract` | Everything else that the docs of the store and of [`evercore::engine`] promise. |
//! | `cached` | `p1` to `p6` again, on stores that [cache aggregates](evercore::EventStoreBuilder::cache_aggregates), and the cache's own promises. |
//!
//! # Example: `tests/conformance.rs` of an engine
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use evercore::Result;
//! use evercore::engine::StorageEngine;
//! use evercore_memory::MemoryEngine;
//! use evercore_conformance::{Durability, Harness, conformance};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryEngine);
//!
//! #[async_trait]
//! impl Harness for Memory {
//!     async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
//!         Ok(Arc::new(self.0.clone()))
//!     }
//!
//!     fn durability(&self) -> Durability {
//!         Durability::Process
//!     }
//!
//!     async fn clean_up(&self) -> Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! conformance!(Memory(MemoryEngine::new()));
//! ```
//!
//! The macro owns the list of cases, so an engine cannot skip one. Only a case that needs a capability which the engine
//! does not [declare](evercore::engine::StorageEngine::capabilities) is left out, and says so. Each case has its own data, its own runtime and a
//! time limit of one minute, so that a case that hangs fails with a message. Random values are drawn from a seed, which
//! a failure prints; set `EVERCORE_SEED` to that seed to repeat the run.
//!
//! [`state_machine!`] sends random commands to an engine and to the [model](evercore_testing::model) and compares the
//! two. [`concurrent_histories!`] runs many concurrent clients on an engine and checks their
//! [history](evercore_testing::history).
//!
//! [`cancellation!`] and [`transactional_cancellation!`] generate a test for each public future. The test drops the
//! future at each of its await points, on an engine that a [`CancellationHarness`] opens and inspects.
//!
//! An engine whose transactions user code may share also runs [`transactional_conformance!`], with a [`SqlHarness`].
//!
//! For programs that cannot use generated tests, [`cases`] returns the same list as values:
//!
//! # Example: running a single case
//! ```
//! # use std::sync::Arc;
//! # use async_trait::async_trait;
//! # use evercore::{Result, engine::StorageEngine};
//! # use evercore_memory::MemoryEngine;
//! # use evercore_conformance::{Durability, Harness, Outcome};
//! # #[derive(Debug)]
//! # struct Memory(MemoryEngine);
//! # #[async_trait]
//! # impl Harness for Memory {
//! #     async fn open(&self) -> Result<Arc<dyn StorageEngine>> { Ok(Arc::new(self.0.clone())) }
//! #     fn durability(&self) -> Durability { Durability::Process }
//! #     async fn clean_up(&self) -> Result<()> { Ok(()) }
//! # }
//! let case = evercore_conformance::cases()
//!     .iter()
//!     .find(|case| case.to_string() == "p4::a_stale_write_is_a_conflict")
//!     .expect("the suite has it");
//! assert_eq!(case.promise(), "p4");
//! assert_eq!(case.run(Memory(MemoryEngine::new())), Ok(Outcome::Passed));
//! ```

mod assert;
#[doc(hidden)]
pub mod cancellation;
mod case;
mod cases;
mod conformance;
#[doc(hidden)]
pub mod corruption;
mod counts;
mod crowd;
mod cut;
mod domain;
mod fixture;
mod harness;
mod journal;
mod machine;
mod race;
mod raw;
mod storm;
#[doc(hidden)]
pub mod transactional;

pub use cancellation::CancellationHarness;
pub use case::{Case, Failure, Outcome};
pub use cases::cases;
#[doc(hidden)]
pub use conformance::__run;
pub use crowd::Crowd;
pub use harness::{Durability, Harness};
pub use machine::{Counterexample, Explored, Explorer};
pub use transactional::{SqlHarness, SqlTransaction};
