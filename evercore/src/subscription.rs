//! Follows the log with durable and ephemeral subscriptions.
//!
//! - [`EventStore::subscription`](crate::EventStore::subscription) makes a [`SubscriptionBuilder`], for a worker whose
//!   position is stored, and [`EventStore::ephemeral`](crate::EventStore::ephemeral) an [`EphemeralBuilder`], for a
//!   follower that stores nothing. A running one is a [`SubscriptionHandle`].
//! - [`EventStore::subscriptions`](crate::EventStore::subscriptions) gives access to [`Subscriptions`]: the
//!   [`SubscriptionInfo`] of each, its [`ParkedEvent`]s, and methods to pause, resume, reset and delete it.
//!
//! Handlers are at the root of the crate: [`Handler`](crate::Handler), [`Router`](crate::Router) and
//! [`each`](crate::each). A [`TransactionHandler`], such as a [`TransactionRouter`], handles events in a transaction of
//! the store's database.
//!
//! # How it works
//!
//! Every subscription reads pages of the log in one loop, and wake-ups only tell it to look earlier. There is no
//! separate live path, and so no hand-over between reading the past and reading what is new.

mod acquiring;
mod admin;
mod builder;
mod config;
mod deliver;
mod ephemeral;
pub(crate) mod failure;
mod filter_names;
mod filter_options;
mod handle;
pub(crate) mod handler;
mod interrupt;
pub(crate) mod name;
mod parked;
pub(crate) mod partition;
mod progress;
mod read_ahead;
pub(crate) mod router;
mod routes;
mod runner;
mod service;
pub(crate) mod start;
mod time_limit;
mod transaction_handler;
mod transaction_router;
mod transactional;
mod wait;
mod worker;
mod workers;

pub use admin::{Condition, Page, PartitionInfo, SubscriptionInfo, Subscriptions};
pub use builder::SubscriptionBuilder;
pub use ephemeral::EphemeralBuilder;
pub use handle::SubscriptionHandle;
pub use handler::Each;
pub use interrupt::Interrupt;
pub use parked::{DiscardedEvent, ParkedEvent};
pub use partition::Partition;
pub use progress::{SubscriptionProgress, SubscriptionState, SubscriptionStatus};
pub use service::SubscriptionService;
pub use transaction_handler::{TransactionFn, TransactionHandler};
pub use transaction_router::TransactionRouter;
pub use transactional::TransactionService;
