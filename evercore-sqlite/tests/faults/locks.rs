//! Locks that others of the same process must not end: closing any file ends all locks that the process has on it.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use evercore_sqlite::SqliteOptions;

use crate::bank::{open, open_accounts};

/// How many locks the kernel knows on the file.
///
/// The kernel counts its way to where the part that is asked for begins, so a lock is passed over when one before it
/// ends between two parts. Hence parts as large as it gives, a page each, and the most of several readings.
fn locks(path: &Path) -> usize {
    let inode = format!(":{} ", path.metadata().expect("it is there").ino());
    let read = || {
        let list = File::open("/proc/locks").expect("Linux has it");
        let lines = BufReader::with_capacity(1 << 16, list).lines();
        lines.map(|line| line.expect("it is text")).filter(|line| line.contains(&inode)).count()
    };
    (0..10).map(|_| read()).max().expect("ten readings")
}

#[tokio::test]
async fn a_second_store_in_the_process_ends_no_lock_of_the_first() {
    // Not in memory, where each process may have its own numbers.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bank.db");
    let first = open(&path, SqliteOptions::default()).await.expect("it opens");
    open_accounts(&first, 0, 1).await.expect("it commits");
    let before = locks(&path);
    assert!(before > 0, "a store that is open has a lock, or others take its files away");
    let second = open(&path, SqliteOptions::default()).await.expect("it opens");
    assert!(locks(&path) >= before);
    second.close().await.expect("it closes");
    assert!(locks(&path) >= before);
    // The control.
    drop(File::open(&path).expect("it opens"));
    assert_eq!(locks(&path), 0);
}
