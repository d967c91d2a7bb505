//! Mails to customers, through the HTTP interface of a mail service.

use evercore::{Received, Router};
use reqwest::Client;
use serde::Serialize;

use crate::domain::TicketClosed;

/// The name of the subscription that sends the mails.
pub(crate) const MAILS: &str = "mails";

#[derive(Serialize)]
struct Mail<'a> {
    to: &'a str,
    text: String,
}

/// Returns the handler that sends a mail for each closed ticket, to a mail service with this URL.
///
/// A mail is sent **at least once**. The key that goes with it lets the mail service drop the second of two.
pub(crate) fn send(url: String) -> Router {
    let client = Client::new();
    Router::new().on(async move |closed: Received<TicketClosed>| {
        let mail = Mail {
            to: &closed.customer,
            text: format!("Your ticket \"{}\" is closed.", closed.subject),
        };
        let key = format!("mail-{}", closed.recorded().position());
        let sent = client.post(url).header("Idempotency-Key", key).json(&mail).send().await?;
        sent.error_for_status().map(drop)
    })
}
