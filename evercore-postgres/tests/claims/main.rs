//! Claims begin where the one before has found the first task that was due, and overlook none for long.

use std::time::Duration;

use evercore::engine::{ClaimRequest, StorageEngine, StoredTask};
use evercore::task::QueueName;
use evercore::{Error, EventStore, Result, task};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};

#[task(queue = "errands")]
struct Errand {}

async fn claim(engine: &PostgresEngine, limit: u32) -> Result<Vec<StoredTask>> {
    let queue = QueueName::new("errands")?;
    let (owner, lease) = ("the owner".to_owned(), Duration::from_secs(600));
    let tasks = engine.tasks().expect("it has tasks");
    Ok(tasks.claim(&ClaimRequest { queue, owner, lease, limit }).await?.tasks)
}

#[tokio::test]
async fn a_task_that_is_due_before_the_last_claim_is_claimed() -> Result<()> {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let options: PostgresOptions = url.parse().expect("a URL");
    let options = options.schema("claims_late").expect("a schema name");
    let engine = PostgresEngine::open(options).await?;
    let store = EventStore::builder().open(engine.clone()).await?;
    store
        .with_context(async |ctx| {
            (0..5).try_for_each(|_| ctx.enqueue(Errand {}).map(drop))?;
            Ok::<_, Error>(())
        })
        .await?;
    // A claim of all that it may claim, and one of less.
    for (limit, expected) in [(2, 2), (5, 3), (5, 0)] {
        assert_eq!(claim(&engine, limit).await?.len(), expected);
    }

    // As if its commit had taken an hour.
    store.enqueue(Errand {}).await?;
    let mut connection = PgConnection::connect(&url).await.expect("the server answers");
    let delayed = sqlx::query(
        "UPDATE claims_late.tasks SET due = due - interval '1 hour' WHERE token IS NULL",
    )
    .execute(&mut connection)
    .await
    .expect("there is one");
    assert_eq!(delayed.rows_affected(), 1);
    let claimed = timeout(Duration::from_secs(30), async {
        loop {
            let claimed = claim(&engine, 5).await?;
            if !claimed.is_empty() {
                return Ok::<_, Error>(claimed.len());
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(claimed.await.expect("it is not overlooked for ever")?, 1);
    Ok(())
}
