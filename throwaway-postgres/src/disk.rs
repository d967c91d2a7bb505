//! Mounts a small disk, for tests that fill it.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::user::User;
use crate::{Failure, run, step};

/// A file system in memory, of a given size. It is removed when this is dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    watcher: Child,
}

impl Disk {
    /// Mounts a disk for the user that servers run as.
    ///
    /// # Errors
    /// [`Failure::Step`] if this process may not mount anything, with nothing left behind.
    pub fn mount(bytes: u64) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("throwaway-disk-")
            .tempdir()
            .map_err(|error| step("make a folder", error))?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=700"), "tmpfs"]);
        mount.arg(folder.path());
        run("mount a disk", mount)?;
        let watcher = watch(folder.path());
        // From here on, the watcher removes the folder.
        let disk = Self { path: folder.keep(), watcher: watcher? };
        if let Some(User { uid, gid }) = User::for_server()? {
            chown(&disk.path, Some(uid), Some(gid))
                .map_err(|error| step("give the disk away", error))?;
        }
        Ok(disk)
    }

    /// Returns the folder where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // An error cannot be reported from here.
        let _: Result<_, _> = self.watcher.wait();
    }
}

/// Starts the process that removes the disk once the pipe to it closes.
fn watch(folder: &Path) -> Result<Child, Failure> {
    const CLEAN_UP: &str = r#"
        cat
        umount --lazy "$1"
        rmdir "$1"
    "#;
    let mut watcher = Command::new("sh");
    watcher
        .args(["-c", CLEAN_UP, "sh"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Its own process group protects it from signals to the terminal's foreground processes.
    std::os::unix::process::CommandExt::process_group(&mut watcher, 0);
    watcher.spawn().map_err(|error| step("start the watcher", error))
}
