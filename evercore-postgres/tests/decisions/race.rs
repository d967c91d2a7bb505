//! Clients of several stores that all want the only seat of a course, one course after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evercore::{Error, EventStore};
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;

use crate::courses::{Seats, Seen, Subscribed};
use crate::crowd::Schema;

const CLIENTS: usize = 16;
const STORES: usize = 4;

/// Gives out the seats of this many courses, and returns the number of courses with more than one student.
pub(crate) async fn overfilled(schema: &Schema, courses: usize) -> i64 {
    let full = Arc::<AtomicUsize>::default();
    let mut clients = JoinSet::new();
    for _ in 0..STORES {
        let store = schema.store().await;
        for _ in 0..CLIENTS / STORES {
            clients.spawn(race(store.clone(), Arc::clone(&full), courses));
        }
    }
    clients.join_all().await;
    let sql = format!(
        "SELECT count(*) FROM (
             SELECT FROM {}.event_log GROUP BY payload->>'course' HAVING count(*) > 1
         ) AS overfilled",
        schema.name
    );
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(&mut schema.sql().await)
        .await
        .expect("the payloads are JSON")
}

async fn race(store: EventStore, full: Arc<AtomicUsize>, courses: usize) {
    loop {
        let course = full.load(Ordering::Relaxed);
        if course >= courses {
            return;
        }
        let name = course.to_string();
        let took = store
            .with_context(async |ctx| {
                let seats = ctx.read(Seats::of(name.as_str())).await?;
                if seats.taken > 0 {
                    return Ok(false);
                }
                let seen = Some(Seen { of_course: 0, of_student: 0 });
                ctx.emit(Subscribed { course: name.clone(), student: name.clone(), seen })?;
                Ok::<_, Error>(true)
            })
            .await
            .expect("it is tried again after a conflict");
        if took {
            full.fetch_max(course + 1, Ordering::Relaxed);
        }
    }
}
