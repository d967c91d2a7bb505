//! Generates all orders in which the steps of three actors can follow each other.

use crate::step::{Actor, Step};

/// The steps of each actor, in the actor's own order.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    pub(crate) first: Vec<Step>,
    pub(crate) second: Vec<Step>,
    pub(crate) reader: Vec<Step>,
}

/// One order of all steps.
pub(crate) type Schedule = Vec<(Actor, Step)>;

/// The orders to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// One order of each class. Two orders belong to the same class if they differ only by swaps of adjacent
    /// independent steps (Mazurkiewicz, "Concurrent program schemes and their interpretations", 1977).
    Classes,
    /// Every order, except that a step which shares nothing is followed by the next step of the same actor.
    All,
}

impl Play {
    /// Returns the orders, each once.
    pub(crate) fn schedules(&self, depth: Depth) -> Vec<Schedule> {
        let mut found = Vec::new();
        self.extend(depth, [0; 3], &mut Vec::new(), &mut found);
        found
    }

    fn extend(
        &self,
        depth: Depth,
        taken: [usize; 3],
        so_far: &mut Schedule,
        found: &mut Vec<Schedule>,
    ) {
        let actors = [
            (Actor::First, &self.first),
            (Actor::Second, &self.second),
            (Actor::Reader, &self.reader),
        ];
        let mut is_whole = true;
        for (index, (actor, steps)) in actors.into_iter().enumerate() {
            let Some(&step) = steps.get(taken[index]) else { continue };
            is_whole = false;
            let is_tried = match depth {
                Depth::Classes => is_least_of_its_class(so_far, actor, step),
                Depth::All => {
                    so_far.last().is_none_or(|(last, before)| *last == actor || before.shares_any())
                }
            };
            if !is_tried || would_wait(so_far, actor, step) {
                continue;
            }
            let mut taken = taken;
            taken[index] += 1;
            so_far.push((actor, step));
            self.extend(depth, taken, so_far, found);
            so_far.pop();
        }
        if is_whole {
            found.push(so_far.clone());
        }
    }
}

/// Returns whether the server would make the step wait for a lock of another actor. Orders with such a step are those in
/// which it is taken later.
fn would_wait(so_far: &[(Actor, Step)], actor: Actor, step: Step) -> bool {
    [Actor::First, Actor::Second, Actor::Reader].into_iter().any(|other| {
        let mut own = so_far.iter().rev().filter(|(of, _)| *of == other).map(|(_, step)| *step);
        let held: Vec<_> = own.by_ref().take_while(|step| *step != Step::Commit).collect();
        other != actor && held.into_iter().any(|held| step.waits_for(held))
    })
}

/// Returns whether an order remains the least of its class with this step, that is, whether the step could not be moved
/// before one of a later actor. Checking each step suffices (Anisimov and Knuth, "Inhomogeneous sorting", 1979).
fn is_least_of_its_class(so_far: &[(Actor, Step)], actor: Actor, step: Step) -> bool {
    so_far
        .iter()
        .rev()
        .take_while(|(other, before)| *other != actor && !before.matters_to(step))
        .all(|(other, _)| *other < actor)
}

/// Exactly one order of each class is found, and no class is missing: the least order in the class of any order is
/// among those found.
#[test]
fn each_order_is_of_one_class_that_is_tried() {
    use std::collections::HashSet;

    let writer = crate::ends(&[Step::Commit]);
    let reader = vec![Step::ReadLast, Step::ReadFloors, Step::ReadPage];
    let play = Play { first: writer.clone(), second: writer, reader };
    let all = play.schedules(Depth::All);
    assert_eq!(all.len(), 11_550, "11! / (4! 4! 3!), where the lock and the insert share nothing");

    let classes = play.schedules(Depth::Classes);
    let tried: HashSet<String> = classes.iter().map(|order| format!("{order:?}")).collect();
    assert_eq!(tried.len(), classes.len(), "each once");
    let of_all: HashSet<String> =
        all.into_iter().map(|order| format!("{:?}", least_of_its_class(order))).collect();
    assert_eq!(tried, of_all);
}

/// Repeatedly takes the step of the least actor among those that could come first.
fn least_of_its_class(mut order: Schedule) -> Schedule {
    let mut least = Schedule::new();
    while !order.is_empty() {
        let could_be_first = |at: &usize| {
            let (actor, step) = order[*at];
            order[..*at].iter().all(|(other, before)| *other != actor && !before.matters_to(step))
        };
        let firsts = (0..order.len()).filter(could_be_first);
        let first = firsts.min_by_key(|at| order[*at].0).expect("the first of all could be");
        least.push(order.remove(first));
    }
    least
}
