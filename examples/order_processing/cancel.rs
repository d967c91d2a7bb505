//! Cancels an order that is not paid.

use std::fmt;

use evercore::{Apply, Decide, Decision, EventMeta, command, event};
use serde::{Deserialize, Serialize};

use crate::order::{Order, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reason {
    NotPaid,
    OutOfStock,
    Withdrawn,
}

#[command(aggregate = Order, target = order)]
pub(crate) struct CancelOrder {
    pub(crate) order: String,
    pub(crate) reason: Reason,
}

#[event(aggregate = Order, name = "order-cancelled")]
pub(crate) struct OrderCancelled {
    pub(crate) order: String,
    pub(crate) reason: Reason,
}

impl Apply<OrderCancelled> for Order {
    fn apply(&mut self, _: &OrderCancelled, _: &EventMeta) {
        self.status = Status::Cancelled;
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the order is {0:?}; an order can be cancelled until it is paid")]
pub(crate) struct TooLate(Status);

impl Decide<CancelOrder> for Order {
    type Error = TooLate;

    fn decide(decision: &mut Decision<'_, Self>, command: &CancelOrder) -> Result<(), TooLate> {
        match decision.status {
            Status::Placed => {
                let CancelOrder { order, reason } = command;
                decision.emit(OrderCancelled { order: order.clone(), reason: *reason });
                Ok(())
            }
            Status::Cancelled => Ok(()),
            other => Err(TooLate(other)),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPaid => "it was not paid in time",
            Self::OutOfStock => "it is out of stock",
            Self::Withdrawn => "the customer has withdrawn it",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use evercore_testing::Scenario;

    use super::*;
    use crate::pay::tests::paid;
    use crate::place::tests::placed;

    pub(crate) fn cancelled() -> OrderCancelled {
        OrderCancelled { order: "42".to_owned(), reason: Reason::NotPaid }
    }

    pub(crate) fn cancel(reason: Reason) -> CancelOrder {
        CancelOrder { order: "42".to_owned(), reason }
    }

    #[test]
    fn an_order_is_cancelled_once() {
        Scenario::<Order>::given([placed()])
            .when(cancel(Reason::NotPaid))
            .then([cancelled()])
            .when(cancel(Reason::Withdrawn))
            .then_nothing();
    }

    #[test]
    fn a_paid_order_is_not_cancelled() {
        Scenario::<Order>::given((placed(), paid()))
            .when(cancel(Reason::NotPaid))
            .then_rejected(TooLate(Status::Paid));
    }
}
