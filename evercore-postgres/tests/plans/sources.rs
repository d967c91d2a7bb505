//! Finds every statement in the sources: SQL files beside the modules, and statements in functions of the migrations.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Returns a statement on one line, without comments.
pub(crate) fn flat(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let words = lines.flat_map(str::split_whitespace);
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the statements that are not among `seen`, which are flat.
pub(crate) fn left_out(seen: &BTreeSet<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files(&root.join("src")).into_iter().filter_map(|file| {
        let sql = flat(&std::fs::read_to_string(&file).expect("it is text"));
        let is_seen = !sql.contains("evercore.") || seen.contains(&sql);
        (!is_seen).then(|| file.display().to_string())
    });
    let migrations = root.join("migrations");
    let steps = files_of(&migrations).flat_map(|file| {
        let sql = std::fs::read_to_string(&file).expect("it is text");
        steps_of(&sql)
            .into_iter()
            .filter(|step| !seen.iter().any(|text| text.contains(step)))
            .map(|step| format!("{}: {step}", file.display()))
            .collect::<Vec<_>>()
    });
    files.chain(steps).collect()
}

/// Returns the statements that functions run on tables: each from the first table that it names, as far as needed to
/// distinguish it. The text before that may be rewritten when the statement runs.
fn steps_of(migration: &str) -> Vec<String> {
    const ENOUGH: usize = 60;
    let bodies = migration.split("$$").skip(1).step_by(2);
    let steps = bodies.map(flat).flat_map(|body| {
        body.split(';').flat_map(|step| step.split(" THEN ")).map(str::to_owned).collect::<Vec<_>>()
    });
    let steps = steps.filter_map(|step| {
        let starts = ["FROM evercore.", "JOIN evercore.", "INTO evercore.", "UPDATE evercore."];
        let start = starts.iter().filter_map(|start| step.find(start)).min()?;
        let own = &step[start..];
        let end = own.char_indices().nth(ENOUGH).map_or(own.len(), |(at, _)| at);
        Some(own[..end].trim().to_owned())
    });
    steps.filter(|step| !step.starts_with("INTO evercore.evercore_migrations")).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) = files_of(folder).partition(|path| path.is_dir());
    let is_sql = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sql");
    let inner = folders.iter().flat_map(|folder| self::files(folder));
    inner.chain(files.into_iter().filter(is_sql)).collect()
}

fn files_of(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the crate's source is there");
    entries.map(|entry| entry.expect("it can be read").path())
}
