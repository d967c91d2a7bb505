//! Works for a long time and checks that no resource use grows.
//!
//! In each round, a store is opened, written to by several tasks, followed by subscriptions that come and go, and then
//! closed or just dropped; some of the work is cancelled midway. One store and one subscription stay for the whole run.
//! After each round the resources of the process are measured: memory, tasks, threads, file handles, and connections to
//! the server. A resource has grown if the last third of the run holds more of it than the second third.
//!
//! The control leaks something in each round, and must be detected. Linux only, because the numbers come from `/proc`.

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

/// Runs a plan and reports which resources have grown.
///
/// # Errors
/// If work fails that should not, or if something cannot be measured. Growth is not an error; the report contains it.
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
    let handled = resident.leave().await.context("the long-running subscription has failed")?;
    Ok(Report::new(plan, begun.elapsed(), events, handled, samples))
}
