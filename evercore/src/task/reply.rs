//! Names the metadata by which a command that has no effect comes back to the queue of its sender. Nothing that the
//! command or its return causes carries them on.

use tracing::info;

use super::claimed::About;
use super::{QueueName, TaskId};
use crate::Metadata;
use crate::engine::TaskReturn;
use crate::metadata::MetadataSource;
use crate::report::{MOST_FAILURE_CHARS, to_stored};

/// The queue to which a command comes back if it is rejected.
const REJECTED_TO: &str = "evercore.reply_to";

/// The queue to which a command comes back if it fails for good.
const FAILED_TO: &str = "evercore.failed_to";

/// The reason for which a command that has come back was rejected.
const REJECTION: &str = "evercore.rejection";

/// The reason for which a command that has come back has failed for good.
const FAILURE: &str = "evercore.failure";

impl Metadata {
    pub(crate) fn returning_rejected_to(self, queue: &QueueName) -> Self {
        self.with(REJECTED_TO, queue.as_str())
    }

    pub(crate) fn returning_failed_to(self, queue: &QueueName) -> Self {
        self.with(FAILED_TO, queue.as_str())
    }

    /// Makes the metadata of a rejected command that comes back.
    pub(crate) fn rejected_for(self, reason: &str) -> Self {
        self.with_reason(REJECTION, reason)
    }

    pub(crate) fn rejected_to(&self) -> Option<QueueName> {
        QueueName::new(self.get(REJECTED_TO)?.as_str()?).ok()
    }

    pub(crate) fn rejection(&self) -> Option<&str> {
        self.get(REJECTION)?.as_str()
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.get(FAILURE)?.as_str()
    }

    pub(crate) fn without_reply(self) -> Self {
        self.without(REJECTED_TO).without(FAILED_TO).without(REJECTION).without(FAILURE)
    }

    fn failed_to(&self) -> Option<QueueName> {
        QueueName::new(self.get(FAILED_TO)?.as_str()?).ok()
    }

    /// Adds a reason, of which as much is kept as metadata may hold. If there is no room at all, the other fields go: a
    /// command that cannot come back would be worse.
    fn with_reason(self, field: &str, reason: &str) -> Self {
        let cut = |chars: usize| to_stored(reason, chars);
        let lengths = std::iter::successors(Some(MOST_FAILURE_CHARS), |chars| {
            (*chars > 0).then_some(chars / 2)
        });
        let fits = |all: &Self| all.check().is_ok();
        let mut cuts = lengths.map(|chars| self.clone().with(field, cut(chars)));
        cuts.find(fits)
            .unwrap_or_else(|| self.without_fields().with(field, cut(MOST_FAILURE_CHARS)))
    }
}

/// Makes the return of a task that will not be done; `None` if its sender has not asked for it.
pub(super) fn failed(
    about: &About,
    why: &str,
    default_metadata: Option<&MetadataSource>,
) -> Option<TaskReturn> {
    let queue = about.metadata.failed_to()?;
    let around = Metadata::of_event(Some(about.as_cause()), None, default_metadata);
    let metadata = around.unwrap_or_default().with_reason(FAILURE, why);
    let metadata_column = metadata.to_column().ok().flatten();
    Some(TaskReturn { id: TaskId::generate(), queue, metadata, metadata_column })
}

/// Logs that a task has come back.
pub(super) fn say(queue: &QueueName, task: TaskId, returned: &TaskReturn) {
    let (to, id) = (&returned.queue, returned.id);
    info!(%queue, %task, %to, returned = %id, "a command that will not be done comes back to its sender");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_until_the_metadata_can_be_stored() {
        let reason = "\u{1}".repeat(3_000);
        let long = |bytes: usize| Metadata::new().principal("ada").with("note", "x".repeat(bytes));
        let reason_of = |metadata: Metadata| {
            let returned = metadata.rejected_for(&reason);
            returned.check().expect("it can be stored");
            assert_eq!(returned.principal_id(), Some("ada"));
            let has_note = returned.get("note").is_some();
            (returned.rejection().expect("it has a reason").len(), has_note)
        };
        // Each character is six bytes of JSON.
        assert_eq!(reason_of(long(10)), (2_000, true));
        assert_eq!(reason_of(long(10_000)), (1_000, true));
        assert_eq!(reason_of(long(16_200)), (15, true));
        assert_eq!(reason_of(long(16_340)), (2_000, false), "there is no room");
    }
}
