//! Puts the services of the business together.

use evercore::EventStore;
use evercore::task::Handlers;
use evercore_process::Processes;
use evercore_services::Services;

use crate::fulfilment::{FULFILMENT, Fulfilment};
use crate::mail::{self, Outbox};
use crate::orders::Orders;
use crate::ship::{SHIPPING, shipping};

/// The queue of the commands that the process sends.
pub(crate) const COMMANDS: &str = "commands";

/// Returns all services. Any number of programs may run them on the same database.
pub(crate) fn services(store: &EventStore, orders: &Orders, outbox: Outbox) -> Services {
    Services::new()
        .with(store.queue(COMMANDS).concurrency(4).handlers(Handlers::new().commands()))
        .with(mail::sender(store, outbox))
        .with(store.process::<Fulfilment>(FULFILMENT).partitions(4).service())
        .with(store.reactor(SHIPPING, shipping()).service())
        .with(orders.service(store))
}
