//! Checks that dependencies between the crates run one way: engines and tools → `evercore` → none of the workspace but
//! its macros. An engine depends on the driver of its own database, and the core on none.

use serde_json::Value;

use crate::command::Failure;
use crate::metadata;

/// The crates of the workspace, and the drivers of databases, that each published crate may depend on.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("evercore-derive", &[]),
    ("evercore", &["evercore-derive"]),
    ("evercore-conformance", &["evercore", "evercore-testing"]),
    ("evercore-memory", &["evercore"]),
    ("evercore-opentelemetry", &["evercore"]),
    ("evercore-postgres", &["evercore", "sqlx"]),
    ("evercore-process", &["evercore"]),
    ("evercore-services", &["evercore"]),
    ("evercore-sqlite", &["evercore", "rusqlite", "sqlx"]),
    ("evercore-testing", &["evercore", "evercore-process"]),
    ("evercore-tower", &["evercore"]),
    ("evercore-web", &["evercore"]),
];

/// Drivers of databases and of message brokers, by the beginnings of their names.
const DRIVERS: [&str; 10] = [
    "async-nats",
    "deadpool-postgres",
    "diesel",
    "libsql",
    "libsqlite3-sys",
    "postgres",
    "redis",
    "rusqlite",
    "sqlx",
    "tokio-postgres",
];

pub(crate) fn check() -> Result<(), Failure> {
    let faults = faults(&metadata::packages()?);
    if faults.is_empty() { Ok(()) } else { Err(Failure(faults.join("; "))) }
}

fn faults(packages: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, allowed) in ALLOWED {
        let Some(package) = packages.iter().find(|package| package["name"] == name) else {
            faults.push(format!("the crate `{name}` does not exist; correct the list in xtask"));
            continue;
        };
        for dependency in layered_dependencies(package) {
            if !allowed.contains(&dependency) {
                faults.push(format!("`{name}` must not depend on `{dependency}`"));
            }
        }
    }
    faults
}

/// Returns the normal dependencies that have a layer: crates of the workspace, and drivers.
fn layered_dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    dependencies
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|name| {
            let is_driver = DRIVERS.iter().any(|driver| name.starts_with(driver));
            name.starts_with("evercore") || is_driver
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_driver_in_the_core_is_found() {
        let mut packages = metadata::packages().unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(faults(&packages), [] as [String; 0]);
        let core = packages.iter_mut().find(|package| package["name"] == "evercore");
        let dependencies = &mut core.expect("it is there")["dependencies"];
        let planted = json!({ "name": "rusqlite", "kind": null });
        dependencies.as_array_mut().expect("it has some").push(planted);
        assert_eq!(faults(&packages), ["`evercore` must not depend on `rusqlite`"]);
    }
}
