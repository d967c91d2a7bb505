//! Refunds an order that is paid and cannot be delivered.

use evercore::{Apply, Decide, Decision, EventMeta, command, event};

use crate::order::{Order, Status};

#[command(aggregate = Order, target = order)]
pub(crate) struct RefundOrder {
    pub(crate) order: String,
    pub(crate) reason: String,
}

#[event(aggregate = Order, name = "order-refunded")]
pub(crate) struct OrderRefunded {
    pub(crate) order: String,
    pub(crate) amount: u64,
    pub(crate) reason: String,
}

impl Apply<OrderRefunded> for Order {
    fn apply(&mut self, _: &OrderRefunded, _: &EventMeta) {
        self.status = Status::Refunded;
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the order is {0:?}; an order is refunded between its payment and its shipping")]
pub(crate) struct NothingToRefund(Status);

impl Decide<RefundOrder> for Order {
    type Error = NothingToRefund;

    fn decide(
        decision: &mut Decision<'_, Self>,
        command: &RefundOrder,
    ) -> Result<(), NothingToRefund> {
        if !matches!(decision.status, Status::Paid | Status::Packed) {
            return Err(NothingToRefund(decision.status));
        }
        let (order, reason) = (command.order.clone(), command.reason.clone());
        decision.emit(OrderRefunded { order, amount: decision.total, reason });
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use evercore_testing::Scenario;

    use super::*;
    use crate::pay::tests::paid;
    use crate::place::tests::placed;

    const REASON: &str = "it does not fit into a parcel";

    pub(crate) fn refunded() -> OrderRefunded {
        OrderRefunded { order: "42".to_owned(), amount: 1_400, reason: REASON.to_owned() }
    }

    pub(crate) fn refund(reason: &str) -> RefundOrder {
        RefundOrder { order: "42".to_owned(), reason: reason.to_owned() }
    }

    #[test]
    fn a_paid_order_is_refunded_once_and_in_full() {
        Scenario::<Order>::given((placed(), paid()))
            .when(refund(REASON))
            .then([refunded()])
            .when(refund(REASON))
            .then_rejected(NothingToRefund(Status::Refunded));
    }

    #[test]
    fn an_unpaid_order_is_not_refunded() {
        Scenario::<Order>::given([placed()])
            .when(refund(REASON))
            .then_rejected(NothingToRefund(Status::Placed));
    }
}
