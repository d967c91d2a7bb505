//! Tools for testing programs that use Evercore.
//!
//! - [`Scenario`]: unit tests of an aggregate in the form given, when, then. It needs neither a store nor a runtime.
//! - [`BoundaryScenario`]: the same of decisions on boundaries.
//! - [`ProcessScenario`]: the same of processes, with deadlines that lapse without a wait.
//! - [`StoreScenario`]: the same for code over a [`Context`](evercore::Context), with several aggregates in a store.
//! - [`Recording`]: tests of a handler or router on a log that the test writes.
//! - [`assert_catalogue!`]: checks that no released event has changed its shape.
//! - [`history`]: records what clients saw of a store and checks it against what the store holds, also after crashes.
//! - [`model`]: a reference model of a store, held in a few vectors, to compare a real store with.
//!
//! To test how a service behaves when its storage fails, use `evercore-memory`, which injects faults on demand. To test
//! a storage engine, run the suite of `evercore-conformance`.
//!
//! # Example: a rule of an aggregate
//! ```standalone_crate
//! use evercore::{Aggregate, Decide, Decision, state_event};
//! use evercore_testing::Scenario;
//!
//! #[derive(Aggregate, Default)]
//! struct Account { balance: i64 }
//!
//! #[state_event(aggregate = Account)]
//! struct BalanceSet { balance: i64 }
//!
//! struct Withdraw { amount: i64 }
//!
//! #[derive(Debug, PartialEq)]
//! struct InsufficientFunds;
//!
//! impl Decide<Withdraw> for Account {
//!     type Error = InsufficientFunds;
//!
//!     fn decide(account: &mut Decision<'_, Self>, command: &Withdraw) -> Result<(), InsufficientFunds> {
//!         if account.balance < command.amount {
//!             return Err(InsufficientFunds);
//!         }
//!         account.emit(BalanceSet { balance: account.balance - command.amount });
//!         Ok(())
//!     }
//! }
//!
//! Scenario::<Account>::given([BalanceSet { balance: 100 }])
//!     .when(Withdraw { amount: 30 })
//!     .then([BalanceSet { balance: 70 }])
//!     .when(Withdraw { amount: 80 })
//!     .then_rejected(InsufficientFunds);
//! ```
//!
//! # Example: a handler
//! ```standalone_crate
//! use std::sync::{Arc, Mutex};
//!
//! use evercore::{Aggregate, Error, Received, Router, state_event};
//! use evercore_testing::Recording;
//!
//! #[derive(Aggregate, Default)]
//! struct Account { balance: i64 }
//!
//! #[state_event(aggregate = Account)]
//! struct BalanceSet { balance: i64 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let latest = Arc::new(Mutex::new(0));
//! let shown = Arc::clone(&latest);
//! let mut router = Router::new().on(async move |set: Received<BalanceSet>| -> Result<(), Error> {
//!     *shown.lock().unwrap() = set.balance;
//!     Ok(())
//! });
//!
//! Recording::new()
//!     .event(1, BalanceSet { balance: 100 })
//!     .event(1, BalanceSet { balance: 70 })
//!     .handled_by(&mut router)
//!     .await
//!     .then_handled();
//!
//! assert_eq!(*latest.lock().unwrap(), 70);
//! # }
//! ```

mod catalogue;
pub mod history;
pub mod model;
mod recording;
mod scenario;

pub use catalogue::{Catalogue, CatalogueError, CatalogueUpdate};
pub use recording::{Handled, Recording};
pub use scenario::{
    BoundaryScenario, Decided, DecidedOn, Done, Events, ProcessScenario, Scenario, StoreScenario,
};
