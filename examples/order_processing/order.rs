//! Defines the state of an order, on which the slices decide.

use evercore::Aggregate;

/// An order of one product.
#[derive(Aggregate, Debug, Default)]
#[aggregate(name = "order")]
pub(crate) struct Order {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    /// In cents.
    pub(crate) total: u64,
    pub(crate) status: Status,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    #[default]
    Placed,
    Paid,
    Packed,
    Shipped,
    Cancelled,
    Refunded,
}

impl Status {
    /// Returns whether nothing happens to the order any more.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Shipped | Self::Cancelled | Self::Refunded)
    }
}
