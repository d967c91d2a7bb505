//! Describes the shape of an event's type, for tools that check what was released.

/// The fields and variants of an event's type, as they are declared.
///
/// `#[event]` and `#[state_event]` describe their types with it; `evercore-testing` keeps a file of all shapes and
/// reports when a released one has changed.
///
/// A part is a name and a type: `("amount", "i64")`. If a field or variant is renamed individually, the name is the one
/// that serde writes. Fields of tuples are named `0`, `1`, …, and fields of enums begin with the variant:
/// `("In {}", "")`, `("In.amount", "i64")`. Other serde attributes are part of the type: `i64 #[serde(default)]`.
/// **Types are taken as they are written**: their definitions are not inspected.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, EventMeta};
/// use evercore::{Event, event};
///
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// #[event(aggregate = Account)]
/// struct MoneyDeposited { amount: i64, note: Option<String> }
/// # impl Apply<MoneyDeposited> for Account {
/// #     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
/// # }
///
/// let shape = MoneyDeposited::SHAPE.expect("the macro describes it");
/// assert_eq!(shape.parts(), [("amount", "i64"), ("note", "Option<String>")]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(&'static [(&'static str, &'static str)]);

impl Shape {
    /// Creates a shape from its parts.
    #[must_use]
    pub const fn new(parts: &'static [(&'static str, &'static str)]) -> Self {
        Self(parts)
    }

    /// Returns the names and types, in declaration order.
    #[must_use]
    pub const fn parts(&self) -> &'static [(&'static str, &'static str)] {
        self.0
    }
}
