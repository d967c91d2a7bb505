//! Events of types that the program does not know.

use std::fmt;

use crate::RecordedEvent;

/// What becomes of a stored event that no type reads, where its aggregate is loaded.
///
/// `#[aggregate(unknown_events = …)]` sets it. For followers of the log, see
/// [`Router::skip_unknown`](crate::Router::skip_unknown) and [`Router::on_unknown`](crate::Router::on_unknown).
///
/// A state that lacks events is no state to keep: [no snapshot](crate::StateAggregate::has_unknown_events) is taken of
/// it, so that a program that knows the events does not start from it.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Aggregate, RecordedEvent, state_event};
///
/// /// Cares for balances, whatever else other programs write.
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
    /// The state goes without it.
    Skip,
    /// The state is given it as it is stored.
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
