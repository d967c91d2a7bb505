//! Drives the service over HTTP, on both engines.

pub(crate) mod desk;
mod mail_service;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use reqwest::StatusCode;
use serde_json::json;

use desk::Desk;
use mail_service::MailService;

use crate::service;

/// The arguments of [`program`], one a line.
const ARGUMENTS: &str = "HELPDESK_TEST_ARGUMENTS";

/// The service itself and not a test, run in a process of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is run by the tests"]
async fn program() -> anyhow::Result<()> {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return Ok(()) };
    service::run(service::Args::parse_from(arguments.lines())).await
}

/// Repeats a look until it finds something, for half a minute.
async fn until<T>(
    what: &str,
    look: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    for _ in 0..600 {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("waited in vain until {what}")
}

/// Drives the service through all that a service meets. `outage` takes the database down, runs its argument, and
/// brings the database back; it does nothing where that is not possible.
pub(crate) async fn drive(
    url: &str,
    outage: impl AsyncFnOnce(&Desk) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mails = MailService::start().await?;
    let mut desk = Desk::start(url, &mails)?;
    desk.until_ready().await?;
    requests_are_repeatable(&desk).await?;
    rules_hold(&desk).await?;
    a_failing_mail_waits(&desk, &mails).await?;
    outage(&desk).await?;
    desk.until_ready().await?;
    nothing_is_lost_in_a_stop(&mut desk, &mails).await?;
    desk.stop().await
}

async fn requests_are_repeatable(desk: &Desk) -> anyhow::Result<()> {
    let first = desk.open("the first", "ada", "no light").await?;
    let again = desk.open("the first", "ada", "no light").await?;
    assert_eq!(first, again);
    assert_eq!(desk.tickets_at(first.position).await?.len(), 1, "it was opened once");

    let without_key = desk.post("/tickets", &json!({ "customer": "ada", "subject": "x" })).await?;
    assert_eq!(without_key.status(), StatusCode::BAD_REQUEST);
    let incomplete = desk.try_open("incomplete", "ada", "").await?;
    assert_eq!(incomplete.status(), StatusCode::BAD_REQUEST);
    Ok(())
}

async fn rules_hold(desk: &Desk) -> anyhow::Result<()> {
    let ticket = desk.open("contested", "grace", "no sound").await?.ticket;
    let (one, other) = tokio::join!(desk.assign(ticket, "eve"), desk.assign(ticket, "mallory"));
    let mut statuses = [one?.status(), other?.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY]);

    for number in 1..=4 {
        let ticket = desk.open(&format!("for joan {number}"), "grace", "no picture").await?.ticket;
        let expected = if number <= 3 { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        assert_eq!(desk.assign(ticket, "joan").await?.status(), expected, "{number}");
    }
    let unknown = desk.assign(1_000_000, "joan").await?;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let text = unknown.text().await?;
    assert_eq!(text, "what the request names does not exist", "it names no type and no id");
    Ok(())
}

/// A mail that cannot be sent holds up no other, and is sent once the mail service accepts it.
async fn a_failing_mail_waits(desk: &Desk, mails: &MailService) -> anyhow::Result<()> {
    mails.refuse("bob");
    for customer in ["bob", "carol"] {
        let ticket = desk.open(&format!("of {customer}"), customer, "no heat").await?.ticket;
        assert_eq!(desk.assign(ticket, customer).await?.status(), StatusCode::OK);
        assert_eq!(desk.close(ticket).await?.status(), StatusCode::OK);
        assert_eq!(desk.close(ticket).await?.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    until("the other mail is sent", async || Ok(mails.sent_to("carol").then_some(()))).await?;
    until("the mail is put aside", async || {
        let parked = desk.metric("evercore_subscription_parked", "mails").await?;
        Ok((parked == Some(1.0)).then_some(()))
    })
    .await?;
    mails.accept_all();
    assert_eq!(desk.post("/mails/redrive", &json!(null)).await?.status(), StatusCode::ACCEPTED);
    until("the mail is sent", async || Ok(mails.sent_to("bob").then_some(()))).await
}

/// Customers open tickets while the service is stopped by a signal and started again. A request that got no answer is
/// repeated.
async fn nothing_is_lost_in_a_stop(desk: &mut Desk, mails: &MailService) -> anyhow::Result<()> {
    let before = desk.tickets().await?.len();
    let enough = Arc::new(AtomicBool::new(false));
    let customers: Vec<_> = (0..4)
        .map(|customer| {
            let (desk, enough) = (desk.client(), Arc::clone(&enough));
            tokio::spawn(async move {
                let mut opened = BTreeSet::new();
                while !enough.load(Ordering::Relaxed) {
                    let key = format!("customer {customer}, ticket {}", opened.len());
                    match desk.try_open(&key, "heidi", "no water").await {
                        Ok(answer) if answer.status() == StatusCode::CREATED => {
                            opened
                                .insert(answer.json::<desk::Changed>().await.expect("JSON").ticket);
                        }
                        _ => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
                opened
            })
        })
        .collect();
    let some_more = async |desk: &Desk, than: usize| {
        let number = until("tickets are opened", async || {
            let number = desk.tickets().await?.len();
            Ok((number >= than + 20).then_some(number))
        });
        number.await
    };
    let opened = some_more(desk, before).await?;
    desk.stop().await?;
    desk.start_again(mails)?;
    desk.until_ready().await?;
    some_more(desk, opened).await?;
    enough.store(true, Ordering::Relaxed);

    let mut tickets = 0;
    for customer in customers {
        tickets += customer.await?.len();
    }
    let after = until("the list shows all tickets", async || {
        let after = desk.tickets().await?.len();
        Ok((after >= before + tickets).then_some(after))
    });
    assert_eq!(after.await?, before + tickets, "each request opened one ticket");
    Ok(())
}
