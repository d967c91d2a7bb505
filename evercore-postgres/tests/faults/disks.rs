//! Full disks: that of the tables, and that of the whole server.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use throwaway_postgres::{Binaries, Disk, Failure, Server};

use crate::storm::Storm;
use crate::{connect, done, execute, server};

const MEBIBYTE: u64 = 1024 * 1024;

/// A file that fills a disk until it is removed.
struct Ballast(PathBuf);

impl Ballast {
    fn fill(disk: &Disk) -> Self {
        let path = disk.path().join("ballast");
        let mut file = File::create(&path).expect("there is some room");
        // Fills the disk to the last page.
        for length in [MEBIBYTE, 4096] {
            let zeros = vec![0; usize::try_from(length).expect("a small number")];
            while file.write_all(&zeros).is_ok() {}
        }
        Self(path)
    }

    fn remove(self) {
        std::fs::remove_file(self.0).expect("it is there");
    }
}

/// Mounts a small disk, if the machine allows it.
fn disk(mebibytes: u64) -> Option<Disk> {
    match Disk::mount(mebibytes * MEBIBYTE) {
        Ok(disk) => Some(disk),
        Err(failure @ Failure::Step { .. }) => {
            println!("LEFT OUT: a full disk, since none can be mounted: {failure}");
            None
        }
        Err(failure) => panic!("{failure}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_report_a_full_disk_until_there_is_room() {
    let Some(disk) = disk(24) else { return };
    let server = server(&["fsync=off"]);
    let mut sql = connect(&server).await;
    let place = disk.path().display();
    execute(&mut sql, &format!("CREATE TABLESPACE small LOCATION '{place}'")).await;
    execute(&mut sql, "ALTER DATABASE postgres SET default_tablespace = 'small'").await;
    let storm = Storm::start(&server.url()).await;
    for _ in 0..2 {
        storm.rage().await;
        let ballast = Ballast::fill(&disk);
        storm.until_interrupted().await;
        ballast.remove();
    }
    storm.rage().await;
    let tally = storm.end_well().await;
    assert!(tally.full() > 0, "the control: the disk was never full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_disk_was_full_has_lost_nothing() {
    let Some(disk) = disk(160) else { return };
    let small = ["fsync=off", "max_wal_size=32MB", "min_wal_size=32MB"];
    let mut server =
        done(Binaries::find().and_then(|found| Server::start_on(&disk, &found, &small)));
    let storm = Storm::start(&server.url()).await;
    storm.rage().await;
    let ballast = Ballast::fill(&disk);
    storm.until_interrupted().await;
    ballast.remove();
    // If the write-ahead log had no room, the server has stopped.
    tokio::task::block_in_place(|| {
        let _: Result<(), Failure> = server.crash();
        done(server.restart());
    });
    storm.rage().await;
    let tally = storm.end_well().await;
    assert!(tally.interrupted() > 0, "the control: no client has noticed anything");
}
