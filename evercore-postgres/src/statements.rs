//! Holds the SQL of this engine, rendered for its schema.

mod command_log;
mod inspection;
mod subscriptions;
mod tagging;
mod tasks;

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::options::Schema;
pub(crate) use command_log::CommandLogStatements;
pub(crate) use inspection::InspectionStatements;
pub(crate) use subscriptions::SubscriptionStatements;
pub(crate) use tagging::TaggingStatements;
pub(crate) use tasks::TaskStatements;

/// The schema's name in the SQL files, with which they can be read and run as they are.
const WRITTEN: &str = "evercore";

/// All statements, with the configured schema in place of the written one.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    pub(crate) append: Statement,
    pub(crate) append_one: Statement,
    pub(crate) command_log: CommandLogStatements,
    pub(crate) declare_unique: Statement,
    pub(crate) find_commit: Statement,
    pub(crate) find_by_idempotency_key: Statement,
    pub(crate) frontier: Statement,
    pub(crate) give_up: Statement,
    pub(crate) holders: Statement,
    pub(crate) inspection: InspectionStatements,
    pub(crate) load: Statement,
    pub(crate) notify: Statement,
    pub(crate) read_correlated: Statement,
    pub(crate) read_history: Statement,
    pub(crate) read_log: Statement,
    pub(crate) read_matching: Statement,
    pub(crate) read_tagged: Statement,
    pub(crate) read_types: Statement,
    pub(crate) record_claimed: Statement,
    pub(crate) reserve_ids: Statement,
    pub(crate) store_aggregate_types: Statement,
    pub(crate) store_event_types: Statement,
    pub(crate) subscriptions: SubscriptionStatements,
    pub(crate) tasks: TaskStatements,
    pub(crate) tagging: TaggingStatements,
}

/// One statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement(Arc<str>);

impl Statements {
    pub(crate) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        Self {
            append: statement(include_str!("append.sql")),
            append_one: statement(include_str!("append_one.sql")),
            command_log: CommandLogStatements::new(schema),
            declare_unique: statement(include_str!("declare_unique.sql")),
            find_commit: statement(include_str!("find_commit.sql")),
            find_by_idempotency_key: statement(include_str!("find_by_idempotency_key.sql")),
            frontier: statement(include_str!("frontier.sql")),
            give_up: statement(include_str!("give_up.sql")),
            holders: statement(include_str!("holders.sql")),
            inspection: InspectionStatements::new(schema),
            load: statement(include_str!("load.sql")),
            notify: statement(include_str!("notify.sql")),
            read_correlated: statement(include_str!("read_correlated.sql")),
            read_history: statement(include_str!("read_history.sql")),
            read_log: statement(include_str!("read_log.sql")),
            read_matching: statement(include_str!("read_matching.sql")),
            read_tagged: statement(include_str!("read_tagged.sql")),
            read_types: statement(include_str!("read_types.sql")),
            record_claimed: statement(include_str!("record_claimed.sql")),
            reserve_ids: statement(include_str!("reserve_ids.sql")),
            store_aggregate_types: statement(include_str!("store_aggregate_types.sql")),
            store_event_types: statement(include_str!("store_event_types.sql")),
            subscriptions: SubscriptionStatements::new(schema),
            tasks: TaskStatements::new(schema),
            tagging: TaggingStatements::new(schema),
        }
    }
}

impl Statement {
    /// Renders a statement without its comments, since monitoring shows only the beginning of a statement.
    pub(crate) fn new(sql: &str, schema: &Schema) -> Self {
        let lines: Vec<_> =
            sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        Self(render(&lines.join("\n"), schema).into())
    }

    /// Returns the SQL for the driver. It consists of the engine's own files and a checked schema name.
    pub(crate) fn sql(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(Arc::clone(&self.0))
    }
}

/// Puts the configured schema into SQL that is written for `evercore`.
pub(crate) fn render(sql: &str, schema: &Schema) -> String {
    let mut parts = sql.split(WRITTEN);
    let mut rendered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_longer_word = part.starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric());
        rendered.push_str(if is_longer_word { WRITTEN } else { schema.as_ref() });
        rendered.push_str(part);
    }
    rendered
}

#[cfg(test)]
mod tests;
