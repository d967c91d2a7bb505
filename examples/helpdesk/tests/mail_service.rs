//! A mail service that can refuse mails, and fail.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

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
    /// The recipients and keys of all requests.
    requests: Vec<(String, String)>,
    /// The answers to mails to these customers.
    refused: BTreeMap<String, StatusCode>,
    is_failing: bool,
}

#[derive(Deserialize)]
struct Mail {
    to: String,
    text: String,
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
    pub(crate) fn refuse(&self, customer: &str, answer: StatusCode) {
        self.mails().refused.insert(customer.to_owned(), answer);
    }

    /// Refuses the first request for each mail from now on, and does not answer the next, by which the mail is sent.
    pub(crate) fn fail(&self) {
        self.mails().is_failing = true;
    }

    pub(crate) fn accept_all(&self) {
        let mut mails = self.mails();
        mails.refused.clear();
        mails.is_failing = false;
    }

    /// Returns the number of mails that were sent to a customer.
    pub(crate) fn sent_to(&self, customer: &str) -> usize {
        self.mails().sent.values().filter(|to| *to == customer).count()
    }

    /// Returns the number of requests to send mails to a customer.
    pub(crate) fn requests_for(&self, customer: &str) -> usize {
        self.mails().requests.iter().filter(|(to, _)| to == customer).count()
    }

    fn mails(&self) -> MutexGuard<'_, Mails> {
        self.mails.lock().expect("no panic")
    }
}

async fn send(
    State(mails): State<Arc<Mutex<Mails>>>,
    headers: HeaderMap,
    Json(mail): Json<Mail>,
) -> StatusCode {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let answer = mails.lock().expect("no panic").answer(key.expect("each mail has a key"), mail);
    match answer {
        Some(answer) => answer,
        None => pending().await,
    }
}

impl Mails {
    /// Sends a mail unless it was sent before, and returns the answer to the request.
    fn answer(&mut self, key: &str, Mail { to, text }: Mail) -> Option<StatusCode> {
        assert!(text.contains("is closed"), "{text}");
        let is_first = self.requests.iter().all(|(_, earlier)| earlier != key);
        self.requests.push((to.clone(), key.to_owned()));
        if let Some(refusal) = self.refused.get(&to) {
            return Some(*refusal);
        }
        if self.is_failing && is_first {
            return Some(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.sent.insert(key.to_owned(), to);
        (!self.is_failing).then_some(StatusCode::ACCEPTED)
    }
}
