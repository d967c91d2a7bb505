//! Stands in for a mail service: prints mails, and keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evercore::task::TaskId;
use tokio::sync::watch;

use super::SendMail;

/// A mail service. The domain `busy.example` refuses each mail once, and `nowhere.example` has no mailboxes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox(Arc<watch::Sender<Mails>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Mails {
    /// By the id of the task, which is the idempotency key.
    sent: BTreeMap<TaskId, SendMail>,
    busy: BTreeSet<TaskId>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("451 the mailbox is busy")]
    Busy,
    #[error("550 there is no such mailbox")]
    NoMailbox,
}

impl Outbox {
    /// Sends a mail once for each id.
    pub(crate) async fn send(&self, id: TaskId, mail: &SendMail) -> Result<(), Refused> {
        // A real service is waited for here.
        tokio::task::yield_now().await;
        if mail.to.ends_with("@nowhere.example") {
            return Err(Refused::NoMailbox);
        }
        let mut is_busy = false;
        self.0.send_modify(|mails| {
            is_busy = mail.to.ends_with("@busy.example") && mails.busy.insert(id);
            if !is_busy {
                mails.sent.insert(id, mail.clone());
            }
        });
        if is_busy {
            return Err(Refused::Busy);
        }
        println!("          mail to {}: {}", mail.to, mail.about);
        Ok(())
    }

    /// Returns the mails that were sent.
    pub(crate) fn sent(&self) -> Vec<SendMail> {
        self.0.borrow().sent.values().cloned().collect()
    }

    /// Waits until a mail is sent.
    pub(crate) async fn wait_for(&self, mail: &SendMail) {
        let mut mails = self.0.subscribe();
        // Cannot fail: the sender lives as long as the outbox.
        let _sent = mails.wait_for(|mails| mails.sent.values().any(|sent| sent == mail)).await;
    }
}
