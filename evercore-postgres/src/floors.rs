//! Remembers where the due tasks of each queue begin.
//!
//! Index entries of tasks that are done stay until they are vacuumed, which a long transaction of anyone can prevent. They
//! lie before everything that is due, so a claim that began at the first entry would take longer with each task that was
//! done since. It begins where the claim before has found the first task instead, or a second before now. A task may still
//! become due before that place, as when its commit has taken longer, so a claim begins at the first entry now and then.
//!
//! The ends of leases of tasks that are done lie in the index, too, after what is due. A look for the next task that will
//! be due passes over them, so looks take at most the same share of the time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use evercore::task::QueueName;

/// The least time between two claims that begin at the first entry.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time between such claims, and between looks, in times that one takes: they may take a fiftieth of the time.
const SHARE: u32 = 50;

/// The longest look that is made each time.
const SHORT: Duration = Duration::from_millis(1);

/// The most queues of which a process remembers the place. Beyond it, all are forgotten, and claims begin anew.
const MOST: usize = 1_000;

/// The places of all queues.
#[derive(Debug, Default)]
pub(crate) struct Floors(Mutex<HashMap<QueueName, Floor>>);

#[derive(Clone, Copy, Debug)]
struct Floor {
    since: DateTime<Utc>,
    begin_anew: Instant,
    look_again: Instant,
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

    /// Returns the time until the next look for a task that will be due; `None` if it is now.
    pub(crate) fn wait_to_look(&self, queue: &QueueName) -> Option<Duration> {
        let wait = self.lock().get(queue)?.look_again.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// Takes note of the time that a look has taken.
    pub(crate) fn looked(&self, queue: &QueueName, took: Duration) {
        if let Some(floor) = self.lock().get_mut(queue).filter(|_| took > SHORT) {
            floor.look_again = Instant::now() + took.saturating_mul(SHARE);
        }
    }

    /// Takes note of the place that a claim has found. The claim has taken this long, if it began at the first entry.
    pub(crate) fn found(&self, queue: &QueueName, since: DateTime<Utc>, anew: Option<Duration>) {
        let mut floors = self.lock();
        if let Some(took) = anew {
            if floors.len() >= MOST && !floors.contains_key(queue) {
                floors.clear();
            }
            let now = Instant::now();
            let begin_anew = now + took.saturating_mul(SHARE).max(INTERVAL);
            let look_again = floors.get(queue).map_or(now, |floor| floor.look_again);
            floors.insert(queue.clone(), Floor { since, begin_anew, look_again });
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

    #[test]
    fn a_long_look_is_not_followed_by_another_at_once() {
        let floors = Floors::default();
        let queue = QueueName::new("mail").expect("it is valid");
        floors.found(&queue, DateTime::UNIX_EPOCH, Some(Duration::ZERO));
        floors.looked(&queue, SHORT);
        assert_eq!(floors.wait_to_look(&queue), None);
        floors.looked(&queue, Duration::from_secs(2));
        floors.found(&queue, DateTime::UNIX_EPOCH, Some(Duration::ZERO));
        let wait = floors.wait_to_look(&queue).expect("it was a long one");
        assert!(wait > Duration::from_secs(90), "{wait:?}");
    }
}
