//! Sorts errors into a few kinds.

use super::OpenProblem;
use crate::{CommandError, Error};

/// The kind of an [`Error`] or a [`CommandError`], by what a caller can do about it.
///
/// Returned by [`Error::kind`] and [`CommandError::kind`].
///
/// The guide [Errors](https://github.com/evercore-rs/evercore/blob/main/docs/errors.md) lists the variants of each kind,
/// and answers HTTP requests in an axum service.
///
/// # Example: the answer to an HTTP request
/// ```
/// use evercore::{Error, ErrorKind};
///
/// fn answer(kind: ErrorKind) -> (u16, &'static str) {
///     let status = match kind {
///         ErrorKind::InvalidInput => 400,
///         ErrorKind::NotFound => 404,
///         ErrorKind::Conflict => 409,
///         ErrorKind::Rejected => 422,
///         ErrorKind::Unavailable => 503,
///         ErrorKind::OutcomeUnknown => 504,
///         _ => 500,
///     };
///     (status, kind.public_message())
/// }
///
/// let error = Error::UnknownKey { aggregate: "account".into(), key: "NL91".into() };
/// assert_eq!(answer(error.kind()), (404, "what the request names does not exist"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The aggregate has rejected the command, by its own rules. Only of a [`CommandError`].
    Rejected,
    /// Another writer or worker was faster, or holds what was asked for.
    Conflict,
    /// The aggregate or the parked event does not exist, or the id is that of an aggregate of another type.
    NotFound,
    /// A value that the caller gave cannot be used: a key, a number, a time, or a payload that is too large.
    InvalidInput,
    /// The program is wrong: its types, its registry, its subscriptions, or the order of its calls.
    Misuse,
    /// The URL or the database that it names cannot be used as they are configured.
    Configuration,
    /// The store cannot answer now: it is busy, unreachable, full or closed.
    Unavailable,
    /// The answer to a commit was lost. Look up its outcome before you try again.
    OutcomeUnknown,
    /// Stored data cannot be read as this program's types, or are damaged.
    Unreadable,
    /// The handler of a subscription has failed.
    HandlerFailed,
    /// The storage has failed in another way.
    Storage,
}

impl ErrorKind {
    /// Returns a text for the clients of a service.
    ///
    /// It is the same for all errors of the kind, so it contains no id, key, name or SQL, and no advice to programmers,
    /// as the `Display` of an [`Error`] does. Log that one, and answer with this. Kinds that only the service itself can
    /// cause have one text in common.
    #[must_use]
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::Rejected => "the request breaks a rule of the service",
            Self::Conflict => {
                "the request conflicts with another one; read the present state before you repeat it"
            }
            Self::NotFound => "what the request names does not exist",
            Self::InvalidInput => "the request has a value that is invalid or too large",
            Self::Unavailable => "the service is unavailable; repeat the request later",
            Self::OutcomeUnknown => {
                "the request may or may not have taken effect; read the present state before you repeat it"
            }
            Self::Misuse
            | Self::Configuration
            | Self::Unreadable
            | Self::HandlerFailed
            | Self::Storage => "the service has failed to answer the request",
        }
    }
}

impl Error {
    /// Returns the kind of the error, for callers that treat many errors alike. Whether the same call may succeed if it is
    /// made again is for [`is_retryable`](Self::is_retryable) to say.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. }
            | Self::BoundaryConflict { .. }
            | Self::DeclarationsChanged
            | Self::KeyTaken { .. }
            | Self::ValueTaken { .. }
            | Self::IdempotencyKeyUsed { .. }
            | Self::LeaseLost { .. }
            | Self::TaskKeyTaken { .. }
            | Self::TaskLeaseLost { .. }
            | Self::SubscriptionNotIdle { .. }
            | Self::SubscriptionOwned { .. } => ErrorKind::Conflict,

            // To a client that gave the id, there is no aggregate of this type with it.
            Self::UnknownId { .. }
            | Self::WrongAggregateType { .. }
            | Self::UnknownKey { .. }
            | Self::UnknownValue { .. }
            | Self::NotParked { .. }
            | Self::UnknownTask { .. }
            | Self::UnknownCommand { .. } => ErrorKind::NotFound,

            Self::InvalidIdempotencyKey { .. }
            | Self::IdempotencyKeyReused { .. }
            | Self::ResultTooLarge { .. }
            | Self::InvalidKey { .. }
            | Self::InvalidTag { .. }
            | Self::InvalidTask { .. }
            | Self::InvalidValue { .. }
            | Self::InvalidNumber { .. }
            | Self::InvalidMetadata { .. }
            | Self::EmptyAppend { .. }
            | Self::PayloadTooLarge { .. }
            | Self::CommitTooLarge { .. }
            | Self::BoundaryTooLarge { .. }
            | Self::Encode { .. }
            | Self::NotRoundTrip { .. }
            | Self::InvalidDigest { .. }
            | Self::ParkedBehind { .. }
            | Self::InvalidDiscard { .. }
            | Self::StartBeyondEnd { .. }
            | Self::StartAhead { .. }
            | Self::TimeOutOfRange { .. } => ErrorKind::InvalidInput,

            Self::ForeignAggregate { .. }
            | Self::StaleHandle { .. }
            | Self::WrongEventType { .. }
            | Self::Unregistered { .. }
            | Self::DuplicateName { .. }
            | Self::AmbiguousAlias { .. }
            | Self::MissingUpcaster { .. }
            | Self::InvalidDeclaration { .. }
            | Self::EventOutsideBoundary { .. }
            | Self::MissingCodec { .. }
            | Self::ValuesIncomplete { .. }
            // A service names its subscriptions and filters itself: no client can correct them.
            | Self::UnknownFilterName { .. }
            | Self::NoTags
            | Self::InvalidFilterName { .. }
            | Self::NoLane { .. }
            | Self::InvalidSubscription { .. }
            | Self::UnknownSubscription { .. }
            | Self::SubscriptionDiffers { .. }
            | Self::NestedCommit
            | Self::TransactionEnded
            | Self::Unsupported { .. }
            | Self::WrongEngine { .. }
            | Self::NoRuntime { .. } => ErrorKind::Misuse,

            Self::CannotOpen {
                problem:
                    OpenProblem::Unreachable | OpenProblem::ConnectionRefused | OpenProblem::UnknownHost,
                ..
            }
            | Self::Busy { .. }
            | Self::QueueFull { .. }
            | Self::Unavailable { .. }
            | Self::DiskFull { .. }
            | Self::Standby { .. }
            | Self::Closed => ErrorKind::Unavailable,

            Self::OlderProgram { .. }
            | Self::UndeclaredValues { .. }
            | Self::TagIncomplete { .. }
            | Self::TagRetired { .. }
            | Self::UnknownScheme { .. } | Self::InvalidUrl { .. } | Self::CannotOpen { .. } => {
                ErrorKind::Configuration
            }

            Self::OutcomeUnknown { .. } | Self::OutcomeTimedOut { .. } => ErrorKind::OutcomeUnknown,

            Self::UnreadableResult { .. }
            | Self::Decode(_)
            | Self::Upcast { .. }
            | Self::UnknownEvent(_)
            | Self::UnreadableTask { .. }
            | Self::Corrupt { .. } => ErrorKind::Unreadable,

            Self::HandlerFailed { .. }
            | Self::HandlerTimedOut { .. }
            | Self::TaskTimedOut { .. }
            | Self::SubscriptionFailed { .. } => ErrorKind::HandlerFailed,

            Self::Storage { .. } => ErrorKind::Storage,
        }
    }
}

impl<E> CommandError<E> {
    /// Returns the kind of the error: [`ErrorKind::Rejected`] if the aggregate rejected the command, or else that of the
    /// [`Error`].
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Rejected(_) => ErrorKind::Rejected,
            Self::Store(error) => error.kind(),
        }
    }

    /// Returns whether the same command may succeed if it is executed again, as [`Error::is_retryable`] does.
    ///
    /// `false` for a rejection: only another state of the aggregate would change it.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Rejected(_) => false,
            Self::Store(error) => error.is_retryable(),
        }
    }
}

#[cfg(test)]
mod tests;
