//! A store that is idle while its server crashes.

use std::time::Duration;

use evercore::Position;

use crate::{count, open, server};

#[tokio::test]
async fn a_store_that_rested_while_the_server_was_restarted_notices_nothing() {
    let mut server = server(&["fsync=off"]);
    let store = open(&server).await;
    let counters = [
        count(&store, None, 1).await.expect("it lands"),
        count(&store, None, 1).await.expect("it lands"),
    ];
    server.crash().unwrap_or_else(|failure| panic!("{failure}"));
    // Not a wait for a condition: the server stays away for this long.
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.restart().unwrap_or_else(|failure| panic!("{failure}"));

    let (first, second) =
        tokio::join!(count(&store, Some(counters[0]), 2), count(&store, Some(counters[1]), 2));
    first.and(second).expect("it connects anew");
    let page = store.read_log(Position::START, 10).await.expect("it connects anew");
    assert_eq!(page.events.len(), 4);
}
