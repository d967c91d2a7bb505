//! Gives user code connections that read its own tables beside the store, and that never write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::engine::timeout;
use evercore::error::OpenProblem;
use evercore::{Error, Result};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;
use tracing::warn;

use crate::blocking::current;
use crate::database::Database;

/// The pool for the reads of user code, opened when it is first asked for.
#[derive(Debug)]
pub(crate) struct ReadPool {
    database: Arc<Database>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Unopened,
    Open(SqlitePool),
    Closed,
}

impl ReadPool {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database, state: Mutex::new(State::Unopened) }
    }

    pub(crate) fn get(&self) -> Result<SqlitePool> {
        let mut state = self.state();
        match &*state {
            State::Open(pool) => Ok(pool.clone()),
            State::Closed => Err(Error::Closed),
            State::Unopened => {
                let pool = self.open()?;
                *state = State::Open(pool.clone());
                Ok(pool)
            }
        }
    }

    fn open(&self) -> Result<SqlitePool> {
        let Some(connecting) = self.database.reading_options() else {
            let (database, problem) = (self.database.name().to_owned(), OpenProblem::InMemory);
            return Err(Error::CannotOpen { database, problem, source: None });
        };
        // The pool needs a runtime for its own tasks.
        current()?;
        let (options, database) = (self.database.options(), Arc::clone(&self.database));
        let pool = SqlitePoolOptions::new()
            .max_connections(options.get_readers())
            .acquire_timeout(options.get_busy_timeout())
            .after_connect(move |_, _| {
                let in_place = database.check_in_place();
                Box::pin(async {
                    in_place.map_err(|error| sqlx::Error::Configuration(error.into()))
                })
            });
        Ok(pool.connect_lazy_with(connecting))
    }

    /// Closes the connections, and waits for those that user code holds, up to the busy timeout.
    pub(crate) async fn close(&self) {
        let former = std::mem::replace(&mut *self.state(), State::Closed);
        let State::Open(pool) = former else { return };
        let patience = self.database.options().get_busy_timeout();
        if timeout(patience, pool.close()).await.is_err() {
            let (database, connections) = (self.database.name(), pool.size());
            warn!(
                database,
                connections,
                "connections of the read pool are still in use; each is closed when it is given back"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
