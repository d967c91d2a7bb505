//! An observer that counts, for the cases about observations.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use evercore::observer::{CommitAnswer, Observation, Observer};

/// Counts observations by their kinds.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Counted>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) reruns: u32,
    pub(crate) hits: u32,
    pub(crate) misses: u32,
    pub(crate) loads: u32,
    /// The number of commits and of their events, by answer.
    pub(crate) commits: HashMap<CommitAnswer, (u32, usize)>,
    pub(crate) groups: u32,
    /// The commits of all groups.
    pub(crate) grouped: usize,
    /// The highest and the last lag.
    pub(crate) lags: Option<(u64, u64)>,
    /// Whether the last lag is out of date.
    pub(crate) released: bool,
    pub(crate) handled: usize,
    pub(crate) retries: Vec<u32>,
    pub(crate) parked: usize,
}

impl Counts {
    pub(crate) fn now(&self) -> Counted {
        self.0.lock().expect("no test panics here").clone()
    }
}

impl Counted {
    /// Returns the number of commits with this answer, and of their events.
    pub(crate) fn answered(&self, answer: CommitAnswer) -> (u32, usize) {
        self.commits.get(&answer).copied().unwrap_or_default()
    }
}

impl Observer for Counts {
    fn observe(&self, observation: &Observation<'_>) {
        let mut counted = self.0.lock().expect("no test panics here");
        match *observation {
            Observation::Rerun { failed, .. } => counted.reruns = counted.reruns.max(failed),
            Observation::CacheLookup { hit: true } => counted.hits += 1,
            Observation::CacheLookup { hit: false } => counted.misses += 1,
            Observation::Load { .. } => counted.loads += 1,
            Observation::Commit { answer, events, .. } => {
                let (commits, of_these) = counted.commits.entry(answer).or_default();
                *commits += 1;
                *of_these += events;
            }
            Observation::Group { commits, .. } => {
                counted.groups += 1;
                counted.grouped += commits;
            }
            Observation::Lag { subscription, partition, positions } => {
                assert_eq!((subscription, partition), ("observed", 0));
                let highest = counted.lags.map_or(0, |(highest, _)| highest);
                counted.lags = Some((highest.max(positions), positions));
                counted.released = false;
            }
            Observation::Released { subscription, partition } => {
                assert_eq!((subscription, partition), ("observed", 0));
                assert!(counted.lags.is_some() && !counted.released, "{counted:?}");
                counted.released = true;
            }
            Observation::Handled { subscription, partition, events, duration } => {
                assert_eq!((subscription, partition), ("observed", 0));
                assert!(duration > Duration::ZERO && events > 0, "{observation:?}");
                counted.handled += events;
            }
            Observation::HandlerRetry { subscription, partition, failed, wait } => {
                assert_eq!((subscription, partition), ("observed", 0));
                assert!(wait <= Duration::from_millis(5), "{observation:?}");
                counted.retries.push(failed);
            }
            Observation::Parked { subscription, partition, events } => {
                assert_eq!((subscription, partition), ("observed", 0));
                counted.parked += events;
            }
            _ => {}
        }
    }
}
