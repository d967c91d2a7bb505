//! Tests the whole business in memory, on a clock that is set by hand.

use std::sync::Arc;

use evercore::chrono::{DateTime, TimeDelta};
use evercore::{Clock, ManualClock};
use evercore_memory::MemoryEngine;
use evercore_services::ServicesError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::fulfilment::FULFILMENT;
use crate::mail::{About, SendMail};
use crate::order::Status;
use crate::pay::PayOrder;
use crate::place::{PlaceOrder, Terms};
use crate::ship::SHIPPING;
use crate::shop::COMMANDS;
use crate::stock::{ReceiveStock, Stock};

/// The time within which a condition has to be met. Most are met within milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The business with its services, and its clock.
struct Shop {
    store: EventStore,
    orders: Orders,
    outbox: Outbox,
    clock: Arc<ManualClock>,
    running: JoinHandle<Result<(), ServicesError>>,
    stop: CancellationToken,
}

impl Shop {
    /// Opens with ten items on hand.
    async fn open() -> anyhow::Result<Self> {
        let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
        let engine = MemoryEngine::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let store = EventStore::builder().open(engine).await?;
        let (orders, outbox) = (Orders::default(), Outbox::default());
        let stop = CancellationToken::new();
        let services = shop::services(&store, &orders, outbox.clone());
        let status = services.status();
        let running = tokio::spawn(services.run_until(stop.clone().cancelled_owned()));
        assert!(within(status.wait_until_ready()).await?, "the services have ended");
        store.dispatch(ReceiveStock { sku: "TEA".to_owned(), quantity: 10 }).await?;
        Ok(Self { store, orders, outbox, clock, running, stop })
    }

    async fn place(&self, order: &str, quantity: u32) -> anyhow::Result<()> {
        let place = PlaceOrder {
            order: order.to_owned(),
            customer: mail_of(order),
            sku: "TEA".to_owned(),
            quantity,
            total: u64::from(quantity) * 700,
            terms: Terms::default(),
        };
        self.store.dispatch(place).await?;
        within(self.store.wait_until_idle(FULFILMENT)).await??;
        Ok(())
    }

    async fn pay(&self, order: &str, amount: u64) -> anyhow::Result<()> {
        self.store.dispatch(PayOrder { order: order.to_owned(), amount }).await?;
        Ok(())
    }

    /// Lets days pass. Workers look at the clock when a task is enqueued, so an order is placed then.
    async fn pass(&self, days: i64, next_order: &str) -> anyhow::Result<()> {
        self.clock.advance(TimeDelta::days(days));
        self.place(next_order, 1).await
    }

    async fn wait_for(&self, order: &str, status: Status) -> anyhow::Result<()> {
        let is = |rows: &orders::Rows| rows.get(order).is_some_and(|row| row.status == status);
        within(self.orders.wait_until(is)).await.map(drop)
    }

    async fn wait_for_mail(&self, order: &str, about: About) -> anyhow::Result<()> {
        let mail = SendMail { to: mail_of(order), order: order.to_owned(), about };
        within(self.outbox.wait_for(&mail)).await
    }

    /// Returns what is on hand, and what of it is not reserved.
    async fn stock(&self) -> anyhow::Result<(u32, u32)> {
        for subscription in [FULFILMENT, SHIPPING] {
            within(self.store.wait_until_idle(subscription)).await??;
        }
        within(self.store.queues().wait_until_idle(COMMANDS)).await??;
        let load =
            self.store.with_readonly_context(async |ctx| ctx.load_by_key::<Stock>("TEA").await);
        let stock = load.await?;
        Ok((stock.state().on_hand, stock.state().available()))
    }

    async fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.running.await??)
    }
}

fn mail_of(order: &str) -> String {
    format!("{order}@example.com")
}

async fn within<T>(condition: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(timeout(PATIENCE, condition).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_is_shipped_and_taken_off_the_stock() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.place("ada", 2).await?;
    shop.pay("ada", 1_400).await?;
    shop.wait_for("ada", Status::Shipped).await?;
    assert_eq!(shop.stock().await?, (8, 8));
    shop.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_order_is_reminded_after_a_day_and_cancelled_after_three() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.place("cleo", 3).await?;
    assert_eq!(shop.stock().await?, (10, 7));
    shop.pass(1, "dan").await?;
    shop.wait_for_mail("cleo", About::Reminder).await?;
    assert_eq!(shop.stock().await?, (10, 6));
    shop.pass(2, "eve").await?;
    shop.wait_for("cleo", Status::Cancelled).await?;
    shop.wait_for_mail("cleo", About::Cancelled).await?;
    assert_eq!(shop.stock().await?, (10, 8));
    shop.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_stock_is_cancelled_at_once() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.place("eve", 11).await?;
    shop.wait_for("eve", Status::Cancelled).await?;
    shop.wait_for_mail("eve", About::Cancelled).await?;
    assert_eq!(shop.stock().await?, (10, 10));
    shop.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_ends_as_expected() -> anyhow::Result<()> {
    let store = EventStore::connect("memory:").await?;
    let (orders, outbox) = (Orders::default(), Outbox::default());
    let services = shop::services(&store, &orders, outbox.clone());
    let story = Story { store, orders, outbox, day: Duration::from_millis(50) };
    let done = CancellationToken::new();
    let services = services.then().with(story.service(done.clone()));
    Ok(within(services.run_until(done.cancelled())).await??)
}
