//! Generates UUIDs without a system call for randomness each time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// Random numbers of this process: one that identifies it, and one at which its sequence starts.
struct Seed {
    process: u64,
    first: u64,
}

/// Generates a UUID of version 7: the time in milliseconds, then 64 bits that are unique within this process, and 10
/// bits that distinguish processes.
///
/// Two processes collide only if they have the same 10 bits and reach the same one of 2⁶⁴ numbers within the same
/// millisecond.
pub(super) fn uuid() -> Uuid {
    static SEED: OnceLock<Seed> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let seed = SEED.get_or_init(|| {
        let [process, first] =
            [Uuid::now_v7(), Uuid::now_v7()].map(|random| random.as_u64_pair().1);
        Seed { process, first }
    });
    let number = scattered(seed.first, COUNT.fetch_add(1, Ordering::Relaxed));
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    Builder::from_unix_timestamp_millis(millis, &around(seed.process, number)).into_uuid()
}

/// Returns the `count`th number of the sequence that starts at `first`: SplitMix64 (Steele, Lea, Flood: "Fast
/// Splittable Pseudorandom Number Generators", 2014). No two counts give the same number.
fn scattered(first: u64, count: u64) -> u64 {
    let mut number = first.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// Places the number in the bytes that a UUID keeps whole. The bytes that also hold its version and its variant come
/// from the process.
fn around(process: u64, number: u64) -> [u8; 10] {
    let ([a, b, ..], [first, rest @ ..]) = (process.to_le_bytes(), number.to_be_bytes());
    let mut bytes = [a, first, b, 0, 0, 0, 0, 0, 0, 0];
    bytes[3..].copy_from_slice(&rest);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn uuids_are_of_version_7_with_the_present_time() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let fresh = uuid();
        assert_eq!((fresh.get_version_num(), fresh.get_variant()), (7, uuid::Variant::RFC4122));
        let millis = fresh.as_u128() >> 80;
        assert!((before..before + 60_000).contains(&millis));
    }

    #[test]
    fn a_uuid_keeps_all_random_bits() {
        for number in (0..64).map(|bit| 1 << bit).chain([0, u64::MAX]) {
            let uuid = Builder::from_unix_timestamp_millis(0, &around(0, number)).into_uuid();
            let bytes = uuid.into_bytes();
            let kept = [
                bytes[7], bytes[9], bytes[10], bytes[11], bytes[12], bytes[13], bytes[14],
                bytes[15],
            ];
            assert_eq!(u64::from_be_bytes(kept), number);
        }
    }

    #[test]
    fn uuids_are_unique_across_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..20_000).map(|_| uuid()).collect::<Vec<_>>()))
            .collect();
        let all: Vec<_> =
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}
