//! Measures the phases of a chore, of which some run side by side.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The phases so far.
#[derive(Debug)]
pub(crate) struct Phases {
    begun: Instant,
    ended: Mutex<Vec<Phase>>,
}

#[derive(Debug)]
struct Phase {
    name: String,
    /// The time from the beginning of the chore to that of the phase.
    after: Duration,
    took: Duration,
}

impl Phases {
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), ended: Mutex::default() }
    }

    /// Runs a phase, and prints how long it took.
    pub(crate) fn measure<T>(&self, name: &str, phase: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let value = phase();
        let took = begun.elapsed();
        eprintln!("phase: {name:.90}: {} s", took.as_secs());
        let phase = Phase { name: name.to_owned(), after: begun - self.begun, took };
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(phase);
        value
    }

    /// Returns a table of all phases, in the order in which they began.
    pub(crate) fn table(&self) -> String {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.sort_by_key(|phase| phase.after);
        let mut table = "  from s      took s  phase\n".to_owned();
        for Phase { name, after, took } in ended.iter() {
            // Writing to a string does not fail.
            let _: std::fmt::Result =
                writeln!(table, "{:>8} {:>11}  {name:.90}", after.as_secs(), took.as_secs());
        }
        let _: std::fmt::Result =
            writeln!(table, "{:>8} {:>11}  all of it", 0, self.begun.elapsed().as_secs());
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_phase_in_the_order_of_beginnings() {
        let phases = Phases::start();
        let value = phases.measure("outer", || {
            std::thread::sleep(Duration::from_millis(1));
            phases.measure("inner", || 7)
        });
        let table = phases.table();
        let names: Vec<_> = table.lines().filter_map(|line| line.split("  ").last()).collect();
        assert_eq!((value, names), (7, vec!["phase", "outer", "inner", "all of it"]));
    }
}
