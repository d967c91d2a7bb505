//! Remembers where the due tasks of each queue begin.
//!
//! Index entries of tasks that are done stay until they are vacuumed, which a long transaction of anyone can prevent. They
//! lie before everything that is due, so a claim that began at the first entry would take longer with each task that was
//! done since. It begins where the claim before has found the first task instead, or a second before now. A task may still
//! become due before that place, as when its commit has taken longer, so a claim begins at the first entry now and then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use evercore::task::QueueName;

/// The least time between two claims that begin at the first entry.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time between such claims, in times that one takes: they may take a fiftieth of the time.
const SHARE: u32 = 50;

/// The most queues of which a process remembers the place. Beyond it, all are forgotten, and claims begin anew.
const MOST: usize = 1_000;

/// The places of all queues.
#[derive(Debug, Default)]
pub(crate) struct Floors(Mutex<HashMap<QueueName, Floor>>);

#[derive(Clone, Copy, Debug)]
struct Floor {
    since: DateTime<Utc>,
    begin_anew: Instant,
}

impl Floors {
    fn lock(&self) -> MutexGuard<'_, HashMap<QueueName, Floor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time before which the next claim looks for no due task; `None` if it is to begin at the first entry.
    pub(crate) fn since(&self, queue: &QueueName) -> Option<DateTime<Utc>> {
        let floor = *self.lock().get(queue)?;
        (Instant::now() < floor.begin_anew).then_some(floor.since)
    }

    /// Takes note of the place that a claim has found. The claim has taken this long, if it began at the first entry.
    pub(crate) fn found(&self, queue: &QueueName, since: DateTime<Utc>, anew: Option<Duration>) {
        let mut floors = self.lock();
        if let Some(took) = anew {
            if floors.len() >= MOST && !floors.contains_key(queue) {
                floors.clear();
            }
            let begin_anew = Instant::now() + took.saturating_mul(SHARE).max(INTERVAL);
            floors.insert(queue.clone(), Floor { since, begin_anew });
        } else if let Some(floor) = floors.get_mut(queue) {
            floor.since = since;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_begins_at_the_first_entry_at_first_and_now_and_then() {
        let floors = Floors::default();
        let queue = QueueName::new("mail").expect("it is valid");
        assert_eq!(floors.since(&queue), None);
        floors.found(&queue, DateTime::UNIX_EPOCH, None);
        assert_eq!(floors.since(&queue), None, "no claim has looked at all of it");
        floors.found(&queue, DateTime::UNIX_EPOCH, Some(Duration::ZERO));
        assert_eq!(floors.since(&queue), Some(DateTime::UNIX_EPOCH));
        floors.found(&queue, DateTime::<Utc>::MAX_UTC, None);
        assert_eq!(floors.since(&queue), Some(DateTime::<Utc>::MAX_UTC));
        let mut all = floors.lock();
        all.get_mut(&queue).expect("it is there").begin_anew = Instant::now();
        drop(all);
        assert_eq!(floors.since(&queue), None);
    }
}
