//! The judgement about a store, as it is answered in JSON.

use std::time::Duration;

use evercore::subscription::{Condition, SubscriptionInfo};
use serde::Serialize;

use super::check::Checked;
use super::journal::{Part, Reason};
use super::redact::redact;
use super::thresholds::{Thresholds, lag_of};

/// Whether the program is ready, and why not.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Readiness {
    ready: bool,
    database: Database,
    subscriptions: Vec<Subscription>,
    checks: Vec<CheckOutcome>,
}

#[derive(Clone, Debug, Serialize)]
struct Database {
    reachable: bool,
    /// The time until it answered, or until it was given up.
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready_because: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Subscription {
    name: String,
    ready: bool,
    /// `running`, `idle`, `paused`, `failed` or `missing`.
    condition: &'static str,
    /// In positions.
    lag: u64,
    /// The time for which the oldest unhandled event has waited.
    lag_seconds: f64,
    parked: u64,
    /// The workers that own its partitions, in the order of the partitions; `null` for a free one.
    owners: Vec<Option<String>>,
    not_ready_because: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct CheckOutcome {
    name: String,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready_because: Option<String>,
}

impl Readiness {
    /// Judges what was found in the database within this time, and the outcomes of the checks.
    pub(super) fn of(
        found: Result<Vec<SubscriptionInfo>, String>,
        took: Duration,
        checks: Vec<Checked>,
        thresholds: &Thresholds,
    ) -> Self {
        let (subscriptions, failure) = match found {
            Ok(stored) => (subscriptions(&stored, thresholds), None),
            Err(failure) => (Vec::new(), Some(redact(&failure))),
        };
        let seconds = took.as_secs_f64();
        let database =
            Database { reachable: failure.is_none(), seconds, not_ready_because: failure };
        let checks: Vec<_> = checks.into_iter().map(CheckOutcome::of).collect();
        let ready = database.reachable
            && subscriptions.iter().all(|subscription| subscription.ready)
            && checks.iter().all(|check| check.ready);
        Self { ready, database, subscriptions, checks }
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Returns all reasons why the program is not ready, for the log.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let database =
            self.database.not_ready_because.iter().map(|why| (Part::Database, why.clone()));
        let subscriptions =
            self.subscriptions.iter().filter(|subscription| !subscription.ready).map(|late| {
                (Part::Subscription(late.name.clone()), late.not_ready_because.join("; "))
            });
        let checks = self.checks.iter().filter_map(|check| {
            Some((Part::Check(check.name.clone()), check.not_ready_because.clone()?))
        });
        let reasons = database.chain(subscriptions).chain(checks);
        reasons.map(|(part, why)| Reason { part, why }).collect()
    }
}

fn subscriptions(stored: &[SubscriptionInfo], thresholds: &Thresholds) -> Vec<Subscription> {
    let found = stored.iter().map(|info| Subscription::of(info, thresholds.judge(info)));
    found.chain(thresholds.missing(stored).map(Subscription::missing)).collect()
}

impl Subscription {
    fn of(info: &SubscriptionInfo, not_ready_because: Vec<String>) -> Self {
        Self {
            name: info.name.to_string(),
            ready: not_ready_because.is_empty(),
            condition: match info.condition {
                Condition::Running => "running",
                Condition::Idle => "idle",
                Condition::Paused => "paused",
                Condition::Failed => "failed",
                _ => "other",
            },
            lag: info.lag,
            lag_seconds: lag_of(info).as_secs_f64(),
            parked: info.parked,
            owners: info.partitions.iter().map(|place| place.owner.clone()).collect(),
            not_ready_because,
        }
    }

    fn missing(name: &str) -> Self {
        let why = "no subscription of this name is stored: its first worker has not started yet, or the name of the threshold is wrong";
        Self {
            name: name.to_owned(),
            ready: false,
            condition: "missing",
            lag: 0,
            lag_seconds: 0.0,
            parked: 0,
            owners: Vec::new(),
            not_ready_because: vec![why.to_owned()],
        }
    }
}

impl CheckOutcome {
    fn of(checked: Checked) -> Self {
        let Checked { name, failure } = checked;
        Self { name, ready: failure.is_none(), not_ready_because: failure.as_deref().map(redact) }
    }
}
