//! Comparisons of sides that do the same work in turns, round by round.

use std::time::Duration;

use async_trait::async_trait;

use crate::cpu::{Meter, Server};
use crate::sample::{Cost, Sample, Worked, median, spread};

/// A side of a comparison, which can be measured.
#[async_trait]
pub(crate) trait Side: Send {
    /// Prepares for the next round. Not measured.
    async fn prepare(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Works for about this long.
    async fn work(&mut self, time: Duration) -> anyhow::Result<Worked>;

    /// Returns the processor time of the last round, if another process did the work.
    fn own_cost(&self) -> Option<Duration> {
        None
    }

    /// Returns the number of allocations per unit, if all work is done in one thread.
    fn allocations(&mut self) -> anyhow::Result<Option<f64>> {
        Ok(None)
    }
}

/// A comparison. The other sides are measured against the first one.
pub(crate) struct Contest {
    pub(crate) workload: &'static str,
    pub(crate) case: String,
    pub(crate) engine: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) server: Server,
    sides: Vec<(String, Box<dyn Side>)>,
}

/// The length of all measurements, and the sides that take part.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Measures only the sides whose names contain this text, for profiling one of them.
    pub(crate) only: String,
    /// Measures only the comparisons whose names contain this text.
    pub(crate) case: String,
    pub(crate) warm_up: Duration,
    pub(crate) round: Duration,
    pub(crate) rounds: usize,
}

/// The result of one side.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) case: String,
    pub(crate) engine: String,
    pub(crate) side: String,
    pub(crate) unit: String,
    /// Units per second: the median of the rounds.
    pub(crate) per_second: f64,
    /// The difference between the slowest and the fastest round, as a part of the median.
    pub(crate) spread: f64,
    /// The median of the rounds' ratios to the first side.
    pub(crate) ratio: f64,
    /// Microseconds of the program's processor time per unit.
    pub(crate) client_micros: f64,
    /// Microseconds of the server's processor time per unit.
    pub(crate) server_micros: f64,
    /// The number of reruns per unit.
    pub(crate) reruns: f64,
    /// The number of allocations per unit, if they can be counted.
    pub(crate) allocations: Option<f64>,
    /// Units per second of each round.
    pub(crate) rounds: Vec<f64>,
}

impl Contest {
    pub(crate) fn new(
        workload: &'static str,
        case: impl Into<String>,
        engine: &'static str,
        unit: &'static str,
        server: Server,
    ) -> Self {
        Self { workload, case: case.into(), engine, unit, server, sides: Vec::new() }
    }

    /// Adds a side. The first one has the ratio 1.
    pub(crate) fn side(mut self, name: impl Into<String>, side: impl Side + 'static) -> Self {
        self.sides.push((name.into(), Box::new(side)));
        self
    }

    /// Adds a side if there is one.
    pub(crate) fn optional(self, name: &str, side: Option<impl Side + 'static>) -> Self {
        match side {
            Some(side) => self.side(name, side),
            None => self,
        }
    }

    /// Warms up all sides, then measures them in turns. The order is reversed in every other round, so that no side
    /// always comes first.
    pub(crate) async fn run(mut self, plan: &Plan) -> anyhow::Result<Vec<Row>> {
        if !self.case.contains(&plan.case) {
            return Ok(Vec::new());
        }
        self.sides.retain(|(name, _)| name.contains(&plan.only));
        for (_, side) in &mut self.sides {
            side.prepare().await?;
            side.work(plan.warm_up).await?;
        }
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); self.sides.len()];
        for round in 0..plan.rounds {
            let mut order: Vec<usize> = (0..self.sides.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for index in order {
                let side = &mut self.sides[index].1;
                side.prepare().await?;
                let meter = Meter::start(self.server);
                let worked = side.work(plan.round).await?;
                let Cost { client, server } = meter.stop();
                let client = side.own_cost().unwrap_or(client);
                samples[index].push(Sample { worked, cost: Cost { client, server } });
            }
        }
        let mut rows = self.rows(&samples);
        for ((_, side), row) in self.sides.iter_mut().zip(&mut rows) {
            row.allocations = side.allocations()?;
        }
        Ok(rows)
    }

    fn rows(&self, samples: &[Vec<Sample>]) -> Vec<Row> {
        let rates = |of: &[Sample]| -> Vec<f64> {
            of.iter().map(|sample| sample.worked.per_second()).collect()
        };
        let base = samples.first().map(|first| rates(first)).unwrap_or_default();
        let rows = self.sides.iter().zip(samples).map(|((name, _), samples)| {
            let rounds = rates(samples);
            let ratios = rounds.iter().zip(&base).map(|(rate, base)| rate / base).collect();
            let reruns = samples
                .iter()
                .map(|sample| {
                    let Worked { units, reruns, .. } = sample.worked;
                    crate::sample::float(reruns) / crate::sample::float(units.max(1))
                })
                .collect();
            Row {
                workload: self.workload.to_owned(),
                case: self.case.clone(),
                engine: self.engine.to_owned(),
                side: name.clone(),
                unit: self.unit.to_owned(),
                per_second: median(rounds.clone()),
                spread: spread(&rounds),
                ratio: median(ratios),
                client_micros: median(samples.iter().map(Sample::client_micros).collect()),
                server_micros: median(samples.iter().map(Sample::server_micros).collect()),
                reruns: median(reruns),
                allocations: None,
                rounds,
            }
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Clockwork(u64);

    #[async_trait]
    impl Side for Clockwork {
        async fn work(&mut self, time: Duration) -> anyhow::Result<Worked> {
            Ok(Worked { units: self.0, elapsed: time, reruns: 0 })
        }
    }

    #[tokio::test]
    async fn ratios_are_relative_to_the_first_side() {
        let second = Duration::from_secs(1);
        let (only, case) = (String::new(), String::new());
        let plan = Plan { warm_up: second, round: second, rounds: 3, only, case };
        let rows = Contest::new("w0", "", "none", "ticks", Server::None)
            .side("raw", Clockwork(100))
            .side("ours", Clockwork(80))
            .run(&plan)
            .await
            .expect("they run");
        let found: Vec<_> = rows.iter().map(|row| (row.per_second, row.ratio)).collect();
        assert_eq!(found, [(100.0, 1.0), (80.0, 0.8)]);
        assert_eq!(rows[0].rounds.len(), 3);
    }
}
