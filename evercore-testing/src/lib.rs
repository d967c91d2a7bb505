//! Tests for programs on Evercore, and for its storage engines.
//!
//! # For programs
//!
//! - [`Scenario`]: given these events, when this command comes, then these events happen. No store, no runtime.
//! - [`Recording`]: given this log, the handler or router did that.
//! - [`assert_catalogue!`]: no event has changed its shape since it was released.
//! - [`history`]: what clients saw of a store, checked against what it holds; also after crashes.
//! - [`model`]: a store in a few vectors, to compare with.
//!
//! What a service does when its storage fails is tried on `evercore-memory`, which fails on demand.
//!
//! # For engines
//!
//! The conformance suite holds an engine to the promises of Evercore and to the contract of [`evercore::engine`]. One line makes all cases
//! tests of your crate, in modules named after the promises, so that `cargo test --test conformance -- --list` reads as
//! a list of what the engine keeps:
//!
//! | module | promise |
//! |---|---|
//! | `p1` | All of a context lands together, or nothing of it. |
//! | `p2` | An acknowledged commit is there, exactly once; one without an answer is there whole or not at all. |
//! | `p3` | The sequences of an aggregate are 1, 2, 3 … |
//! | `p4` | A write decided on stale state never lands. |
//! | `p5` | A natural key belongs to at most one aggregate of a type. |
//! | `p6` | Snapshot plus tail is the same as full replay. |
//! | `p7` | A subscription misses nothing that its filter matches. |
//! | `p8` | It is given its events in order. |
//! | `p9` | Each is handled at least once; exactly once where the handler writes in the transaction it is given. |
//! | `p10` | One owner at a time moves it; who lost the lease moves nothing. |
//! | `p11` | No event is dropped in silence. |
//! | `p12` | Bad input is a typed error before anything is written. |
//! | `p13` | Everything is read in pages. |
//! | `contract` | What the docs of the store and of [`evercore::engine`] say beside them. |
//! | `cached` | `p1` to `p6` again, on stores that [keep aggregates in memory](evercore::EventStoreBuilder::cache_aggregates), and what these promise beside. |
//!
//! # Example: `tests/conformance.rs` of an engine
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use evercore::Result;
//! use evercore::engine::StorageEngine;
//! use evercore_memory::MemoryEngine;
//! use evercore_testing::{Durability, Harness, conformance};
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
//! The macro owns the list: an engine cannot leave a case out. A case gets data of its own, a runtime of its own and a
//! minute of time, so that one that hangs fails with words. What is random is drawn from a seed, which a failure
//! names; set `EVERCORE_SEED` to it to have the same again.
//!
//! Beside the cases, [`state_machine!`] gives random commands to an engine and to the [`model`], and
//! [`concurrent_histories!`] lets many clients at it at once and checks their [`history`].
//!
//! [`cancellation!`] and [`transactional_cancellation!`] make a test of each public future, which is dropped at each of its
//! await points, on an engine that a [`CancellationHarness`] opens and looks into.
//!
//! Where tests are not the right form, [`cases`] gives the same list as values:
//!
//! # Example: a program that tries one case
//! ```
//! # use std::sync::Arc;
//! # use async_trait::async_trait;
//! # use evercore::{Result, engine::StorageEngine};
//! # use evercore_memory::MemoryEngine;
//! # use evercore_testing::{Durability, Harness};
//! # #[derive(Debug)]
//! # struct Memory(MemoryEngine);
//! # #[async_trait]
//! # impl Harness for Memory {
//! #     async fn open(&self) -> Result<Arc<dyn StorageEngine>> { Ok(Arc::new(self.0.clone())) }
//! #     fn durability(&self) -> Durability { Durability::Process }
//! #     async fn clean_up(&self) -> Result<()> { Ok(()) }
//! # }
//! let case = evercore_testing::cases()
//!     .iter()
//!     .find(|case| case.to_string() == "p4::a_stale_write_is_a_conflict")
//!     .expect("the suite has it");
//! assert_eq!(case.promise(), "p4");
//! assert_eq!(case.run(Memory(MemoryEngine::new())), Ok(()));
//! ```

mod assert;
#[doc(hidden)]
pub mod cancellation;
mod case;
mod cases;
mod catalogue;
mod conformance;
#[doc(hidden)]
pub mod corruption;
mod crowd;
mod domain;
mod fixture;
mod harness;
pub mod history;
mod journal;
mod machine;
pub mod model;
mod poll;
mod race;
mod raw;
mod recording;
mod scenario;
#[doc(hidden)]
pub mod transactional;

pub use cancellation::CancellationHarness;
pub use case::{Case, Failure};
pub use cases::cases;
pub use catalogue::{Catalogue, CatalogueError, CatalogueUpdate};
#[doc(hidden)]
pub use conformance::__run;
pub use crowd::Crowd;
pub use harness::{Durability, Harness};
pub use machine::{Counterexample, Explored, Explorer};
pub use recording::{Handled, Recording};
pub use scenario::{Decided, Events, Scenario};
pub use transactional::{SqlHarness, SqlTransaction};
