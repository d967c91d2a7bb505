//! Records the payment of an order.

use evercore::{Apply, Decide, Decision, EventMeta, command, event};

use crate::order::{Order, Status};

#[command(aggregate = Order, target = order)]
pub(crate) struct PayOrder {
    pub(crate) order: String,
    pub(crate) amount: u64,
}

#[event(aggregate = Order, name = "order-paid")]
pub(crate) struct OrderPaid {
    pub(crate) order: String,
}

impl Apply<OrderPaid> for Order {
    fn apply(&mut self, _: &OrderPaid, _: &EventMeta) {
        self.status = Status::Paid;
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum PayError {
    #[error("the order is cancelled")]
    Cancelled,
    #[error("the order is paid already")]
    AlreadyPaid,
    #[error("the order costs {total} cents, not {amount}")]
    WrongAmount { total: u64, amount: u64 },
}

impl Decide<PayOrder> for Order {
    type Error = PayError;

    fn decide(decision: &mut Decision<'_, Self>, command: &PayOrder) -> Result<(), PayError> {
        let (total, amount) = (decision.total, command.amount);
        match decision.status {
            Status::Cancelled => Err(PayError::Cancelled),
            Status::Placed if amount != total => Err(PayError::WrongAmount { total, amount }),
            Status::Placed => {
                decision.emit(OrderPaid { order: command.order.clone() });
                Ok(())
            }
            _ => Err(PayError::AlreadyPaid),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use evercore_testing::Scenario;

    use super::*;
    use crate::cancel::tests::cancelled;
    use crate::place::tests::placed;

    pub(crate) fn paid() -> OrderPaid {
        OrderPaid { order: "42".to_owned() }
    }

    fn pay(amount: u64) -> PayOrder {
        PayOrder { order: "42".to_owned(), amount }
    }

    #[test]
    fn an_order_is_paid_once() {
        Scenario::<Order>::given([placed()])
            .when(pay(1_400))
            .then([paid()])
            .when(pay(1_400))
            .then_rejected(PayError::AlreadyPaid);
    }

    #[test]
    fn an_order_is_paid_in_full() {
        let wrong = PayError::WrongAmount { total: 1_400, amount: 1_000 };
        Scenario::<Order>::given([placed()]).when(pay(1_000)).then_rejected(wrong);
    }

    #[test]
    fn a_cancelled_order_takes_no_payment() {
        Scenario::<Order>::given((placed(), cancelled()))
            .when(pay(1_400))
            .then_rejected(PayError::Cancelled);
    }
}
