//! Work that a program does for as long as it runs.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::report::{debug_error, panic_message};
use crate::{BoxError, Error, ErrorKind};

/// Work that a program does for as long as it runs, such as a durable subscription or an HTTP server.
///
/// The crate `evercore-services` runs the services of a program: it restarts a service that has failed, and stops all
/// of them on a signal. [`SubscriptionBuilder::handler`](crate::subscription::SubscriptionBuilder::handler) makes a
/// service of a subscription, and [`service`] one of a closure. Implement the trait for a service with a state of its
/// own.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use evercore::EventStore;
/// use evercore::service::{Lifecycle, Service, ServiceError};
///
/// /// Logs the end of the log once a minute.
/// struct Heights(EventStore);
///
/// impl Service for Heights {
///     fn name(&self) -> &str {
///         "heights"
///     }
///
///     async fn run(&mut self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
///         lifecycle.ready();
///         while !lifecycle.is_stopping() {
///             println!("the log ends at {}", self.0.head().await?);
///             lifecycle.stopped_within(Duration::from_secs(60)).await;
///         }
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "not a service",
    note = "a subscription becomes a service by `.handler(…)`, and a closure by `evercore::service::service(\"name\", …)`"
)]
pub trait Service: Send + 'static {
    /// Returns the name of the service, under which log lines and reports show it. The services of a program have
    /// different names.
    fn name(&self) -> &str;

    /// Runs until [`Lifecycle::stopped`], or until the service cannot continue. It is called again after a failure that
    /// may pass, and after a panic.
    ///
    /// `Ok` before the stop means that the service has done all of its work: it is not run again.
    ///
    /// # Errors
    /// [`ServiceError`], which any [`std::error::Error`] converts to.
    fn run(
        &mut self,
        lifecycle: &Lifecycle,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Returns what follows if the service is aborted because it has not stopped in time. The report of it ends with this
    /// text.
    fn if_aborted(&self) -> &'static str {
        "what it was doing is left unfinished"
    }
}

/// Tells a [`Service`] when to stop, and is told by it when it is ready. Clones belong to the same run of the service.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    stop: CancellationToken,
    ready: Arc<watch::Sender<bool>>,
}

/// The reason why a [`Service`] could not continue.
///
/// It says whether the failure may pass, so that the service is worth running again. An error that converts with `?`
/// may pass, unless the first [`Error`] of Evercore among the error and its causes says that the program, its
/// configuration or the stored data have to change first, or that the store is closed. The failure of a subscription's
/// handler may always pass. An `Error` that another error wraps transparently is not found.
///
/// [`permanent`](Self::permanent) makes a failure that does not pass, whatever the error.
pub struct ServiceError {
    may_pass: bool,
    source: BoxError,
}

/// A service of a closure. Made by [`service`].
#[derive(Clone)]
#[must_use = "a service does nothing until it is run"]
pub struct FnService<F> {
    name: String,
    run: F,
}

/// Makes a service of a closure, under a name that no other service of the program has.
///
/// The closure is called with a [`Lifecycle`], and called again when the service is restarted.
///
/// # Example: a job that repeats
/// ```
/// use std::time::Duration;
///
/// use evercore::EventStore;
/// use evercore::service::{Lifecycle, ServiceError, service};
///
/// # fn example(store: EventStore) -> impl evercore::service::Service {
/// service("heights", async move |lifecycle: Lifecycle| -> Result<(), ServiceError> {
///     lifecycle.ready();
///     while !lifecycle.is_stopping() {
///         println!("the log ends at {}", store.head().await?);
///         lifecycle.stopped_within(Duration::from_secs(60)).await;
///     }
///     Ok(())
/// })
/// # }
/// ```
pub fn service<F, Fut, E>(name: impl Into<String>, run: F) -> FnService<F>
where
    F: FnOnce(Lifecycle) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<ServiceError>,
{
    FnService { name: name.into(), run }
}

impl Lifecycle {
    /// Makes the lifecycle of one run, for programs that run a service themselves. Cancelling the token stops the
    /// service.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, ready: Arc::new(watch::Sender::new(false)) }
    }

    /// Reports that the service works: services that were added to start after it may start now.
    pub fn ready(&self) {
        self.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
    }

    /// Returns whether the service has reported that it works.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until the service reports that it works.
    pub async fn until_ready(&self) {
        let mut ready = self.ready.subscribe();
        ready.wait_for(|&ready| ready).await.expect("BUG: this lifecycle holds the sender");
    }

    /// Returns whether the service is to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until the service is to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Waits until the service is to stop, but at most this long. Returns whether it is to stop.
    pub async fn stopped_within(&self, time: std::time::Duration) -> bool {
        tokio::time::timeout(time, self.stop.cancelled()).await.is_ok()
    }

    /// Returns the token that is cancelled when the service is to stop, for functions that take one.
    #[must_use]
    pub const fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }
}

impl ServiceError {
    /// Makes a failure of an error that `?` does not convert, such as an `anyhow::Error` or a boxed one, and finds out
    /// whether it may pass.
    pub fn new(source: impl Into<BoxError>) -> Self {
        let source = source.into();
        Self { may_pass: may_pass(&*source), source }
    }

    /// Makes a failure after which the service may be run again.
    pub fn passing(source: impl Into<BoxError>) -> Self {
        Self { may_pass: true, source: source.into() }
    }

    /// Makes a failure that running the service again does not mend.
    pub fn permanent(source: impl Into<BoxError>) -> Self {
        Self { may_pass: false, source: source.into() }
    }

    /// Makes a failure of a panic, as [`catch_unwind`](std::panic::catch_unwind) returns it. It may pass.
    #[must_use]
    pub fn panicked(panic: &(dyn Any + Send)) -> Self {
        Self::passing(format!("it panicked: {}", panic_message(panic)))
    }

    /// Returns whether the service is worth running again.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        self.may_pass
    }

    /// Returns the error that the service failed with.
    #[must_use]
    pub fn into_source(self) -> BoxError {
        self.source
    }
}

/// Lets `?` convert any error, and finds out whether it may pass.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for ServiceError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_error(&*self.source, f, |f| {
            f.debug_struct("ServiceError")
                .field("may_pass", &self.may_pass)
                .field("source", &self.source)
                .finish()
        })
    }
}

impl AsRef<dyn std::error::Error + Send + Sync + 'static> for ServiceError {
    fn as_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.source
    }
}

/// Returns whether no error of Evercore among the causes says that something has to change first.
fn may_pass(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref::<Error>())
        .is_none_or(|error| {
            let is_permanent = matches!(
                error.kind(),
                // Of a deleted subscription, too: running it again would store it again, at its start.
                ErrorKind::Misuse
                    | ErrorKind::Configuration
                    | ErrorKind::InvalidInput
                    | ErrorKind::Unreadable
            );
            let is_closed = matches!(error, Error::Closed);
            error.is_retryable() || !(is_permanent || is_closed)
        })
}

impl<F, Fut, E> Service for FnService<F>
where
    F: FnOnce(Lifecycle) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<ServiceError>,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn run(
        &mut self,
        lifecycle: &Lifecycle,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send {
        let running = self.run.clone()(lifecycle.clone());
        async move { running.await.map_err(Into::into) }
    }
}

impl<F> fmt::Debug for FnService<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnService").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;

    #[derive(Debug, thiserror::Error)]
    #[error("the job has failed")]
    struct Wrapped(#[source] Error);

    #[test]
    fn an_error_may_pass_unless_something_has_to_change_first() {
        let deleted = || Error::UnknownSubscription { name: "letters".into() };
        let passes = |error: Error| ServiceError::from(error).may_pass();
        assert!(!passes(Error::NestedCommit));
        assert!(!passes(Error::Closed));
        assert!(!passes(deleted()));
        assert!(passes(Error::storage("commit", "the server has restarted")));
        assert!(passes(Error::HandlerFailed {
            name: "letters".into(),
            position: Position::START,
            source: Error::NestedCommit.into(),
        }));
        assert!(ServiceError::from(std::io::Error::other("no route")).may_pass());
        assert!(!ServiceError::new(Wrapped(deleted())).may_pass(), "it is found among the causes");
        assert!(!ServiceError::permanent("no").may_pass());
    }
}
