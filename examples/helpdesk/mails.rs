//! Mails to customers, through the HTTP interface of a mail service.

use evercore::task;
use evercore::task::{Claimed, Handlers, TaskBody, TaskError};
use reqwest::{Client, StatusCode};

pub(crate) const MAILS: &str = SendMail::QUEUE;

/// A mail to a customer.
#[task(queue = "mails")]
pub(crate) struct SendMail {
    pub(crate) to: String,
    pub(crate) text: String,
}

/// Returns the handler that posts each mail to a mail service **at least once**. The key that goes with it lets the
/// mail service drop the second of two.
pub(crate) fn send(url: String) -> Handlers {
    let client = Client::new();
    Handlers::new().on(async move |mail: Claimed<SendMail>| {
        let request = client.post(url).header("Idempotency-Key", mail.id().to_string());
        let sent = request.json(&*mail).send().await?.error_for_status();
        sent.map(drop).map_err(|error| match error.status() {
            Some(StatusCode::UNPROCESSABLE_ENTITY) => TaskError::permanent(error),
            _ => error.into(),
        })
    })
}
