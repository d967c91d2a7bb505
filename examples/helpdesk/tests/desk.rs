//! Starts the service, and sends requests to it.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Deref;

use evercore_examples::Program;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::mail_service::MailService;
use super::{ARGUMENTS, until};

/// A running service.
pub(crate) struct Desk {
    program: Option<Program>,
    database: String,
    requests: Requests,
}

/// Sends requests to the service, whether it runs or not.
#[derive(Clone)]
pub(crate) struct Requests {
    client: Client,
    address: String,
}

/// The answer to a change.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Changed {
    pub(crate) ticket: i64,
    pub(crate) position: i64,
}

impl Desk {
    pub(crate) fn start(database: &str, mails: &MailService) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let requests = Requests { client: Client::new(), address: format!("127.0.0.1:{port}") };
        let mut desk = Self { program: None, database: database.to_owned(), requests };
        desk.start_again(mails)?;
        Ok(desk)
    }

    pub(crate) fn start_again(&mut self, mails: &MailService) -> anyhow::Result<()> {
        let arguments = [
            "helpdesk",
            &format!("--db={}", self.database),
            &format!("--listen={}", self.requests.address),
            &format!("--mail={}", mails.url()),
            "--mail-attempts=3",
        ];
        let arguments = arguments.join("\n");
        self.program = Some(Program::start("tests::program", &[(ARGUMENTS, &arguments)])?);
        Ok(())
    }

    /// Stops the service by a signal, and checks that it ends without an error.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let program = self.program.take().expect("it was started");
        program.terminate()?;
        let status = tokio::task::spawn_blocking(|| program.ended()).await??;
        anyhow::ensure!(status.success(), "the service ended with {status}");
        Ok(())
    }

    /// Kills the service.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.program.take().expect("it was started").kill()?)
    }

    /// Returns the URL of the database.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn client(&self) -> Requests {
        self.requests.clone()
    }
}

impl Deref for Desk {
    type Target = Requests;

    fn deref(&self) -> &Requests {
        &self.requests
    }
}

impl Requests {
    pub(crate) async fn until_ready(&self) -> anyhow::Result<()> {
        self.until_health("ready", StatusCode::OK).await
    }

    /// Waits until a probe is answered so. What a probe has found is kept for a second.
    pub(crate) async fn until_health(&self, probe: &str, status: StatusCode) -> anyhow::Result<()> {
        until(&format!("`{probe}` is answered with {status}"), async || {
            Ok((self.health(probe).await == Some(status)).then_some(()))
        })
        .await
    }

    /// Returns the status of a probe; `None` if the service does not answer.
    pub(crate) async fn health(&self, probe: &str) -> Option<StatusCode> {
        let answer = self.get(&format!("/health/{probe}")).await.ok()?;
        Some(answer.status())
    }

    pub(crate) async fn open(
        &self,
        key: &str,
        customer: &str,
        subject: &str,
    ) -> anyhow::Result<Changed> {
        Ok(self.try_open(key, customer, subject).await?.error_for_status()?.json().await?)
    }

    pub(crate) async fn try_open(
        &self,
        key: &str,
        customer: &str,
        subject: &str,
    ) -> reqwest::Result<Response> {
        let ticket = json!({ "customer": customer, "subject": subject });
        let request = self.client.post(self.url("/tickets")).header("Idempotency-Key", key);
        request.json(&ticket).send().await
    }

    pub(crate) async fn assign(&self, ticket: i64, agent: &str) -> reqwest::Result<Response> {
        self.post(&format!("/tickets/{ticket}/agent"), &json!({ "agent": agent })).await
    }

    pub(crate) async fn close(&self, ticket: i64) -> reqwest::Result<Response> {
        self.post(&format!("/tickets/{ticket}/close"), &json!(null)).await
    }

    /// Opens a ticket, and has an agent take and close it.
    pub(crate) async fn close_one_of(&self, customer: &str) -> anyhow::Result<i64> {
        let ticket = self.open(&format!("of {customer}"), customer, "no heat").await?.ticket;
        self.assign(ticket, customer).await?.error_for_status()?;
        self.close(ticket).await?.error_for_status()?;
        Ok(ticket)
    }

    /// Returns the mails that have failed for good.
    pub(crate) async fn dead_mails(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.get("/mails/dead").await?.error_for_status()?.json().await?)
    }

    /// Sends those mails again, and returns their number.
    pub(crate) async fn retry_mails(&self) -> anyhow::Result<u64> {
        let retried = self.post("/mails/dead", &json!(null)).await?;
        Ok(retried.error_for_status()?.json().await?)
    }

    pub(crate) async fn tickets(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.get("/tickets").await?.error_for_status()?.json().await?)
    }

    /// Returns the tickets that the list shows once it shows a change.
    pub(crate) async fn tickets_at(&self, position: i64) -> anyhow::Result<Vec<Value>> {
        let list = self.get(&format!("/tickets?position={position}")).await?;
        Ok(list.error_for_status()?.json().await?)
    }

    /// Returns the value of a metric of the queue of mails.
    pub(crate) async fn metric_of_mails(&self, name: &str) -> anyhow::Result<Option<f64>> {
        let all = self.get("/metrics").await?.error_for_status()?.text().await?;
        let metric = format!("{name}{{queue=\"mails\"}} ");
        let value = all.lines().find_map(|line| line.strip_prefix(&metric));
        Ok(value.map(str::parse::<f64>).transpose()?)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Result<Response> {
        self.client.post(self.url(path)).json(body).send().await
    }

    async fn get(&self, path: &str) -> reqwest::Result<Response> {
        self.client.get(self.url(path)).send().await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
