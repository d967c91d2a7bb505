//! Plays some days of the business, and checks how they end.

mod customers;
mod narrator;

use std::time::Duration;

use anyhow::ensure;
use evercore::EventStore;
use evercore::chrono::Utc;
use evercore::service::{Lifecycle, Service, ServiceError, service};
use tokio_util::sync::CancellationToken;

use crate::fulfilment::FULFILMENT;
use crate::mail::{MAIL, Outbox};
use crate::order::Status;
use crate::orders::{Orders, Rows};
use crate::ship::SHIPPING;
use crate::shop::COMMANDS;
use crate::stock::{ReceiveStock, Stock};
use customers::CUSTOMERS;

/// The items on hand at the beginning.
const ON_HAND: u32 = 60;

/// Some days of the business, on a store whose services run.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) store: EventStore,
    pub(crate) orders: Orders,
    pub(crate) outbox: Outbox,
    /// The time that a day takes.
    pub(crate) day: Duration,
}

impl Story {
    /// Makes a service that cancels the token once the story has ended as expected, and fails for good if it has not.
    pub(crate) fn service(self, done: CancellationToken) -> impl Service {
        service("story", async move |_: Lifecycle| -> Result<(), ServiceError> {
            self.play().await.map_err(ServiceError::permanent)?;
            done.cancel();
            Ok(())
        })
    }

    pub(crate) async fn play(&self) -> anyhow::Result<()> {
        // Numbers of its own, so that it can be played again on the same database.
        let run = Utc::now().format("%y%m%d-%H%M%S").to_string();
        let sku = format!("TEA-{run}");
        self.store.dispatch(ReceiveStock { sku: sku.clone(), quantity: ON_HAND }).await?;

        let head = self.store.head().await?;
        let narrated =
            async { anyhow::Ok(narrator::narrate(&self.store, head, self.day, &run).await?) };
        let acts = customers::act(self, &run, &sku);
        tokio::try_join!(narrated, acts)?;
        self.settled().await?;

        let is_of_run = |order: &str| order.starts_with(&run);
        let rows = self.orders.wait_until(|rows| all_final(rows, is_of_run)).await;
        self.check_orders(&rows, &run)?;
        self.check_mails(&run).await?;
        self.check_stock(&rows, &sku, is_of_run).await
    }

    /// Waits until the consequences of the last events have happened, too.
    async fn settled(&self) -> anyhow::Result<()> {
        for subscription in [FULFILMENT, SHIPPING] {
            self.store.wait_until_idle(subscription).await?;
        }
        for queue in [FULFILMENT, COMMANDS, MAIL] {
            self.store.queues().wait_until_idle(queue).await?;
        }
        Ok(())
    }

    fn check_orders(&self, rows: &Rows, run: &str) -> anyhow::Result<()> {
        println!("\n{:<7}{:>6}  {:<10} because", "", "items", "is");
        for (number, customer) in CUSTOMERS.iter().enumerate() {
            let row = &rows[&order_number(run, number)];
            let reason = row.reason.as_deref().unwrap_or_default();
            let status = format!("{:?}", row.status);
            let line = format!("{:<7}{:>6}  {status:<10} {reason}", customer.name, row.quantity);
            println!("{}", line.trim_end());
            ensure!(row.status == customer.ends, "{}: {row:?}", customer.name);
        }
        Ok(())
    }

    /// Checks the mails that were sent, and discards those that are dead, as an operator would.
    async fn check_mails(&self, run: &str) -> anyhow::Result<()> {
        let sent = self.outbox.sent();
        for (number, customer) in CUSTOMERS.iter().enumerate() {
            let order = order_number(run, number);
            for mail in customer.gets.iter().map(|about| customer.mail(&order, *about)) {
                let count = sent.iter().filter(|other| **other == mail).count();
                let expected = usize::from(customer.can_be_reached());
                ensure!(count == expected, "{mail:?} was sent {count} times");
            }
        }
        let lost = CUSTOMERS.iter().filter(|customer| !customer.can_be_reached());
        let lost: usize = lost.map(|customer| customer.gets.len()).sum();
        let reason = "the mailbox does not exist; the customer will be called";
        let discarded = self.store.queues().discard_all(MAIL, reason).await?;
        println!("\n{discarded} dead mails are discarded: {reason}");
        // Those of an earlier run that was stopped may be among them.
        ensure!(discarded >= u64::try_from(lost)?, "{discarded} mails were dead, expected {lost}");
        Ok(())
    }

    /// Checks that the stock has lost what was shipped and nothing else.
    async fn check_stock(
        &self,
        rows: &Rows,
        sku: &str,
        is_of_run: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        let shipped =
            rows.iter().filter(|(order, row)| is_of_run(order) && row.status == Status::Shipped);
        let shipped: u32 = shipped.map(|(_, row)| row.quantity).sum();
        let stock = self
            .store
            .with_readonly_context(async |ctx| ctx.load_by_key::<Stock>(sku).await)
            .await?
            .into_state();
        println!(
            "{ON_HAND} items were received, {shipped} are shipped, {} are left",
            stock.on_hand
        );
        ensure!(stock.reserved.is_empty(), "some items are still reserved: {stock:?}");
        ensure!(stock.on_hand == ON_HAND - shipped, "the stock does not balance: {stock:?}");
        Ok(())
    }
}

fn all_final(rows: &Rows, is_of_run: impl Fn(&str) -> bool) -> bool {
    let ended = rows.iter().filter(|(order, row)| is_of_run(order) && row.status.is_final());
    ended.count() == CUSTOMERS.len()
}

/// Returns the number of the order of a customer.
fn order_number(run: &str, customer: usize) -> String {
    format!("{run}-{customer}")
}
