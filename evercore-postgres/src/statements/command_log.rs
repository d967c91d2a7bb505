//! Holds the SQL of the command log, rendered for the engine's schema.

use evercore::engine::CommandsRequest;

use super::Statement;
use crate::options::Schema;

const LIST: &str = include_str!("command_log/list.sql");

/// All statements of the command log.
#[derive(Clone, Debug)]
pub(crate) struct CommandLogStatements {
    pub(crate) find: Statement,
    pub(crate) prune: Statement,
    by_correlation: Statement,
    by_aggregate: Statement,
    by_command: Statement,
    of_rejected: Statement,
    by_time: Statement,
}

impl CommandLogStatements {
    pub(crate) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        let by = |optional, condition| Statement::new(&led_by(optional, condition), schema);
        Self {
            find: statement(include_str!("command_log/find.sql")),
            prune: statement(include_str!("command_log/prune.sql")),
            by_correlation: by(
                "($1::text IS NULL OR l.correlation_id = $1)",
                "l.correlation_id = $1::text",
            ),
            by_aggregate: by(
                "($2::bigint IS NULL OR l.aggregate_id = $2)",
                "l.aggregate_id = $2::bigint",
            ),
            by_command: by("($3::text IS NULL OR l.command = $3)", "l.command = $3::text"),
            of_rejected: by(
                "($4::boolean IS NULL OR (l.rejection IS NOT NULL) = $4)",
                "(l.rejection IS NOT NULL AND $4::boolean)",
            ),
            by_time: statement(LIST),
        }
    }

    /// Returns the statement that lists outcomes by the index of the condition that few of them meet.
    pub(crate) const fn list(&self, request: &CommandsRequest) -> &Statement {
        if request.correlation_id.is_some() {
            &self.by_correlation
        } else if request.aggregate_id.is_some() {
            &self.by_aggregate
        } else if matches!(request.is_rejected, Some(true)) {
            &self.of_rejected
        } else if request.command.is_some() {
            &self.by_command
        } else {
            &self.by_time
        }
    }
}

/// Makes an optional condition of the list required.
fn led_by(optional: &str, condition: &str) -> String {
    assert!(LIST.contains(optional), "BUG: the list has no condition `{optional}`");
    LIST.replace(optional, condition)
}
