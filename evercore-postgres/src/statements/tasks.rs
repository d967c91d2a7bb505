//! Holds the SQL of tasks, rendered for the engine's schema.

use super::Statement;
use crate::options::Schema;

/// All statements of tasks.
#[derive(Clone, Debug)]
pub(crate) struct TaskStatements {
    pub(crate) claim: Statement,
    pub(crate) die: Statement,
    pub(crate) discard_dead: Statement,
    pub(crate) discard_waiting: Statement,
    pub(crate) fail: Statement,
    pub(crate) find_dead_key: Statement,
    pub(crate) find_key: Statement,
    pub(crate) find_task: Statement,
    pub(crate) hasten: Statement,
    pub(crate) look: Statement,
    pub(crate) page_of_dead: Statement,
    pub(crate) pause: Statement,
    pub(crate) queues: Statement,
    pub(crate) read_dead: Statement,
    pub(crate) read_discarded: Statement,
    pub(crate) read_live: Statement,
    pub(crate) release: Statement,
    pub(crate) renew: Statement,
    pub(crate) resume: Statement,
    pub(crate) revive: Statement,
}

impl TaskStatements {
    pub(crate) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        Self {
            claim: statement(include_str!("tasks/claim.sql")),
            die: statement(include_str!("tasks/die.sql")),
            discard_dead: statement(include_str!("tasks/discard_dead.sql")),
            discard_waiting: statement(include_str!("tasks/discard_waiting.sql")),
            fail: statement(include_str!("tasks/fail.sql")),
            find_dead_key: statement(include_str!("tasks/find_dead_key.sql")),
            find_key: statement(include_str!("tasks/find_key.sql")),
            find_task: statement(include_str!("tasks/find_task.sql")),
            hasten: statement(include_str!("tasks/hasten.sql")),
            look: statement(include_str!("tasks/look.sql")),
            page_of_dead: statement(include_str!("tasks/page_of_dead.sql")),
            pause: statement(include_str!("tasks/pause.sql")),
            queues: statement(include_str!("tasks/queues.sql")),
            read_dead: statement(include_str!("tasks/read_dead.sql")),
            read_discarded: statement(include_str!("tasks/read_discarded.sql")),
            read_live: statement(include_str!("tasks/read_live.sql")),
            release: statement(include_str!("tasks/release.sql")),
            renew: statement(include_str!("tasks/renew.sql")),
            resume: statement(include_str!("tasks/resume.sql")),
            revive: statement(include_str!("tasks/revive.sql")),
        }
    }
}
