//! Gives turns to waiters for the same key, in the order in which they ask.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::retry::pause;

/// A fair mutex for each key, with a bound on its waiters; removed with its last waiter. For authors of middleware.
///
/// Dropping a [`Place`] leaves its queue, and dropping a [`Turn`] passes it to the next waiter.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::sync::Arc;
/// use evercore::command::Turns;
///
/// let turns = Arc::new(Turns::new());
/// let first = turns.enter("till", 1).expect("the queue is empty").turn().await;
/// let second = turns.enter("till", 1).expect("the queue is empty");
/// assert!(turns.enter("till", 1).is_none(), "one waits already");
/// drop(first);
/// second.turn().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Turns<K> {
    queues: std::sync::Mutex<HashMap<K, Queue>>,
    /// The number of queues, readable without the lock.
    number: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    /// The number of waiters, plus the holder of the turn.
    places: usize,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// The lock that waiters queue for, in order of arrival. Its holder is the next in line, and waits for the inner
    /// lock, which is the present turn.
    line: Mutex<Arc<Mutex<()>>>,
    /// The number of turns that were given.
    given: AtomicU64,
}

/// A place in the queue for a key.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    turns: Arc<Turns<K>>,
    key: K,
    gate: Arc<Gate>,
}

/// The right to proceed, until dropped.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash> {
    // Dropped first, before the place: otherwise the queue could be removed, and a new one for the same key could give
    // a turn, while this turn is still held.
    _held: OwnedMutexGuard<()>,
    place: Place<K>,
    /// The number of turns that were given before this one.
    number: u64,
    overtakes: bool,
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Creates queues for all keys, all of them empty.
    #[must_use]
    pub fn new() -> Self {
        Self { queues: std::sync::Mutex::default(), number: AtomicUsize::new(0) }
    }

    /// Returns a place at the end of the queue for a key; `None` if `max_waiting` places already wait in it, besides
    /// the one whose turn it is.
    pub fn enter(self: &Arc<Self>, key: K, max_waiting: usize) -> Option<Place<K>> {
        let mut queues = self.lock();
        let queue = queues.entry(key.clone()).or_default();
        if queue.places > max_waiting {
            return None;
        }
        queue.places += 1;
        let gate = Arc::clone(&queue.gate);
        self.number.store(queues.len(), Ordering::Relaxed);
        Some(Place { turns: Arc::clone(self), key, gate })
    }

    /// Returns whether the queue for a key has a waiter or a holder.
    pub fn has_queue(&self, key: &K) -> bool {
        !self.is_empty() && self.lock().contains_key(key)
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Returns whether all queues are empty. A hint that takes no lock.
    pub fn is_empty(&self) -> bool {
        self.number.load(Ordering::Relaxed) == 0
    }

    fn leave(&self, key: &K) {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(key) else { return };
        queue.places -= 1;
        if queue.places == 0 {
            queues.remove(key);
            self.number.store(queues.len(), Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Default for Turns<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq + Hash> Place<K> {
    /// Waits until it is this place's turn.
    pub async fn turn(self) -> Turn<K> {
        let gate = Arc::clone(&self.gate);
        let present = gate.line.lock().await;
        let held = Arc::clone(&present).lock_owned().await;
        self.taken(held, false)
    }

    /// Waits until it is this place's turn. If the turn before is not given back within `patience`, counted from when
    /// this place is the next in line, this turn starts beside it. Later places then wait for this turn, and no longer
    /// for the overtaken one.
    pub async fn turn_within(self, patience: Duration) -> Turn<K> {
        let gate = Arc::clone(&self.gate);
        let mut present = gate.line.lock().await;
        let held = tokio::select! {
            biased;
            held = Arc::clone(&present).lock_owned() => Some(held),
            () = pause(patience) => None,
        };
        if let Some(held) = held {
            return self.taken(held, false);
        }
        *present = Arc::default();
        let held = Arc::clone(&present).try_lock_owned().expect("BUG: the queue is not shared yet");
        self.taken(held, true)
    }

    fn taken(self, held: OwnedMutexGuard<()>, overtakes: bool) -> Turn<K> {
        let number = self.gate.given.fetch_add(1, Ordering::Relaxed);
        Turn { _held: held, place: self, number, overtakes }
    }
}

impl<K: Eq + Hash> Turn<K> {
    /// Returns the key of the queue.
    pub const fn key(&self) -> &K {
        &self.place.key
    }

    /// Returns whether this turn started before the previous one was given back.
    pub const fn overtakes(&self) -> bool {
        self.overtakes
    }

    /// Returns whether another turn has overtaken this one.
    pub fn is_over(&self) -> bool {
        self.place.gate.given.load(Ordering::Relaxed) != self.number + 1
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        self.turns.leave(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::poll;

    use super::Turns;

    fn queues(turns: &Turns<u32>) -> usize {
        assert_eq!(turns.is_empty(), turns.lock().is_empty());
        turns.lock().len()
    }

    #[tokio::test]
    async fn an_empty_queue_is_removed() {
        let turns = Arc::new(Turns::new());
        let first = turns.enter(1, 9).expect("it is empty").turn().await;
        let second = turns.enter(1, 9).expect("the queue is empty").turn();
        let other = turns.enter(2, 9).expect("it is empty").turn().await;
        assert_eq!((queues(&turns), *other.key()), (2, 2));
        drop(other);
        assert_eq!((queues(&turns), turns.has_queue(&1), turns.has_queue(&2)), (1, true, false));
        drop(first);
        assert_eq!(queues(&turns), 1, "the second is still there");
        drop(second.await);
        assert_eq!(queues(&turns), 0);
    }

    #[tokio::test]
    async fn a_dropped_waiter_takes_no_other_waiters_turn() {
        let turns = Arc::new(Turns::new());
        let enter = || Box::pin(turns.enter(1, 9).expect("few wait").turn());
        let first = enter().await;
        let (mut second, mut third, mut fourth) = (enter(), enter(), enter());
        for waiting in [&mut second, &mut third, &mut fourth] {
            assert!(poll!(waiting).is_pending());
        }
        drop(second); // while it waits
        drop(first);
        drop(third); // when its turn has come, and before it has noticed
        assert!(poll!(&mut fourth).is_ready());
        drop(fourth);
        assert_eq!(queues(&turns), 0);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_waiters() {
        let turns = Arc::new(Turns::new());
        let first = turns.enter(1, 1).expect("it is empty").turn().await;
        let second = turns.enter(1, 1).expect("the queue is empty");
        assert!(turns.enter(1, 1).is_none());
        drop(second);
        assert!(turns.enter(1, 1).is_some());
        drop(first);
        assert!(turns.enter(1, 0).is_some(), "the turn itself needs no waiting");
    }

    /// Tokio's paused clock advances only while all tasks wait for it.
    #[tokio::test(start_paused = true)]
    async fn a_turn_that_lasts_too_long_is_overtaken_by_the_next_one_alone() {
        let turns = Arc::new(Turns::new());
        let patience = Duration::from_millis(10);
        let enter = || turns.enter(1, 9).expect("few wait").turn_within(patience);
        let first = enter().await;
        let [second, third, fourth] = [(); 3].map(|()| tokio::spawn(enter()));
        tokio::time::sleep(patience * 9 / 10).await;
        assert!(!second.is_finished() && !first.is_over());

        let second = second.await.expect("no panic");
        assert!(first.is_over() && second.overtakes() && !second.is_over());
        tokio::time::sleep(patience * 9 / 10).await;
        drop(first);
        assert!(!third.is_finished(), "it is the second that is waited for");
        drop(second);
        let third = third.await.expect("no panic");
        assert!(!third.overtakes() && !third.is_over());

        fourth.abort();
        fourth.await.expect_err("it waits no more");
        drop(third);
        assert_eq!(queues(&turns), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_queue_of_short_turns_is_waited_in() {
        let turns = Arc::new(Turns::new());
        let patience = Duration::from_millis(10);
        let waiting: Vec<_> = (0..5_000)
            .map(|_| {
                let place = turns.enter(1, usize::MAX).expect("any number may wait");
                tokio::spawn(async move {
                    let turn = place.turn_within(patience).await;
                    tokio::time::sleep(patience * 9 / 10).await;
                    (turn.overtakes(), turn.is_over())
                })
            })
            .collect();
        for turn in waiting {
            assert_eq!(turn.await.expect("no panic"), (false, false));
        }
        assert_eq!(queues(&turns), 0);
    }
}
