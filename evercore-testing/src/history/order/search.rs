//! The search for an order of the commits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use evercore::{AggregateId, Sequence};

use super::super::violation::{Obstacle, Violation};
use super::Node;
use super::boundaries::Standings;
use super::state::{Ended, Undo};

/// The maximum number of steps per commit. Commits that wait for each other seldom leave more than one choice.
const STEPS_PER_COMMIT: usize = 100;

/// The maximum number of commits that are reported at a dead end.
const MOST_NAMED: usize = 5;

#[derive(Debug)]
pub(super) struct Search<'a> {
    nodes: &'a [Node],
    state: Ended,
    boundaries: Standings,
    left: Left<'a>,
    /// The number of remaining commits that were decided on this sequence of an aggregate.
    needed: HashMap<(AggregateId, Sequence), usize>,
    /// A hash of the set of commits that are in the order.
    mark: u64,
    /// The known dead ends: a hash of the ordered commits and one of the key holders.
    dead_ends: HashSet<(u64, u64)>,
    /// The longest order that was reached, and the obstacles there.
    furthest: Option<(usize, Vec<(usize, Obstacle)>)>,
}

/// A commit that was put into the order, and the alternatives to it.
#[derive(Debug)]
struct Choice {
    node: usize,
    undo: Undo,
    others: Vec<usize>,
}

impl<'a> Search<'a> {
    pub(super) fn new(nodes: &'a [Node]) -> Self {
        let mut needed: HashMap<_, usize> = HashMap::new();
        for place in nodes.iter().flat_map(places) {
            *needed.entry(place).or_default() += 1;
        }
        let (state, left) = (Ended::before(nodes), Left::all(nodes));
        let (mark, dead_ends) = (0, HashSet::new());
        let boundaries = Standings::before(nodes);
        Self { nodes, state, boundaries, left, needed, mark, dead_ends, furthest: None }
    }

    pub(super) fn run(mut self) -> Result<Ended, Violation> {
        let steps = self.nodes.len().saturating_mul(STEPS_PER_COMMIT);
        let mut order: Vec<Choice> = Vec::with_capacity(self.nodes.len());
        let mut candidates = self.candidates(order.len());
        for _ in 0..=steps {
            if order.len() == self.nodes.len() {
                return Ok(self.state);
            }
            while candidates.is_empty() {
                self.dead_ends.insert((self.mark, self.state.mark()));
                let Some(Choice { node, undo, others }) = order.pop() else {
                    return Err(self.stuck());
                };
                self.take_back(node, undo);
                candidates = others;
            }
            let node = candidates.pop().expect("BUG: there is a candidate");
            let undo = self.apply(node);
            order.push(Choice { node, undo, others: candidates });
            candidates = self.candidates(order.len());
        }
        Err(Violation::Undecided { steps })
    }

    /// Returns the commits that can come next, the most likely one last.
    fn candidates(&mut self, depth: usize) -> Vec<usize> {
        if self.dead_ends.contains(&(self.mark, self.state.mark())) {
            return Vec::new();
        }
        let mut blocked = Vec::new();
        let mut candidates = Vec::new();
        for node in self.left.first() {
            match self.obstacle(node) {
                None => candidates.push(node),
                Some(obstacle) => blocked.push((node, obstacle)),
            }
        }
        if candidates.is_empty() && self.furthest.as_ref().is_none_or(|(most, _)| depth > *most) {
            self.furthest = Some((depth, blocked));
        }
        // Commits without events come first, those that leave all keys alone before others; the rest follow the log.
        candidates.sort_by_key(|&node| {
            let node = &self.nodes[node];
            std::cmp::Reverse((node.position, node.changes_keys()))
        });
        candidates
    }

    fn obstacle(&self, number: usize) -> Option<Obstacle> {
        let node = &self.nodes[number];
        let known = self.state.obstacle(node).or_else(|| self.boundaries.obstacle(number, node));
        known.or_else(|| {
            node.touches.iter().find_map(|touch| {
                let written = touch.written?;
                let own = usize::from(touch.needed() == Some(written.from));
                let place = (touch.aggregate, written.from);
                let others = self.needed.get(&place).copied().unwrap_or_default() > own;
                let (aggregate, sequence) = place;
                others.then_some(Obstacle::Needed { aggregate, sequence })
            })
        })
    }

    fn apply(&mut self, node: usize) -> Undo {
        self.left.take(node);
        self.mark ^= mark_of(node);
        for place in places(&self.nodes[node]) {
            *self.needed.entry(place).or_default() -= 1;
        }
        self.boundaries.apply(node, &self.nodes[node]);
        self.state.apply(&self.nodes[node])
    }

    fn take_back(&mut self, node: usize, undo: Undo) {
        self.state.take_back(undo);
        self.boundaries.take_back(node, &self.nodes[node]);
        for place in places(&self.nodes[node]) {
            *self.needed.entry(place).or_default() += 1;
        }
        self.left.put_back(node);
        self.mark ^= mark_of(node);
    }

    fn stuck(self) -> Violation {
        let (after, blocked) = self.furthest.unwrap_or_default();
        let named = blocked.into_iter().take(MOST_NAMED);
        let stuck = named.map(|(node, obstacle)| (self.nodes[node].commit, obstacle)).collect();
        Violation::NoOrder { after, stuck }
    }
}

fn mark_of(node: usize) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(node)
}

/// Returns the sequences of aggregates on which a commit was decided.
fn places(node: &Node) -> impl Iterator<Item = (AggregateId, Sequence)> {
    node.touches.iter().filter_map(|touch| Some((touch.aggregate, touch.needed()?)))
}

impl Node {
    fn changes_keys(&self) -> bool {
        self.touches.iter().any(|touch| touch.key != super::KeyWish::Keep)
    }
}

/// The commits that are not in the order yet, indexed by when they began and ended.
#[derive(Debug)]
struct Left<'a> {
    nodes: &'a [Node],
    /// Ordered by their beginnings, per session.
    by_beginning: BTreeMap<usize, BTreeSet<(usize, usize)>>,
    /// The commits of unobserved writers, whose time is unknown.
    unobserved: BTreeSet<usize>,
    /// Ordered by their ends, per session.
    by_end: BTreeMap<usize, BTreeSet<(usize, usize)>>,
    /// The number of remaining commits that ended in each era.
    ending: BTreeMap<usize, usize>,
}

impl<'a> Left<'a> {
    fn all(nodes: &'a [Node]) -> Self {
        let mut left = Self {
            nodes,
            by_beginning: BTreeMap::new(),
            unobserved: BTreeSet::new(),
            by_end: BTreeMap::new(),
            ending: BTreeMap::new(),
        };
        (0..nodes.len()).for_each(|node| left.put_back(node));
        left
    }

    /// Returns the commits that no remaining commit is known to precede.
    fn first(&self) -> Vec<usize> {
        let first_end = self.ending.keys().next().copied();
        let sessions = self.by_beginning.iter().flat_map(|(session, beginnings)| {
            let first_end = self.by_end.get(session).and_then(|ends| ends.first());
            let end = first_end.map_or(usize::MAX, |(end, _)| *end);
            beginnings.iter().take_while(move |(began, _)| *began < end).map(|(_, node)| *node)
        });
        let in_time = sessions.filter(|&node| {
            let era = self.nodes[node].began.map(|began| began.era);
            first_end.is_none_or(|end| era.is_none_or(|era| era <= end))
        });
        in_time.chain(self.unobserved.iter().copied()).collect()
    }

    fn take(&mut self, node: usize) {
        match self.nodes[node].began {
            Some(began) => {
                let session = self.by_beginning.entry(began.session).or_default();
                session.remove(&(began.index, node));
            }
            None => {
                self.unobserved.remove(&node);
            }
        }
        if let Some(ended) = self.nodes[node].ended {
            self.by_end.entry(ended.session).or_default().remove(&(ended.index, node));
            let count = self.ending.entry(ended.era).or_default();
            *count -= 1;
            if *count == 0 {
                self.ending.remove(&ended.era);
            }
        }
    }

    fn put_back(&mut self, node: usize) {
        match self.nodes[node].began {
            Some(began) => {
                let session = self.by_beginning.entry(began.session).or_default();
                session.insert((began.index, node));
            }
            None => {
                self.unobserved.insert(node);
            }
        }
        if let Some(ended) = self.nodes[node].ended {
            self.by_end.entry(ended.session).or_default().insert((ended.index, node));
            *self.ending.entry(ended.era).or_default() += 1;
        }
    }
}
