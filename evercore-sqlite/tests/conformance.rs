//! The engine keeps every promise, in a file and in memory.

mod file {
    use std::sync::Arc;

    use async_trait::async_trait;
    use evercore::engine::StorageEngine;
    use evercore::{BoxError, Result};
    use evercore_sqlite::{SqliteEngine, SqliteOptions};
    use evercore_testing::{Durability, Harness, SqlHarness, SqlTransaction, conformance};
    use sqlx::AssertSqlSafe;
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

    #[async_trait]
    impl SqlHarness for File {
        type Engine = SqliteEngine;

        const HOLDS_WRITERS_BACK: bool = true;

        async fn open(&self) -> Result<Arc<SqliteEngine>> {
            let path = self.0.path().join("log.db");
            Ok(Arc::new(SqliteEngine::open(path, SqliteOptions::default()).await?))
        }

        fn table(&self) -> String {
            "effects".to_owned()
        }

        async fn execute(
            &self,
            transaction: &mut SqlTransaction<Self>,
            sql: &str,
        ) -> Result<(), BoxError> {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction).await?;
            Ok(())
        }

        async fn numbers(
            &self,
            transaction: &mut SqlTransaction<Self>,
            sql: &str,
        ) -> Result<Vec<i64>, BoxError> {
            Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut **transaction).await?)
        }

        async fn clean_up(&self) -> Result<()> {
            Ok(())
        }
    }

    conformance!(File(tempfile::tempdir().expect("a temporary folder")));

    mod transactional {
        use super::File;

        evercore_testing::transactional_conformance!(File(
            tempfile::tempdir().expect("a temporary folder")
        ));
    }

    mod machine {
        use super::File;

        evercore_testing::state_machine!(File(tempfile::tempdir().expect("a temporary folder")));
    }
}

mod memory {
    use std::sync::Arc;

    use async_trait::async_trait;
    use evercore::engine::StorageEngine;
    use evercore::{BoxError, Result};
    use evercore_sqlite::{SqliteEngine, SqliteOptions};
    use evercore_testing::{Durability, Harness, SqlHarness, SqlTransaction, conformance};
    use sqlx::AssertSqlSafe;
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

    #[async_trait]
    impl SqlHarness for Memory {
        type Engine = SqliteEngine;

        const HOLDS_WRITERS_BACK: bool = true;

        async fn open(&self) -> Result<Arc<SqliteEngine>> {
            let open =
                async || SqliteEngine::in_memory(SqliteOptions::default()).await.map(Arc::new);
            Ok(Arc::clone(self.0.get_or_try_init(open).await?))
        }

        fn table(&self) -> String {
            "effects".to_owned()
        }

        async fn execute(
            &self,
            transaction: &mut SqlTransaction<Self>,
            sql: &str,
        ) -> Result<(), BoxError> {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction).await?;
            Ok(())
        }

        async fn numbers(
            &self,
            transaction: &mut SqlTransaction<Self>,
            sql: &str,
        ) -> Result<Vec<i64>, BoxError> {
            Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut **transaction).await?)
        }

        async fn clean_up(&self) -> Result<()> {
            Ok(())
        }
    }

    conformance!(Memory::default());

    mod transactional {
        use super::Memory;

        evercore_testing::transactional_conformance!(Memory::default());
    }

    mod machine {
        use super::Memory;

        evercore_testing::state_machine!(Memory::default());
    }
}
