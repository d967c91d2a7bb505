//! Keeps the stock of a product: what is on hand, and which orders it is reserved for.

use std::collections::BTreeMap;

use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, command, event};

/// The stock of one product, under its SKU.
#[derive(Aggregate, Debug, Default)]
#[aggregate(name = "stock")]
pub(crate) struct Stock {
    pub(crate) on_hand: u32,
    /// The items that are on hand and reserved, by the numbers of the orders.
    pub(crate) reserved: BTreeMap<String, u32>,
}

#[command(aggregate = Stock, target = key_or_new(sku))]
pub(crate) struct ReceiveStock {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

#[command(aggregate = Stock, target = sku)]
pub(crate) struct ReserveStock {
    pub(crate) sku: String,
    pub(crate) order: String,
    pub(crate) quantity: u32,
}

/// Gives back what is reserved for an order.
#[command(aggregate = Stock, target = sku)]
pub(crate) struct ReleaseStock {
    pub(crate) sku: String,
    pub(crate) order: String,
}

/// Takes what is reserved for an order off the stock: it has left the warehouse.
#[command(aggregate = Stock, target = sku)]
pub(crate) struct IssueStock {
    pub(crate) sku: String,
    pub(crate) order: String,
}

#[event(aggregate = Stock, name = "stock-received")]
pub(crate) struct StockReceived {
    pub(crate) quantity: u32,
}

#[event(aggregate = Stock, name = "stock-reserved")]
pub(crate) struct StockReserved {
    pub(crate) order: String,
    pub(crate) quantity: u32,
}

#[event(aggregate = Stock, name = "stock-released")]
pub(crate) struct StockReleased {
    pub(crate) order: String,
}

#[event(aggregate = Stock, name = "stock-issued")]
pub(crate) struct StockIssued {
    pub(crate) order: String,
}

impl Apply<StockReceived> for Stock {
    fn apply(&mut self, event: &StockReceived, _: &EventMeta) {
        self.on_hand += event.quantity;
    }
}

impl Apply<StockReserved> for Stock {
    fn apply(&mut self, event: &StockReserved, _: &EventMeta) {
        self.reserved.insert(event.order.clone(), event.quantity);
    }
}

impl Apply<StockReleased> for Stock {
    fn apply(&mut self, event: &StockReleased, _: &EventMeta) {
        self.reserved.remove(&event.order);
    }
}

impl Apply<StockIssued> for Stock {
    fn apply(&mut self, event: &StockIssued, _: &EventMeta) {
        self.on_hand -= self.reserved.remove(&event.order).unwrap_or_default();
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum StockError {
    #[error("only {available} are available")]
    Short { available: u32 },
    #[error("the stock would exceed {}", u32::MAX)]
    TooMuch,
    #[error("nothing is reserved for the order {0}")]
    NotReserved(String),
}

impl Decide<ReceiveStock> for Stock {
    type Error = StockError;

    fn decide(stock: &mut Decision<'_, Self>, command: &ReceiveStock) -> Result<(), StockError> {
        stock.on_hand.checked_add(command.quantity).ok_or(StockError::TooMuch)?;
        stock.emit(StockReceived { quantity: command.quantity });
        Ok(())
    }
}

impl Decide<ReserveStock> for Stock {
    type Error = StockError;

    fn decide(stock: &mut Decision<'_, Self>, command: &ReserveStock) -> Result<(), StockError> {
        let available = stock.available();
        if stock.reserved.contains_key(&command.order) {
            return Ok(());
        }
        if command.quantity > available {
            return Err(StockError::Short { available });
        }
        let (order, quantity) = (command.order.clone(), command.quantity);
        stock.emit(StockReserved { order, quantity });
        Ok(())
    }
}

impl Decide<ReleaseStock> for Stock {
    type Error = StockError;

    fn decide(stock: &mut Decision<'_, Self>, command: &ReleaseStock) -> Result<(), StockError> {
        let order = stock.reserved_for(&command.order)?;
        stock.emit(StockReleased { order });
        Ok(())
    }
}

impl Decide<IssueStock> for Stock {
    type Error = StockError;

    fn decide(stock: &mut Decision<'_, Self>, command: &IssueStock) -> Result<(), StockError> {
        let order = stock.reserved_for(&command.order)?;
        stock.emit(StockIssued { order });
        Ok(())
    }
}

impl Stock {
    /// Returns what is on hand and not reserved.
    pub(crate) fn available(&self) -> u32 {
        self.on_hand - self.reserved.values().sum::<u32>()
    }

    fn reserved_for(&self, order: &str) -> Result<String, StockError> {
        let found = self.reserved.get_key_value(order).map(|(order, _)| order.clone());
        found.ok_or_else(|| StockError::NotReserved(order.to_owned()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use evercore_testing::Scenario;

    use super::*;

    pub(crate) fn reserved(quantity: u32) -> StockReserved {
        StockReserved { order: "42".to_owned(), quantity }
    }

    pub(crate) fn reserve(quantity: u32) -> ReserveStock {
        ReserveStock { sku: "TEA".to_owned(), order: "42".to_owned(), quantity }
    }

    pub(crate) fn release() -> ReleaseStock {
        ReleaseStock { sku: "TEA".to_owned(), order: "42".to_owned() }
    }

    fn issue() -> IssueStock {
        IssueStock { sku: "TEA".to_owned(), order: "42".to_owned() }
    }

    fn received(quantity: u32) -> StockReceived {
        StockReceived { quantity }
    }

    #[test]
    fn no_more_is_reserved_than_is_available() {
        let others = StockReserved { order: "41".to_owned(), quantity: 7 };
        Scenario::<Stock>::given((received(10), others))
            .when(reserve(4))
            .then_rejected(StockError::Short { available: 3 })
            .when(reserve(3))
            .then([reserved(3)]);
    }

    #[test]
    fn an_order_reserves_once() {
        Scenario::<Stock>::given((received(10), reserved(2))).when(reserve(2)).then_nothing();
    }

    #[test]
    fn what_is_released_is_available_again() {
        Scenario::<Stock>::given((received(10), reserved(2)))
            .when(release())
            .then([StockReleased { order: "42".to_owned() }])
            .then_state(|stock| assert_eq!((stock.on_hand, stock.available()), (10, 10)))
            .when(issue())
            .then_rejected(StockError::NotReserved("42".to_owned()));
    }

    #[test]
    fn what_is_issued_is_gone() {
        Scenario::<Stock>::given((received(10), reserved(2)))
            .when(issue())
            .then([StockIssued { order: "42".to_owned() }])
            .then_state(|stock| assert_eq!((stock.on_hand, stock.available()), (8, 8)))
            .when(release())
            .then_rejected(StockError::NotReserved("42".to_owned()));
    }

    #[test]
    fn a_stock_has_a_largest_size() {
        Scenario::<Stock>::given([received(1)])
            .when(ReceiveStock { sku: "TEA".to_owned(), quantity: u32::MAX })
            .then_rejected(StockError::TooMuch);
    }
}
