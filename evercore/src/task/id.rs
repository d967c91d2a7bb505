//! Defines the ids of tasks, and the names of queues and the keys of tasks.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::key::shorten;
use crate::{CommandId, Error, Result};

/// The longest name of a queue, in bytes of UTF-8.
pub const MAX_QUEUE_NAME_BYTES: usize = 128;

/// The longest key of a task, in bytes of UTF-8.
pub const MAX_TASK_KEY_BYTES: usize = 255;

/// The id of a task: a UUID of version 7, so that ids sort by the time of their creation.
///
/// It stays the same over all attempts, so it can be passed on as the idempotency key of a request to another service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(Uuid);

/// The name of a queue: 1 to [`MAX_QUEUE_NAME_BYTES`](crate::limits::MAX_QUEUE_NAME_BYTES) bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

/// The name of a task within its queue: 1 to [`MAX_TASK_KEY_BYTES`](crate::limits::MAX_TASK_KEY_BYTES) bytes of UTF-8 without a NUL.
///
/// A queue has at most one task with a key at a time, so a task that is enqueued again can replace the first one, and
/// a task can be cancelled. A dead task keeps its key, but does not stand in the way of another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey(Box<str>);

impl TaskId {
    /// Wraps the id of a stored task.
    #[must_use]
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// Creates a new id: a UUID of version 7. Later ids of a process are greater, so that the tasks of a commit keep their
    /// order.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// Returns the id as it is stored.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl QueueName {
    /// Checks `name` and makes the name of a queue of it.
    ///
    /// # Errors
    /// [`Error::InvalidTask`] if it is empty, too long, or holds a control character.
    pub fn new(name: &str) -> Result<Self> {
        let problem = if name.is_empty() {
            "the name is empty".to_owned()
        } else if name.len() > MAX_QUEUE_NAME_BYTES {
            format!("it is {} bytes long, but the limit is {MAX_QUEUE_NAME_BYTES}", name.len())
        } else if name.contains(char::is_control) {
            "it holds a control character".to_owned()
        } else {
            return Ok(Self(name.into()));
        };
        Err(Error::InvalidTask { what: "name of a queue", value: shorten(name), problem })
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TaskKey {
    /// Creates a key after checking it.
    ///
    /// # Errors
    /// [`Error::InvalidTask`] if it is empty, too long, or contains a NUL.
    pub fn new(key: impl Into<Box<str>>) -> Result<Self> {
        let key = key.into();
        let problem = if key.is_empty() {
            "the key is empty".to_owned()
        } else if key.len() > MAX_TASK_KEY_BYTES {
            format!("it is {} bytes long, but the limit is {MAX_TASK_KEY_BYTES}", key.len())
        } else if key.contains('\0') {
            "it holds a NUL character".to_owned()
        } else {
            return Ok(Self(key));
        };
        Err(Error::InvalidTask { what: "key of a task", value: shorten(&key), problem })
    }

    /// Returns the key as text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The task that a command is done by.
impl From<CommandId> for TaskId {
    fn from(id: CommandId) -> Self {
        Self(*id.as_uuid())
    }
}

impl From<Uuid> for TaskId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

macro_rules! text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                Self::new(text.as_str())
            }
        }

        impl TryFrom<&String> for $name {
            type Error = Error;

            fn try_from(text: &String) -> Result<Self> {
                Self::new(text.as_str())
            }
        }

        impl From<&$name> for $name {
            fn from(text: &$name) -> Self {
                text.clone()
            }
        }
    };
}

text!(QueueName);
text!(TaskKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_checked() {
        assert_eq!(QueueName::new("mail").map(|name| name.to_string()).unwrap(), "mail");
        for name in ["", "a\nb", &"x".repeat(129)] {
            assert!(matches!(QueueName::new(name), Err(Error::InvalidTask { .. })), "{name:?}");
        }
        assert_eq!(TaskKey::new("remind\n42").unwrap().as_str(), "remind\n42");
        for key in ["", "a\0b", &"x".repeat(256)] {
            assert!(matches!(TaskKey::new(key), Err(Error::InvalidTask { .. })), "{key:?}");
        }
    }
}
