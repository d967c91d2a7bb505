//! Cuts a transaction with rows of the user's own, which ends with three statements and a COMMIT.

use std::sync::atomic::{AtomicUsize, Ordering};

use evercore::Error;
use evercore_postgres::PostgresContext;
use sqlx::AssertSqlSafe;

use crate::proxy::{Cut, Passed, Side};
use crate::{Counted, Counter, Outcomes, Tapped, cuts, execute};

/// Set to `all` to cut after every byte. By default, the last bytes are all tried, and one in nine of the others.
const CUTS_VARIABLE: &str = "EVERCORE_CUTS";

/// The bytes of `CommandComplete` and `ReadyForQuery`.
const ANSWER_TO_COMMIT: usize = 12 + 6;

/// More bytes than COMMIT or its answer has.
const END: usize = 30;

fn is_tried(cut: Cut, passed: Passed) -> bool {
    let bytes = match cut.side {
        Side::Request => passed.request,
        Side::Answer => passed.answer,
    };
    let is_all = std::env::var(CUTS_VARIABLE).is_ok_and(|value| value == "all");
    is_all || cut.after + END >= bytes || cut.after.is_multiple_of(9)
}

impl Tapped {
    /// Commits a number together with a row. A cut is made after the closure.
    async fn transact(&self, cut: Option<Cut>, number: i64) -> Result<(), Error> {
        let insert = format!("INSERT INTO {}.notes VALUES ($1)", self.schema);
        let runs = AtomicUsize::new(0);
        let done = self.store.with_transaction(async |ctx: &mut PostgresContext| {
            let mut counter = ctx.load::<Counter>(self.counter).await?;
            ctx.apply(&mut counter, Counted { number })?;
            sqlx::query(AssertSqlSafe(insert.as_str()))
                .bind(number)
                .execute(&mut **ctx.transaction())
                .await
                .map_err(|error| Error::storage("insert a note", error))?;
            match cut {
                Some(cut) => self.proxy.arm(cut),
                None => _ = self.proxy.disarm(),
            }
            runs.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>(())
        });
        let done = done.await;
        assert_eq!(runs.into_inner(), 1, "there is no other writer");
        done
    }

    async fn passes_for_a_transaction(&self, number: i64) -> Passed {
        self.transact(None, number).await.expect("nothing is cut");
        self.transact(None, number + 1).await.expect("nothing is cut");
        self.proxy.passed()
    }
}

#[tokio::test]
async fn a_transaction_that_is_cut_anywhere_lands_once_with_its_rows() {
    let mut tapped = Tapped::new("cuts_transaction").await;
    let table = format!("CREATE TABLE {}.notes (number bigint)", tapped.schema);
    execute(&mut tapped.sql, table).await;
    let passed = tapped.passes_for_a_transaction(1).await;
    let mut number = 2;
    let mut outcomes = Outcomes::default();
    let cuts = cuts(passed);
    for cut in cuts.iter().copied().filter(|cut| is_tried(*cut, passed)) {
        match tapped.transact(Some(cut), number + 1).await {
            Ok(()) => outcomes.landed += 1,
            Err(Error::Unavailable { .. }) => {
                outcomes.refused += 1;
                tapped.transact(None, number + 1).await.expect("it connects anew");
            }
            Err(error) => panic!("{cut:?}: {error:?}"),
        }
        // Warms up the new connection.
        tapped.transact(None, number + 2).await.expect("nothing is cut");
        number += 2;
    }
    println!("{passed:?}: {outcomes:?}");
    // If the server has answered COMMIT and the answer was cut, the transaction is stored.
    assert!(outcomes.landed >= ANSWER_TO_COMMIT - 1, "{outcomes:?}");
    assert!(outcomes.refused > outcomes.landed, "{outcomes:?}");
    let landed = tapped.landed(number).await;
    assert!(landed.iter().all(|times| *times == 1), "each number once: {landed:?}");
    let notes = format!("SELECT number FROM {}.notes ORDER BY number", tapped.schema);
    let notes: Vec<i64> =
        sqlx::query_scalar(AssertSqlSafe(notes)).fetch_all(&mut tapped.sql).await.expect("numbers");
    assert_eq!(notes, Vec::from_iter(1..=number), "each row once");
}
