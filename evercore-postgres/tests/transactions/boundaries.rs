//! Rows of user code that rest on a boundary.

use evercore::{Apply, Boundary, EventMeta, event};
use evercore_postgres::PostgresContext;
use sqlx::AssertSqlSafe;

use crate::{Bank, BankError};

#[event(tags(month))]
struct Closed {
    month: u32,
}

/// Whether the books of a month are closed.
#[derive(Boundary, Default)]
#[boundary(key(month: u32), events(Closed))]
struct Books {
    closed: bool,
}

impl Apply<Closed> for Books {
    fn apply(&mut self, _: &Closed, _: &EventMeta) {
        self.closed = true;
    }
}

#[tokio::test]
async fn rows_that_rest_on_a_boundary_are_checked_without_an_event() {
    let mut bank = Bank::new("tx_boundary").await;
    let insert = format!("INSERT INTO {}.balances VALUES (1, 7)", bank.schema);
    let rival = bank.store.detached();
    let book = bank.store.with_transaction(async |ctx: &mut PostgresContext| {
        if ctx.read(Books::of(7_u32)).await?.closed {
            return Err(BankError::Refused);
        }
        rival.with_context(async |ctx| ctx.emit(Closed { month: 7 })).await?;
        sqlx::query(AssertSqlSafe(&*insert)).execute(&mut **ctx.transaction()).await?;
        Ok(())
    });
    // The second run finds the books closed.
    assert!(matches!(book.await, Err(BankError::Refused)));
    let count = format!("SELECT count(*) FROM {}.balances", bank.schema);
    let rows: i64 =
        sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut bank.sql).await.expect("a number");
    assert_eq!(rows, 0);
}
