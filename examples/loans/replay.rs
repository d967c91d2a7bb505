//! Replays the log into the store, and continues where an earlier run was stopped.

use std::ops::Range;
use std::sync::Arc;

use evercore::{Context, Error, EventOptions, EventStore, Metadata, StateAggregate};
use tokio::task::JoinSet;

use crate::domain::{
    ApplicationMoved, ApplicationSubmitted, LoanApplication, OfferMoved, WorkItemMoved,
};
use crate::log::{Activity, Case, Entry};

/// The number of concurrent contexts: while one commit is on its way to the disk, the next contexts load their cases.
const AT_ONCE: usize = 4;

/// Replays the cases in commits of whole cases, each of about `batch` events, and returns the number of added events.
/// `progress` is called with the number of entries that each commit has handled.
pub(crate) async fn replay(
    store: &EventStore,
    cases: &Arc<[Case]>,
    batch: usize,
    progress: impl Fn(usize),
) -> Result<u64, Error> {
    let mut added = 0;
    let mut commits = JoinSet::new();
    let mut batches = batches(cases, batch);
    loop {
        while commits.len() < AT_ONCE
            && let Some(batch) = batches.next()
        {
            let (store, cases) = (store.clone(), Arc::clone(cases));
            commits.spawn(async move { replay_cases(&store, &cases[batch]).await });
        }
        match commits.join_next().await {
            None => return Ok(added),
            Some(commit) => {
                let commit = commit.expect("nothing in a replay panics or is stopped")?;
                added += commit.added;
                progress(commit.entries);
            }
        }
    }
}

/// Cuts the cases into ranges of at least `batch` entries each, except for the last.
fn batches(cases: &[Case], batch: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let mut entries = 0;
        let full = cases[start..].iter().position(|case| {
            entries += case.entries.len();
            entries >= batch
        });
        let end = full.map_or(cases.len(), |last| start + last + 1);
        let stretch = start..end;
        start = end;
        (!stretch.is_empty()).then_some(stretch)
    })
}

/// The result of a commit.
struct Replayed {
    added: u64,
    entries: usize,
}

async fn replay_cases(store: &EventStore, cases: &[Case]) -> Result<Replayed, Error> {
    store
        .with_context(async |ctx| {
            let mut replayed = Replayed { added: 0, entries: 0 };
            for case in cases {
                replayed.added += replay_case(ctx, case).await?;
                replayed.entries += case.entries.len();
            }
            Ok(replayed)
        })
        .await
}

async fn replay_case(ctx: &mut Context, case: &Case) -> Result<u64, Error> {
    let mut application = ctx.load_or_create::<LoanApplication>(&case.id).await?;
    let last_line = application.state().last_line;
    let mut added = 0;
    for entry in case.entries.iter().filter(|entry| entry.line > last_line) {
        apply(ctx, &mut application, entry)?;
        added += 1;
    }
    Ok(added)
}

fn apply(
    ctx: &mut Context,
    application: &mut StateAggregate<LoanApplication>,
    entry: &Entry,
) -> Result<(), Error> {
    let mut options = EventOptions::new().at(entry.time).reference(entry.line.to_string());
    if let Some(resource) = &entry.resource {
        options = options.metadata(Metadata::new().principal(&**resource));
    }
    match entry.activity {
        Activity::Submitted { amount_requested } => {
            ctx.apply_with(application, ApplicationSubmitted { amount_requested }, options)
        }
        Activity::Application(to) => ctx.apply_with(application, ApplicationMoved { to }, options),
        Activity::Offer(to) => ctx.apply_with(application, OfferMoved { to }, options),
        Activity::Work(item, to) => {
            ctx.apply_with(application, WorkItemMoved { item, to }, options)
        }
    }
}
