//! Who has its turn, who waits for it, and who has gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::{Aggregate, AggregateId, NaturalKey, Target};
use tokio::sync::OwnedMutexGuard;

/// What is written by one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    Id(AggregateId),
    Key { aggregate: &'static str, key: NaturalKey },
}

/// The lanes that have somebody in them.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<Lane, Traffic>>);

#[derive(Debug, Default)]
struct Traffic {
    /// Places: those that wait, and the one whose turn it is.
    places: usize,
    /// Given in the order in which it is asked for.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A place in a lane. The lane goes with its last one.
#[derive(Debug)]
pub(super) struct Place {
    lanes: Arc<Lanes>,
    lane: Lane,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The right to go on.
#[derive(Debug)]
pub(super) struct Turn {
    // Passed on before the place is given up: else the lane could go, and come again with a turn to give, while this one
    // is still held.
    _held: OwnedMutexGuard<()>,
    _place: Place,
}

impl Lane {
    /// Where the commands for a target queue. What is new and has no key is nobody else's.
    pub(super) fn of<T: Aggregate>(target: &Target) -> Option<Self> {
        match target {
            Target::Id(id) => Some(Self::Id(*id)),
            Target::Key(key) | Target::NewWithKey(key) | Target::KeyOrNew(key) => {
                Some(Self::Key { aggregate: T::NAME, key: key.clone() })
            }
            Target::New => None,
        }
    }
}

impl Lanes {
    /// A place at the end of a lane, unless so many wait there already.
    pub(super) fn enter(self: &Arc<Self>, lane: Lane, max_waiting: usize) -> Option<Place> {
        let mut lanes = self.lock();
        let traffic = lanes.entry(lane.clone()).or_default();
        if traffic.places > max_waiting {
            return None;
        }
        traffic.places += 1;
        let turn = Arc::clone(&traffic.turn);
        Some(Place { lanes: Arc::clone(self), lane, turn })
    }

    fn leave(&self, lane: &Lane) {
        let mut lanes = self.lock();
        let Some(traffic) = lanes.get_mut(lane) else { return };
        traffic.places -= 1;
        if traffic.places == 0 {
            lanes.remove(lane);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lane, Traffic>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for its turn.
    pub(super) async fn turn(self) -> Turn {
        let held = Arc::clone(&self.turn).lock_owned().await;
        Turn { _held: held, _place: self }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lanes.leave(&self.lane);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evercore::AggregateId;
    use futures_util::poll;

    use super::{Lane, Lanes};

    fn lane(id: i64) -> Lane {
        Lane::Id(AggregateId::new(id).expect("it is a number from 1 on"))
    }

    fn occupied(lanes: &Lanes) -> usize {
        lanes.lock().len()
    }

    #[tokio::test]
    async fn a_lane_goes_when_nobody_is_in_it() {
        let lanes = Arc::new(Lanes::default());
        let first = lanes.enter(lane(1), 9).expect("it is empty").turn().await;
        let second = lanes.enter(lane(1), 9).expect("nobody waits").turn();
        let other = lanes.enter(lane(2), 9).expect("it is empty").turn().await;
        assert_eq!(occupied(&lanes), 2);
        drop(other);
        assert_eq!(occupied(&lanes), 1);
        drop(first);
        assert_eq!(occupied(&lanes), 1, "the second is still there");
        drop(second.await);
        assert_eq!(occupied(&lanes), 0);
    }

    #[tokio::test]
    async fn who_leaves_takes_nobody_elses_turn() {
        let lanes = Arc::new(Lanes::default());
        let enter = || Box::pin(lanes.enter(lane(1), 9).expect("few wait").turn());
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
        assert_eq!(occupied(&lanes), 0);
    }

    #[tokio::test]
    async fn a_place_is_refused_when_as_many_wait_as_may() {
        let lanes = Arc::new(Lanes::default());
        let first = lanes.enter(lane(1), 1).expect("it is empty").turn().await;
        let second = lanes.enter(lane(1), 1).expect("nobody waits");
        assert!(lanes.enter(lane(1), 1).is_none());
        drop(second);
        assert!(lanes.enter(lane(1), 1).is_some());
        drop(first);
        assert!(lanes.enter(lane(1), 0).is_some(), "the turn itself needs no waiting");
    }
}
