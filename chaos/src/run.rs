//! Runs a plan, from the first event to the verdict.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evercore::subscription::ParkedEvent;
use evercore::{EventStore, Position};
use fastrand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{Entry, Moved, attempt_of};
use crate::environment::Environment;
use crate::faults::Faults;
use crate::plan::{Fence, Plan};
use crate::report::Report;
use crate::verdict::Evidence;
use crate::violation::Violation;
use crate::worker::{AT_LEAST_ONCE, EXACTLY_ONCE, PARKING};
use crate::writer::{Attempt, Desk, Failure, Writer};
use crate::{journal, watch};

const WRITERS: u64 = 8;
const PAGE: u32 = 1_000;

/// The time limit for the workers to handle the remaining events once they are left alone.
const IDLE_WITHIN: Duration = Duration::from_secs(120);
const IDLE_WITHIN_A_CONTROL: Duration = Duration::from_secs(10);

/// Runs a plan and reports the result.
///
/// # Errors
/// If something fails that the injected faults do not explain: a writer, a worker that ends by itself, or workers that
/// never finish. A broken promise is not an error; the report contains it.
pub async fn run_plan(plan: &Plan) -> Result<Report> {
    ensure!(
        plan.engine.is_shared() || plan.fence == Fence::Kept,
        "on {}, no handler runs in a transaction, so there is no control run",
        plan.engine
    );
    let mut rng = Rng::with_seed(plan.seed);
    let environment =
        Arc::new(Environment::set_up(plan).await.context("cannot set up the environment")?);
    let watching = CancellationToken::new();
    let watch = tokio::spawn(watch::cursors(Arc::clone(&environment), watching.clone()));
    let _watching = watching.clone().drop_guard();

    let until = Instant::now() + plan.length;
    let desk = Arc::new(Desk::default());
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (opened, desk) = (environment.opened(), Arc::clone(&desk));
            let direct = opened.clone();
            Writer { opened, direct, engine: plan.engine, desk, rng: rng.fork() }
        })
        .map(|writer| tokio::spawn(writer.run(until)))
        .collect();
    let mut faults = Faults::new(plan, &environment, rng)?;
    faults.inject(plan.length).await?;
    let mut attempts: Vec<Attempt> = Vec::new();
    for writer in writers {
        let written: Result<_, Failure> = writer.await?;
        attempts.extend(written.context("a writer failed")?);
    }

    let store = environment.store();
    let files = environment.files();
    settle_down(plan, &mut faults, &store).await?;
    let before_redrive = journal::read(&files.parking())?;
    let parked = parked(&store).await?;
    std::fs::write(files.mended(), "")?;
    store.subscriptions().redrive(PARKING).await?;
    faults.inject(plan.length / 5).await?;
    let store = environment.store();
    settle_down(plan, &mut faults, &store).await?;
    let left_parked = self::parked(&store).await?;
    let trouble = faults.end().await?;

    watching.cancel();
    let Log { entries, moves } = log(&store).await?;
    let evidence = Evidence {
        log: entries,
        moves,
        damage: damage(&store).await?,
        attempts,
        written: environment.written().await?,
        at_least_once: journal::read(&files.at_least_once())?,
        before_redrive,
        parked,
        left_parked,
        after_redrive: journal::read(&files.parking())?,
        moved_back: watch.await?,
    };
    let reruns = desk.reruns(evidence.attempts.len());
    Ok(Report::new(plan, trouble, reruns, &evidence))
}

/// Leaves the workers alone until they have nothing left to do.
///
/// Without a fence they may never finish: a cursor that was moved back stays behind an owner that has read on. The
/// verdict judges the result.
async fn settle_down(plan: &Plan, faults: &mut Faults<'_>, store: &EventStore) -> Result<()> {
    faults.wait_for_workers().await?;
    let bound = match plan.fence {
        Fence::Kept => IDLE_WITHIN,
        Fence::Removed => IDLE_WITHIN_A_CONTROL,
    };
    let durable = plan.engine.is_shared().then_some(EXACTLY_ONCE);
    for name in durable.into_iter().chain([AT_LEAST_ONCE, PARKING]) {
        let done = faults.meanwhile(bound, store.wait_until_idle(name)).await?;
        if done.is_none() && plan.fence == Fence::Kept {
            let info = store.subscriptions().find(name).await?;
            anyhow::bail!(
                "`{name}` has not finished {IDLE_WITHIN:?} after the last fault: {info:?}"
            );
        }
    }
    Ok(())
}

/// The log, with the number of the attempt that wrote each event, and the moves of students in it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<(Entry, i64)>,
    pub(crate) moves: Vec<(Entry, Moved)>,
}

pub(crate) async fn log(store: &EventStore) -> Result<Log> {
    let mut log = Log::default();
    let mut after = Position::START;
    loop {
        let page = store.read_log(after, PAGE).await?;
        for event in &page.events {
            let (attempt, moved) = attempt_of(event)?;
            log.entries.push((event.into(), attempt));
            log.moves.extend(moved.map(|moved| (event.into(), moved)));
        }
        if page.at_end {
            return Ok(log);
        }
        after = page.end;
    }
}

/// Returns what [`verify`](EventStore::verify) finds wrong, among it rows of the index of tags.
pub(crate) async fn damage(store: &EventStore) -> Result<Vec<Violation>> {
    let report = store.verify().run().await?;
    let found = report.findings().iter();
    Ok(found.map(|found| Violation::Damaged { problem: found.to_string() }).collect())
}

pub(crate) async fn parked(store: &EventStore) -> Result<Vec<ParkedEvent>> {
    let (mut parked, mut after) = (Vec::new(), Position::START);
    loop {
        let page = store.subscriptions().parked(PARKING, after, PAGE).await?;
        parked.extend(page.events);
        if page.at_end {
            return Ok(parked);
        }
        after = page.end;
    }
}
