//! Follows the log with durable and ephemeral subscriptions.
//!
//! Every subscription reads pages of the log in one loop, and wake-ups only tell it to look earlier. There is no
//! separate live path, and so no hand-over between reading the past and reading what is new.

mod admin;
mod builder;
mod config;
mod deliver;
mod ephemeral;
mod failure;
mod filter_names;
mod filter_options;
mod handle;
mod handler;
mod interrupt;
mod name;
mod parked;
mod partition;
mod progress;
mod read_ahead;
mod router;
mod runner;
mod start;
mod wait;
mod worker;
mod workers;

pub use admin::{Condition, Page, PartitionInfo, SubscriptionInfo, Subscriptions};
pub use builder::SubscriptionBuilder;
pub use ephemeral::EphemeralBuilder;
pub use failure::FailurePolicy;
pub use handle::SubscriptionHandle;
pub use handler::{Batch, Each, Handler, HandlerError, each};
pub use interrupt::Interrupt;
pub use name::{MAX_SUBSCRIPTION_NAME_BYTES, SubscriptionName};
pub use parked::{DiscardedEvent, ParkedEvent};
pub use partition::{MAX_PARTITIONS, Partition};
pub use progress::{SubscriptionProgress, SubscriptionState, SubscriptionStatus};
pub use router::{Received, Router};
pub use start::Start;
