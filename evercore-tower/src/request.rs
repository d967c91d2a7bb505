//! Carries a command to a service, with its target and metadata.

use std::fmt;

use evercore::command::command_name;
use evercore::{Error, IdempotencyKey, Metadata, Result, Target};

/// A command, the aggregate that it is for, its idempotency key and its metadata: the request of a
/// [`CommandService`](crate::CommandService).
///
/// Its `Debug` shows the name of the command and not its content.
///
/// # Example
/// ```
/// use evercore::{Metadata, Target};
/// use evercore_tower::CommandRequest;
///
/// struct Deposit { amount: i64 }
///
/// let request = CommandRequest::new("NL91ABNA0417164300", Deposit { amount: 30 })?
///     .with_idempotency_key("request-17")?
///     .with_metadata(Metadata::new().principal("ada"));
/// assert_eq!(request.target(), &Target::try_from("NL91ABNA0417164300")?);
/// assert_eq!(request.command().amount, 30);
/// assert_eq!(request.principal(), Some("ada"));
/// # Ok::<_, evercore::Error>(())
/// ```
#[derive(Clone)]
pub struct CommandRequest<C> {
    pub(crate) target: Target,
    pub(crate) command: C,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) metadata: Option<Metadata>,
}

impl<C> CommandRequest<C> {
    /// Creates a request for an [`AggregateId`](evercore::AggregateId), a natural key as text, or one of the
    /// [`Target`]s that create the aggregate.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] if the text cannot be a key.
    pub fn new(target: impl TryInto<Target, Error: Into<Error>>, command: C) -> Result<Self> {
        let target = target.try_into().map_err(Into::into)?;
        Ok(Self { target, command, idempotency_key: None, metadata: None })
    }

    /// Sets the idempotency key, with which the command takes effect once, as
    /// [`Execute::idempotency_key`](evercore::command::Execute::idempotency_key) does.
    ///
    /// # Errors
    /// [`Error::InvalidIdempotencyKey`] if it cannot be one.
    pub fn with_idempotency_key(
        mut self,
        key: impl TryInto<IdempotencyKey, Error: Into<Error>>,
    ) -> Result<Self> {
        self.idempotency_key = Some(key.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Sets the metadata of the events, as [`Execute::metadata`](evercore::command::Execute::metadata) does.
    ///
    /// Unlike the metadata of [`with_metadata`](evercore::with_metadata), it stays with the request when that moves to
    /// another task, and layers see it.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Returns the aggregate that the command is for.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the command.
    #[must_use]
    pub const fn command(&self) -> &C {
        &self.command
    }

    /// Returns the idempotency key, if it was set.
    #[must_use]
    pub const fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    /// Returns the metadata that were set on the request. They do not include the metadata of the task.
    #[must_use]
    pub const fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// Returns the principal in the metadata of the request. The principal of the task is ignored.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.metadata.as_ref()?.principal_id()
    }
}

impl<C> fmt::Debug for CommandRequest<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandRequest")
            .field("target", &self.target)
            .field("command", &command_name::<C>())
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}
