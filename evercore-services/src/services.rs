//! Sets up the services of a program, and runs them.

use std::collections::HashSet;
use std::future::pending;
use std::time::Duration;

use evercore::service::Service;
use tokio::runtime::Handle;

use crate::entry::Entry;
use crate::error::ServicesError;
use crate::journal::Journal;
use crate::restart::RestartPolicy;
use crate::run::{Run, Waiting};
use crate::signals::Signals;
use crate::status::{Board, ServicesStatus};

/// The default time within which all services stop: 5 s less than Kubernetes waits.
const STOP_WITHIN: Duration = Duration::from_secs(25);

/// The longest time that can be set, some 136 years: a later moment could not be computed.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

/// The services of a program.
///
/// Each runs in a task of its own. One that fails is restarted after a wait ([`restart`](Self::restart)), unless its
/// failure does not pass ([`ServiceError::may_pass`](evercore::service::ServiceError::may_pass)): then all services are
/// stopped, and the run returns an error.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
/// use evercore::service::{Lifecycle, ServiceError, service};
/// use evercore::{Error, EventStore, Received, Router};
/// use evercore_services::Services;
/// # use evercore_memory as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ServiceError> {
/// let store = EventStore::connect("memory:").await?;
/// let print = Router::new().on(async |set: Received<BalanceSet>| -> Result<(), Error> {
///     println!("{}", set.balance);
///     Ok(())
/// });
/// let services = Services::new()
///     .with(store.subscription("printer").event::<BalanceSet>().handler(print))
///     .then()
///     .with(service("greeter", async |_: Lifecycle| -> Result<(), ServiceError> {
///         println!("the printer is ready");
///         Ok(())
///     }));
/// # let status = services.status();
/// # let stop = async { status.wait_until_ready().await; };
/// # services.run_until(stop).await?;
/// # let services = Services::new().with(service("last", async |_: Lifecycle| -> Result<(), ServiceError> { Ok(()) }));
/// services.run_until_signal().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "services do nothing until `run_until_signal` or `run_until` is called"]
pub struct Services {
    board: Board,
    /// The services of each stage. There is at least one stage.
    stages: Vec<Vec<Entry>>,
    restart: RestartPolicy,
    stop_within: Duration,
}

impl Services {
    /// Starts with no services.
    pub fn new() -> Self {
        Self {
            board: Board::new(),
            stages: vec![Vec::new()],
            restart: RestartPolicy::default(),
            stop_within: STOP_WITHIN,
        }
    }

    /// Adds a service: a subscription with its [`handler`](evercore::subscription::SubscriptionBuilder::handler), a
    /// closure with a name ([`service`](evercore::service::service)), or any other [`Service`]. Its name differs from
    /// those of all others.
    pub fn with<S: Service>(mut self, service: S) -> Self {
        let entry = Entry::new(service);
        self.board.add(entry.name.as_ref().map_or_else(|_| "".into(), Clone::clone));
        self.stages.last_mut().expect("BUG: there is always a stage").push(entry);
        self
    }

    /// Begins a stage. The services that are added from now on start once each of those before has reported that it is
    /// ready ([`Lifecycle::ready`](evercore::service::Lifecycle::ready)) or has done its work, and they stop first:
    /// those before are told to stop when these have stopped.
    pub fn then(mut self) -> Self {
        self.stages.push(Vec::new());
        self
    }

    /// Sets when services that have failed run again. Default: as often as they fail, after waits of up to 1 s at first
    /// and up to 1 min at last.
    pub const fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }

    /// Sets the time within which all services have to stop. Those that have not stopped by then are aborted, and the
    /// run returns an error that names them. Default: 25 s, since Kubernetes waits 30 s before it kills a program.
    ///
    /// Stages stop one after the other, each within an equal share of the time that is left: of two stages, the last
    /// one has half of it, and the first one whatever remains. Aborted services get up to 1 s more to end.
    pub const fn stop_within(mut self, time: Duration) -> Self {
        self.stop_within = time;
        self
    }

    /// Returns a watch on the services, for health checks.
    #[must_use]
    pub fn status(&self) -> ServicesStatus {
        self.board.watch()
    }

    /// Runs the services until the program is told to stop, by Ctrl-C (SIGINT) or SIGTERM; on Windows, by Ctrl-C. A
    /// second signal aborts the services that have not stopped, and returns at once. Otherwise this is
    /// [`run_until`](Self::run_until).
    ///
    /// A third signal ends the process at once, with the exit code 128 + its number, and so does any signal after the
    /// return: a runtime that is dropped waits without bound for work that blocks its thread. On Windows, Ctrl-C ends
    /// the process as usual then.
    ///
    /// # Errors
    /// Those of [`run_until`](Self::run_until), and [`ServicesError::Signals`] if the operating system does not
    /// announce signals.
    pub async fn run_until_signal(self) -> Result<(), ServicesError> {
        let run = self.begin()?;
        let signals = Signals::listen().map_err(|source| ServicesError::Signals { source })?;
        let (stop, at_once) = (signals.first(), signals.second());
        tokio::select! {
            biased;
            ended = run.run(stop.cancelled(), at_once.cancelled()) => ended,
            never = signals.pass_on() => match never {},
        }
    }

    /// Runs the services until this future completes, one of them has failed for good, or all have done their work.
    /// Then stops those that still run, and returns when they have stopped.
    ///
    /// Dropping the future aborts all services at once.
    ///
    /// # Errors
    /// - Before anything is started: [`ServicesError::NoService`], [`ServicesError::EmptyName`],
    ///   [`ServicesError::SameName`] and [`ServicesError::NoName`] if the services are not fit to run, and
    ///   [`ServicesError::NoRuntime`] outside of a tokio runtime.
    /// - [`ServicesError::Ended`], with each service that has failed for good or has not stopped in time.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), ServicesError> {
        self.begin()?.run(stop, pending()).await
    }

    /// Checks the services, and returns them as they are before the first is started.
    fn begin(self) -> Result<Run, ServicesError> {
        Handle::try_current().map_err(|_| ServicesError::NoRuntime)?;
        let (mut names, mut stages) = (HashSet::new(), Vec::new());
        for entries in self.stages {
            let mut stage = Vec::new();
            for Entry { name, if_aborted, service } in entries {
                let index = names.len();
                let number = index + 1;
                let name = name.map_err(|panic| ServicesError::NoName {
                    number,
                    source: panic.into_source(),
                })?;
                if name.trim().is_empty() {
                    return Err(ServicesError::EmptyName { number });
                }
                if !names.insert(name.clone()) {
                    return Err(ServicesError::SameName { name });
                }
                let journal = Journal::new(self.board.clone(), index, name, if_aborted);
                stage.push(Waiting { index, journal, service });
            }
            stages.push(stage);
        }
        if names.is_empty() {
            return Err(ServicesError::NoService);
        }
        Ok(Run::new(self.board, self.restart, self.stop_within.min(LONGEST), stages))
    }
}

impl Default for Services {
    fn default() -> Self {
        Self::new()
    }
}
