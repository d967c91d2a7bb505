//! Takes an order from its placing to its end, over days: a process that waits for the payment and the stock.
//!
//! Each reaction records a fact, and [`go_on`] decides on all of them, in whichever order they have come. The process
//! sends commands, and relies only on what has come of them: a cancellation is rejected if a payment was faster. So it
//! ends with its order, not with the last command that it sends.

use evercore::{Aggregate, state_event, task};
use evercore_process::{Process, Reactions, Step};
use serde::{Deserialize, Serialize};

use crate::cancel::{CancelOrder, OrderCancelled, Reason};
use crate::mail::{About, SendMail};
use crate::pack::PackOrder;
use crate::pay::OrderPaid;
use crate::place::OrderPlaced;
use crate::refund::{OrderRefunded, RefundOrder};
use crate::ship::OrderShipped;
use crate::stock::{ReleaseStock, ReserveStock, StockReserved};
use Reservation::{Awaited, Held, Refused};

/// The name of the process.
pub(crate) const FULFILMENT: &str = "fulfilment";

/// The fulfilment of an order, under its number.
#[derive(Aggregate, Clone, Debug, Default)]
#[aggregate(name = "fulfilment")]
pub(crate) struct Fulfilment {
    order: String,
    customer: String,
    sku: String,
    stock: Reservation,
    is_paid: bool,
    is_closed: bool,
}

/// The answer of the stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Reservation {
    #[default]
    Awaited,
    Held,
    Refused,
}

#[state_event(aggregate = Fulfilment, name = "fulfilment-begun")]
struct FulfilmentBegun {
    order: String,
    customer: String,
    sku: String,
}

#[state_event(aggregate = Fulfilment, name = "stock-answered")]
struct StockAnswered {
    stock: Reservation,
}

#[state_event(aggregate = Fulfilment, name = "payment-seen")]
struct PaymentSeen {
    is_paid: bool,
}

#[state_event(aggregate = Fulfilment, name = "order-closed")]
struct OrderClosed {
    is_closed: bool,
}

#[task(queue = "fulfilment")]
struct PaymentLate;

#[task(queue = "fulfilment")]
struct PaymentLapsed;

impl Process for Fulfilment {
    fn register(on: &mut Reactions<Self>) {
        on.event(|e: &OrderPlaced| e.order.clone(), begin);
        on.deadline(|step, _: &PaymentLate| mail(step, About::Reminder));
        on.deadline(|step, _: &PaymentLapsed| cancel(step, Reason::NotPaid));
        on.event(|e: &OrderPaid| e.order.clone(), |step, _| paid(step));
        on.event(|e: &StockReserved| e.order.clone(), |step, _| answered(step, Held));
        on.rejection(|c: &ReserveStock| c.order.clone(), |step, _, _| answered(step, Refused));
        on.rejection(|c: &PackOrder| c.order.clone(), |step, _, why| refund(step, why));
        on.event(|e: &OrderCancelled| e.order.clone(), |step, _| close(step, About::Cancelled));
        on.event(|e: &OrderRefunded| e.order.clone(), |step, _| close(step, About::Refunded));
        on.event(|e: &OrderShipped| e.order.clone(), |step, _| step.end());
    }
}

fn begin(step: &mut Step<'_, Fulfilment>, placed: &OrderPlaced) {
    let OrderPlaced { order, customer, sku, quantity, terms, .. } = placed.clone();
    step.deadline("remind", terms.remind_after, PaymentLate);
    step.deadline("give up", terms.cancel_after, PaymentLapsed);
    step.send(ReserveStock { sku: sku.clone(), order: order.clone(), quantity });
    step.emit(FulfilmentBegun { order, customer, sku });
}

fn paid(step: &mut Step<'_, Fulfilment>) {
    step.cancel("remind").cancel("give up");
    step.emit(PaymentSeen { is_paid: true });
    go_on(step);
}

fn answered(step: &mut Step<'_, Fulfilment>, stock: Reservation) {
    step.emit(StockAnswered { stock });
    go_on(step);
}

/// The order is cancelled or refunded. Its stock may still be on the way.
fn close(step: &mut Step<'_, Fulfilment>, about: About) {
    step.cancel("remind").cancel("give up");
    step.emit(OrderClosed { is_closed: true });
    mail(step, about);
    go_on(step);
}

/// Does what the facts ask for.
fn go_on(step: &mut Step<'_, Fulfilment>) {
    let Fulfilment { order, sku, .. } = step.state().clone();
    match (step.is_closed, step.stock, step.is_paid) {
        (_, Awaited, _) | (false, Held, false) => {}
        (false, Held, true) => step.send(PackOrder { order }),
        (false, Refused, true) => refund(step, "it is out of stock"),
        (false, Refused, false) => cancel(step, Reason::OutOfStock),
        (true, Refused, _) => step.end(),
        (true, Held, _) => {
            step.send(ReleaseStock { sku, order });
            step.end();
        }
    }
}

fn mail(step: &mut Step<'_, Fulfilment>, about: About) {
    let Fulfilment { order, customer: to, .. } = step.state().clone();
    step.enqueue(SendMail { to, order, about });
}

fn cancel(step: &mut Step<'_, Fulfilment>, reason: Reason) {
    step.send(CancelOrder { order: step.order.clone(), reason });
}

fn refund(step: &mut Step<'_, Fulfilment>, reason: &str) {
    step.send(RefundOrder { order: step.order.clone(), reason: reason.to_owned() });
}

#[cfg(test)]
mod tests;
