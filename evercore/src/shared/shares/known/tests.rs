use std::collections::BTreeSet;
use std::time::Duration;

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::engine::StoredPartition;
use crate::{EventFilter, Position};

/// The numbers of processes, subscriptions and partitions of each that are tried out.
const SIZES: [(usize, usize, usize); 11] = [
    (2, 1, 1),
    (2, 1, 4),
    (2, 2, 2),
    (2, 3, 2),
    (2, 5, 1),
    (3, 1, 5),
    (3, 2, 2),
    (3, 4, 1),
    (4, 1, 4),
    (4, 2, 2),
    (4, 4, 1),
];

/// The stored leases. Each process runs one worker of each subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    processes: usize,
    /// By subscription and partition.
    leases: Vec<Vec<Held>>,
    tokens: i64,
}

/// A lease. The processes are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    token: i64,
    /// `None` if the lease has ended.
    by: Option<usize>,
    wanted_by: Option<usize>,
}

/// The sums of the squares of the numbers of leases that each worker has, and each process: the more uneven, the larger.
type Unevenness = (usize, usize);

fn subscription(number: usize) -> SubscriptionName {
    SubscriptionName::new(&format!("subscription {number}")).expect("a name")
}

fn worker(process: usize, subscription: usize) -> String {
    worker_name(&format!("process {process}"), subscription.try_into().expect("small"))
}

fn is_even(numbers: &[usize]) -> bool {
    numbers.iter().max().zip(numbers.iter().min()).is_none_or(|(most, least)| most - least <= 1)
}

impl World {
    /// Returns all worlds of this size; with `ended`, also those with leases that have ended.
    fn all(
        (processes, subscriptions, partitions): (usize, usize, usize),
        ended: bool,
    ) -> Vec<Self> {
        let owners = processes + usize::from(ended);
        let places = subscriptions * partitions;
        (0..owners.pow(places.try_into().expect("small")))
            .map(|number| {
                let mut rest = number;
                let mut world = Self { processes, leases: Vec::new(), tokens: 0 };
                for _ in 0..subscriptions {
                    let one = (0..partitions).map(|_| {
                        let owner = rest % owners;
                        rest /= owners;
                        world.tokens += 1;
                        let by = (owner < processes).then_some(owner);
                        Held { token: world.tokens, by, wanted_by: None }
                    });
                    let one = one.collect();
                    world.leases.push(one);
                }
                world
            })
            .collect()
    }

    fn askers(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (processes, subscriptions) = (self.processes, self.leases.len());
        (0..processes).flat_map(move |process| (0..subscriptions).map(move |at| (process, at)))
    }

    fn stored(&self) -> Vec<StoredSubscription> {
        let place = |number: usize, held: &Held| {
            let owner = worker(held.by.unwrap_or(self.processes), number);
            let mut lease = StoredLease::new(held.token, owner, DateTime::UNIX_EPOCH);
            lease.ended = held.by.is_none();
            lease.wanted = held.wanted_by.is_some();
            let mut place = StoredPartition::new(Position::START);
            place.lease = Some(lease);
            place
        };
        let numbered = self.leases.iter().enumerate();
        numbered
            .map(|(number, leases)| {
                let name = subscription(number);
                let mut stored = StoredSubscription::new(name, EventFilter::new(), Position::START);
                stored.partitions = leases.iter().map(|held| place(number, held)).collect();
                stored
            })
            .collect()
    }

    /// Returns the keys of all leases, in their order.
    fn keys(&self) -> Vec<LeaseKey> {
        let stored = self.stored();
        stored.iter().flat_map(|stored| leases(stored).map(|(key, _)| key)).collect()
    }

    /// Returns the number of leases of a subscription that a process holds now.
    fn holds(&self, process: usize, subscription: usize) -> usize {
        self.leases[subscription].iter().filter(|held| held.by == Some(process)).count()
    }

    /// Returns the place of the lease that the worker asks for.
    fn asks(&self, known: &Known, (process, at): (usize, usize)) -> Option<LeaseKey> {
        known.surplus(&subscription(at), &worker(process, at), self.holds(process, at))
    }

    /// Returns the lease with this key, if it is still held.
    fn find(&mut self, key: &LeaseKey) -> Option<&mut Held> {
        self.leases.iter_mut().flatten().find(|held| held.token == key.token)
    }

    fn hand_over(&mut self, place: usize) {
        self.tokens += 1;
        let token = self.tokens;
        let held = self.leases.iter_mut().flatten().nth(place).expect("there is one");
        if let Some(by) = held.wanted_by.take() {
            *held = Held { token, by: Some(by), wanted_by: None };
        }
    }

    /// Returns the numbers of leases when all that were asked for are handed over: of each worker, and each process.
    fn shares(&self) -> (Vec<Vec<usize>>, Vec<usize>) {
        let owned = |process, held: &&Held| held.wanted_by.or(held.by) == Some(process);
        let of_one = |leases: &Vec<Held>| -> Vec<usize> {
            let count = |process| leases.iter().filter(|held| owned(process, held)).count();
            (0..self.processes).map(count).collect()
        };
        let workers: Vec<Vec<usize>> = self.leases.iter().map(of_one).collect();
        let total = |process: usize| workers.iter().map(|one| one[process]).sum();
        let processes = (0..self.processes).map(total).collect();
        (workers, processes)
    }

    fn unevenness(&self) -> Unevenness {
        let (workers, processes) = self.shares();
        let squares = |numbers: &[usize]| numbers.iter().map(|number| number * number).sum();
        (workers.iter().map(|one| squares(one)).sum::<usize>(), squares(&processes))
    }

    fn assert_even(&self) {
        let (workers, processes) = self.shares();
        assert!(workers.iter().all(|one| is_even(one)), "{workers:?}: {self:?}");
        assert!(is_even(&processes), "{processes:?}: {self:?}");
    }
}

fn knows(world: &World) -> Known {
    let mut known = Known::default();
    known.saw(world.stored());
    known
}

/// Lets a worker ask for a lease, and returns whether it has.
fn ask(world: &mut World, known: &mut Known, asker: (usize, usize)) -> bool {
    let Some(key) = world.asks(known, asker) else { return false };
    if let Some(held) = world.find(&key)
        && held.wanted_by.is_none()
    {
        held.wanted_by = Some(asker.0);
    }
    known.has_asked(key, Instant::now() + Duration::from_secs(3_600));
    true
}

/// Then leases come to rest, in whichever order workers ask: none can move for ever.
#[test]
fn each_hand_over_makes_the_shares_more_even() {
    for (size, ended) in SIZES.into_iter().flat_map(|size| [(size, false), (size, true)]) {
        for world in World::all(size, ended) {
            let before = world.unevenness();
            for asker in world.askers() {
                let mut moved = world.clone();
                if ask(&mut moved, &mut knows(&world), asker) {
                    assert!(moved.unevenness() < before, "{asker:?} asks: {world:?}");
                }
            }
        }
    }
}

#[test]
fn leases_are_at_rest_when_the_shares_are_even_and_only_then() {
    for world in SIZES.into_iter().flat_map(|size| World::all(size, false)) {
        let known = knows(&world);
        let rests = world.askers().all(|asker| world.asks(&known, asker).is_none());
        let (workers, processes) = world.shares();
        let is_even = workers.iter().all(|one| is_even(one)) && is_even(&processes);
        assert_eq!(rests, is_even, "{workers:?}, {processes:?}: {world:?}");
    }
}

/// Requests are open until the owner has finished its batch, and other workers ask meanwhile.
#[test]
fn no_order_of_requests_and_hand_overs_takes_more_than_a_share() {
    for size in [(2, 2, 2), (3, 1, 4), (3, 3, 1), (3, 2, 2)] {
        let mut next = World::all(size, false);
        let mut seen = BTreeSet::new();
        while let Some(world) = next.pop() {
            let before = world.unevenness();
            let mut is_at_rest = true;
            for asker in world.askers() {
                let mut known = knows(&world);
                for (held, key) in world.leases.iter().flatten().zip(world.keys()) {
                    if held.wanted_by == Some(asker.0) {
                        known.has_asked(key, Instant::now());
                    }
                }
                let mut asked = world.clone();
                if ask(&mut asked, &mut known, asker) {
                    is_at_rest = false;
                    assert!(asked.unevenness() < before, "{asker:?} asks: {world:?}");
                    push(&mut next, &mut seen, asked);
                }
            }
            for (place, held) in world.leases.iter().flatten().enumerate() {
                if held.wanted_by.is_some() {
                    is_at_rest = false;
                    let mut moved = world.clone();
                    moved.hand_over(place);
                    push(&mut next, &mut seen, moved);
                }
            }
            if is_at_rest {
                world.assert_even();
            }
        }
    }
}

/// Visits a world unless one like it was seen, whatever the tokens are.
fn push(next: &mut Vec<World>, seen: &mut BTreeSet<World>, mut world: World) {
    world.tokens = 0;
    for held in world.leases.iter_mut().flatten() {
        world.tokens += 1;
        held.token = world.tokens;
    }
    if seen.insert(world.clone()) {
        next.push(world);
    }
}

/// A step of one process or the owner of a lease.
#[derive(Clone, Copy, Debug)]
enum Step {
    Looks(usize),
    Asks(usize, usize),
    HandsOver(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4usize).prop_map(Step::Looks),
        (0..4usize, 0..5usize).prop_map(|(process, at)| Step::Asks(process, at)),
        (0..8usize).prop_map(Step::HandsOver),
    ]
}

proptest! {
    /// Processes decide on looks that are out of date, and then look again.
    #[test]
    fn shares_become_even_after_decisions_on_old_looks(
        size in prop::sample::select(SIZES.as_slice()),
        from in any::<prop::sample::Index>(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let worlds = World::all(size, false);
        let mut world = worlds[from.index(worlds.len())].clone();
        let mut processes: Vec<Known> = (0..world.processes).map(|_| knows(&world)).collect();
        let (subscriptions, places) = (size.1, size.1 * size.2);
        for step in steps {
            match step {
                Step::Looks(process) => {
                    processes[process % size.0].saw(world.stored());
                }
                Step::Asks(process, at) => {
                    let process = process % size.0;
                    ask(&mut world, &mut processes[process], (process, at % subscriptions));
                }
                Step::HandsOver(place) => world.hand_over(place % places),
            }
        }
        // From here on, each process looks before it asks. Each request makes the shares more even.
        let most = world.unevenness().0 + world.unevenness().1;
        for _ in 0..=most {
            for place in 0..places {
                world.hand_over(place);
            }
            for asker in world.askers() {
                let known = &mut processes[asker.0];
                known.saw(world.stored());
                ask(&mut world, known, asker);
            }
        }
        world.assert_even();
    }
}
