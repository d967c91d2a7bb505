//! Tells what happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evercore::{Error, Event, EventStore, Position, Received, Result, Router, Start};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::customers::CUSTOMERS;
use crate::cancel::OrderCancelled;
use crate::order::Order;
use crate::pack::OrderPacked;
use crate::pay::OrderPaid;
use crate::place::OrderPlaced;
use crate::refund::OrderRefunded;
use crate::ship::OrderShipped;

/// Tells what happens after a position, until the orders of all customers have ended.
pub(super) async fn narrate(
    store: &EventStore,
    after: Position,
    day: Duration,
    run: &str,
) -> Result<()> {
    let narrator = Narrator {
        run: run.to_owned(),
        begun: Instant::now(),
        day,
        ended: AtomicUsize::new(0),
        done: CancellationToken::new(),
    };
    let events = store.ephemeral().aggregate::<Order>().start(Start::After(after));
    events.stop_on(narrator.done.clone()).run(router(&Arc::new(narrator))).await
}

struct Narrator {
    run: String,
    begun: Instant,
    day: Duration,
    ended: AtomicUsize,
    done: CancellationToken,
}

/// The order, what has happened to it, and whether it has ended.
type Told<'a> = (&'a str, String, bool);

fn router(narrator: &Arc<Narrator>) -> Router {
    let router = narrator.on(Router::new(), |e: &OrderPlaced| {
        (e.order.as_str(), format!("orders {} for {}", e.quantity, euros(e.total)), false)
    });
    let router = narrator.on(router, |e: &OrderPaid| (e.order.as_str(), "pays".to_owned(), false));
    let router = narrator
        .on(router, |e: &OrderPacked| (e.order.as_str(), "has a parcel packed".to_owned(), false));
    let router = narrator
        .on(router, |e: &OrderShipped| (e.order.as_str(), "has a parcel shipped".to_owned(), true));
    let router = narrator.on(router, |e: &OrderCancelled| {
        (e.order.as_str(), format!("has the order cancelled: {}", e.reason), true)
    });
    narrator.on(router, |e: &OrderRefunded| {
        (e.order.as_str(), format!("gets {} back: {}", euros(e.amount), e.reason), true)
    })
}

impl Narrator {
    /// Adds how an event is told.
    fn on<E: Event>(self: &Arc<Self>, router: Router, tell: fn(&E) -> Told<'_>) -> Router {
        let narrator = Arc::clone(self);
        router.on(async move |event: Received<E>| -> Result<(), Error> {
            narrator.tell(tell(&event));
            Ok(())
        })
    }

    fn tell(&self, (order, text, has_ended): Told<'_>) {
        let number = order.strip_prefix(&self.run).and_then(|rest| rest.strip_prefix('-'));
        let customer = number.and_then(|number| CUSTOMERS.get(number.parse::<usize>().ok()?));
        let Some(customer) = customer else { return };
        let days = self.begun.elapsed().as_secs_f64() / self.day.as_secs_f64();
        println!("day {days:4.1}  {} {text}", customer.name);
        let ended = usize::from(has_ended);
        if self.ended.fetch_add(ended, Ordering::Relaxed) + ended == CUSTOMERS.len() {
            self.done.cancel();
        }
    }
}

fn euros(cents: u64) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}
