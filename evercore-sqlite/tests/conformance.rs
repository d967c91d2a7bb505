//! The engine keeps every promise, in a file and in memory.

#[path = "harness/file.rs"]
mod harness;

mod file {
    use evercore_sqlite::SqliteOptions;
    use evercore_testing::conformance;

    use super::harness::File;

    fn file() -> File {
        File::new(SqliteOptions::default())
    }

    conformance!(file());

    mod transactional {
        use super::file;

        evercore_testing::transactional_conformance!(file());
    }

    mod random {
        use super::file;

        evercore_testing::state_machine!(file());
        evercore_testing::concurrent_histories!(file());
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

    impl Memory {
        async fn open(&self) -> Result<Arc<SqliteEngine>> {
            let open =
                async || SqliteEngine::in_memory(SqliteOptions::default()).await.map(Arc::new);
            Ok(Arc::clone(self.0.get_or_try_init(open).await?))
        }
    }

    #[async_trait]
    impl Harness for Memory {
        async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
            Ok(self.open().await?)
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
            self.open().await
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

    mod random {
        use super::Memory;

        evercore_testing::state_machine!(Memory::default());
        evercore_testing::concurrent_histories!(Memory::default());
    }
}
