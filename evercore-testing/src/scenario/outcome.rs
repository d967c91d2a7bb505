//! The outcome of a command in a scenario, and the assertions on it.

use std::fmt;

use chrono::{DateTime, Utc};
use evercore::{Aggregate, Decide, Metadata, RecordedEvent};

use super::difference::{difference, listed};
use super::{Events, Scenario};

/// The outcome of a command, returned by [`Scenario::when`].
///
/// If the command was rejected and the scenario does not [expect](Self::then_rejected) that, the next step panics.
pub struct Decided<T, E> {
    scenario: Scenario<T>,
    /// The name of the command's type.
    command: &'static str,
    outcome: Result<Vec<RecordedEvent>, E>,
    /// Whether the scenario has asserted a rejection.
    expects_rejection: bool,
}

impl<T: Aggregate, E: fmt::Debug> Decided<T, E> {
    pub(super) fn new(
        scenario: Scenario<T>,
        command: &'static str,
        outcome: Result<Vec<RecordedEvent>, E>,
    ) -> Self {
        Self { scenario, command, outcome, expects_rejection: false }
    }

    /// Asserts that the command emitted exactly these events, in this order.
    ///
    /// Events are compared in their JSON form. They are expected with the scenario's time and metadata and without a
    /// reference; to expect others, pass `EventDraft::from(event).with(options)`.
    #[track_caller]
    pub fn then(self, events: impl Events<T>) -> Self {
        let got = self.accepted();
        let expected: Vec<RecordedEvent> =
            self.scenario.rows(events).into_iter().map(Into::into).collect();
        if let Some(difference) = difference(&self.scenario.registry, &expected, got) {
            panic!("{}: the events are not the expected ones\n\n{difference}\n", self.command);
        }
        self
    }

    /// Asserts that the command was accepted and emitted no event.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then(())
    }

    /// Asserts that the command was rejected with this error.
    #[track_caller]
    pub fn then_rejected(self, expected: E) -> Self
    where
        E: PartialEq,
    {
        let error = self.rejected(&format_args!("{expected:?}"));
        if *error != expected {
            panic!(
                "{}: rejected for another reason\n\n  expected {expected:?}\n  got {error:?}\n",
                self.command
            );
        }
        Self { expects_rejection: true, ..self }
    }

    /// Asserts that the command was rejected, and passes the error to the closure for further checks. Use it for errors
    /// that are not `PartialEq`, or that hold more than the test should pin down.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Decide, Decision};
    /// # use evercore_testing::Scenario;
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # struct Withdraw { amount: i64 }
    /// # #[derive(Debug)]
    /// # enum BankError { InsufficientFunds { balance: i64 } }
    /// # impl Decide<Withdraw> for Account {
    /// #     type Error = BankError;
    /// #     fn decide(account: &mut Decision<'_, Self>, command: &Withdraw) -> Result<(), BankError> {
    /// #         Err(BankError::InsufficientFunds { balance: account.balance })
    /// #     }
    /// # }
    /// # evercore::register_aggregate!(Account);
    /// Scenario::<Account>::new()
    ///     .when(Withdraw { amount: 5 })
    ///     .then_rejected_as(|error| assert!(matches!(error, BankError::InsufficientFunds { .. })));
    /// ```
    #[track_caller]
    pub fn then_rejected_as(self, check: impl FnOnce(&E)) -> Self {
        check(self.rejected(&"a rejection"));
        Self { expects_rejection: true, ..self }
    }

    /// Passes the state after the command to the closure. After a rejection, that is the state from before the command.
    #[track_caller]
    pub fn then_state(self, check: impl FnOnce(&T)) -> Self {
        self.look_back();
        check(&self.scenario.state());
        self
    }

    /// Sets the time of all later events.
    #[must_use]
    pub fn at(self, time: DateTime<Utc>) -> Self {
        Self { scenario: self.scenario.at(time), ..self }
    }

    /// Sets the metadata of all later events.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { scenario: self.scenario.with_metadata(metadata), ..self }
    }

    /// Sends the aggregate another command.
    #[must_use = "say what was expected: `then`, `then_rejected`, `then_nothing`"]
    #[track_caller]
    pub fn when<C>(self, command: C) -> Decided<T, T::Error>
    where
        T: Aggregate + Decide<C>,
        T::Error: fmt::Debug,
    {
        self.look_back();
        self.scenario.when(command)
    }

    /// Panics if the command was rejected and the scenario has not asserted that.
    #[track_caller]
    fn look_back(&self) {
        if !self.expects_rejection {
            self.accepted();
        }
    }

    #[track_caller]
    fn accepted(&self) -> &[RecordedEvent] {
        match &self.outcome {
            Ok(events) => events,
            Err(error) => {
                panic!("{}: expected to be accepted, was rejected: {error:?}", self.command)
            }
        }
    }

    #[track_caller]
    fn rejected(&self, expected: &dyn fmt::Display) -> &E {
        match &self.outcome {
            Err(error) => error,
            Ok(events) => panic!(
                "{}: expected {expected}, was accepted\n\n{}\n",
                self.command,
                listed(&self.scenario.registry, events)
            ),
        }
    }
}

impl<T: Aggregate, E: fmt::Debug> fmt::Debug for Decided<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decided")
            .field("scenario", &self.scenario)
            .field("command", &self.command)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
