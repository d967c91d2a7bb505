//! Drives the service over HTTP, on both engines.

pub(crate) mod desk;
mod mail_service;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use evercore::EventStore;
use reqwest::StatusCode;
use serde_json::json;

use desk::Desk;
use mail_service::MailService;

use crate::mails::MAILS;
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
    a_failing_mail_is_shown_and_retried(&desk, &mails).await?;
    outage(&desk).await?;
    desk.until_ready().await?;
    nothing_is_lost_in_a_stop(&mut desk, &mails).await?;
    no_mail_is_lost_or_doubled_in_a_crash(&mut desk, &mails).await?;
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

/// A mail that cannot be sent holds up no other. It is dead in the end, and sent when an operator retries it.
async fn a_failing_mail_is_shown_and_retried(
    desk: &Desk,
    mails: &MailService,
) -> anyhow::Result<()> {
    let failing = [
        ("bob", StatusCode::SERVICE_UNAVAILABLE, 3),
        ("dora", StatusCode::UNPROCESSABLE_ENTITY, 1),
    ];
    for (customer, refusal, _) in failing {
        mails.refuse(customer, refusal);
        desk.close_one_of(customer).await?;
    }
    let ticket = desk.close_one_of("carol").await?;
    assert_eq!(desk.close(ticket).await?.status(), StatusCode::UNPROCESSABLE_ENTITY);
    until("the other mail is sent", async || Ok((mails.sent_to("carol") == 1).then_some(())))
        .await?;
    until("the mails are dead", async || {
        Ok((desk.metric_of_mails("evercore_queue_dead").await? == Some(2.0)).then_some(()))
    })
    .await?;

    let dead = desk.dead_mails().await?;
    assert_eq!(dead.len(), 2);
    for (customer, refusal, attempts) in failing {
        let dead = dead.iter().find(|dead| dead["mail"]["to"] == customer).expect("it is listed");
        assert_eq!(mails.requests_for(customer), attempts);
        let failure = dead["failure"].as_str().expect("it has failed");
        assert!(failure.contains(refusal.as_str()), "{failure}");
    }
    desk.until_ready().await?;

    mails.accept_all();
    assert_eq!(desk.retry_mails().await?, 2);
    for (customer, ..) in failing {
        until("the mail is sent", async || Ok((mails.sent_to(customer) == 1).then_some(())))
            .await?;
    }
    assert_eq!(desk.dead_mails().await?.len(), 0);
    Ok(())
}

/// The process is killed after mails were sent whose requests the mail service had not answered.
async fn no_mail_is_lost_or_doubled_in_a_crash(
    desk: &mut Desk,
    mails: &MailService,
) -> anyhow::Result<()> {
    let customers = [1, 2, 3, 4, 5, 6].map(|number| format!("ivan {number}"));
    mails.fail();
    for customer in &customers {
        desk.close_one_of(customer).await?;
    }
    let unanswered = until("a mail is sent", async || {
        Ok(customers.iter().find(|customer| mails.sent_to(customer) == 1).cloned())
    });
    let unanswered = unanswered.await?;
    desk.kill()?;
    mails.accept_all();
    desk.start_again(mails)?;

    let store = EventStore::connect(desk.database()).await?;
    until("no mail is left to send", async || {
        let mails = store.queues().get(MAILS).await?;
        Ok((mails.due + mails.scheduled + mails.running == 0).then_some(()))
    })
    .await?;
    store.close().await?;
    assert_eq!(customers.each_ref().map(|customer| mails.sent_to(customer)), [1; 6]);
    assert_eq!(mails.requests_for(&unanswered), 3, "refused, not answered, and answered at last");
    desk.until_ready().await?;
    assert_eq!(desk.dead_mails().await?.len(), 0);
    Ok(())
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
