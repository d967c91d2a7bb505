//! Brings the log into the store, and goes on where an earlier run was stopped.

use evercore::{Context, Error, EventOptions, EventStore, Metadata, StateAggregate};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::{
    ApplicationMoved, ApplicationSubmitted, LoanApplication, OfferMoved, WorkItemMoved,
};
use crate::log::{Activity, Case, Entry};

/// Contexts at work at the same time: while one's commit is on its way to the disk, the next ones load their cases.
const AT_ONCE: usize = 4;

/// Replays the cases in commits of whole cases, each of about `batch` events, and returns how many events were added.
/// `progress` is told how many entries each commit has dealt with.
pub(crate) async fn replay(
    store: &EventStore,
    cases: &[Case],
    batch: usize,
    progress: impl Fn(usize),
) -> Result<u64, Error> {
    let progress = &progress;
    let commits = batches(cases, batch).map(async |cases| {
        let added = replay_cases(store, cases).await?;
        progress(cases.iter().map(|case| case.entries.len()).sum());
        Ok(added)
    });
    stream::iter(commits)
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |sum, added| Ok(sum + added))
        .await
}

async fn replay_cases(store: &EventStore, cases: &[Case]) -> Result<u64, Error> {
    store
        .with_context(async |ctx| {
            let mut added = 0;
            for case in cases {
                added += replay_case(ctx, case).await?;
            }
            Ok(added)
        })
        .await
}

/// Cuts the cases into stretches of at least `batch` entries, but for the last.
fn batches(mut cases: &[Case], batch: usize) -> impl Iterator<Item = &[Case]> {
    std::iter::from_fn(move || {
        let mut entries = 0;
        let full = cases.iter().position(|case| {
            entries += case.entries.len();
            entries >= batch
        });
        let (stretch, rest) = cases.split_at(full.map_or(cases.len(), |last| last + 1));
        cases = rest;
        (!stretch.is_empty()).then_some(stretch)
    })
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
