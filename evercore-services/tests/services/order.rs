//! A subscription whose handler fails now and then loses no event, and keeps the order of each aggregate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::{
    Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, RecordedEvent, Result, each, event,
};
use evercore_memory::MemoryEngine;
use evercore_services::{RestartPolicy, ServiceState, Services, ServicesStatus};

use crate::members::{broken, soon};

#[derive(Aggregate, Default)]
pub(crate) struct Ticket {
    answers: u32,
}

#[event(aggregate = Ticket)]
pub(crate) struct Answered {}

impl Apply<Answered> for Ticket {
    fn apply(&mut self, _: &Answered, _: &EventMeta) {
        self.answers += 1;
    }
}

/// Returns a store with so many tickets, each of which has this many answers.
pub(crate) async fn tickets(tickets: u32, answers: u32) -> Result<EventStore> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    for _ in 0..answers {
        for ticket in 0..tickets {
            answer(&store, ticket).await?;
        }
    }
    Ok(store)
}

async fn answer(store: &EventStore, ticket: u32) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut ticket = ctx.load_or_create::<Ticket>(format!("{ticket}").as_str()).await?;
            ctx.apply(&mut ticket, Answered {})
        })
        .await
}

/// The last sequence of each aggregate that was handled.
#[derive(Clone, Default)]
struct Handled(Arc<Mutex<BTreeMap<AggregateId, i64>>>);

impl Handled {
    /// An event may come again, but none may be left out.
    fn note(&self, event: &RecordedEvent) {
        let mut handled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = handled.entry(event.aggregate_id()).or_default();
        let sequence = event.sequence().get();
        assert!(sequence <= *last + 1, "{sequence} came after {last}");
        *last = sequence.max(*last);
    }

    fn total(&self) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

async fn every_event_is_handled_in_order(partitions: u32) -> Result<()> {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    let (store, handled, failures) =
        (tickets(5, 20).await?, Handled::default(), Arc::new(Mutex::new(0)));
    let (noted, failed) = (handled.clone(), Arc::clone(&failures));
    let handler = each(async move |event: RecordedEvent| {
        let chance = random.lock().unwrap_or_else(PoisonError::into_inner).u32(..10);
        tokio::task::yield_now().await;
        if chance < 2 {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        match chance {
            0 => return Err(broken()),
            1 => panic!("there is a spider in it"),
            _ => noted.note(&event),
        }
        Ok(())
    });
    let hasty = RestartPolicy::default().longest(Duration::from_secs(1));
    let subscription = store.subscription("replies").partitions(partitions).batch_size(7);
    let services = Services::new().with(subscription.handler(handler)).restart(hasty);
    let status = services.status();
    let mut answers = 20;
    let until_handled = async {
        assert!(status.wait_until_ready().await);
        // Events also come while the service fails and restarts.
        while status.services()[0].restarts <= 5 {
            for ticket in 0..5 {
                answer(&store, ticket).await.expect("nothing else writes");
            }
            answers += 1;
            until_idle(&store, &status).await;
        }
    };
    soon(services.run_until(until_handled)).await.expect("it stops well");
    assert_eq!(handled.total(), 5 * answers);
    let failures = *failures.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(failures > 5, "the handler should fail now and then: {failures}");
    Ok(())
}

/// Waits until everything is handled, however often the worker fails meanwhile.
async fn until_idle(store: &EventStore, status: &ServicesStatus) {
    loop {
        match store.wait_until_idle("replies").await {
            Ok(_) => return,
            // The worker is restarted.
            Err(Error::SubscriptionFailed { .. }) => {
                assert!(status.wait_until(|all| all[0].state == ServiceState::Ready).await);
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_whose_handler_fails_now_and_then_loses_nothing_and_keeps_its_order()
-> Result<()> {
    every_event_is_handled_in_order(1).await
}

#[tokio::test(start_paused = true)]
async fn so_does_one_of_several_partitions() -> Result<()> {
    every_event_is_handled_in_order(4).await
}
