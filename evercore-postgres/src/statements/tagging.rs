//! Holds the statements about declarations and about tags that are given to older events.

use super::Statement;
use crate::options::Schema;

/// The statements, rendered for the schema.
#[derive(Clone, Debug)]
pub(crate) struct TaggingStatements {
    pub(crate) add_tags: Statement,
    pub(crate) appending: Statement,
    pub(crate) begin: Statement,
    pub(crate) declare: Statement,
    pub(crate) last_position: Statement,
    pub(crate) read_declared: Statement,
}

impl TaggingStatements {
    pub(super) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        Self {
            add_tags: statement(include_str!("tagging/add_tags.sql")),
            appending: statement(include_str!("tagging/appending.sql")),
            begin: statement(include_str!("tagging/begin.sql")),
            declare: statement(include_str!("tagging/declare.sql")),
            last_position: statement(include_str!("tagging/last_position.sql")),
            read_declared: statement(include_str!("tagging/read_declared.sql")),
        }
    }
}
