//! A subscription whose handler writes in the transaction that settles its batch, over connections that are cut all the
//! time.

use std::time::Duration;

use evercore::{Batch, BoxError, Expected, Stream};
use evercore_postgres::PostgresContext;
use sqlx::AssertSqlSafe;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::proxy::{Cut, Side};
use crate::{Counted, Counter, Tapped, execute};

const EVENTS: i64 = 150;

/// The number of bytes between two cuts: more than it takes to connect, and without small factors.
const BETWEEN: usize = 3_001;

/// Each cut comes this many bytes later than the previous one, so that they hit different parts of the protocol.
const LATER: usize = 61;

#[tokio::test]
async fn a_handler_in_a_transaction_takes_effect_once_however_often_it_is_cut() {
    let mut tapped = Tapped::new("cuts_settlement").await;
    let table = format!("CREATE TABLE {}.handled (number bigint)", tapped.schema);
    execute(&mut tapped.sql, table).await;
    for number in 1..=EVENTS {
        let stream = Stream::Id(tapped.counter);
        let append = tapped.store.append::<Counter, _>(stream, Expected::Any, [Counted { number }]);
        append.await.expect("nothing is cut");
    }

    let insert = format!("INSERT INTO {}.handled VALUES ($1)", tapped.schema);
    let handler = async |ctx: &mut PostgresContext, batch: Batch| {
        for event in &batch {
            let Counted { number } = event.decode()?;
            sqlx::query(AssertSqlSafe(insert.as_str()))
                .bind(number)
                .execute(&mut **ctx.transaction())
                .await?;
        }
        Ok::<_, BoxError>(())
    };
    let (store, proxy) = (tapped.store.clone(), &tapped.proxy);
    let subscription = store.subscription("handled").batch_size(1);
    let progress = subscription.progress();
    let stop = CancellationToken::new();
    let work = subscription.stop_on(stop.clone()).run_in_transaction(handler);
    let cut_it = async {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut cuts = 0;
        let mut after = BETWEEN;
        while progress.status().handled <= EVENTS.unsigned_abs() {
            assert!(Instant::now() < deadline, "after {cuts} cuts: {:?}", progress.status());
            let side = if cuts % 2 == 0 { Side::Request } else { Side::Answer };
            if proxy.arm_again(Cut { side, after }) {
                cuts += 1;
                after += LATER;
            }
            // Polling without a pause would slow the worker down.
            sleep(Duration::from_millis(1)).await;
        }
        proxy.disarm();
        stop.cancel();
        cuts
    };
    let (ended, cuts) = tokio::join!(work, cut_it);
    ended.expect("no cut is a reason to end");
    println!("{cuts} cuts");
    assert!(cuts > 20, "the control: only {cuts} cuts");

    let numbers = format!("SELECT number FROM {}.handled", tapped.schema);
    let numbers: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(numbers))
        .fetch_all(&mut tapped.sql)
        .await
        .expect("numbers");
    assert_eq!(numbers, Vec::from_iter(0..=EVENTS), "each event once, and in order");
}
