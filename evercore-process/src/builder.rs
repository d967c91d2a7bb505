//! Sets up processes and reactors, and runs them.

use std::fmt;
use std::sync::Arc;

use evercore::service::{Lifecycle, Service, ServiceError};
use evercore::subscription::{SubscriptionBuilder, SubscriptionService};
use evercore::task::{Handlers, QueueBuilder, QueueName, QueueService};
use evercore::{Error, EventStore, FailurePolicy, Handler, Result, Start};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::process::Process;
use crate::reactions::Reactions;
use crate::reactor::{Reacting, Reactor};
use crate::worker::{Steps, Worker};

/// Sets up a process or a reactor, and runs it. Made by [`Processes`]; `H` handles its events.
///
/// It is a [durable subscription](SubscriptionBuilder) to the events that it reacts to and, for a process with deadlines
/// or reactions to rejections or failures, a worker of a [queue](QueueBuilder), both under its name. Any number of
/// workers, in any number of processes of the operating system, share both.
#[must_use = "it does nothing until `run` or `spawn` is called, or its service is run"]
pub struct ProcessBuilder<H> {
    name: String,
    subscription: SubscriptionBuilder,
    events: H,
    queue: Option<(QueueBuilder, Handlers)>,
    problem: Option<Error>,
    stop: CancellationToken,
}

/// A process or a reactor as a [`Service`]. Made by [`ProcessBuilder::service`].
#[must_use = "a service does nothing until it is run"]
pub struct ProcessService<H> {
    name: String,
    subscription: SubscriptionService<H>,
    queue: Option<QueueService>,
    problem: Option<String>,
}

/// A process or a reactor that runs in a task of its own. Dropping the handle stops it at once: its leases stay taken
/// until they end. [`shutdown`](Self::shutdown) is the graceful way.
#[derive(Debug)]
#[must_use = "dropping the handle stops the process immediately, and its leases stay taken until they end: keep the handle, and call `shutdown`"]
pub struct ProcessHandle {
    task: JoinHandle<Result<()>>,
    stop: CancellationToken,
}

/// Adds processes and reactors to a store.
pub trait Processes {
    /// Sets up the process `P` under a name, which is also that of its subscription and of its queue: 1 to 128 bytes.
    ///
    /// A process reacts to each event once under its name. Do not change it: under another name it reacts to all events
    /// once more, and its deadlines stay in the queue of the former name.
    fn process<P: Process>(&self, name: &str) -> ProcessBuilder<Steps<P>>;

    /// Sets up a reactor under a name, which is also that of its subscription: 1 to 128 bytes.
    fn reactor(&self, name: &str, reactor: Reactor) -> ProcessBuilder<Reacting>;
}

impl Processes for EventStore {
    fn process<P: Process>(&self, name: &str) -> ProcessBuilder<Steps<P>> {
        let mut reactions = Reactions::<P>::of_process();
        let queue = QueueName::new(name);
        let problem = match &queue {
            Ok(_) if reactions.events.is_empty() => Some(no_events(name, "Reactions::event")),
            _ => None,
        };
        reactions.rules_mut().queue = queue.ok();
        let subscription = reactions.follow(self.subscription(name));
        let worker = Arc::new(Worker { store: self.clone(), name: name.to_owned(), reactions });
        let handlers = Reactions::handlers(&worker);
        ProcessBuilder {
            name: name.to_owned(),
            subscription,
            events: Steps(worker),
            queue: handlers.map(|handlers| (self.queue(name), handlers)),
            problem,
            stop: CancellationToken::new(),
        }
    }

    fn reactor(&self, name: &str, reactor: Reactor) -> ProcessBuilder<Reacting> {
        let problem = reactor.is_empty().then(|| no_events(name, "Reactor::on"));
        let subscription = reactor.follow(self.subscription(name));
        ProcessBuilder {
            name: name.to_owned(),
            subscription,
            events: Reacting::new(self.clone(), name, reactor),
            queue: None,
            problem,
            stop: CancellationToken::new(),
        }
    }
}

/// A subscription without a filter would follow all events.
fn no_events(name: &str, how: &str) -> Error {
    let problem = format!("it reacts to no events; register a reaction with `{how}`");
    Error::InvalidSubscription { name: name.to_owned(), problem }
}

impl<H: Handler> ProcessBuilder<H> {
    /// Splits the events among this many partitions, whose steps are taken side by side, in this process or in several.
    /// The order of events is kept within each aggregate. Default: 1. As
    /// [`SubscriptionBuilder::partitions`].
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.subscription = self.subscription.partitions(partitions);
        self
    }

    /// Sets where it starts when it is run for the first time. Default: the beginning, so that it reacts to all events
    /// of the past, too. As [`SubscriptionBuilder::start`].
    pub fn start(mut self, start: Start) -> Self {
        self.subscription = self.subscription.start(start);
        self
    }

    /// Sets the policy for steps that fail. Default: [`FailurePolicy::stop`]. As [`SubscriptionBuilder::on_failure`].
    /// A failed step for a deadline, a rejection or a failure is retried and in the end dead, as any
    /// [task](QueueBuilder::retry).
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.subscription = self.subscription.on_failure(policy);
        self
    }

    /// Sets other options of the subscription.
    pub fn subscription(
        mut self,
        set: impl FnOnce(SubscriptionBuilder) -> SubscriptionBuilder,
    ) -> Self {
        self.subscription = set(self.subscription);
        self
    }

    /// Sets options of the worker for deadlines, rejections and failures, if there are any.
    pub fn queue(mut self, set: impl FnOnce(QueueBuilder) -> QueueBuilder) -> Self {
        self.queue = self.queue.map(|(queue, handlers)| (set(queue), handlers));
        self
    }

    /// Stops it when the token is cancelled: the steps that are being taken are finished first.
    pub fn stop_on(mut self, token: CancellationToken) -> Self {
        self.stop = token;
        self
    }

    /// Runs it in the caller's task, until it is stopped ([`stop_on`](Self::stop_on)) or cannot continue. Dropping the
    /// future stops it at once; its leases stay taken until they end.
    ///
    /// # Errors
    /// Those of [`SubscriptionBuilder::run`] and [`QueueBuilder::run`], and
    /// [`Error::InvalidSubscription`] if it reacts to no events.
    pub async fn run(self) -> Result<()> {
        let Self { name: _, subscription, events, queue, problem, stop } = self;
        if let Some(problem) = problem {
            return Err(problem);
        }
        let stop = stop.child_token();
        let following = subscription.stop_on(stop.clone()).run(events);
        match queue {
            None => following.await,
            Some((queue, handlers)) => {
                let working = queue.stop_on(stop.clone()).run(handlers);
                let (followed, worked) =
                    tokio::join!(ending(following, &stop), ending(working, &stop));
                followed.and(worked)
            }
        }
    }

    /// Runs it in tasks of its own.
    ///
    /// # Errors
    /// Those of [`run`](Self::run) that can be told at once. The handle returns all others.
    pub fn spawn(self) -> Result<ProcessHandle> {
        let Self { name: _, subscription, events, queue, problem, stop } = self;
        if let Some(problem) = problem {
            return Err(problem);
        }
        let stop = stop.child_token();
        let following = subscription.stop_on(stop.clone()).spawn(events)?;
        let working = match queue {
            Some((queue, handlers)) => Some(queue.stop_on(stop.clone()).spawn(handlers)?),
            None => None,
        };
        let on_end = stop.clone();
        let task = tokio::spawn(async move {
            let Some(working) = working else { return following.join().await };
            let (followed, worked) =
                tokio::join!(ending(following.join(), &on_end), ending(working.join(), &on_end));
            followed.and(worked)
        });
        Ok(ProcessHandle { task, stop })
    }

    /// Makes a [`Service`] of it, under its name, for a program that supervises its services. It is ready once the
    /// subscription is stored.
    pub fn service(self) -> ProcessService<H> {
        let Self { name, subscription, events, queue, problem, stop } = self;
        let queue = queue.map(|(queue, handlers)| queue.stop_on(stop.clone()).handlers(handlers));
        let problem = problem.map(|problem| problem.to_string());
        ProcessService {
            name,
            subscription: subscription.stop_on(stop).handler(events),
            queue,
            problem,
        }
    }
}

/// Stops the other part when this one has ended.
async fn ending<T>(running: impl Future<Output = T>, stop: &CancellationToken) -> T {
    let ended = running.await;
    stop.cancel();
    ended
}

impl<H: Handler> Service for ProcessService<H> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&mut self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
        if let Some(problem) = &self.problem {
            return Err(ServiceError::permanent(problem.clone()));
        }
        let Some(queue) = &mut self.queue else { return self.subscription.run(lifecycle).await };
        let stop = lifecycle.stop_token().child_token();
        let (follower, worker) = (Lifecycle::new(stop.clone()), Lifecycle::new(stop.clone()));
        let running = async {
            let following = ending(self.subscription.run(&follower), &stop);
            let working = ending(queue.run(&worker), &stop);
            let (followed, worked) = tokio::join!(following, working);
            followed.and(worked)
        };
        let readiness = async {
            follower.until_ready().await;
            lifecycle.ready();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            ended = running => ended,
            () = readiness => unreachable!("BUG: it is pending"),
        }
    }

    fn if_aborted(&self) -> &'static str {
        "its leases expire by themselves, and then the steps that it was taking are taken again"
    }
}

impl ProcessHandle {
    /// Stops it: the steps that are being taken are finished first.
    ///
    /// # Errors
    /// The error that it ended with, if it had already ended.
    pub async fn shutdown(self) -> Result<()> {
        self.stop.cancel();
        self.join().await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// Those of [`ProcessBuilder::run`].
    ///
    /// # Panics
    /// If its task was ended from outside, as by a runtime that shuts down.
    pub async fn join(mut self) -> Result<()> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("the task of a process was aborted from outside: {error}"),
            },
        }
    }

    /// Returns whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for ProcessHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<H> fmt::Debug for ProcessBuilder<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessBuilder")
            .field("subscription", &self.subscription)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl<H> fmt::Debug for ProcessService<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessService").field("name", &self.name).finish_non_exhaustive()
    }
}
