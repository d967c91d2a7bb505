//! The reasons why a command may be refused.

use evercore_testing::model::Refusal;

/// The reason why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Model(Refusal),
    TaskKeyTaken(String),
    LeaseLost,
    UnknownTask,
}
