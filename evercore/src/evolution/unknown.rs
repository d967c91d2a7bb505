//! Defines how stored events of unknown types are treated.

use std::fmt;

use crate::RecordedEvent;

/// The treatment of a stored event that no known type can read, when its aggregate is loaded.
///
/// `#[aggregate(unknown_events = …)]` sets it. For followers of the log, see
/// [`Router::skip_unknown`](crate::Router::skip_unknown) and [`Router::on_unknown`](crate::Router::on_unknown).
///
/// [No snapshot](crate::StateAggregate::has_unknown_events) is taken of a state that lacks events, so that a program
/// that knows the events does not start from it.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Aggregate, RecordedEvent, state_event};
///
/// /// Reads balances, and counts the events that only other programs know.
/// #[derive(Aggregate, Default)]
/// #[aggregate(name = "account", unknown_events = hand_to(Account::note))]
/// struct Account { balance: i64, others: u32 }
///
/// impl Account {
///     fn note(&mut self, _unknown: &RecordedEvent) {
///         self.others += 1;
///     }
/// }
///
/// #[state_event(aggregate = Account)]
/// struct BalanceSet { balance: i64 }
/// ```
pub enum UnknownEvents<T> {
    /// The load fails with [`Error::UnknownEvent`](crate::Error::UnknownEvent). The default.
    Fail,
    /// The event is skipped.
    Skip,
    /// The function is given the state and the event as it is stored.
    HandTo(fn(&mut T, &RecordedEvent)),
}

impl<T> Clone for UnknownEvents<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UnknownEvents<T> {}

impl<T> fmt::Debug for UnknownEvents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fail => "Fail",
            Self::Skip => "Skip",
            Self::HandTo(_) => "HandTo",
        })
    }
}
