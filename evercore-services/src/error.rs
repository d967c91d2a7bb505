//! The ways in which running services can end badly.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use evercore::service::ServiceError;
use evercore::{BoxError, Report};

/// The consequence if a service cannot even be aborted.
const BLOCKS: &str = "it blocks its thread, which only the end of the process ends (use `spawn_blocking` for such work)";

/// The error of [`Services::run_until_signal`](crate::Services::run_until_signal) and
/// [`run_until`](crate::Services::run_until). All variants but [`Ended`](Self::Ended) are returned before any service
/// is started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServicesError {
    /// There is nothing to run.
    #[error("there is no service to run; add one with `Services::with`")]
    NoService,

    /// A service has an empty name.
    #[error(
        "service {number}, in the order in which they were added, has an empty name; give it one, since log lines and reports name it"
    )]
    EmptyName {
        /// The number of the service, from 1.
        number: usize,
    },

    /// Two services have the same name.
    #[error(
        "two services are named `{name}`; give each a name of its own, since log lines and reports name it"
    )]
    SameName {
        /// The name.
        name: Arc<str>,
    },

    /// A service panicked when it was asked for its name.
    #[error("service {number}, in the order in which they were added, has no name")]
    NoName {
        /// The number of the service, from 1.
        number: usize,
        /// The panic.
        source: BoxError,
    },

    /// The future was not awaited in a tokio runtime.
    #[error(
        "services run in a tokio runtime, and there is none; await them in a function with `#[tokio::main]`"
    )]
    NoRuntime,

    /// The program cannot be told to stop by a signal.
    #[error(
        "the operating system refused to announce signals; use `Services::run_until` with another reason to stop"
    )]
    Signals {
        /// The refusal.
        source: io::Error,
    },

    /// All services have ended, some of them badly.
    #[error(transparent)]
    Ended(#[from] EndedBadly),
}

/// The services that have failed for good or did not stop. There is at least one.
///
/// It is displayed as one sentence that names them all. Its source is the error of the service that failed first.
#[derive(Debug, Default)]
pub struct EndedBadly {
    failed: Vec<FailedService>,
    aborted: Vec<AbortedService>,
}

/// A service that has failed for good: with a failure that does not pass, in its last attempt, or while it stopped.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedService {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it was stopping already: then it did not cause the stop.
    pub while_stopping: bool,
    /// The number of its failures in a row.
    pub failures: u32,
    /// The last failure.
    pub error: BoxError,
}

/// A service that did not stop in time.
#[derive(Debug)]
#[non_exhaustive]
pub struct AbortedService {
    /// Its name.
    pub name: Arc<str>,
    /// The reason why it was aborted.
    pub cut: Cut,
    /// The consequence of the abortion, as the service states it.
    pub consequence: &'static str,
    /// Whether it goes on nevertheless, because it blocks its thread.
    pub blocks: bool,
}

/// The reason why a service was aborted. It is displayed as the predicate of a sentence about the service: "did not stop
/// within 25s".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// It did not stop within its share of [`Services::stop_within`](crate::Services::stop_within).
    Late(Duration),
    /// A second signal came before it had stopped.
    SecondSignal,
}

impl EndedBadly {
    /// Returns the services that have failed for good, in the order in which they did. The first may have caused the
    /// stop.
    #[must_use]
    pub fn failed(&self) -> &[FailedService] {
        &self.failed
    }

    /// Returns the services that did not stop in time.
    #[must_use]
    pub fn aborted(&self) -> &[AbortedService] {
        &self.aborted
    }

    pub(crate) fn fail(
        &mut self,
        name: &Arc<str>,
        error: ServiceError,
        failures: u32,
        while_stopping: bool,
    ) {
        let (name, error) = (Arc::clone(name), error.into_source());
        self.failed.push(FailedService { name, while_stopping, failures, error });
    }

    pub(crate) fn abort(&mut self, aborted: AbortedService) {
        self.aborted.push(aborted);
    }

    /// Returns an error if any service has ended badly.
    pub(crate) fn into_result(self) -> Result<(), ServicesError> {
        if self.failed.is_empty() && self.aborted.is_empty() { Ok(()) } else { Err(self.into()) }
    }
}

/// Says the first failure last, since its causes are shown behind it.
impl fmt::Display for EndedBadly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sentences: Vec<String> = self.aborted.iter().map(ToString::to_string).collect();
        let mut failed = self.failed.iter();
        let first = failed.next();
        sentences.extend(failed.map(|also| format!("{also}: {}", Report::new(&*also.error))));
        sentences.extend(first.map(ToString::to_string));
        f.write_str(&sentences.join("; "))
    }
}

impl Error for EndedBadly {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failed.first().map(|failed| &*failed.error as &(dyn Error + 'static))
    }
}

impl fmt::Display for FailedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service `{}` has failed", self.name)?;
        match (self.while_stopping, self.failures) {
            (true, _) => f.write_str(" while it stopped"),
            (false, 1) => Ok(()),
            (false, failures) => write!(f, " {failures} times in a row"),
        }
    }
}

impl AbortedService {
    /// Returns all that follows.
    pub(crate) fn consequence(&self) -> String {
        let blocks = if self.blocks { format!("; {BLOCKS}") } else { String::new() };
        format!("{}{blocks}", self.consequence)
    }
}

impl fmt::Display for AbortedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, cut, .. } = self;
        write!(f, "the service `{name}` {cut} and was aborted ({})", self.consequence())
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(within) => write!(f, "did not stop within {within:?}"),
            Self::SecondSignal => f.write_str("had not stopped at the second signal"),
        }
    }
}
