//! Defines the names of subscriptions, the places where they start, and their partitions.

use std::fmt;
use std::sync::Arc;

use crate::key::shorten;
use crate::{Error, Result};

/// The longest name of a subscription, and of an owner, in bytes of UTF-8.
pub const MAX_SUBSCRIPTION_NAME_BYTES: usize = 128;

/// The name of a durable subscription: 1 to [`MAX_SUBSCRIPTION_NAME_BYTES`] bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionName(Arc<str>);

impl SubscriptionName {
    /// Checks `name` and makes a subscription name of it.
    ///
    /// # Errors
    /// [`Error::InvalidSubscription`] if it is empty, too long, or holds a control character.
    pub fn new(name: &str) -> Result<Self> {
        let problem = if name.is_empty() {
            "its name is empty".to_owned()
        } else if name.len() > MAX_SUBSCRIPTION_NAME_BYTES {
            format!(
                "its name is {} bytes long, but the limit is {MAX_SUBSCRIPTION_NAME_BYTES}",
                name.len()
            )
        } else if name.contains(char::is_control) {
            "its name holds a control character".to_owned()
        } else {
            return Ok(Self(name.into()));
        };
        Err(Error::InvalidSubscription { name: shorten(name), problem })
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SubscriptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<&str> for SubscriptionName {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl TryFrom<String> for SubscriptionName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(&name)
    }
}

impl TryFrom<&String> for SubscriptionName {
    type Error = Error;

    fn try_from(name: &String) -> Result<Self> {
        Self::new(name)
    }
}

impl From<&SubscriptionName> for SubscriptionName {
    fn from(name: &SubscriptionName) -> Self {
        name.clone()
    }
}
