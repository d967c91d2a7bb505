//! A mail service that can refuse mails.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::TcpListener;

/// A running mail service.
pub(crate) struct MailService {
    url: String,
    mails: Arc<Mutex<Mails>>,
}

#[derive(Default)]
struct Mails {
    /// The recipients of the mails that were sent, by the key of the request.
    sent: BTreeMap<String, String>,
    refused: Option<String>,
}

#[derive(Deserialize)]
struct Mail {
    to: String,
}

impl MailService {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/mails", listener.local_addr()?);
        let mails = Arc::default();
        let app = Router::new().route("/mails", post(send)).with_state(Arc::clone(&mails));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { url, mails })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Refuses all mails to a customer from now on.
    pub(crate) fn refuse(&self, customer: &str) {
        self.mails.lock().expect("no panic").refused = Some(customer.to_owned());
    }

    pub(crate) fn accept_all(&self) {
        self.mails.lock().expect("no panic").refused = None;
    }

    pub(crate) fn sent_to(&self, customer: &str) -> bool {
        self.mails.lock().expect("no panic").sent.values().any(|to| to == customer)
    }
}

async fn send(
    State(mails): State<Arc<Mutex<Mails>>>,
    headers: HeaderMap,
    Json(mail): Json<Mail>,
) -> StatusCode {
    let mut mails = mails.lock().expect("no panic");
    if mails.refused.as_ref() == Some(&mail.to) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    mails.sent.insert(key.expect("each mail has a key").to_owned(), mail.to);
    StatusCode::ACCEPTED
}
