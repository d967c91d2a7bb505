//! Runs coverage-guided fuzzing.

use std::path::Path;

use crate::command::{Failure, cargo};
use crate::tools;

/// The limits for an input: memory for a few of the largest payloads that can be inflated, the time, and the length.
const LIMITS: &str = "-rss_limit_mb=2048 -timeout=10 -max_len=65536";

/// Runs each target, or only one, for so many minutes.
pub(crate) fn run(minutes: u64, only: Option<&str>) -> Result<(), Failure> {
    let path = tools::FUZZ.path()?;
    let targets = targets()?;
    if let Some(only) = only
        && !targets.iter().any(|target| target == only)
    {
        return Err(Failure(format!(
            "there is no target `{only}`; there are {}",
            targets.join(", ")
        )));
    }
    let chosen = targets.iter().filter(|target| only.is_none_or(|only| only == *target));
    for target in chosen {
        let seconds = minutes.saturating_mul(60);
        cargo(&format!("+nightly fuzz run {target} -- -max_total_time={seconds} {LIMITS}"))
            .env_os("PATH", &path)
            .run()
            .map_err(|failure| Failure(format!("{failure}\n{}", what_to_do(target))))?;
    }
    Ok(())
}

fn what_to_do(target: &str) -> String {
    format!(
        "If the run found a fault: fix it, and keep the input in fuzz/corpus/{target}. If there is no nightly compiler: \
         `rustup toolchain install nightly`."
    )
}

/// Returns the names of the targets.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = Path::new("fuzz/fuzz_targets");
    let unreadable = |error| Failure(format!("cannot read {}: {error}", folder.display()));
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        targets.extend(file.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    targets.sort();
    Ok(targets)
}
