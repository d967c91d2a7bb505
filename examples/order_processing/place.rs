//! Places an order.

use std::time::Duration;

use evercore::{Decide, Decision, command, state_event};
use serde::{Deserialize, Serialize};

use crate::order::Order;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The terms of payment, which are part of the order: a later change does not affect orders that are placed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) remind_after: Duration,
    pub(crate) cancel_after: Duration,
}

#[command(aggregate = Order, target = new_with_key(order))]
#[derive(Clone, Debug)]
pub(crate) struct PlaceOrder {
    pub(crate) order: String,
    pub(crate) customer: String,
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    pub(crate) total: u64,
    pub(crate) terms: Terms,
}

#[state_event(aggregate = Order, name = "order-placed")]
#[derive(Clone)]
pub(crate) struct OrderPlaced {
    #[state(skip)]
    pub(crate) order: String,
    #[state(skip)]
    pub(crate) customer: String,
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    pub(crate) total: u64,
    #[state(skip)]
    pub(crate) terms: Terms,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("an order has at least one item")]
    Empty,
}

impl Decide<PlaceOrder> for Order {
    type Error = PlaceError;

    fn decide(decision: &mut Decision<'_, Self>, command: &PlaceOrder) -> Result<(), PlaceError> {
        let PlaceOrder { order, customer, sku, quantity, total, terms } = command.clone();
        if quantity == 0 {
            return Err(PlaceError::Empty);
        }
        decision.emit(OrderPlaced { order, customer, sku, quantity, total, terms });
        Ok(())
    }
}

impl Terms {
    /// The terms if a day takes this long, for a program that shows days in a second.
    pub(crate) const fn in_days_of(day: Duration) -> Self {
        Self { remind_after: day, cancel_after: day.saturating_mul(3) }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::in_days_of(DAY)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use evercore_testing::Scenario;

    use super::*;

    pub(crate) const ADA: &str = "ada@example.com";

    /// An order of two items, under the number that all scenarios use.
    pub(crate) fn placed() -> OrderPlaced {
        let PlaceOrder { order, customer, sku, quantity, total, terms } = place(2);
        OrderPlaced { order, customer, sku, quantity, total, terms }
    }

    pub(crate) fn place(quantity: u32) -> PlaceOrder {
        PlaceOrder {
            order: "42".to_owned(),
            customer: ADA.to_owned(),
            sku: "TEA".to_owned(),
            quantity,
            total: u64::from(quantity) * 700,
            terms: Terms::default(),
        }
    }

    #[test]
    fn an_order_keeps_its_terms() {
        Scenario::<Order>::new().when(place(2)).then([placed()]);
    }

    #[test]
    fn an_empty_order_is_rejected() {
        Scenario::<Order>::new().when(place(0)).then_rejected(PlaceError::Empty);
    }
}
