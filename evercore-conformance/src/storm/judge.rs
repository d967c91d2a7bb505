//! Compares the tasks that were enqueued with the effects in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use evercore::Result;

use super::Shared;
use crate::domain::counter::Added;
use crate::domain::errands::QUEUE;
use crate::domain::tally::Counted;
use crate::fixture::Fixture;

/// The most dead tasks that are shown.
const MOST_DEAD: u32 = 9;

/// The verdict on a storm. Tasks are listed by their numbers.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The tasks whose commits landed.
    pub(crate) tasks: usize,
    /// Those that took effect more than once.
    pub(crate) repeated: Vec<u64>,
    /// Those that took no effect.
    pub(crate) missing: Vec<u64>,
    /// Those that took effect although no commit enqueued them.
    pub(crate) unfounded: Vec<u64>,
    /// Those that began before their time.
    pub(crate) early: Vec<u64>,
    /// The failures of the dead ones.
    pub(crate) dead: Vec<String>,
    pub(crate) attempts: usize,
    pub(crate) kills: usize,
    pub(crate) lost_leases: usize,
}

impl Judged {
    pub(super) async fn read(fixture: &Fixture, shared: &Shared) -> Result<Self> {
        let own = shared.enqueued.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut enqueued: BTreeSet<u64> = own.into_iter().collect();
        let mut effects: BTreeMap<u64, u32> = BTreeMap::new();
        for event in fixture.log().await? {
            if event.is::<Counted>() {
                enqueued.insert(event.decode::<Counted>()?.number);
            } else if event.is::<Added>() {
                let number = u64::try_from(event.decode::<Added>()?.by).unwrap_or(u64::MAX);
                *effects.entry(number).or_default() += 1;
            }
        }
        // The events of new aggregates belong to no task.
        enqueued.remove(&0);
        effects.remove(&0);
        let dead = fixture.store().queues().dead(QUEUE, None, MOST_DEAD).await?;
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        Ok(Self {
            tasks: enqueued.len(),
            repeated: effects.iter().filter(|(_, n)| **n > 1).map(|(number, _)| *number).collect(),
            missing: enqueued.iter().filter(|it| !effects.contains_key(it)).copied().collect(),
            unfounded: effects.keys().filter(|it| !enqueued.contains(it)).copied().collect(),
            early: shared.early.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            dead: dead.into_iter().filter_map(|task| task.failure).collect(),
            attempts: count(&shared.attempts),
            kills: count(&shared.kills),
            lost_leases: count(&shared.lost_leases),
        })
    }

    pub(crate) fn assert_sound(&self) {
        let Self { repeated, missing, unfounded, early, dead, .. } = self;
        let all = [repeated, missing, unfounded, early];
        assert!(all.into_iter().all(Vec::is_empty) && dead.is_empty(), "{self}");
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tasks, repeated, missing, unfounded, early, dead, attempts, kills, lost_leases } =
            self;
        write!(
            f,
            "of {tasks} tasks, {} took effect more than once {repeated:?}, {} took none {missing:?}, {} began early {early:?}; beside them, {} took effect that were never enqueued {unfounded:?}; dead: {dead:?}; {attempts} attempts, {kills} killed workers, {lost_leases} leases that were ended",
            repeated.len(),
            missing.len(),
            early.len(),
            unfounded.len(),
        )
    }
}
