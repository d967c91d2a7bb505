//! A pooler that loses its server reports a protocol violation, 08P01, and closes the connection.

use std::time::Duration;

use evercore::{Batch, Error, Expected, Position, Stream};
use tokio::time::{Instant, sleep};

use crate::proxy::{Cut, Side};
use crate::{Counted, Counter, Tapped};

const NEXT_REQUEST: Cut = Cut { side: Side::Request, after: 0 };

/// Encodes a `FATAL` error with this code as a server message.
fn fatal(code: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0Mserver conn crashed?\0\0");
    let length = u32::try_from(4 + fields.len()).expect("it is short");
    [b"E", length.to_be_bytes().as_slice(), fields.as_bytes()].concat()
}

#[tokio::test]
async fn the_error_of_a_pooler_that_lost_its_server_is_retryable() {
    let mut tapped = Tapped::new("cuts_pooler").await;
    tapped.proxy.say_before_cuts(fatal("08P01"));

    tapped.proxy.arm(NEXT_REQUEST);
    let error = tapped.store.read_log(Position::START, 10).await.expect_err("it was cut");
    assert!(matches!(error, Error::Unavailable { .. }) && error.is_retryable(), "{error:?}");
    tapped.store.read_log(Position::START, 10).await.expect("nothing is cut");

    tapped.proxy.arm(NEXT_REQUEST);
    let stream = Stream::Id(tapped.counter);
    let append = tapped.store.append::<Counter, _>(stream, Expected::Any, [Counted { number: 1 }]);
    let error = append.await.expect_err("it was cut");
    assert!(matches!(error, Error::Unavailable { .. }) && error.is_retryable(), "{error:?}");
    assert_eq!(tapped.landed(1).await, [1, 0]);
}

#[tokio::test]
async fn a_worker_goes_on_when_a_pooler_has_lost_its_server() {
    let tapped = Tapped::new("cuts_pooler_worker").await;
    tapped.proxy.say_before_cuts(fatal("08P01"));
    let worker = tapped.store.subscription("all").spawn(async |_: Batch| Ok::<_, Error>(()));
    let worker = worker.expect("a name");
    for number in 1..=5 {
        let stream = Stream::Id(tapped.counter);
        let append = tapped.store.append::<Counter, _>(stream, Expected::Any, [Counted { number }]);
        append.await.expect("nothing is cut");
        tapped.proxy.arm(NEXT_REQUEST);
        let deadline = Instant::now() + Duration::from_secs(20);
        // Wait for the created event, for these ones, and for the cut.
        while worker.status().handled <= number.unsigned_abs() || !tapped.proxy.is_cut() {
            assert!(Instant::now() < deadline, "{:?}", worker.status());
            assert!(!worker.is_finished(), "it has ended: {:?}", worker.status());
            sleep(Duration::from_millis(1)).await;
        }
    }
    worker.shutdown().await.expect("no cut is a reason to end");
}
