//! The metrics that an observer counts.

use std::fmt;

use evercore::observer::{CommitAnswer, Observation};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::{COMMITS, Histogram, SECONDS};
use super::subscriptions::Subscriptions;

/// The counters and their registry. The children of all labels with fixed values are made at the start, so that counting
/// looks up nothing.
pub(super) struct Counters {
    registry: Registry,
    stored: Histogram,
    conflicts: Histogram,
    refused: Histogram,
    failed: Histogram,
    events: Counter,
    reruns: Counter,
    load: Histogram,
    hits: Counter,
    misses: Counter,
    group: Histogram,
    group_size: Histogram,
    frontier: Gauge,
    subscriptions: Subscriptions,
}

type Label = [(&'static str, &'static str); 1];

impl Counters {
    pub(super) const fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn observe(&self, observation: &Observation<'_>) {
        match *observation {
            Observation::Commit { duration, answer, events } => {
                self.answered(answer).observe_duration(duration);
                if answer == CommitAnswer::Stored {
                    self.events.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
                }
            }
            Observation::Load { duration } => self.load.observe_duration(duration),
            Observation::CacheLookup { hit } => {
                if hit { &self.hits } else { &self.misses }.inc();
            }
            Observation::Rerun { .. } => {
                self.reruns.inc();
            }
            Observation::Group { commits, duration } => {
                self.group.observe_duration(duration);
                self.group_size.observe(u64::try_from(commits).unwrap_or(u64::MAX));
            }
            Observation::Frontier { behind } => {
                self.frontier.set(i64::try_from(behind).unwrap_or(i64::MAX));
            }
            Observation::Handled { subscription, events, duration, .. } => {
                self.subscriptions.handled(subscription, events, duration);
            }
            Observation::HandlerRetry { subscription, .. } => {
                self.subscriptions.retries(subscription);
            }
            Observation::Parked { subscription, events, .. } => {
                self.subscriptions.parks(subscription, events);
            }
            // A scrape asks the database, which also knows the lag of subscriptions that no worker runs.
            Observation::Lag { .. } | Observation::Released { .. } => {}
            _ => {}
        }
    }

    /// Registers the metrics without labels.
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("stored_events", "Events of stored commits", self.events.clone());
        let help = "Contexts that ran again after a conflict";
        registry.register("reruns", help, self.reruns.clone());
        registry.register_with_unit(
            "load_duration",
            "The time to load an aggregate from storage",
            Unit::Seconds,
            self.load.clone(),
        );
        registry.register_with_unit(
            "group_duration",
            "The time until the database answered commits that were sent together",
            Unit::Seconds,
            self.group.clone(),
        );
        let help = "Commits that were sent to the database together";
        registry.register("group_commits", help, self.group_size.clone());
        let help = "Positions that were drawn and cannot be read yet, as of the last read";
        registry.register("frontier_distance", help, self.frontier.clone());
        self
    }

    const fn answered(&self, answer: CommitAnswer) -> &Histogram {
        match answer {
            CommitAnswer::Stored => &self.stored,
            CommitAnswer::Conflict => &self.conflicts,
            CommitAnswer::Refused => &self.refused,
            _ => &self.failed,
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("evercore");
        let commits: Family<Label, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register_with_unit(
            "commit_duration",
            "The time until the engine answered a commit, by answer: stored, conflict, refused or failed",
            Unit::Seconds,
            commits.clone(),
        );
        let lookups = Family::<Label, Counter>::default();
        let help = "Lookups in the cache of aggregates, by result: hit or miss";
        registry.register("cache_lookups", help, lookups.clone());
        let answered =
            |answer: CommitAnswer| commits.get_or_create_owned(&[("answer", answer.name())]);
        let looked_up = |result| lookups.get_or_create_owned(&[("result", result)]);
        let counters = Self {
            stored: answered(CommitAnswer::Stored),
            conflicts: answered(CommitAnswer::Conflict),
            refused: answered(CommitAnswer::Refused),
            failed: answered(CommitAnswer::Failed),
            events: Counter::default(),
            reruns: Counter::default(),
            load: Histogram::new(SECONDS),
            hits: looked_up("hit"),
            misses: looked_up("miss"),
            group: Histogram::new(SECONDS),
            group_size: Histogram::new(COMMITS),
            frontier: Gauge::default(),
            subscriptions: Subscriptions::register(&mut registry),
            registry,
        };
        counters.registered()
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}
