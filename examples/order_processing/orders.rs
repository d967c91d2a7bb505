//! Lists the orders: a view in memory that follows the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use evercore::service::{Lifecycle, Service, service};
use evercore::{Error, Event, EventStore, Received, Router, Start};
use tokio::sync::watch;

use crate::cancel::OrderCancelled;
use crate::order::{Order, Status};
use crate::pack::OrderPacked;
use crate::pay::OrderPaid;
use crate::place::OrderPlaced;
use crate::refund::OrderRefunded;
use crate::ship::OrderShipped;

/// The orders, by their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders(Arc<watch::Sender<Rows>>);

pub(crate) type Rows = BTreeMap<String, Row>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) customer: String,
    pub(crate) quantity: u32,
    pub(crate) status: Status,
    /// The reason why it was cancelled or refunded.
    pub(crate) reason: Option<String>,
}

impl Orders {
    /// Returns the service that keeps the list. It stores nothing: after a restart it reads the log again.
    pub(crate) fn service(&self, store: &EventStore) -> impl Service + use<> {
        let (orders, store) = (self.clone(), store.clone());
        service("orders", async move |lifecycle: Lifecycle| -> Result<(), Error> {
            orders.0.send_replace(Rows::new());
            lifecycle.ready();
            let events = store.ephemeral().aggregate::<Order>().start(Start::Beginning);
            events.stop_on(lifecycle.stop_token().clone()).run(orders.router()).await
        })
    }

    /// Waits until the list meets a condition, and returns it.
    pub(crate) async fn wait_until(&self, is_met: impl FnMut(&Rows) -> bool) -> Rows {
        let mut rows = self.0.subscribe();
        let met = rows.wait_for(is_met).await;
        met.expect("the sender lives as long as the list").clone()
    }

    fn router(&self) -> Router {
        let router = self.on(Router::new(), |rows, e: &OrderPlaced| {
            let (customer, quantity) = (e.customer.clone(), e.quantity);
            let row = Row { customer, quantity, status: Status::Placed, reason: None };
            rows.insert(e.order.clone(), row);
        });
        let router = self.on(router, |rows, e: &OrderPaid| set(rows, &e.order, Status::Paid, None));
        let router =
            self.on(router, |rows, e: &OrderPacked| set(rows, &e.order, Status::Packed, None));
        let router =
            self.on(router, |rows, e: &OrderShipped| set(rows, &e.order, Status::Shipped, None));
        let router = self.on(router, |rows, e: &OrderCancelled| {
            set(rows, &e.order, Status::Cancelled, Some(e.reason.to_string()));
        });
        self.on(router, |rows, e: &OrderRefunded| {
            set(rows, &e.order, Status::Refunded, Some(e.reason.clone()));
        })
    }

    /// Adds how an event changes the list.
    fn on<E: Event>(&self, router: Router, change: fn(&mut Rows, &E)) -> Router {
        let orders = self.clone();
        router.on(async move |event: Received<E>| -> Result<(), Error> {
            orders.0.send_modify(|rows| change(rows, &event));
            Ok(())
        })
    }
}

fn set(rows: &mut Rows, order: &str, status: Status, reason: Option<String>) {
    if let Some(row) = rows.get_mut(order) {
        (row.status, row.reason) = (status, reason);
    }
}
