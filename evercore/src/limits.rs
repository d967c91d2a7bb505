//! The limits that are the same for every store. A store sets the others with [`Limits`](crate::Limits).
//!
//! - Names and keys: [`MAX_NATURAL_KEY_BYTES`], [`MAX_IDEMPOTENCY_KEY_BYTES`], [`MAX_SUBSCRIPTION_NAME_BYTES`] and
//!   [`MAX_LABEL_BYTES`].
//! - Tags: [`MAX_TAG_BYTES`] and [`MAX_EVENT_TAGS`].
//! - Events: [`MAX_METADATA_BYTES`], [`MAX_INFLATED_BYTES`] and [`MIN_EVENT_TIME`].
//! - Subscriptions: [`MAX_PARTITIONS`].
//! - Tasks: [`MAX_QUEUE_NAME_BYTES`] and [`MAX_TASK_KEY_BYTES`].
//! - Commands: [`MAX_REJECTION_CHARS`].

pub(crate) mod settings;

pub use crate::command::deciding::MAX_REJECTION_CHARS;
pub use crate::format::compression::MAX_INFLATED_BYTES;
pub use crate::idempotency::MAX_IDEMPOTENCY_KEY_BYTES;
pub use crate::key::MAX_NATURAL_KEY_BYTES;
pub use crate::metadata::{MAX_LABEL_BYTES, MAX_METADATA_BYTES};
pub use crate::subscription::name::MAX_SUBSCRIPTION_NAME_BYTES;
pub use crate::subscription::partition::MAX_PARTITIONS;
pub use crate::tag::{MAX_EVENT_TAGS, MAX_TAG_BYTES};
pub use crate::task::id::{MAX_QUEUE_NAME_BYTES, MAX_TASK_KEY_BYTES};
pub use crate::time_range::MIN_EVENT_TIME;
