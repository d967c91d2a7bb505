//! Retries decisions. A commit is a serializable transaction, and PostgreSQL refuses some of them even if they share no
//! event with another.

use std::convert::Infallible;

use disintegrate::DecisionError;
use disintegrate_postgres::Error;

/// The SQLSTATE of a refused serializable transaction.
const SERIALIZATION_FAILURE: &str = "40001";

/// Makes a decision, and retries it on conflict. The error's documentation allows a retry, but the package itself does
/// not retry.
pub(crate) async fn until_made<T, F>(make: impl Fn() -> F) -> anyhow::Result<()>
where
    F: Future<Output = Result<T, DecisionError<Infallible>>>,
{
    loop {
        match make().await {
            Ok(_) => return Ok(()),
            Err(DecisionError::StateStore(error)) if is_conflict(&*error) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_conflict(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    match error.downcast_ref() {
        Some(Error::Concurrency) => true,
        // Statements other than the commit return PostgreSQL's error unchanged.
        Some(Error::Database(error)) => {
            let code = error.as_database_error().and_then(|error| error.code());
            code.as_deref() == Some(SERIALIZATION_FAILURE)
        }
        _ => false,
    }
}
