//! Sends mails to customers: tried again if the mail service is busy, and dead if there is no such mailbox.

mod outbox;

use std::fmt;
use std::time::Duration;

use evercore::task::{Claimed, Handlers, QueueService, TaskError};
use evercore::{EventStore, HandlerRetry, task};
use serde::{Deserialize, Serialize};

pub(crate) use outbox::{Outbox, Refused};

/// The name of the queue.
pub(crate) const MAIL: &str = "mail";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum About {
    Reminder,
    Cancelled,
    Refunded,
}

#[task(queue = "mail")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SendMail {
    pub(crate) to: String,
    pub(crate) order: String,
    pub(crate) about: About,
}

/// Returns the worker that sends mails.
pub(crate) fn sender(store: &EventStore, outbox: Outbox) -> QueueService {
    let send = async move |mail: Claimed<SendMail>| match outbox.send(mail.id(), &mail).await {
        Err(refused @ Refused::NoMailbox) => Err(TaskError::permanent(refused)),
        sent => sent.map_err(TaskError::from),
    };
    let retry = HandlerRetry::default().attempts(8).base(Duration::from_millis(500));
    store.queue(MAIL).concurrency(4).retry(retry).handlers(Handlers::new().on(send))
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reminder => "please pay your order",
            Self::Cancelled => "your order is cancelled",
            Self::Refunded => "your money is on its way back",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str) -> SendMail {
        SendMail { to: to.to_owned(), order: "42".to_owned(), about: About::Reminder }
    }

    #[tokio::test]
    async fn a_mail_is_sent_once_for_each_task() -> anyhow::Result<()> {
        let outbox = Outbox::default();
        let (task, other) = (Claimed::from(mail("ada@example.com")), mail("ada@example.com"));
        outbox.send(task.id(), &task).await?;
        outbox.send(task.id(), &task).await?;
        assert_eq!(outbox.sent(), [other]);
        Ok(())
    }

    #[tokio::test]
    async fn a_mailbox_that_is_busy_is_tried_again() -> anyhow::Result<()> {
        let (outbox, task) = (Outbox::default(), Claimed::from(mail("bob@busy.example")));
        assert_eq!(outbox.send(task.id(), &task).await, Err(Refused::Busy));
        assert_eq!(outbox.send(task.id(), &task).await, Ok(()));
        Ok(())
    }
}
