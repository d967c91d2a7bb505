//! What an event's type looks like, for people and tools that look after what was released.

/// The fields and variants of an event's type, as they are declared.
///
/// `#[event]` and `#[state_event]` describe their types by it; `evercore-testing` keeps a file of all shapes and tells
/// when one that was released has changed.
///
/// A part is a name and a type: `("amount", "i64")`. The name is the one that serde writes where a field or variant is
/// renamed on its own, `0`, `1`, … in a tuple, and begins with the variant's in an enum: `("In {}", "")`,
/// `("In.amount", "i64")`. What else serde is told stands with the type: `i64 #[serde(default)]`. **Types are taken as
/// they are written**: what is inside of them plays no part.
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
    /// A shape of these parts.
    #[must_use]
    pub const fn new(parts: &'static [(&'static str, &'static str)]) -> Self {
        Self(parts)
    }

    /// Names and types, in the order in which they are declared.
    #[must_use]
    pub const fn parts(&self) -> &'static [(&'static str, &'static str)] {
        self.0
    }
}
