//! Finds the circles of a graph.

use std::collections::{BTreeMap, BTreeSet};

/// Returns the sets of at least two nodes that can all be reached from each other.
pub(super) fn circles<'a>(edges: &BTreeSet<(&'a str, &'a str)>) -> Vec<BTreeSet<&'a str>> {
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, _) in edges {
        reached.entry(from).or_insert_with(|| reachable(edges, from));
    }
    let mut circles: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (node, others) in &reached {
        let returns = |other: &&str| reached.get(*other).is_some_and(|back| back.contains(node));
        let circle: BTreeSet<&str> = others.iter().copied().filter(returns).collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// Returns the nodes that can be reached from a node.
fn reachable<'a>(edges: &BTreeSet<(&'a str, &'a str)>, from: &'a str) -> BTreeSet<&'a str> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(node) = next.pop() {
        let after = edges.iter().filter(|(from, _)| *from == node);
        next.extend(after.map(|(_, to)| *to).filter(|to| reached.insert(*to)));
    }
    reached
}
