//! A store on a standby, before and after the standby is promoted.

use evercore::{AggregateId, Error, EventStore, Position};

use crate::{Counter, count, open, server};

async fn load(store: &EventStore, id: AggregateId) -> Result<i64, Error> {
    store.with_context(async |ctx| Ok(ctx.load::<Counter>(id).await?.state().0)).await
}

async fn load_in_a_view(store: &EventStore, id: AggregateId) -> Result<i64, Error> {
    store.with_readonly_context(async |ctx| Ok(ctx.load::<Counter>(id).await?.state().0)).await
}

#[tokio::test]
async fn a_standby_loads_and_refuses_the_log_until_it_is_promoted() {
    let primary = server(&["fsync=off"]);
    let id = count(&open(&primary).await, None, 7).await.expect("it lands");
    let mut standby = primary.standby().unwrap_or_else(|failure| panic!("{failure}"));
    let store = open(&standby).await;

    assert_eq!(load(&store, id).await.expect("a standby loads"), 7);
    assert_eq!(load_in_a_view(&store, id).await.expect("a standby loads"), 7);

    let report = store.verify().run().await.expect("a standby shows what it has");
    assert!(report.is_clean() && report.verified().events == 1, "{report}");

    let log = store.read_log(Position::START, 10).await;
    let in_a_view: Result<_, Error> =
        store.with_readonly_context(async |ctx| ctx.read_log(Position::START, 10).await).await;
    for refused in [log, in_a_view] {
        let Err(error @ Error::Standby { .. }) = refused else { panic!("{refused:?}") };
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("connect to the primary"), "{error}");
    }
    for commit in [count(&store, Some(id), 8).await, count(&store, None, 8).await] {
        assert!(matches!(commit, Err(Error::Standby { .. })), "{commit:?}");
    }

    drop(primary);
    standby.promote().unwrap_or_else(|failure| panic!("{failure}"));

    let page = store.read_log(Position::START, 10).await.expect("it is a primary now");
    assert_eq!(page.events.len(), 1);
    count(&store, Some(id), 8).await.expect("it is a primary now");
    assert_eq!(load(&store, id).await.expect("it is there"), 8);
    let page = store.read_log(page.end, 10).await.expect("it can be read");
    assert_eq!(page.events.len(), 1, "what was committed since");
}
