//! What is made again: a commit is a serializable transaction, and PostgreSQL also turns down one that has no event in common
//! with another.

use std::convert::Infallible;

use disintegrate::DecisionError;
use disintegrate_postgres::Error;

/// The state that PostgreSQL gives such a transaction.
const SERIALIZATION_FAILURE: &str = "40001";

/// Makes a decision until it is not in the way of another. The error says that it may be made anew; nothing in the package
/// does so.
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
        // From any statement but the commit it comes as it is.
        Some(Error::Database(error)) => {
            let code = error.as_database_error().and_then(|error| error.code());
            code.as_deref() == Some(SERIALIZATION_FAILURE)
        }
        _ => false,
    }
}
