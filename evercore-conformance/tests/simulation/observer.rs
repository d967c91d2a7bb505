//! Observes the whole run, and checks what happens.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use evercore::engine::{Grant, Settlement, StoredSubscription};
use evercore::subscription::Partition;
use evercore::{AggregateId, Position, RecordedEvent};

use crate::plan::{Handling, Plan};
use crate::process::Condition;
use crate::tally::Tally;

/// The observed state, and the first violation.
#[derive(Debug)]
pub(crate) struct Observer {
    handling: Handling,
    partitions: Vec<Partition>,
    is_calm: bool,
    /// The aggregates of the readable events.
    events: BTreeMap<Position, AggregateId>,
    handled: BTreeSet<Position>,
    parked: BTreeSet<Position>,
    /// The cursors and owners, by partition.
    places: Vec<Place>,
    /// The conditions of the workers, by owner.
    conditions: HashMap<String, Condition>,
    pub(crate) tally: Tally,
    /// `None` unless the plan asks for a trace.
    pub(crate) trace: Option<Vec<String>>,
    violation: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Place {
    cursor: Position,
    token: i64,
    owner: Option<String>,
}

impl Observer {
    pub(crate) fn new(plan: &Plan) -> Self {
        let partition = |index| Partition::new(index, plan.partitions).expect("it is in range");
        let partitions: Vec<_> = (0..plan.partitions).map(partition).collect();
        Self {
            handling: plan.handling,
            places: vec![Place::default(); partitions.len()],
            partitions,
            is_calm: plan.is_calm(),
            events: BTreeMap::new(),
            handled: BTreeSet::new(),
            parked: BTreeSet::new(),
            conditions: HashMap::new(),
            tally: Tally::default(),
            trace: plan.is_traced.then(Vec::new),
            violation: None,
        }
    }

    /// Records a call that has ended at the database.
    pub(crate) fn trace(&mut self, owner: &str, call: &str, is_ok: bool, at: Duration) {
        self.tally.calls += 1;
        let outcome = if is_ok { "" } else { " is refused" };
        self.note(at, || format!("{owner}: {call}{outcome}"));
    }

    pub(crate) fn note(&mut self, at: Duration, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>6} ms  {}", at.as_millis(), what()));
        }
    }

    /// Records a change in a worker's condition.
    pub(crate) fn is_in(&mut self, owner: &str, condition: Condition) {
        match condition {
            Condition::Dead => self.tally.kills += 1,
            Condition::Frozen => self.tally.freezes += 1,
            Condition::Awake => {}
        }
        // A worker that has stalled once may have missed a renewal.
        let was = self.conditions.get(owner).copied();
        let still = was.filter(|was| *was != Condition::Awake).unwrap_or(condition);
        self.conditions.insert(owner.to_owned(), still);
    }

    /// Records events that become readable. P7 and P8: none may appear before a cursor.
    pub(crate) fn appeared(&mut self, events: &[RecordedEvent]) {
        for event in events {
            let (position, id) = (event.position(), event.aggregate_id());
            self.tally.events += 1;
            let place = self.place_of(id);
            let cursor = self.places[place].cursor;
            if position <= cursor {
                self.found(format!("event {position} has appeared behind the cursor, {cursor}"));
            }
            let partition = self.partitions[place];
            let later = self.handled.range(position..).next_back().copied();
            if let Some(later) = later
                && self.events.get(&later).is_some_and(|id| partition.contains(*id))
            {
                self.found(format!("event {position} has appeared after {later} was handled"));
            }
            self.events.insert(position, id);
        }
    }

    /// P8 and P9: records that a handler has succeeded on these events, in this order.
    pub(crate) fn handled(&mut self, positions: &[Position]) {
        for &position in positions {
            self.tally.deliveries += 1;
            let Some(&id) = self.events.get(&position) else {
                self.found(format!("event {position} was handled and is not there"));
                continue;
            };
            let partition = self.partitions[self.place_of(id)];
            let is_missing = |(earlier, other): &(&Position, &AggregateId)| {
                let is_before = match self.handling {
                    // Other aggregates continue while some have parked events.
                    Handling::Parking => **other == id,
                    Handling::Plain | Handling::Transactional => partition.contains(**other),
                };
                is_before && !self.handled.contains(earlier) && !self.parked.contains(earlier)
            };
            let missing = self.events.range(..position).find(is_missing).map(|(at, _)| *at);
            if let Some(missing) = missing {
                self.found(format!("event {position} was handled without {missing} before it"));
            }
            self.handled.insert(position);
            self.parked.remove(&position);
        }
    }

    /// P10: records a lease. It must not be granted to another worker while its owner works.
    pub(crate) fn granted(&mut self, grant: &Grant, to: &str, before: Option<&StoredSubscription>) {
        self.tally.grants += 1;
        let index = usize::try_from(grant.lease.partition).expect("small");
        let is_free = before.is_some_and(|stored| stored.partitions[index].lease.is_none());
        let Place { token, owner, .. } = self.places[index].clone();
        if grant.lease.token <= token {
            self.found(format!("token {} was given after {token}", grant.lease.token));
        }
        let owner = owner.as_deref().filter(|owner| *owner != to && !is_free);
        if self.is_calm
            && let Some(owner) = owner
            && self.conditions.get(owner) == Some(&Condition::Awake)
        {
            self.found(format!("partition {index} was taken from {owner}, which is well, by {to}"));
        }
        self.tally.take_overs += u64::from(owner.is_some());
        self.places[index].token = grant.lease.token;
        self.places[index].owner = Some(to.to_owned());
    }

    /// P7, P9, P10 and P11: records a settlement.
    pub(crate) fn settled(
        &mut self,
        settlement: &Settlement,
        before: Option<&StoredSubscription>,
        effects: &[Position],
    ) {
        self.tally.settlements += 1;
        let index = usize::try_from(settlement.lease.partition).expect("small");
        let token = self.places[index].token;
        if settlement.lease.token != token {
            let stale = settlement.lease.token;
            self.found(format!(
                "partition {index} was moved with token {stale}, which is not {token}"
            ));
        }
        let stored = before.map(|stored| stored.partitions[index].cursor);
        for position in effects {
            if self.handled.contains(position) {
                self.found(format!("event {position} took effect twice"));
            }
        }
        self.handled(effects);
        self.tally.parked += u64::try_from(settlement.parked.len()).expect("few");
        self.parked.extend(settlement.parked.iter().map(|parked| parked.position));
        if let Some(position) = settlement.unparked {
            self.parked.remove(&position);
            if !self.handled.contains(&position) {
                self.found(format!("event {position} is not parked any more, and not handled"));
            }
        }
        let Some(step) = settlement.cursor else { return };
        if stored != Some(step.from) || step.to < step.from {
            self.found(format!(
                "the cursor was moved from {} to {} and stood at {stored:?}",
                step.from, step.to
            ));
        }
        let partition = self.partitions[index];
        let skipped = self.events.range(..=step.to).find(|(position, id)| {
            partition.contains(**id)
                && !self.handled.contains(position)
                && !self.parked.contains(position)
        });
        if let Some((position, _)) = skipped {
            let position = *position;
            self.found(format!("the cursor was moved to {} without {position}", step.to));
        }
        self.places[index].cursor = step.to;
    }

    /// P7, P9 and P11: checks at the end that everything was handled.
    pub(crate) fn check_complete(&mut self) {
        let missing: Vec<_> =
            self.events.keys().filter(|position| !self.handled.contains(position)).collect();
        if !missing.is_empty() {
            let problem = format!("at the end, no worker has handled {missing:?}");
            self.found(problem);
        }
    }

    /// Records the end of the run.
    pub(crate) fn ended(&mut self, at: Duration) {
        (self.tally.runs, self.tally.time) = (1, at);
    }

    pub(crate) fn last_event(&self) -> Position {
        self.events.last_key_value().map(|(position, _)| *position).unwrap_or_default()
    }

    pub(crate) fn verdict(&self) -> Result<(), String> {
        self.violation.clone().map_or(Ok(()), Err)
    }

    fn place_of(&self, id: AggregateId) -> usize {
        let mine = |partition: &Partition| partition.contains(id);
        self.partitions.iter().position(mine).expect("every aggregate has a partition")
    }

    pub(crate) fn found(&mut self, violation: String) {
        self.violation.get_or_insert(violation);
    }
}
