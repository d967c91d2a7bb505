//! Long pages of the log.

use evercore::{Expected, Position, Stream};
use sqlx::AssertSqlSafe;

use super::{Counted, Counter, Log, execute};

impl Log {
    /// Draws positions that will never be used, like those of a transaction that is rolled back.
    async fn skip_positions(&self, count: usize) {
        let mut writer = Self::connect(&self.url).await;
        let sql = format!(
            "SELECT nextval('{}.event_positions') FROM generate_series(1, {count})",
            self.schema
        );
        execute(&mut writer, sql).await;
    }

    async fn append_many(&self, count: usize) {
        let events = (0..count).map(|_| Counted);
        let appended =
            self.store.append::<Counter, _>(Stream::Id(self.fast), Expected::Any, events).await;
        appended.expect("any sequence will do");
    }

    async fn positions(&self) -> Vec<i64> {
        let mut reader = Self::connect(&self.url).await;
        let sql = format!("SELECT position FROM {}.events ORDER BY position", self.schema);
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut reader).await.expect("numbers")
    }
}

#[tokio::test]
async fn long_pages_lead_over_unused_positions() {
    let log = Log::new("frontier_pages").await;
    for (events, unused) in [(150, 300), (700, 10), (30, 900), (400, 1), (1, 5_000), (450, 0)] {
        log.append_many(events).await;
        log.skip_positions(unused).await;
    }
    let all = log.positions().await;
    let last = *all.last().expect("they were written");

    for limit in [400, 401, 1_000] {
        let (mut found, mut after) = (Vec::new(), Position::START);
        loop {
            let page = log.store.read_log(after, limit).await.expect("it can be read");
            assert!(page.events.len() <= usize::try_from(limit).expect("small"));
            found.extend(page.events.iter().map(|event| event.position().get()));
            assert_eq!(found.last(), Some(&page.end.get()), "a page ends with its last event");
            assert_eq!(page.at_end, page.end.get() == last, "pages of {limit}, at {}", page.end);
            after = page.end;
            if page.at_end {
                break;
            }
        }
        assert_eq!(found, all, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_long_page_ends_before_an_open_writer() {
    for (before, behind) in [(10, 600), (300, 300), (600, 10)] {
        let log = Log::new("frontier_long_page").await;
        log.append_many(before).await;
        let mut writer = log.slow_writer().await;
        log.append_many(behind).await;

        let page = log.store.read_log(Position::START, 1_000).await.expect("it can be read");
        assert_eq!((page.events.len(), page.at_end), (2 + before, true));
        execute(&mut writer, "COMMIT".to_owned()).await;
        let page = log.store.read_log(page.end, 1_000).await.expect("it can be read");
        assert_eq!((page.events.len(), page.at_end), (1 + behind, true));
        assert_eq!(page.events[0].aggregate_id(), log.slow);
    }
}
