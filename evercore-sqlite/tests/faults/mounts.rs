//! Real file systems that are full or read-only. These tests need the privilege to mount one; without it, they print a
//! note and pass.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use evercore::Error;
use evercore::error::OpenProblem;
use evercore_sqlite::SqliteOptions;
use tempfile::TempDir;

use crate::bank::{Problem, open, open_accounts};
use crate::disk::Disk;
use crate::full::says_that_it_is_full;
use crate::operations::{Operation, Trial};

const SIZE: u64 = 2 << 20;
const BLOCK: u64 = 4096;

/// A small file system in memory.
struct Mount {
    at: TempDir,
}

impl Mount {
    fn new() -> Option<Self> {
        let at = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "evercore"])
            .arg(at.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { at });
        }
        eprintln!(
            "LEFT OUT: this user may not mount a file system, so no real one is full or read-only"
        );
        None
    }

    fn path(&self) -> &Path {
        self.at.path()
    }

    fn make_read_only(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status();
        assert!(
            done.expect("there is a `mount`").success(),
            "it was mounted, and cannot be remounted"
        );
    }

    /// Fills the file system except for this many blocks.
    fn fill(&self, but: usize) -> PathBuf {
        let path = self.path().join("filler");
        let mut filler = File::create(&path).expect("it can be created");
        let block = vec![7; usize::try_from(BLOCK).expect("small")];
        let mut blocks = 0_u64;
        while filler.write_all(&block).is_ok() {
            blocks += 1;
        }
        let kept = blocks.saturating_sub(u64::try_from(but).expect("small"));
        filler.set_len(kept * BLOCK).expect("it can be cut");
        path
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A thread of a store may still have a file open.
        let ended = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(ended.is_ok_and(|status| status.success()), "it cannot be unmounted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_is_full_leaves_nothing_half() {
    let operations = [
        Operation::Open,
        Operation::Create,
        Operation::Append,
        Operation::Rename,
        Operation::Transact,
        Operation::Close,
    ];
    for operation in operations {
        let (mut found, mut refused) = (Vec::new(), 0);
        for room in (0..).step_by(2) {
            let Some(mount) = Mount::new() else { return };
            let folder = tempfile::tempdir_in(mount.path()).expect("a folder");
            let mut trial = Trial::prepare_on(Disk::of(folder), operation).await;
            let filler = mount.fill(room);
            let done = trial.perform(operation).await;
            fs::remove_file(filler).expect("it was there");
            match &done {
                Ok(()) => {}
                Err(error) if says_that_it_is_full(error) => refused += 1,
                Err(error) => found.push(Problem::Unusable(format!("{operation:?}: {error:?}"))),
            }
            found.extend(trial.look(operation).await);
            drop(trial);
            if done.is_ok() {
                break;
            }
        }
        println!("{operation:?}: refused {refused} times");
        assert_eq!(found, [], "{operation:?}");
    }
}

#[tokio::test]
async fn a_read_only_file_system_is_told_as_such() {
    let Some(mount) = Mount::new() else { return };
    let path = mount.path().join("bank.db");
    let store = open(&path, SqliteOptions::default()).await.expect("it opens");
    open_accounts(&store, 0, 1).await.expect("it commits");
    store.close().await.expect("it closes");
    mount.make_read_only();
    let before = fs::read(&path).expect("it can be read");
    for path in [&path, &mount.path().join("new.db")] {
        let refused = open(path, SqliteOptions::default()).await.expect_err("it is read-only");
        assert!(
            matches!(refused, Error::CannotOpen { problem: OpenProblem::ReadOnly, .. }),
            "{refused:?}"
        );
    }
    assert_eq!(fs::read(&path).expect("it can be read"), before);
}
