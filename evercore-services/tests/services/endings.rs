//! The result of a run.

use evercore::Report;
use evercore_services::{EndedBadly, ServicesError};

/// Returns the services that have ended badly.
pub(crate) fn ended(result: Result<(), ServicesError>) -> EndedBadly {
    match result {
        Err(ServicesError::Ended(ended)) => ended,
        other => panic!("some services should have ended badly: {other:?}"),
    }
}

/// Shows an error with its causes.
pub(crate) fn shown(error: &ServicesError) -> String {
    Report::new(error).to_string()
}
