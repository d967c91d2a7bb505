//! Dependencies between the crates run one way: engines and tools → `evercore` → nothing of ours but its macros.

use serde_json::Value;

use crate::command::Failure;
use crate::metadata;

/// What each published crate may name among its dependencies, of ours and of databases' drivers.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("evercore-derive", &[]),
    ("evercore", &["evercore-derive"]),
    ("evercore-memory", &["evercore"]),
    ("evercore-opentelemetry", &["evercore"]),
    ("evercore-postgres", &["evercore", "sqlx"]),
    ("evercore-sqlite", &["evercore", "sqlx"]),
    ("evercore-testing", &["evercore", "evercore-memory"]),
    ("evercore-tower", &["evercore"]),
];

pub(crate) fn check() -> Result<(), Failure> {
    let packages = metadata::packages()?;
    let mut faults = Vec::new();
    for (name, allowed) in ALLOWED {
        let Some(package) = packages.iter().find(|package| package["name"] == name) else {
            faults.push(format!("the crate `{name}` is gone; correct the list in xtask"));
            continue;
        };
        for dependency in layered_dependencies(package) {
            if !allowed.contains(&dependency) {
                faults.push(format!("`{name}` must not depend on `{dependency}`"));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure(faults.join("; "))) }
}

/// The normal dependencies that have a layer: our own crates, and whatever does I/O on a database.
fn layered_dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    dependencies
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|name| name.starts_with("evercore") || name.starts_with("sqlx"))
}
