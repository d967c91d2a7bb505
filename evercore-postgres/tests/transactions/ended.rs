//! A transaction that is ended by its closure is detected.

use evercore::Error;
use evercore_postgres::PostgresContext;

use super::{Account, Bank, BankError, Deposited};

/// Applies an event, and executes these statements in the transaction.
async fn meddle(bank: &Bank, statements: &'static [&'static str]) -> Result<(), BankError> {
    bank.store
        .with_transaction(async |ctx: &mut PostgresContext| {
            let mut account = ctx.load_or_create::<Account>("ada").await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            for &statement in statements {
                // Errors of the statements are ignored, as careless code does.
                let _: Result<_, sqlx::Error> =
                    sqlx::raw_sql(statement).execute(&mut **ctx.transaction()).await;
            }
            Ok::<_, BankError>(())
        })
        .await
}

#[tokio::test]
async fn nothing_lands_in_a_transaction_that_its_closure_has_ended() {
    let mut bank = Bank::new("tx_ended").await;
    let endings: [&[&str]; 5] = [
        &["COMMIT"],
        &["ROLLBACK"],
        &["COMMIT", "BEGIN"],
        &["ROLLBACK; BEGIN ISOLATION LEVEL READ COMMITTED"],
        &["SELECT 1 / 0"],
    ];
    for ending in endings {
        let refused = meddle(&bank, ending).await;
        assert!(
            matches!(refused, Err(BankError::Store(Error::TransactionEnded))),
            "{ending:?}: {refused:?}"
        );
    }
    assert_eq!(bank.balances("ada").await, (None, None));
    // The ended transaction does not affect later ones.
    bank.deposit("ada", 7).await.expect("the connections are as they were");
    assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
}

#[tokio::test]
async fn savepoints_of_the_closure_are_allowed() {
    let mut bank = Bank::new("tx_savepoints").await;
    let statements =
        &["SAVEPOINT mine", "SELECT 1 / 0", "ROLLBACK TO mine", "RELEASE mine", "SELECT 1"];
    meddle(&bank, statements).await.expect("the transaction is the same one");
    bank.deposit("ada", 7).await.expect("it lands");
    assert_eq!(bank.balances("ada").await, (Some(8), Some(8)));
}
