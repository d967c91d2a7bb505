//! Samples and the statistics on them.

use std::time::Duration;

/// The work of one side in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worked {
    pub(crate) units: u64,
    pub(crate) elapsed: Duration,
    /// The number of reruns.
    pub(crate) reruns: u64,
}

/// A round of one side, with its cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) worked: Worked,
    pub(crate) cost: Cost,
}

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// The time of the program that works.
    pub(crate) client: Duration,
    /// The time of the database server, if there is one.
    pub(crate) server: Duration,
}

impl Worked {
    pub(crate) fn per_second(&self) -> f64 {
        float(self.units) / self.elapsed.as_secs_f64()
    }
}

impl Sample {
    /// Microseconds of the program's processor time per unit.
    pub(crate) fn client_micros(&self) -> f64 {
        self.micros_per_unit(self.cost.client)
    }

    /// Microseconds of the server's processor time per unit.
    pub(crate) fn server_micros(&self) -> f64 {
        self.micros_per_unit(self.cost.server)
    }

    fn micros_per_unit(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / float(self.worked.units.max(1))
    }
}

/// Returns the median; of an even number of values, the lower of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the difference between the smallest and the largest value, as a part of the median.
pub(crate) fn spread(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    (largest - smallest) / median(values.to_vec())
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2⁵³")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_and_one_of_those_that_were_measured() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn the_spread_is_a_part_of_the_median() {
        assert_eq!(spread(&[90.0, 100.0, 120.0]), 0.3);
        assert_eq!(spread(&[5.0]), 0.0);
    }

    #[test]
    fn the_processor_time_of_either_end_is_counted_for_each_unit() {
        let cost = Cost { client: Duration::from_micros(30), server: Duration::from_micros(70) };
        let worked = Worked { units: 10, elapsed: Duration::from_secs(1), reruns: 0 };
        let sample = Sample { worked, cost };
        assert_eq!((sample.client_micros(), sample.server_micros()), (3.0, 7.0));
    }
}
