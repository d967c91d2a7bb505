//! Holds the SQL of the command log, rendered for the engine's schema.

use super::Statement;
use crate::options::Schema;

/// All statements of the command log.
#[derive(Clone, Debug)]
pub(crate) struct CommandLogStatements {
    pub(crate) find: Statement,
    pub(crate) list: Statement,
    pub(crate) prune: Statement,
}

impl CommandLogStatements {
    pub(crate) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        Self {
            find: statement(include_str!("command_log/find.sql")),
            list: statement(include_str!("command_log/list.sql")),
            prune: statement(include_str!("command_log/prune.sql")),
        }
    }
}
