//! Drops the futures of a store on PostgreSQL at each of their await points.

#[path = "harness/schema.rs"]
mod harness;

use async_trait::async_trait;
use evercore::BoxError;
use evercore_conformance::{CancellationHarness, cancellation};
use harness::Schema;

/// The number of connections that an engine keeps: one for reads, one for views and transactions, one for commits, one
/// for notifications.
const KEPT: i64 = 4;

fn schema() -> Schema {
    Schema::new("drops", "readers=1&writers=1")
}

#[async_trait]
impl CancellationHarness for Schema {
    fn url(&self) -> String {
        self.url()
    }

    async fn held(&self) -> Result<Vec<String>, BoxError> {
        let held = sqlx::query_scalar(include_str!("cancellation/held.sql"))
            .bind(&self.name)
            .bind(KEPT)
            .fetch_all(&mut *self.inspector().await?)
            .await?;
        Ok(held)
    }
}

cancellation!(schema());

mod transactional {
    use super::schema;

    evercore_conformance::transactional_cancellation!(schema());
}

mod closing {
    use std::time::Duration;

    use evercore::{Aggregate, Error, EventStore, state_event};
    use evercore_conformance::{CancellationHarness, Harness};
    use futures_util::FutureExt;
    use sqlx::{AssertSqlSafe, Connection, PgConnection};

    use super::schema;

    #[derive(Aggregate, Default)]
    #[aggregate(name = "thing")]
    struct Thing {
        number: i64,
    }

    #[state_event(aggregate = Thing, name = "happened")]
    struct Happened {
        number: i64,
    }

    async fn create(store: &EventStore) -> Result<(), Error> {
        store
            .with_context(async |ctx| {
                let mut thing = ctx.create::<Thing>().await?;
                ctx.apply(&mut thing, Happened { number: 1 })
            })
            .await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_close_after_one_that_was_dropped_waits_for_the_same_commits() {
        let schema = schema();
        let store = EventStore::connect(CancellationHarness::url(&schema)).await.expect("it opens");
        create(&store).await.expect("it lands");

        let mut blocker = PgConnection::connect(&schema.server).await.expect("the server is there");
        let lock = format!("BEGIN; LOCK TABLE {}.events IN ACCESS EXCLUSIVE MODE", schema.name);
        sqlx::raw_sql(AssertSqlSafe(lock))
            .execute(&mut blocker)
            .await
            .expect("no other session has the lock");
        let committing = tokio::spawn({
            let store = store.clone();
            async move { create(&store).await }
        });
        while !schema
            .held()
            .await
            .expect("the server answers")
            .iter()
            .any(|it| it.contains("active"))
        {
            tokio::task::yield_now().await;
        }

        assert!(store.close().now_or_never().is_none(), "a commit is under way");
        let early = tokio::time::timeout(Duration::from_millis(50), store.close()).await;
        assert!(early.is_err(), "a commit is still under way");
        sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.expect("the server is there");
        store.close().await.expect("it ends");
        committing.await.expect("no panic").expect("what was under way has landed");
        Harness::clean_up(&schema).await.expect("the schema can be dropped");
    }
}
