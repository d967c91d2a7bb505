//! Reads the plans that the server has logged, and finds their faults.

use serde_json::Value;

use crate::{MOST_LOOKED_AT, PAGE};

/// The tables that grow with the log.
const GROWING: [&str; 8] = [
    "events",
    "event_tags",
    "aggregates",
    "snapshots",
    "commits",
    "tasks",
    "ended_tasks",
    "command_log",
];

/// The parked events. They may be counted and searched, but not by heartbeats.
const PARKED: &str = "parked_events";

/// A statement that was executed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) text: String,
    plan: Value,
}

/// Returns the plans of one database in a part of the log.
pub(crate) fn read(log: &str, database: &str) -> Vec<Ran> {
    let prefix = format!("{database}:LOG:  duration: ");
    // All lines of a message except the first begin with a tab.
    let mut messages: Vec<String> = Vec::new();
    for line in log.lines() {
        match (line.strip_prefix('\t'), messages.last_mut()) {
            (Some(more), Some(last)) => {
                last.push('\n');
                last.push_str(more);
            }
            _ => messages.push(line.to_owned()),
        }
    }
    let of_database = messages.iter().filter_map(|message| message.strip_prefix(&prefix));
    of_database
        .filter_map(|message| message.split_once("plan:\n"))
        .map(|(_, plan)| {
            let mut plan: Value = serde_json::from_str(plan).expect("the server writes JSON");
            let text = plan["Query Text"].as_str().expect("a plan is of a statement").to_owned();
            Ran { text, plan: plan["Plan"].take() }
        })
        .collect()
}

impl Ran {
    /// Returns the number of rows that the statement has read of a table.
    pub(crate) fn rows_of(&self, table: &str) -> u64 {
        rows_of(&self.plan, table)
    }

    /// Returns the faults of the plan.
    pub(crate) fn faults(&self) -> Vec<String> {
        // Only this statement may read the log, up to the starting position of a subscription that starts at a time.
        if self.text.contains("e.recorded_at >= $1") {
            return Vec::new();
        }
        // Runs once for each name that a program declares: it looks for an aggregate of the type.
        if self.text.contains("evercore.unique_names (aggregate_type, name, is_complete)") {
            return Vec::new();
        }
        // An operator's request, which counts what is in the queues.
        if self.text.contains("min(t.due) FILTER") {
            return Vec::new();
        }
        let looks_further = self.text.contains("OFFSET (SELECT");
        let most = if looks_further { MOST_LOOKED_AT } else { 0 } + 4 * u64::from(PAGE);
        let mut faults = Vec::new();
        // Data that did not fit into the server's memory.
        if number(&self.plan, "Temp Written Blocks") > 0 {
            faults.push("it works on disk".to_owned());
        }
        let is_heartbeat = self.text.contains("WITH ORDINALITY");
        let growing = GROWING.into_iter().chain(is_heartbeat.then_some(PARKED)).collect::<Vec<_>>();
        find_faults(&self.plan, &growing, most, &mut faults);
        let shared =
            number(&self.plan, "Shared Hit Blocks") + number(&self.plan, "Shared Read Blocks");
        if !faults.is_empty() {
            faults.push(format!("{shared} blocks, {}", self.plan));
        } else if shared > 20 * most {
            faults.push(format!("it touches {shared} blocks"));
        }
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        faults.into_iter().map(|fault| format!("{fault}: {text}")).collect()
    }
}

fn rows_of(node: &Value, table: &str) -> u64 {
    let is_of_table = node["Relation Name"] == table;
    let own =
        if is_of_table { number(node, "Actual Rows") * number(node, "Actual Loops") } else { 0 };
    let children = node["Plans"].as_array().into_iter().flatten();
    own + children.map(|child| rows_of(child, table)).sum::<u64>()
}

fn find_faults(node: &Value, growing: &[&str], most: u64, faults: &mut Vec<String>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let table = node["Relation Name"].as_str().unwrap_or_default();
    let left_out: u64 = ["Filter", "Index Recheck", "Join Filter"]
        .map(|by| number(node, &format!("Rows Removed by {by}")))
        .iter()
        .sum();
    let rows = (number(node, "Actual Rows") + left_out) * number(node, "Actual Loops");
    if growing.contains(&table) && (kind == "Seq Scan" || rows > most) {
        faults.push(format!("a {kind} of {table} reads {rows} rows"));
    }
    if kind == "Sort" && rows > most {
        faults.push(format!("it sorts {rows} rows"));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        find_faults(child, growing, most, faults);
    }
}

/// Newer servers report fractional averages of rows.
fn number(node: &Value, name: &str) -> u64 {
    let value = &node[name];
    value.as_u64().unwrap_or_else(|| {
        let text = value.to_string();
        let whole = text.split('.').next().unwrap_or_default();
        whole.parse::<u64>().map_or(0, |whole| whole + 1)
    })
}
