//! Runs a worker: registers the subscription, acquires partitions and works on them.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use futures_util::future::{Fuse, FusedFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::acquiring::acquire;
use super::config::{Config, WhenOwned};
use super::deliver::Deliver;
use super::filter_names::ResolvedFilter;
use super::progress::SubscriptionState;
use super::runner::{Ended, Runner};
use super::workers::Worker;
use crate::engine::{AcquireRequest, Acquired, Detail, NewSubscription, Registered};
use crate::report::panic_message;
use crate::shared::shares::Asker;
use crate::{Error, Report, Result};

/// The number of searches for which a partition is kept for the worker that has asked for it.
const SEARCHES: u32 = 10;

/// Works on a subscription until it is stopped or cannot continue.
pub(super) async fn run<D: Deliver>(
    mut config: Config,
    mut worker: Worker,
    deliver: D,
) -> Result<()> {
    let is_supervised = config.lifecycle.is_some();
    let working = async {
        let registered = config.register_patiently().await;
        worker.is_stored();
        registered?;
        if let Some(lifecycle) = config.lifecycle.as_ref().filter(|_| !config.stop.is_cancelled()) {
            lifecycle.ready();
        }
        work(&Arc::new(config), deliver).await
    };
    // Panics of handlers are caught where they are called, so this is one of other user code, or a bug in Evercore.
    match AssertUnwindSafe(working).catch_unwind().await {
        Ok(result) => {
            worker.end(&result, is_supervised);
            result
        }
        Err(panic) => {
            worker.panicked(panic_message(&*panic));
            resume_unwind(panic)
        }
    }
}

async fn work<D: Deliver>(config: &Arc<Config>, deliver: D) -> Result<()> {
    let stop = config.stop.child_token();
    let mut runners = FuturesUnordered::new();
    let mut waiting = pin!(config.wait(Duration::ZERO).fuse());
    // The request is polled alongside the runners, never awaited before them: a runner may hold something that it waits
    // for. It is not dropped for another event either: the partition that it may be granted would be idle until its
    // lease ends.
    let mut request = pin!(Fuse::terminated());
    // After a stop, the request is still awaited for one lease, so that a partition which it is granted is given back.
    let mut patience = pin!(Fuse::terminated());
    let (mut outcome, mut is_ending) = (Ok(()), false);
    let mut waits = None;
    loop {
        let partitions = config.partition_count();
        let ended = tokio::select! {
            biased;
            Some((partition, ended)) = runners.next(), if !runners.is_empty() => {
                config.after(partition, ended, &mut outcome)
            }
            found = &mut request => match found {
                Found::Grant(grant) => {
                    waits = None;
                    runners.push(Runner::new(Arc::clone(config), stop.clone(), grant).run(deliver.clone()));
                    if runners.len() < partitions && !is_ending {
                        waiting.set(config.wait(Duration::ZERO).fuse());
                    }
                    continue;
                }
                Found::Nothing(why) => {
                    if runners.is_empty() {
                        let state = why.state();
                        config.progress.set_state(state);
                        if waits.replace(state) != Some(state) {
                            config.say_it_waits(&why);
                        }
                    }
                    Next::Search(config.search_interval())
                }
                Found::Unreachable => Next::Search(config.search_interval()),
                Found::Refused(error) => {
                    if !stop.is_cancelled() {
                        outcome = Err(error);
                    }
                    Next::End
                }
            },
            () = &mut patience => {
                request.set(Fuse::terminated());
                Next::End
            }
            () = stop.cancelled(), if !is_ending => Next::End,
            () = &mut waiting => {
                request.set(config.request(runners.len(), &stop).fuse());
                continue;
            }
        };
        match ended {
            Next::Search(wait) if request.is_terminated() && !is_ending => {
                waiting.set(config.wait(wait).fuse());
            }
            Next::Search(_) => {}
            Next::End => {
                stop.cancel();
                waiting.set(Fuse::terminated());
                if !std::mem::replace(&mut is_ending, true) {
                    patience.set(sleep(config.lease).fuse());
                }
            }
        }
        if is_ending && runners.is_empty() && request.is_terminated() {
            return outcome;
        }
    }
}

/// The next step of the worker.
enum Next {
    /// Searches for a partition after this time.
    Search(Duration),
    /// Stops the work on all partitions and ends the worker.
    End,
}

/// The result of a search for a free partition.
enum Found {
    Grant(crate::engine::Grant),
    Nothing(WhyNothing),
    /// The store cannot be reached.
    Unreachable,
    Refused(Error),
}

/// The reason why no partition is free.
enum WhyNothing {
    Paused,
    /// Other workers own them all. This is the owner whose lease ends first, and when.
    Taken {
        owner: String,
        until: DateTime<Utc>,
    },
}

impl WhyNothing {
    const fn state(&self) -> SubscriptionState {
        match self {
            Self::Paused => SubscriptionState::Paused,
            Self::Taken { .. } => SubscriptionState::StandingBy,
        }
    }
}

impl Config {
    /// Registers the subscription, and tries again while the database cannot be reached, until the worker is stopped.
    async fn register_patiently(&mut self) -> Result<()> {
        let stop = self.stop.clone();
        let registering = async {
            while let Err(error) = self.register().await {
                if !error.is_retryable() {
                    return Err(error);
                }
                self.say_it_retries("cannot store a subscription; retrying", &error);
                sleep(self.search_interval()).await;
            }
            Ok(())
        };
        stop.run_until_cancelled(registering).await.unwrap_or(Ok(()))
    }

    fn say_it_is_stored(&self, registered: Registered) {
        let filter = &*self.followed.stored;
        match registered {
            Registered::New { cursor } => {
                info!(subscription = %self.name, %cursor, %filter, partitions = self.partitions, "stored a new subscription; it starts after `cursor`");
            }
            Registered::Replaced => {
                info!(subscription = %self.name, %filter, partitions = self.partitions, "replaced the filter or the partitions of the stored subscription");
            }
            Registered::Unchanged => {}
        }
    }

    fn say_it_waits(&self, why: &WhyNothing) {
        match why {
            WhyNothing::Paused => {
                info!(subscription = %self.name, "a worker waits: the subscription is paused");
            }
            WhyNothing::Taken { owner, until } => {
                info!(subscription = %self.name, %owner, %until, "a worker stands by: another worker holds the lease, which expires at `until` unless it is renewed");
            }
        }
    }

    fn say_it_retries(&self, message: &'static str, error: &Error) {
        let error = Report::new(error).to_string();
        warn!(subscription = %self.name, error, "{message}");
        self.progress.retries(None, error);
    }

    /// Stores the subscription, and checks that the lease is long enough for this database.
    async fn register(&mut self) -> Result<()> {
        let named = &self.followed.stored;
        self.followed =
            ResolvedFilter::find(&self.store, &self.name, self.partitions, named).await?;
        self.check()?;
        let began = tokio::time::Instant::now();
        let new = NewSubscription {
            name: self.name.clone(),
            filter: Arc::clone(&self.followed.stored),
            partitions: self.partitions,
            start: self.start,
            if_different: self.followed.if_different(self.if_different),
        };
        if let Err(ahead) = self.start.check_reached(&*self.store.clock)
            // A subscription that is stored already resumes from its cursor, whatever the start.
            && self.store.engine.subscriptions(Some(&self.name), Detail::Places).await?.is_empty()
        {
            return Err(ahead);
        }
        let registered = self.store.engine.register(&new).await?;
        self.say_it_is_stored(registered);
        self.check_round_trip(began.elapsed()).await
    }

    fn partition_count(&self) -> usize {
        usize::try_from(self.partitions).unwrap_or(usize::MAX)
    }

    /// Returns the interval at which to search for a free partition: a quarter of the lease, from 10 ms to 1 s.
    fn search_interval(&self) -> Duration {
        (self.lease / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    /// Waits before the next search, less if a partition may have become free in this process.
    async fn wait(&self, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        let mut settled = self.store.settled.watch(wait);
        tokio::select! {
            biased;
            () = sleep(wait) => {}
            // A worker of this process may just have given a partition back.
            () = settled.notified() => sleep(wait / 10).await,
        }
    }

    /// Asks the store for a free partition, and if there is none, another worker for one of its partitions.
    async fn request(&self, mine: usize, stop: &CancellationToken) -> Found {
        let request = AcquireRequest {
            subscription: self.name.clone(),
            owner: self.owner.clone(),
            lease: self.lease,
            filter: Arc::clone(&self.followed.stored),
            partitions: self.partitions,
        };
        match acquire(&self.store, request).await {
            Ok(Acquired::Granted(grant)) => Found::Grant(grant),
            Ok(Acquired::Paused) => Found::Nothing(WhyNothing::Paused),
            Ok(Acquired::Unknown) => {
                Found::Refused(Error::UnknownSubscription { name: self.name.to_string() })
            }
            Ok(Acquired::Taken { owner, until }) => {
                if self.when_owned() == WhenOwned::Refuse {
                    let name = self.name.to_string();
                    return Found::Refused(Error::SubscriptionOwned { name, owner, until });
                }
                // A stop does not wait for the answer.
                let _: Option<()> = stop.run_until_cancelled(self.ask_for_a_share(mine)).await;
                Found::Nothing(WhyNothing::Taken { owner, until })
            }
            Err(error) if error.is_retryable() => {
                self.say_it_retries("cannot look for a partition; retrying", &error);
                Found::Unreachable
            }
            Err(error) => Found::Refused(error),
        }
    }

    /// Asks another worker for a partition, if that one has more than its share.
    async fn ask_for_a_share(&self, mine: usize) {
        let asker = Asker {
            subscription: &self.name,
            owner: &self.owner,
            partitions: mine,
            patience: self.lease.min(self.search_interval() * SEARCHES),
        };
        let asked = self.store.shares.ask(&*self.store.engine, asker, self.search_interval() / 2);
        match asked.await {
            Ok(None) => {}
            Ok(Some(partition)) => {
                debug!(subscription = %self.name, partition, "asked for a partition");
            }
            Err(error) => {
                warn!(subscription = %self.name, error = %Report::new(&error), "could not ask another worker for a partition; retrying");
            }
        }
    }

    fn when_owned(&self) -> WhenOwned {
        if self.partitions > 1 { WhenOwned::StandBy } else { self.when_owned }
    }

    /// Logs why the work on a partition has ended, and returns the worker's next step.
    fn after(&self, partition: u32, ended: Ended, outcome: &mut Result<()>) -> Next {
        match ended {
            Ended::Stopped => {
                debug!(subscription = %self.name, partition, "work on the partition was stopped");
                Next::End
            }
            Ended::HandedOver => {
                info!(subscription = %self.name, partition, "released the partition to another worker");
                Next::Search(self.search_interval())
            }
            Ended::Paused => {
                info!(subscription = %self.name, partition, "released the partition, since the subscription is paused");
                Next::Search(self.search_interval())
            }
            // Another worker took the partition over, or the subscription was reset, replaced or deleted. The search
            // finds out which.
            Ended::Lost => {
                warn!(subscription = %self.name, partition, "lost the lease; the batch in progress is not recorded");
                Next::Search(Duration::ZERO)
            }
            Ended::Failed(error) => {
                *outcome = Err(error);
                Next::End
            }
        }
    }
}
