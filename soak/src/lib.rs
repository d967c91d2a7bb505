//! Works for a long time, and measures whether anything grows that should not.
//!
//! Round after round a store is opened, written to by several tasks, followed by subscriptions that come and go, and
//! closed, or just dropped; some of the work is given up in the middle. One store and one subscription stay for all of it.
//! After each round it is measured what the process holds: memory, tasks, threads, file handles, and connections of the
//! server. What holds more in the last third of the run than in the second has grown.
//!
//! The control leaks one thing in each round. It must be caught. Linux only: `/proc` says what a process holds.

mod domain;
mod gauge;
mod leak;
mod place;
mod plan;
mod report;
mod round;

use std::time::Instant;

use anyhow::{Context, Result};
use fastrand::Rng;

use gauge::Gauge;
use leak::Leaks;
use place::Place;

pub use gauge::{Kind, Sample};
pub use leak::Leak;
pub use plan::{Engine, Length, Plan};
pub use report::{Growth, Report};

/// Runs a plan, and says what has grown.
///
/// # Errors
/// If some of the work fails that should not, or something cannot be measured. That something grows is no error; the
/// report holds it.
pub async fn soak(plan: &Plan) -> Result<Report> {
    let place = Place::make(plan.engine).await.context("cannot make a database")?;
    let resident = round::Resident::settle(&place).await.context("cannot follow the log")?;
    let mut gauge = Gauge::new(&place).await.context("cannot measure")?;
    let mut leaks = Leaks::new(plan.leak);
    let mut rng = Rng::with_seed(plan.seed);
    let (begun, mut samples, mut events) = (Instant::now(), Vec::new(), 0);
    while resident.is_there() && plan.length.goes_on(samples.len(), begun.elapsed()) {
        let number = samples.len();
        events += round::run(&place, number, rng.fork())
            .await
            .with_context(|| format!("in round {number}"))?;
        leaks.leak(&place).await?;
        samples.push(gauge.at_rest(samples.last()).await?);
    }
    let handled = resident.leave().await.context("the subscription that stayed has failed")?;
    Ok(Report::new(plan, begun.elapsed(), events, handled, samples))
}
