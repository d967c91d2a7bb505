//! The answer to a commit names the position of each of its events, also where events of other commits lie between.

use evercore::{CommitOutcome, Error, IdempotencyKey, Position};
use sqlx::{AssertSqlSafe, Row};

use crate::log::{Counted, Counter, Log, execute};

#[tokio::test]
async fn each_event_of_a_commit_has_its_position_in_the_answer() {
    let log = Log::new("positions_of_events").await;
    let store = log.store(1).await;
    let ids = store
        .with_context(async |ctx| {
            Ok::<_, Error>([
                ctx.create::<Counter>().await?.id(),
                ctx.create::<Counter>().await?.id(),
            ])
        })
        .await
        .expect("there is no other writer");
    draw_between(&log).await;

    let mut landed = Vec::new();
    for (first, second) in [(1, 0), (3, 0), (2, 2), (0, 5)] {
        let (_, committed) = store
            .with_context_committed(async |ctx| {
                for (id, count) in ids.iter().zip([first, second]) {
                    let mut counter = ctx.load::<Counter>(*id).await?;
                    for _ in 0..count {
                        ctx.apply(&mut counter, Counted)?;
                    }
                }
                Ok::<_, Error>(())
            })
            .await
            .expect("there is no other writer");
        landed.push((committed.expect("it has events"), first + second));
    }

    let mut sql = log.sql().await;
    let rows = format!("SELECT position FROM {}.events ORDER BY position", log.schema);
    let rows = sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut sql).await.expect("numbers");
    let mut rows = rows.iter().map(|row| Position::new(row.get(0)).expect("a position"));
    for (committed, events) in &landed {
        let stored: Vec<_> = rows.by_ref().take(*events).collect();
        assert_eq!(committed.positions.iter().collect::<Vec<_>>(), stored);
        assert!(stored.windows(2).all(|pair| pair[1].get() == pair[0].get() + 2), "{stored:?}");
        let found = store.find_commit(committed.id).await.expect("the server answers");
        assert_eq!(found, CommitOutcome::Landed(committed.clone()));
    }
}

#[tokio::test]
async fn a_repeated_request_names_the_positions_of_the_first() {
    let log = Log::new("positions_of_requests").await;
    let store = log.store(1).await;
    draw_between(&log).await;
    let key = IdempotencyKey::new("request").expect("a key");
    let request = || {
        store.once_committed(key.clone(), async |ctx| {
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply(&mut counter, Counted)?;
            ctx.apply(&mut counter, Counted)?;
            Ok::<_, Error>(())
        })
    };
    let first = request().await.expect("it lands");
    let again = request().await.expect("it has landed");
    assert!(again.is_repetition());
    assert_eq!(first.positions(), again.positions());
    assert_eq!(first.positions().iter().map(Position::get).collect::<Vec<_>>(), [1, 3]);
}

/// Makes each position follow the one before it at a distance, as if a commit of another process had drawn one between.
async fn draw_between(log: &Log) {
    let sql = format!("ALTER SEQUENCE {}.event_positions INCREMENT BY 2", log.schema);
    execute(&mut log.sql().await, sql).await;
}
