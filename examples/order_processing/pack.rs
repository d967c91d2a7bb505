//! Packs an order into a parcel.

use evercore::{Apply, Decide, Decision, EventMeta, command, event};

use crate::order::{Order, Status};

/// The most items of a parcel.
const LARGEST_PARCEL: u32 = 20;

#[command(aggregate = Order, target = order)]
pub(crate) struct PackOrder {
    pub(crate) order: String,
}

#[event(aggregate = Order, name = "order-packed")]
pub(crate) struct OrderPacked {
    pub(crate) order: String,
}

impl Apply<OrderPacked> for Order {
    fn apply(&mut self, _: &OrderPacked, _: &EventMeta) {
        self.status = Status::Packed;
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum PackError {
    #[error("{0} items do not fit into a parcel, which holds {LARGEST_PARCEL}")]
    TooLarge(u32),
    #[error("the order is {0:?}; an order is packed once it is paid")]
    NotPaid(Status),
}

impl Decide<PackOrder> for Order {
    type Error = PackError;

    fn decide(decision: &mut Decision<'_, Self>, command: &PackOrder) -> Result<(), PackError> {
        match decision.status {
            Status::Paid if decision.quantity > LARGEST_PARCEL => {
                Err(PackError::TooLarge(decision.quantity))
            }
            Status::Paid => {
                decision.emit(OrderPacked { order: command.order.clone() });
                Ok(())
            }
            other => Err(PackError::NotPaid(other)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use evercore_testing::Scenario;

    use super::*;
    use crate::pay::tests::paid;
    use crate::place::OrderPlaced;
    use crate::place::tests::placed;

    pub(crate) fn pack() -> PackOrder {
        PackOrder { order: "42".to_owned() }
    }

    pub(crate) fn packed() -> OrderPacked {
        OrderPacked { order: "42".to_owned() }
    }

    #[test]
    fn a_paid_order_is_packed() {
        Scenario::<Order>::given((placed(), paid())).when(pack()).then([packed()]);
    }

    #[test]
    fn an_order_is_not_packed_before_it_is_paid() {
        Scenario::<Order>::given([placed()])
            .when(pack())
            .then_rejected(PackError::NotPaid(Status::Placed));
    }

    #[test]
    fn a_parcel_has_a_largest_size() {
        Scenario::<Order>::given((OrderPlaced { quantity: 20, ..placed() }, paid()))
            .when(pack())
            .then([packed()]);
        Scenario::<Order>::given((OrderPlaced { quantity: 21, ..placed() }, paid()))
            .when(pack())
            .then_rejected(PackError::TooLarge(21));
    }
}
