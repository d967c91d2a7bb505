//! The search for an order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evercore::{AggregateId, Sequence};

use super::super::violation::{Obstacle, Violation};
use super::Node;
use super::state::{Ended, Undo};

/// The most steps for each commit. Commits that wait for each other seldom leave more than one choice.
const STEPS_PER_COMMIT: usize = 100;

/// The most commits that are named where none can come next.
const MOST_NAMED: usize = 5;

#[derive(Debug)]
pub(super) struct Search<'a> {
    nodes: &'a [Node],
    state: Ended,
    left: Left<'a>,
    /// How many of those left were decided on this sequence of an aggregate.
    needed: HashMap<(AggregateId, Sequence), usize>,
    /// The place at which the search has come furthest.
    furthest: Option<(usize, Vec<(usize, Obstacle)>)>,
}

/// A commit that was put into the order, and what could have been put there instead.
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
        Self { nodes, state, left, needed, furthest: None }
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

    /// The commits that can come next, the likeliest last.
    fn candidates(&mut self, depth: usize) -> Vec<usize> {
        let mut blocked = Vec::new();
        let mut candidates = Vec::new();
        for node in self.left.first() {
            match self.obstacle(&self.nodes[node]) {
                None => candidates.push(node),
                Some(obstacle) => blocked.push((node, obstacle)),
            }
        }
        if candidates.is_empty() && self.furthest.as_ref().is_none_or(|(most, _)| depth > *most) {
            self.furthest = Some((depth, blocked));
        }
        // What has no event changes little, and may wait for nothing; the others come in the order of the log.
        candidates.sort_by_key(|&node| {
            let node = &self.nodes[node];
            std::cmp::Reverse((node.position, node.changes_keys()))
        });
        candidates
    }

    fn obstacle(&self, node: &Node) -> Option<Obstacle> {
        self.state.obstacle(node).or_else(|| {
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
        for place in places(&self.nodes[node]) {
            *self.needed.entry(place).or_default() -= 1;
        }
        self.state.apply(&self.nodes[node])
    }

    fn take_back(&mut self, node: usize, undo: Undo) {
        self.state.take_back(undo);
        for place in places(&self.nodes[node]) {
            *self.needed.entry(place).or_default() += 1;
        }
        self.left.put_back(node);
    }

    fn stuck(self) -> Violation {
        let (after, blocked) = self.furthest.unwrap_or_default();
        let named = blocked.into_iter().take(MOST_NAMED);
        let stuck = named.map(|(node, obstacle)| (self.nodes[node].commit, obstacle)).collect();
        Violation::NoOrder { after, stuck }
    }
}

/// What a commit was decided on.
fn places(node: &Node) -> impl Iterator<Item = (AggregateId, Sequence)> {
    node.touches.iter().filter_map(|touch| Some((touch.aggregate, touch.needed()?)))
}

impl Node {
    fn changes_keys(&self) -> bool {
        self.touches.iter().any(|touch| touch.key != super::KeyWish::Keep)
    }
}

/// The commits that are not in the order yet, and which of them ended before others began.
#[derive(Debug)]
struct Left<'a> {
    nodes: &'a [Node],
    /// By session, in the order of their beginnings.
    by_beginning: BTreeMap<usize, BTreeSet<(usize, usize)>>,
    /// Those of which nobody knows when they were.
    unobserved: BTreeSet<usize>,
    /// By session, in the order of their ends.
    by_end: BTreeMap<usize, BTreeSet<(usize, usize)>>,
    /// The eras in which they ended, and how many in each.
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

    /// Those before which nothing is left that is known to have come earlier.
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
