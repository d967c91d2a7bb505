//! Gives turns to those who want the same thing, in the order in which they ask for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::retry::pause;

/// A queue for each key, which exists while somebody is in it. For authors of middleware.
///
/// Dropping a [`Place`] leaves its queue, and dropping a [`Turn`] gives it to the next one.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::sync::Arc;
/// use evercore::Turns;
///
/// let turns = Arc::new(Turns::new());
/// let first = turns.enter("till", 1).expect("nobody waits").turn().await;
/// let second = turns.enter("till", 1).expect("nobody waits");
/// assert!(turns.enter("till", 1).is_none(), "one waits already");
/// drop(first);
/// second.turn().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Turns<K> {
    queues: Mutex<HashMap<K, Queue>>,
    /// How many queues there are, to be looked at without the lock.
    number: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    /// Those that wait, and the one whose turn it is.
    places: usize,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// Given in the order in which it is asked for.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// How many turns were given.
    given: AtomicU64,
}

/// A place in the queue for a key.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    turns: Arc<Turns<K>>,
    key: K,
    gate: Arc<Gate>,
}

/// The right to go on.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash> {
    // Passed on before the place is given up: else the queue could go, and come again with a turn to give, while this one
    // is still held.
    _held: OwnedMutexGuard<()>,
    place: Place<K>,
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Queues for all keys, with nobody in them.
    #[must_use]
    pub fn new() -> Self {
        Self { queues: Mutex::default(), number: AtomicUsize::new(0) }
    }

    /// Returns a place at the end of the queue for a key; `None` if more than `max_waiting` wait in it, besides the one
    /// whose turn it is.
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

    /// Whether somebody is in the queue for a key.
    pub fn has_queue(&self, key: &K) -> bool {
        !self.is_empty() && self.lock().contains_key(key)
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Whether nobody is in any queue. A hint, at the price of a load.
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
    /// Waits for its turn.
    pub async fn turn(self) -> Turn<K> {
        let held = Arc::clone(&self.gate.turn).lock_owned().await;
        self.taken(held)
    }

    /// Waits for its turn for as long as the queue moves; `None` if one turn in it lasts longer than `patience`.
    pub async fn turn_within(self, patience: Duration) -> Option<Turn<K>> {
        let mut turn = pin!(Arc::clone(&self.gate.turn).lock_owned());
        loop {
            let given = self.gate.given.load(Ordering::Relaxed);
            tokio::select! {
                biased;
                held = turn.as_mut() => return Some(self.taken(held)),
                () = pause(patience) => {}
            }
            if self.gate.given.load(Ordering::Relaxed) == given {
                return None;
            }
        }
    }

    fn taken(self, held: OwnedMutexGuard<()>) -> Turn<K> {
        self.gate.given.fetch_add(1, Ordering::Relaxed);
        Turn { _held: held, place: self }
    }
}

impl<K: Eq + Hash> Turn<K> {
    /// What it is the turn for.
    pub const fn key(&self) -> &K {
        &self.place.key
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
    async fn a_queue_goes_when_nobody_is_in_it() {
        let turns = Arc::new(Turns::new());
        let first = turns.enter(1, 9).expect("it is empty").turn().await;
        let second = turns.enter(1, 9).expect("nobody waits").turn();
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
    async fn who_leaves_takes_nobody_elses_turn() {
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
    async fn a_place_is_refused_when_as_many_wait_as_may() {
        let turns = Arc::new(Turns::new());
        let first = turns.enter(1, 1).expect("it is empty").turn().await;
        let second = turns.enter(1, 1).expect("nobody waits");
        assert!(turns.enter(1, 1).is_none());
        drop(second);
        assert!(turns.enter(1, 1).is_some());
        drop(first);
        assert!(turns.enter(1, 0).is_some(), "the turn itself needs no waiting");
    }

    /// The clock stands still unless all wait for it.
    #[tokio::test(start_paused = true)]
    async fn a_queue_is_waited_in_while_it_moves() {
        let turns = Arc::new(Turns::new());
        let (patience, turn_takes) = (Duration::from_millis(10), Duration::from_millis(9));
        let first = turns.enter(1, 9).expect("it is empty").turn().await;
        let enter = || Box::pin(turns.enter(1, 9).expect("few wait").turn());
        let mut between: Vec<_> = (0..5).map(|_| enter()).collect();
        for waiting in &mut between {
            assert!(poll!(waiting).is_pending());
        }
        let waiting = turns.enter(1, 9).expect("few wait").turn_within(patience);
        let waiting = tokio::spawn(waiting);
        tokio::task::yield_now().await;
        let mut held = first;
        for place in between {
            tokio::time::sleep(turn_takes).await;
            drop(held);
            held = place.await;
        }
        assert!(!waiting.is_finished(), "each turn was short, and there were many");
        tokio::time::sleep(patience * 2).await;
        assert!(waiting.await.expect("no panic").is_none(), "one turn lasted too long");
        drop(held);
        assert_eq!(queues(&turns), 0);
    }
}
