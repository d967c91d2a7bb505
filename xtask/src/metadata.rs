//! Reads cargo's metadata of the workspace.

use serde_json::Value;

use crate::command::{Failure, cargo};

/// Returns the crates of the workspace.
pub(crate) fn packages() -> Result<Vec<Value>, Failure> {
    let json = cargo("metadata --format-version 1 --no-deps").output()?;
    let mut metadata: Value = serde_json::from_slice(&json)
        .map_err(|error| Failure(format!("cannot read cargo's metadata: {error}")))?;
    match metadata["packages"].take() {
        Value::Array(packages) => Ok(packages),
        _ => Err(Failure("cargo's metadata name no packages".to_owned())),
    }
}
