//! Reads cargo's metadata of the workspace.

use std::path::PathBuf;

use serde_json::Value;

use crate::command::{Failure, cargo};

/// Returns the crates of the workspace.
pub(crate) fn packages() -> Result<Vec<Value>, Failure> {
    match metadata()?["packages"].take() {
        Value::Array(packages) => Ok(packages),
        _ => Err(Failure("cargo's metadata name no packages".to_owned())),
    }
}

/// Returns the folder that cargo builds into.
pub(crate) fn target_directory() -> Result<PathBuf, Failure> {
    match metadata()?["target_directory"].take() {
        Value::String(folder) => Ok(folder.into()),
        _ => Err(Failure("cargo's metadata name no target folder".to_owned())),
    }
}

fn metadata() -> Result<Value, Failure> {
    let json = cargo("metadata --format-version 1 --no-deps").output()?;
    serde_json::from_slice(&json)
        .map_err(|error| Failure(format!("cannot read cargo's metadata: {error}")))
}
