//! An observer is told how far the frontier is behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evercore::observer::{Observation, Observer};

use super::{Log, execute};

/// The last distance of the frontier.
#[derive(Debug)]
struct Distance(AtomicU64);

impl Observer for Distance {
    fn observe(&self, observation: &Observation<'_>) {
        if let Observation::Frontier { behind } = *observation {
            self.0.store(behind, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn an_open_writer_shows_in_the_distance_of_the_frontier() {
    let log = Log::new("frontier_observed").await;
    let distance = Arc::new(Distance(AtomicU64::new(u64::MAX)));
    let observer: Arc<dyn Observer> = Arc::clone(&distance) as _;
    log.store.engine().observe(observer);
    let read = async || {
        log.shown().await;
        distance.0.load(Ordering::SeqCst)
    };
    assert_eq!(read().await, 0);

    let mut writer = log.slow_writer().await;
    log.overtake().await;
    log.overtake().await;
    assert_eq!(read().await, 3, "the writer's position, and two after it");

    execute(&mut writer, "COMMIT".to_owned()).await;
    assert_eq!(read().await, 0);
}
