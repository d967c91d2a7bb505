//! Packs every crate that is published and builds it from what it packs, also from a checkout with changes.

use std::fs::remove_dir_all;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::command::{Failure, Running, cargo};
use crate::metadata;

/// Goes on beside what comes next, and takes what that leaves of the processors: most tests wait.
pub(crate) struct Packing {
    cargo: Running,
    target: String,
}

impl Packing {
    /// In a target folder that was never used: cargo keeps what it unpacks under the folder's path and the crate's
    /// version, and would build the crates of an earlier run.
    pub(crate) fn start() -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let target = format!("target/package-{now}");
        let left_out: Vec<_> = metadata::packages()?
            .iter()
            // The registries that it may go to: none.
            .filter(|package| package["publish"].as_array().is_some_and(Vec::is_empty))
            .filter_map(|package| Some(format!(" --exclude {}", package["name"].as_str()?)))
            .collect();
        let cargo = cargo(&format!(
            "package --workspace{} --allow-dirty --quiet --target-dir {target}",
            left_out.concat()
        ))
        // What is packed does not know the workspace's profiles, and nobody runs what is built.
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
        // Nothing in it is of use to anyone.
        let _: io::Result<()> = remove_dir_all(&self.target);
    }
}
