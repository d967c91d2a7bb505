//! Orders that are packed once they are paid, and cancelled if they are not.

use std::time::Duration;

use evercore::command::CommandQuery;
use evercore::task::Handlers;
use evercore::{
    Aggregate, Apply, Decide, Decision, Error, EventMeta, EventStore, Result, command, event,
    state_event, task,
};
use evercore_process::{Process, Reactions};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Aggregate, Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) is_lost: bool,
    pub(crate) packed: u32,
    pub(crate) refunded: u32,
    pub(crate) cancelled: u32,
}

#[event(aggregate = Order)]
pub(crate) struct OrderPlaced {
    pub(crate) order: Option<String>,
    pub(crate) lapses_at_once: bool,
}

#[event(aggregate = Order)]
pub(crate) struct OrderPaid {
    pub(crate) order: String,
}

#[state_event(aggregate = Order)]
pub(crate) struct GoodsLost {
    pub(crate) is_lost: bool,
}

#[event(aggregate = Order)]
pub(crate) struct Packed {}

#[event(aggregate = Order)]
pub(crate) struct Refunded {}

#[event(aggregate = Order)]
pub(crate) struct Cancelled {}

impl Apply<OrderPlaced> for Order {
    fn apply(&mut self, _: &OrderPlaced, _: &EventMeta) {}
}

impl Apply<OrderPaid> for Order {
    fn apply(&mut self, _: &OrderPaid, _: &EventMeta) {}
}

impl Apply<Packed> for Order {
    fn apply(&mut self, _: &Packed, _: &EventMeta) {
        self.packed += 1;
    }
}

impl Apply<Refunded> for Order {
    fn apply(&mut self, _: &Refunded, _: &EventMeta) {
        self.refunded += 1;
    }
}

impl Apply<Cancelled> for Order {
    fn apply(&mut self, _: &Cancelled, _: &EventMeta) {
        self.cancelled += 1;
    }
}

#[command(aggregate = Order, target = order)]
pub(crate) struct Pack {
    pub(crate) order: String,
}

#[command(aggregate = Order, target = order)]
pub(crate) struct Refund {
    pub(crate) order: String,
    pub(crate) why: String,
}

#[command(aggregate = Order, target = order)]
pub(crate) struct Cancel {
    pub(crate) order: String,
}

impl Decide<Pack> for Order {
    type Error = String;

    fn decide(order: &mut Decision<'_, Self>, _: &Pack) -> Result<(), String> {
        if order.is_lost {
            return Err("the goods are lost".to_owned());
        }
        order.emit(Packed {});
        Ok(())
    }
}

impl Decide<Refund> for Order {
    type Error = String;

    fn decide(order: &mut Decision<'_, Self>, command: &Refund) -> Result<(), String> {
        assert_eq!(command.why, "the goods are lost");
        order.emit(Refunded {});
        Ok(())
    }
}

impl Decide<Cancel> for Order {
    type Error = String;

    fn decide(order: &mut Decision<'_, Self>, _: &Cancel) -> Result<(), String> {
        order.emit(Cancelled {});
        Ok(())
    }
}

#[derive(Aggregate, Clone, Debug, Default)]
pub(crate) struct Fulfilment {
    pub(crate) payments: u32,
}

#[event(aggregate = Fulfilment)]
pub(crate) struct PaymentSeen {}

impl Apply<PaymentSeen> for Fulfilment {
    fn apply(&mut self, _: &PaymentSeen, _: &EventMeta) {
        self.payments += 1;
    }
}

#[task(queue = "fulfilment")]
pub(crate) struct OrderLapsed {
    pub(crate) order: String,
}

#[task(queue = "mail")]
pub(crate) struct SendReceipt {
    pub(crate) order: String,
}

impl Process for Fulfilment {
    fn register(on: &mut Reactions<Self>) {
        on.event(
            |e: &OrderPlaced| e.order.clone(),
            |step, e| {
                let order = e.order.clone().unwrap_or_default();
                step.cancel("give up").cancel("never set");
                // Set twice: the second one counts.
                step.deadline("give up", DAY, OrderLapsed { order: order.clone() });
                let after = if e.lapses_at_once { Duration::ZERO } else { 3 * DAY };
                step.deadline("give up", after, OrderLapsed { order });
            },
        );
        on.event(
            |e: &OrderPaid| e.order.clone(),
            |step, e| {
                // The first payment packs, and later ones do nothing but be counted.
                if step.payments == 0 {
                    step.send(Pack { order: e.order.clone() });
                    step.enqueue(SendReceipt { order: e.order.clone() });
                }
                step.emit(PaymentSeen {});
                step.cancel("give up");
            },
        );
        on.rejection(
            |c: &Pack| c.order.clone(),
            |step, c, why| step.send(Refund { order: c.order.clone(), why: why.to_owned() }),
        );
        on.deadline(|step, e: &OrderLapsed| {
            step.send(Cancel { order: e.order.clone() });
            step.end();
        });
    }
}

pub(crate) async fn place(store: &EventStore, order: &str, lapses_at_once: bool) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut placed = ctx.create_with_key::<Order>(order).await?;
            let order = Some(order.to_owned());
            ctx.apply(&mut placed, OrderPlaced { order, lapses_at_once })
        })
        .await
}

pub(crate) async fn pay(store: &EventStore, order: &str) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut paid = ctx.load_by_key::<Order>(order).await?;
            ctx.apply(&mut paid, OrderPaid { order: order.to_owned() })
        })
        .await
}

pub(crate) async fn lose(store: &EventStore, order: &str) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut lost = ctx.load_by_key::<Order>(order).await?;
            ctx.apply(&mut lost, GoodsLost { is_lost: true })
        })
        .await
}

pub(crate) async fn order(store: &EventStore, order: &str) -> Result<Order> {
    let found = store.with_context(async |ctx| ctx.load_by_key::<Order>(order).await).await?;
    Ok(found.into_state())
}

pub(crate) async fn fulfilment(store: &EventStore, order: &str) -> Result<Option<Fulfilment>> {
    let find =
        store.with_context(async |ctx| Ok::<_, Error>(ctx.find_by_key::<Fulfilment>(order).await?));
    Ok(find.await?.map(|found| found.into_state()))
}

/// Does the commands that are due, and returns the number of those in the log.
pub(crate) async fn do_commands(store: &EventStore) -> Result<usize> {
    store.queue("commands").run_due(Handlers::new().commands()).await?;
    Ok(store.command_log().list(&CommandQuery::new(), 1_000).await?.len())
}
