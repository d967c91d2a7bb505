//! Formats the results as text for people and as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::contest::Row;
use crate::machine::Machine;
use crate::sample::float;
use crate::workloads::size::Size;
use crate::workloads::wake_up::Latency;

/// All results of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) command: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) latencies: Vec<Latency>,
    pub(crate) sizes: Vec<Size>,
    /// Additional remarks.
    pub(crate) notes: Vec<String>,
}

/// The minimum of a valid measurement; shorter ones are for development.
const LEAST_SECONDS: f64 = 3.0;
const LEAST_ROUNDS: usize = 3;

/// A load above this part of the cores means that other programs are running.
const BUSY: f64 = 0.5;

/// No disk is faster than this.
const LEAST_SYNC_MICROS: f64 = 5.0;

impl Report {
    /// Returns the conditions and the tables, as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = self.conditions();
        for engine in ["postgres", "sqlite"] {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.engine == engine).collect();
            text.push_str(&contests(engine, &rows));
        }
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.engine == "memory").collect();
        text.push_str(&pieces(&rows));
        text.push_str(&self.waits());
        text.push_str(&self.bytes());
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }

    /// Returns the tables as a separate page with the command that repeats them.
    pub(crate) fn document(&self) -> String {
        let command = ["cargo xtask bench", &self.command].join(" ");
        format!(
            "{}\n```sh\n{}\n```\n\n{}",
            include_str!("report/head.md"),
            command.trim_end(),
            self.markdown()
        )
    }

    fn conditions(&self) -> String {
        let Machine { processor, cores, memory_gib, system, folder, file_system, .. } =
            &self.machine;
        let Machine { fsync_micros, rustc, revision, sqlx, load: [before, after], .. } =
            &self.machine;
        let mut text = format!(
            "- {cores} × {processor}, {memory_gib} GiB, {system}\n\
             - data in `{folder}` ({file_system}); 4 KiB appended and synced: {fsync_micros:.0} µs\n\
             - evercore {revision}, {rustc}, sqlx {sqlx}\n"
        );
        for engine in &self.machine.engines {
            let _ = writeln!(text, "- {engine}");
        }
        let _ = writeln!(
            text,
            "- rounds: {} of {} s for each side, in turns; load before {before:.2}, after {after:.2}",
            self.rounds, self.seconds
        );
        for reservation in self.reservations() {
            let _ = writeln!(text, "- **not to be quoted**; {reservation}");
        }
        text
    }

    /// Returns reasons not to quote the figures.
    fn reservations(&self) -> Vec<String> {
        let Machine { cores, load, fsync_micros, .. } = &self.machine;
        let mut reservations = Vec::new();
        if self.seconds < LEAST_SECONDS || self.rounds < LEAST_ROUNDS {
            reservations.push(format!(
                "too short: measure at least {LEAST_ROUNDS} rounds of {LEAST_SECONDS} s"
            ));
        }
        // The measurement itself causes load, so only the load before it counts.
        if load[0] > float(*cores) * BUSY {
            reservations.push("other processes were using this machine".to_owned());
        }
        if *fsync_micros < LEAST_SYNC_MICROS {
            reservations
                .push("the data was in memory: set TMPDIR to a folder on a disk".to_owned());
        }
        reservations
    }

    fn waits(&self) -> String {
        if self.latencies.is_empty() {
            return String::new();
        }
        let mut text = "\n## W6: from the acknowledged commit to the handler\n\n\
            | engine | the worker is | commits | median | 95 % | longest |\n\
            |---|---|--:|--:|--:|--:|\n"
            .to_owned();
        for Latency { engine, place, commits, median, high, longest } in &self.latencies {
            let _ = writeln!(
                text,
                "| {engine} | {place} | {commits} | {median:.2} ms | {high:.2} ms | {longest:.2} ms |"
            );
        }
        text
    }

    fn bytes(&self) -> String {
        if self.sizes.is_empty() {
            return String::new();
        }
        let mut text = "\n## W10: bytes on the disk for each event\n\n\
            Each event is a commit of its own; every tenth opens an account with a natural key.\n\n\
            | engine | table | rows | indexes |\n\
            |---|---|--:|--:|\n"
            .to_owned();
        for Size { engine, table, rows, indexes } in &self.sizes {
            let _ = writeln!(text, "| {engine} | {table} | {rows:.0} | {indexes:.0} |");
        }
        text
    }
}

/// Formats the rates of the engines that do I/O.
fn contests(engine: &str, rows: &[&Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n## {engine}\n\n\
         | | what | side | per second | ± | ratio | CPU µs | reruns |\n\
         |---|---|---|--:|--:|--:|--:|--:|\n"
    );
    let mut former = ("", "");
    for row in rows {
        let this = (row.workload.as_str(), row.case.as_str());
        let (workload, case) = if this == former { ("", "") } else { this };
        former = this;
        let _ = writeln!(
            text,
            "| {workload} | {case} | {} | {} {} | {:.0} % | {:.2} | {} | {} |",
            row.side,
            thousands(row.per_second),
            row.unit,
            row.spread * 50.0,
            row.ratio,
            processor_time(row),
            if row.reruns > 0.0 { significant(row.reruns) } else { String::new() },
        );
    }
    text
}

/// Formats the processor time of the program, and of the server if there is one.
fn processor_time(row: &Row) -> String {
    let client = significant(row.client_micros);
    if row.server_micros > 0.0 {
        format!("{client} + {}", significant(row.server_micros))
    } else {
        client
    }
}

/// Formats the times of the engine in memory.
fn pieces(rows: &[&Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = "\n## memory\n\n\
        | | what | side | per second | ± | ratio | ns | allocations |\n\
        |---|---|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} {} | {:.0} % | {:.2} | {:.0} | {} |",
            row.workload,
            row.case,
            row.side,
            thousands(row.per_second),
            row.unit,
            row.spread * 50.0,
            row.ratio,
            1e9 / row.per_second,
            row.allocations.map_or_else(String::new, significant),
        );
    }
    text
}

/// Formats `12345.6` as `12,346`.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a value with three significant digits.
fn significant(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(seconds: f64, load: f64, fsync_micros: f64) -> Report {
        let machine = Machine { load: [load, 9.0], fsync_micros, ..Machine::look().expect("one") };
        let (rows, latencies, sizes, notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let machine = Machine { cores: 2, ..machine };
        Report {
            machine,
            seconds,
            rounds: 3,
            command: String::new(),
            rows,
            latencies,
            sizes,
            notes,
        }
    }

    #[test]
    fn a_report_lists_its_reservations() {
        let cases = [
            (report(3.0, 0.9, 100.0), ""),
            (report(0.3, 0.9, 100.0), "too short: measure at least 3 rounds of 3 s"),
            (report(3.0, 1.1, 100.0), "other processes were using this machine"),
            (report(3.0, 0.9, 1.0), "the data was in memory: set TMPDIR to a folder on a disk"),
        ];
        for (report, reservation) in cases {
            assert_eq!(report.reservations().join("; "), reservation);
        }
    }

    #[test]
    fn figures_are_short_and_whole() {
        assert_eq!(thousands(999.4), "999");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
        assert_eq!(significant(0.456), "0.46");
        assert_eq!(significant(45.67), "45.7");
        assert_eq!(significant(456.7), "457");
    }
}
