//! The snapshot policy that the derive generates.

use evercore::{Aggregate, Fingerprint};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Default)]
#[aggregate(name = "without-snapshots")]
struct Without;

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(name = "with-snapshots", snapshot_every = 100)]
struct With {
    balance: i64,
}

/// The same shape with another name and place, and with a comment.
mod same {
    use super::{Aggregate, Deserialize, Serialize};

    #[derive(Aggregate, Default, Serialize, Deserialize)]
    #[aggregate(name = "same-shape", snapshot_every = 7, snapshot_version = 1)]
    pub(super) struct Renamed {
        /** In cents. */
        pub(super) balance: i64,
    }
}

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(name = "next-version", snapshot_every = 100)]
#[aggregate(snapshot_version = 2)]
struct NextVersion {
    balance: i64,
}

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(name = "other-shape", snapshot_every = 100)]
struct OtherShape {
    balance: u64,
}

fn fingerprint<T: Aggregate>() -> Fingerprint {
    T::SNAPSHOTS.expect("it takes snapshots").fingerprint()
}

#[test]
fn snapshots_are_taken_only_when_asked_for() {
    assert!(Without::SNAPSHOTS.is_none());
    assert_eq!(With::SNAPSHOTS.expect("it takes snapshots").every().get(), 100);
}

#[test]
fn a_fingerprint_tells_shapes_and_versions_apart_and_nothing_else() {
    assert_eq!(fingerprint::<With>(), fingerprint::<same::Renamed>());
    assert_ne!(fingerprint::<With>(), fingerprint::<NextVersion>());
    assert_ne!(fingerprint::<With>(), fingerprint::<OtherShape>());
    let states = (With::default(), same::Renamed::default(), NextVersion::default());
    assert_eq!([states.0.balance, states.1.balance, states.2.balance], [0; 3]);
    assert_eq!(OtherShape::default().balance, 0);
}
