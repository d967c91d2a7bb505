//! A command on its way: what it is for, and what travels beside it.

use std::fmt;

use evercore::{Error, IdempotencyKey, Metadata, Result, Target, command_name};

/// A command, the aggregate that it is for, and what travels beside it: what a
/// [`CommandService`](crate::CommandService) is called with.
///
/// Its `Debug` names the command and leaves out what is in it.
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
    /// A command for an [`AggregateId`](evercore::AggregateId), a natural key as text, or one of [`Target`] that creates
    /// the aggregate.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] if the text cannot be a key.
    pub fn new(target: impl TryInto<Target, Error: Into<Error>>, command: C) -> Result<Self> {
        let target = target.try_into().map_err(Into::into)?;
        Ok(Self { target, command, idempotency_key: None, metadata: None })
    }

    /// Names the wish behind the command, as [`Execute::idempotency_key`](evercore::Execute::idempotency_key).
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

    /// Sets the metadata of the events, as [`Execute::metadata`](evercore::Execute::metadata).
    ///
    /// Unlike that of [`with_metadata`](evercore::with_metadata), it goes where the request goes, into other tasks as
    /// well, and layers see it.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// The aggregate that it is for.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The command.
    #[must_use]
    pub const fn command(&self) -> &C {
        &self.command
    }

    /// What makes it happen once.
    #[must_use]
    pub const fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    /// What was set for its events. That of the task is not in it.
    #[must_use]
    pub const fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// Who sends it, by the metadata that was set. The principal of the task is not looked at.
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
