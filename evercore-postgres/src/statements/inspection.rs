//! Holds the SQL of inspections, rendered for the engine's schema.

use super::Statement;
use crate::options::Schema;

/// All statements of inspections.
#[derive(Clone, Debug)]
pub(crate) struct InspectionStatements {
    pub(crate) aggregates: Statement,
    pub(crate) commits: Statement,
    pub(crate) events: Statement,
    pub(crate) keys: Statement,
    pub(crate) last_given: Statement,
    pub(crate) parked: Statement,
    pub(crate) positions: Statement,
    pub(crate) subscriptions: Statement,
    pub(crate) tag_index: Statement,
    pub(crate) unindexed: Statement,
}

impl InspectionStatements {
    pub(crate) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        Self {
            aggregates: statement(include_str!("inspection/aggregates.sql")),
            commits: statement(include_str!("inspection/commits.sql")),
            events: statement(include_str!("inspection/events.sql")),
            keys: statement(include_str!("inspection/keys.sql")),
            last_given: statement(include_str!("inspection/last_given.sql")),
            parked: statement(include_str!("inspection/parked.sql")),
            positions: statement(include_str!("inspection/positions.sql")),
            subscriptions: statement(include_str!("inspection/subscriptions.sql")),
            tag_index: statement(include_str!("inspection/tag_index.sql")),
            unindexed: statement(include_str!("inspection/unindexed.sql")),
        }
    }
}
