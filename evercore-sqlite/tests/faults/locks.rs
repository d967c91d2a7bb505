//! File locks that other code of the process must not release: closing a file releases all locks of the process on it.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use evercore_sqlite::SqliteOptions;

use crate::bank::{open, open_accounts};

/// Returns the number of locks that the kernel has on the file.
///
/// The kernel skips a lock if an earlier one is released between two reads of its list. Therefore each read asks for as
/// much as the kernel returns, a page, and the result is the maximum of several readings.
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
    // Not in memory, where each process may have its own inode numbers.
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
