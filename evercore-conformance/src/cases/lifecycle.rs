//! Opening, warming up and closing a store.

use evercore::engine::{Capability, HistoryRequest, LoadRequest, LoadTarget, LogQuery, TypeName};
use evercore::{
    Aggregate, CommitId, Error, Expected, Migrate, Position, Registry, Result, Sequence, Stream,
};

use crate::assert::assert_error;
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::{Fixture, whole_log};
use crate::race::race_all;

pub(crate) async fn migrating_again_changes_nothing(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create_with_key(store, "key", 1).await?;
    let log = fixture.log().await?;
    store.migrate().await?;
    let neighbour = fixture.neighbour().await?;
    race_all(4, |runner| {
        let store = if runner % 2 == 0 { store.clone() } else { neighbour.clone() };
        async move { store.migrate().await }
    })
    .await?;
    assert_eq!(fixture.log().await?, log);
    assert_eq!(counter::find_by_key(store, "key").await?, Some(id));
    Ok(())
}

pub(crate) async fn migrations_are_numbered_and_are_sql(fixture: &Fixture) -> Result<()> {
    let migrations = fixture.store().migrations();
    assert!(migrations.windows(2).all(|pair| pair[0].version < pair[1].version));
    for migration in migrations {
        assert!(!migration.description.is_empty(), "{migration:?}");
        assert!(!migration.sql.trim().is_empty(), "{migration:?}");
    }
    Ok(())
}

pub(crate) async fn a_store_can_be_opened_without_migrating(fixture: &Fixture) -> Result<()> {
    let id = counter::create(fixture.store(), 1).await?;
    let builder = fixture.builder().migrate(Migrate::Manually);
    let store = fixture.store_with(builder).await?;
    assert_eq!(counter::value(&store, id).await?, 1, "the schema is there already");
    Ok(())
}

pub(crate) async fn warming_up_writes_no_events(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    race_all(3, |_| {
        let store = store.clone();
        async move { store.warmup().await }
    })
    .await?;
    assert_eq!(fixture.log().await?, []);
    let id = counter::create(store, 1).await?;
    store.warmup().await?;
    assert_eq!(counter::value(store, id).await?, 1);
    Ok(())
}

pub(crate) async fn a_store_with_other_types_reads_the_same_data(fixture: &Fixture) -> Result<()> {
    let id = counter::create(fixture.store(), 1).await?;
    let small = Registry::builder().event::<Added>().build()?;
    let store = fixture.store_with(fixture.builder().registry(small)).await?;
    store.warmup().await?;
    counter::add(&store, id, 1).await?;
    assert_eq!(counter::value(fixture.store(), id).await?, 2);
    Ok(())
}

pub(crate) async fn two_engines_see_each_others_commits(fixture: &Fixture) -> Result<()> {
    let (one, two) = (fixture.store(), fixture.neighbour().await?);
    let id = counter::create_with_key(one, "shared", 1).await?;
    assert_eq!(counter::value(&two, id).await?, 1);
    counter::add(&two, id, 10).await?;
    assert_eq!(counter::value(one, id).await?, 11);
    let taken = counter::create_with_key(&two, "shared", 1).await;
    assert_error!(taken, Error::KeyTaken { .. });
    assert_eq!(whole_log(two.engine()).await?, fixture.log().await?);
    Ok(())
}

pub(crate) async fn a_closed_store_says_so(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = counter::create(store, 1).await?;
    let clone = store.clone();
    store.close().await?;

    for store in [store, &clone] {
        assert_error!(counter::value(store, id).await, Error::Closed);
        assert_error!(counter::add(store, id, 1).await, Error::Closed);
        assert_error!(store.history(id, ..).await, Error::Closed);
        assert_error!(store.read_log(Position::START, 1).await, Error::Closed);
        assert_error!(store.find_commit(CommitId::generate()).await, Error::Closed);
        assert_error!(store.migrate().await, Error::Closed);
        let events = [Added { by: 1 }];
        let appended = store.append::<Counter, _>(Stream::Id(id), Expected::Any, events).await;
        assert_error!(appended, Error::Closed);
    }
    let target = LoadTarget::Id(id);
    let request = LoadRequest {
        aggregate_type: Counter::NAME,
        target,
        snapshot: None,
        up_to: None,
        limit: 1,
    };
    assert_error!(engine.load(request).await, Error::Closed);
    let request = HistoryRequest { id, after: Sequence::ZERO, up_to: None, limit: 1 };
    assert_error!(engine.read_history(request).await, Error::Closed);
    let request = LogQuery::new(Position::START, 1);
    assert_error!(engine.read_log(request).await, Error::Closed);
    assert_error!(engine.begin_read().await, Error::Closed);
    assert_error!(engine.reserve_ids(1).await, Error::Closed);
    let unknown = TypeName { aggregate: "never stored", event: None };
    assert_error!(engine.warmup(&[unknown]).await, Error::Closed);
    assert_error!(engine.aggregate_types().await, Error::Closed);
    Ok(())
}
