//! Packages every published crate and builds it from the package, even from a checkout with changes.

use std::fs::remove_dir_all;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::command::{Failure, Running, cargo};
use crate::metadata;

/// A packaging run in the background. It uses the processor time that the following chores leave: most tests wait.
pub(crate) struct Packing {
    cargo: Running,
    target: String,
}

impl Packing {
    /// Starts in an unused target folder: cargo keeps what it unpacks under the folder's path and the crate's version,
    /// and would build the crates of an earlier run.
    pub(crate) fn start() -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let target = format!("target/package-{now}");
        let left_out: Vec<_> = metadata::packages()?
            .iter()
            // An empty list of registries means that the crate is not published.
            .filter(|package| package["publish"].as_array().is_some_and(Vec::is_empty))
            .filter_map(|package| Some(format!(" --exclude {}", package["name"].as_str()?)))
            .collect();
        let cargo = cargo(&format!(
            "package --workspace{} --allow-dirty --quiet --target-dir {target}",
            left_out.concat()
        ))
        // The packages do not see the workspace's profiles, and the built programs are never run, so debug information
        // is left out.
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        .start()?;
        Ok(Self { cargo, target })
    }

    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.cargo.finish()
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        self.cargo.stop();
        // The folder is not needed any more.
        let _: io::Result<()> = remove_dir_all(&self.target);
    }
}
