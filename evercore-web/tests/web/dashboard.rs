//! The dashboard shows what is exported, all of it and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use evercore::Result;
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use serde_json::Value;

const DASHBOARD: &str = include_str!("../../grafana/evercore.json");

/// Returns the expressions of all panels, and of the panels in them.
fn expressions(panels: &Value) -> Vec<String> {
    let panels = panels.as_array().map(Vec::as_slice).unwrap_or_default();
    let of_panel = |panel: &Value| {
        let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let own = targets.iter().filter_map(|target| target["expr"].as_str().map(str::to_owned));
        own.chain(expressions(&panel["panels"])).collect::<Vec<_>>()
    };
    panels.iter().flat_map(of_panel).collect()
}

/// Returns the names of metrics in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("evercore_"))
}

#[tokio::test]
async fn the_dashboard_shows_each_metric_and_nothing_else() -> Result<()> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let expressions = expressions(&dashboard["panels"]);
    assert!(expressions.len() >= 10, "{expressions:?}");
    let shown: BTreeSet<_> = expressions.iter().flat_map(|expression| names(expression)).collect();

    let folder = tempfile::tempdir().expect("a folder");
    let engine =
        SqliteEngine::open(folder.path().join("lamps.db"), SqliteOptions::default()).await?;
    let read = super::metrics::scraped(Arc::new(engine)).await?;
    for name in &shown {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .any(|family| read.families.get(family).is_some_and(|kind| kind == "histogram"));
        let is_plain = read.families.get(*name).is_some_and(|kind| kind != "histogram");
        assert!(of_histogram || is_plain, "`{name}` is not exported");
    }
    for (family, kind) in &read.families {
        let is_shown = match &**kind {
            "histogram" => shown.contains(&*format!("{family}_bucket")),
            _ => shown.contains(&**family),
        };
        assert!(is_shown, "`{family}` is not on the dashboard");
    }
    Ok(())
}
