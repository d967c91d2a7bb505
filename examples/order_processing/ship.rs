//! Hands a parcel over to the carrier, and takes its items off the stock.

use evercore::{Apply, Decide, Decision, EventMeta, command, event};
use evercore_process::Reactor;

use crate::order::{Order, Status};
use crate::pack::OrderPacked;
use crate::stock::IssueStock;

/// The name of the reactor.
pub(crate) const SHIPPING: &str = "shipping";

#[command(aggregate = Order, target = order)]
pub(crate) struct ShipOrder {
    pub(crate) order: String,
}

#[event(aggregate = Order, name = "order-shipped")]
pub(crate) struct OrderShipped {
    pub(crate) order: String,
    pub(crate) sku: String,
}

/// Ships what is packed. It needs no state, so it is a reactor.
pub(crate) fn shipping() -> Reactor {
    Reactor::new()
        .on(|reaction, e: &OrderPacked| reaction.send(ShipOrder { order: e.order.clone() }))
        .on(|reaction, e: &OrderShipped| {
            reaction.send(IssueStock { sku: e.sku.clone(), order: e.order.clone() });
        })
}

impl Apply<OrderShipped> for Order {
    fn apply(&mut self, _: &OrderShipped, _: &EventMeta) {
        self.status = Status::Shipped;
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the order is {0:?}; an order is shipped once it is packed")]
pub(crate) struct NotPacked(Status);

impl Decide<ShipOrder> for Order {
    type Error = NotPacked;

    fn decide(decision: &mut Decision<'_, Self>, command: &ShipOrder) -> Result<(), NotPacked> {
        if decision.status != Status::Packed {
            return Err(NotPacked(decision.status));
        }
        let (order, sku) = (command.order.clone(), decision.sku.clone());
        decision.emit(OrderShipped { order, sku });
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use evercore_testing::Scenario;

    use super::*;
    use crate::pack::tests::packed;
    use crate::pay::tests::paid;
    use crate::place::tests::placed;

    pub(crate) fn shipped() -> OrderShipped {
        OrderShipped { order: "42".to_owned(), sku: "TEA".to_owned() }
    }

    fn ship() -> ShipOrder {
        ShipOrder { order: "42".to_owned() }
    }

    #[test]
    fn a_packed_order_is_shipped_once() {
        Scenario::<Order>::given((placed(), paid(), packed()))
            .when(ship())
            .then([shipped()])
            .when(ship())
            .then_rejected(NotPacked(Status::Shipped));
    }

    #[test]
    fn an_order_is_not_shipped_before_it_is_packed() {
        Scenario::<Order>::given((placed(), paid()))
            .when(ship())
            .then_rejected(NotPacked(Status::Paid));
    }
}
