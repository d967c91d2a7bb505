//! Packages every published crate as `cargo publish` does, in the order of their dependencies, and builds it from the
//! package, even from a checkout with changes.

use std::fs::remove_dir_all;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::command::{Cargo, cargo};

/// A packaging run, in a folder that it removes.
pub(crate) struct Packing {
    target: String,
}

impl Packing {
    /// Chooses an unused target folder: cargo keeps what it unpacks under the folder's path and the crate's version,
    /// and would build the crates of an earlier run.
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self { target: format!("target/package-{now}") }
    }

    pub(crate) fn command(&self) -> Cargo {
        let words = format!(
            "publish --dry-run --workspace --allow-dirty --quiet --target-dir {}",
            self.target
        );
        // The packages do not see the workspace's profiles, and the built programs are never run, so debug information
        // is left out; nor is anything built again.
        cargo(&words).env("CARGO_PROFILE_DEV_DEBUG", "none").env("CARGO_INCREMENTAL", "0")
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        // The folder is not needed any more.
        let _: io::Result<()> = remove_dir_all(&self.target);
    }
}
