//! The engine keeps every promise, in a file and in memory.

mod file {
    use std::sync::Arc;

    use async_trait::async_trait;
    use evercore::Result;
    use evercore::engine::StorageEngine;
    use evercore_sqlite::{SqliteEngine, SqliteOptions};
    use evercore_testing::{Durability, Harness, conformance};
    use tempfile::TempDir;

    #[derive(Debug)]
    struct File(TempDir);

    #[async_trait]
    impl Harness for File {
        async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
            let path = self.0.path().join("log.db");
            Ok(Arc::new(SqliteEngine::open(path, SqliteOptions::default()).await?))
        }

        fn durability(&self) -> Durability {
            Durability::Disk
        }

        async fn clean_up(&self) -> Result<()> {
            Ok(())
        }
    }

    conformance!(File(tempfile::tempdir().expect("a temporary folder")));
}

mod memory {
    use std::sync::Arc;

    use async_trait::async_trait;
    use evercore::Result;
    use evercore::engine::StorageEngine;
    use evercore_sqlite::{SqliteEngine, SqliteOptions};
    use evercore_testing::{Durability, Harness, conformance};
    use tokio::sync::OnceCell;

    /// The database is one engine's alone, so all share it.
    #[derive(Debug, Default)]
    struct Memory(OnceCell<Arc<SqliteEngine>>);

    #[async_trait]
    impl Harness for Memory {
        async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
            let open =
                async || SqliteEngine::in_memory(SqliteOptions::default()).await.map(Arc::new);
            let engine: Arc<SqliteEngine> = Arc::clone(self.0.get_or_try_init(open).await?);
            Ok(engine)
        }

        fn durability(&self) -> Durability {
            Durability::Process
        }

        async fn clean_up(&self) -> Result<()> {
            Ok(())
        }
    }

    conformance!(Memory::default());
}
