//! Names the metadata by which a rejected command comes back to the queue of its sender. Nothing that the command or its
//! return causes carries them on.

use super::QueueName;
use crate::Metadata;

/// The queue to which a command comes back if it is rejected.
const REPLY_TO: &str = "evercore.reply_to";

/// The reason for which a command that has come back was rejected.
const REJECTION: &str = "evercore.rejection";

impl Metadata {
    pub(crate) fn replying_to(self, queue: &QueueName) -> Self {
        self.with(REPLY_TO, queue.as_str())
    }

    pub(crate) fn rejected_for(self, reason: &str) -> Self {
        self.with(REJECTION, reason)
    }

    pub(crate) fn reply_to(&self) -> Option<QueueName> {
        QueueName::new(self.get(REPLY_TO)?.as_str()?).ok()
    }

    pub(crate) fn rejection(&self) -> Option<&str> {
        self.get(REJECTION)?.as_str()
    }

    pub(crate) fn without_reply(self) -> Self {
        self.without(REPLY_TO).without(REJECTION)
    }
}
