//! The engine keeps every promise, both in a file and in memory.

#[path = "harness/database.rs"]
mod harness;

mod file {
    use evercore_conformance::conformance;
    use evercore_sqlite::SqliteOptions;

    use super::harness::{Database, File};

    fn file() -> Database<File> {
        Database::in_file(SqliteOptions::default())
    }

    conformance!(file());

    mod transactional {
        use super::file;

        evercore_conformance::transactional_conformance!(file());
    }

    mod random {
        use super::file;

        evercore_conformance::state_machine!(file());
        evercore_conformance::concurrent_histories!(file());
    }
}

mod memory {
    use std::sync::Arc;

    use async_trait::async_trait;
    use evercore::Result;
    use evercore_conformance::{Durability, conformance};
    use evercore_sqlite::{SqliteEngine, SqliteOptions};
    use tokio::sync::OnceCell;

    use super::harness::{Database, Place};

    /// An in-memory database belongs to one engine, so all users share that engine.
    #[derive(Debug)]
    struct Memory(OnceCell<Arc<SqliteEngine>>);

    #[async_trait]
    impl Place for Memory {
        const DURABILITY: Durability = Durability::Process;

        async fn open(&self) -> Result<Arc<SqliteEngine>> {
            let open =
                async || SqliteEngine::in_memory(SqliteOptions::default()).await.map(Arc::new);
            Ok(Arc::clone(self.0.get_or_try_init(open).await?))
        }
    }

    fn memory() -> Database<Memory> {
        Database(Memory(OnceCell::new()))
    }

    conformance!(memory());

    mod transactional {
        use super::memory;

        evercore_conformance::transactional_conformance!(memory());
    }

    mod random {
        use super::memory;

        evercore_conformance::state_machine!(memory());
        evercore_conformance::concurrent_histories!(memory());
    }
}
