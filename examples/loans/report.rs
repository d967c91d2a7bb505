//! Reports on the loans in the store.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use evercore::{Aggregate, AggregateId, Error, EventStore, Position, RecordedEvent, Sequence};

use crate::domain::{
    ApplicationMoved, ApplicationStep, ApplicationSubmitted, Lifecycle, LoanApplication,
    OfferMoved, WorkItemMoved,
};

/// The numbers of cases, events and activities.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) cases: usize,
    pub(crate) events: u64,
    /// The number of events by activity and lifecycle.
    pub(crate) activities: BTreeMap<(String, Lifecycle), u64>,
}

impl Totals {
    /// Counts the whole log, page by page.
    pub(crate) async fn of(store: &EventStore) -> Result<Self, Error> {
        const PAGE: u32 = 1_000;
        let mut totals = Self::default();
        let mut cases = HashSet::new();
        let mut position = Position::START;
        loop {
            let page = store.read_log(position, PAGE).await?;
            // The store may also have events of other programs.
            let loans = |event: &&RecordedEvent| event.aggregate_type() == LoanApplication::NAME;
            for event in page.events.iter().filter(loans) {
                cases.insert(event.aggregate_id());
                *totals.activities.entry(activity(event)?).or_default() += 1;
                totals.events += 1;
            }
            if page.at_end {
                totals.cases = cases.len();
                return Ok(totals);
            }
            position = page.end;
        }
    }

    pub(crate) fn count(&self, activity: &str) -> u64 {
        self.named(activity).map(|(_, count)| count).sum()
    }

    fn named(&self, activity: &str) -> impl Iterator<Item = (&(String, Lifecycle), &u64)> {
        self.activities.iter().filter(move |((name, _), _)| name == activity)
    }
}

/// Returns the name of an event in the log.
pub(crate) fn activity(event: &RecordedEvent) -> Result<(String, Lifecycle), Error> {
    if event.is::<WorkItemMoved>() {
        let WorkItemMoved { item, to } = event.decode()?;
        return Ok((item.to_string(), to));
    }
    let name = if event.is::<ApplicationMoved>() {
        event.decode::<ApplicationMoved>()?.to.to_string()
    } else if event.is::<OfferMoved>() {
        event.decode::<OfferMoved>()?.to.to_string()
    } else {
        event.decode::<ApplicationSubmitted>()?;
        ApplicationStep::Submitted.to_string()
    };
    Ok((name, Lifecycle::Completed))
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let activities: BTreeSet<&str> =
            self.activities.keys().map(|(name, _)| name.as_str()).collect();
        writeln!(f, "{:<32} {:>9}", "cases", self.cases)?;
        writeln!(f, "{:<32} {:>9}", "events", self.events)?;
        writeln!(f, "{:<32} {:>9}", "activities", activities.len())?;
        writeln!(f, "{:<32} {:>9}", "activities with lifecycle", self.activities.len())?;
        for name in activities {
            write!(f, "\n{name:<32} {:>9}", self.count(name))?;
        }
        Ok(())
    }
}

/// Describes one case from its first event to its last.
pub(crate) async fn story(store: &EventStore, case: &str) -> Result<String, Error> {
    let application = store
        .with_readonly_context(async |ctx| ctx.load_by_key::<LoanApplication>(case).await)
        .await?;
    let state = application.state();
    let mut lines = vec![format!("Case {case}, an application for {}:", state.amount_requested)];
    for event in history(store, application.id()).await? {
        let (name, lifecycle) = activity(&event)?;
        let time = event.event_time().format("%Y-%m-%d %H:%M:%S");
        let who = event.metadata().principal_id().unwrap_or("-");
        lines.push(format!("  {time}  {who:>6}  {name:<32} {lifecycle}"));
    }
    if let Some(step) = state.step {
        lines.push(format!("It ended as {step}, after {} events.", application.sequence()));
    }
    Ok(lines.join("\n"))
}

/// Reads all events of a case, page by page.
async fn history(store: &EventStore, id: AggregateId) -> Result<Vec<RecordedEvent>, Error> {
    let (mut events, mut next) = (Vec::new(), Sequence::FIRST);
    loop {
        let page = store.history(id, next..).await?;
        events.extend(page.events);
        if page.at_end {
            return Ok(events);
        }
        next = page.end.next();
    }
}
