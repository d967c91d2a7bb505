//! Workers that repeat a piece of work until the time is over, each in its own task.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::contest::Side;
use crate::sample::Worked;

/// A worker of a side.
pub(crate) trait Worker: Send + 'static {
    /// Does the next piece of work, and returns the number of its units.
    fn step(&mut self) -> impl Future<Output = anyhow::Result<Step>> + Send;
}

/// The result of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) units: u64,
    pub(crate) reruns: u64,
}

/// All workers of one side.
pub(crate) struct Crew<W>(Vec<W>);

impl Step {
    pub(crate) const ONE: Self = Self::units(1);

    pub(crate) const fn units(units: u64) -> Self {
        Self { units, reruns: 0 }
    }
}

impl<W: Worker> Crew<W> {
    pub(crate) fn of(workers: impl IntoIterator<Item = W>) -> Self {
        Self(workers.into_iter().collect())
    }

    pub(crate) fn alone(worker: W) -> Self {
        Self::of([worker])
    }

    /// Returns the workers, which must not be at work.
    pub(crate) fn workers(&mut self) -> impl Iterator<Item = &mut W> {
        self.0.iter_mut()
    }
}

#[async_trait]
impl<W: Worker> Side for Crew<W> {
    async fn work(&mut self, time: Duration) -> anyhow::Result<Worked> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for mut worker in self.0.drain(..) {
            tasks.spawn(async move {
                let (mut units, mut reruns) = (0, 0);
                while began.elapsed() < time {
                    let step = worker.step().await?;
                    units += step.units;
                    reruns += step.reruns;
                }
                anyhow::Ok((worker, units, reruns))
            });
        }
        let (mut units, mut reruns) = (0, 0);
        while let Some(done) = tasks.join_next().await {
            let (worker, own_units, own_reruns) = done??;
            self.0.push(worker);
            units += own_units;
            reruns += own_reruns;
        }
        Ok(Worked { units, elapsed: began.elapsed(), reruns })
    }
}
