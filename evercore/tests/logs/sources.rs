//! No crate hides the causes of a failure: errors are logged as `Report`s, with all causes.

use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 11] = [
    "evercore",
    "evercore-conformance",
    "evercore-memory",
    "evercore-opentelemetry",
    "evercore-postgres",
    "evercore-process",
    "evercore-services",
    "evercore-sqlite",
    "evercore-testing",
    "evercore-tower",
    "evercore-web",
];

const MACROS: [&str; 5] = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];

/// Names of errors. A field with such a name would be shown without its causes.
const ERRORS: [&str; 6] = ["error", "source", "lost", "conflict", "failure", "problem"];

#[test]
fn errors_are_logged_with_their_causes() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a workspace");
    let (mut hiding, mut calls) = (Vec::new(), 0);
    for path in CRATES.iter().flat_map(|name| sources(&workspace.join(name).join("src"))) {
        let source = fs::read_to_string(&path).expect("it can be read");
        for call in logging(&source) {
            calls += 1;
            if hides_causes(call) {
                hiding.push(format!("{}: {call}", path.display()));
            }
        }
    }
    assert!(calls > 40, "the sources are not where they were");
    assert!(hiding.is_empty(), "log `error = %Report::new(&error)`: {hiding:#?}");
}

#[test]
fn a_log_line_that_hides_causes_is_found() {
    for (call, hides) in [
        (r#"warn!(%error, "no")"#, true),
        (r#"warn!(subscription = %name, %error, "no")"#, true),
        (r#"debug!(error = %lost, "no")"#, true),
        (r#"debug!(error = ?error, "no")"#, true),
        (r#"warn!(error = %Report::new(&error), "no")"#, false),
        (r#"warn!(error, "a text with all causes")"#, false),
    ] {
        assert_eq!(logging(call).map(hides_causes).collect::<Vec<_>>(), [hides], "{call}");
    }
}

/// Returns the calls of logging macros.
fn logging(source: &str) -> impl Iterator<Item = &str> {
    let starts = MACROS.iter().flat_map(|name| source.match_indices(name));
    // `assert_error!(` is not a logging macro.
    let is_whole = |at: &usize| !source[..*at].ends_with('_');
    starts.map(|(at, _)| at).filter(is_whole).map(|at| {
        let call = &source[at..];
        &call[..call.find(";\n").unwrap_or(call.len())]
    })
}

fn hides_causes(call: &str) -> bool {
    // Only the part before the message.
    let fields = call.split(" \"").next().unwrap_or(call);
    fields.split([',', '(']).map(str::trim).any(|field| {
        let value = field.split_once('=').map_or(field, |(_, value)| value.trim());
        let shown = value.strip_prefix('%').or_else(|| value.strip_prefix('?'));
        shown.is_some_and(|shown| ERRORS.contains(&shown))
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
