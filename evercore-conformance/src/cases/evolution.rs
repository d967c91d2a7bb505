//! Data that outlive the names and shapes with which they were written.

use std::sync::Arc;

use evercore::engine::TypeName;
use evercore::{
    Aggregate, AggregateId, Error, Event, EventFilter, EventStore, Expected, NaturalKey, Result,
    Stream,
};

use crate::assert::assert_error;
use crate::domain::customer::{
    Client, Customer, Deposited, Greeted, MoneyDeposited, Renamed, deposited, older_registry,
    registry,
};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle};

/// Writes the data of the older program: a client who was greeted and has deposited money.
async fn left_behind(fixture: &Fixture) -> Result<(EventStore, AggregateId)> {
    let older = fixture.store_with(fixture.builder().registry(older_registry()?)).await?;
    let id = older
        .with_context(async |ctx| {
            let mut client = ctx.create_with_key::<Client>("ada").await?;
            ctx.apply(&mut client, Greeted { name: "Ada".to_owned(), cents: 5 })?;
            ctx.apply(&mut client, Deposited(1))?;
            Ok::<_, Error>(client.id())
        })
        .await?;
    Ok((older, id))
}

async fn open(fixture: &Fixture) -> Result<EventStore> {
    fixture.store_with(fixture.builder().registry(registry()?)).await
}

/// Returns the names of the stored types, without those whose tags a store has declared when it was opened.
async fn stored_types(fixture: &Fixture) -> Result<Vec<String>> {
    let stored = fixture.engine().aggregate_types().await?;
    // Types whose events have tags are stored when a store is opened.
    let is_of_the_case = |name: &&Arc<str>| [Client::NAME, Customer::NAME].contains(&&***name);
    let mut types: Vec<_> =
        stored.iter().filter(is_of_the_case).map(|name| name.as_ref().to_owned()).collect();
    types.sort();
    Ok(types)
}

pub(crate) async fn an_older_event_is_read_in_its_present_shape(fixture: &Fixture) -> Result<()> {
    let (_, id) = left_behind(fixture).await?;
    let store = open(fixture).await?;
    let customer = store.with_readonly_context(async |ctx| ctx.load::<Customer>(id).await).await?;
    assert_eq!(*customer.state(), Customer { name: "Ada".to_owned(), cents: 105 });
    assert_eq!(customer.sequence().get(), 2, "an event that is split counts once");

    let history = store.history(id, ..).await?.events;
    assert_eq!(history[1].decode::<MoneyDeposited>()?, deposited(100));
    assert_eq!(store.registry().decode_all::<MoneyDeposited>(&history[0])?, [deposited(5)]);
    let stored: Vec<_> =
        history.iter().map(|event| (event.event_type(), event.version())).collect();
    assert_eq!(
        stored,
        [(Greeted::NAME, 1), (Deposited::NAME, 1)],
        "it is stored as it was written"
    );
    Ok(())
}

pub(crate) async fn a_renamed_type_keeps_its_stored_name(fixture: &Fixture) -> Result<()> {
    let (older, id) = left_behind(fixture).await?;
    let store = open(fixture).await?;
    store.warmup().await?;
    let added = store
        .with_context(async |ctx| {
            let mut ada = ctx.load_by_key::<Customer>("ada").await?;
            ctx.apply(&mut ada, deposited(1))?;
            let mut grace = ctx.create_with_key::<Customer>("grace").await?;
            ctx.apply(&mut grace, deposited(2))?;
            Ok::<_, Error>(grace.id())
        })
        .await?;
    let stream = Stream::Key(NaturalKey::new("ada")?);
    let appended = store.append::<Customer, _>(stream, Expected::Any, [deposited(3)]).await?;
    assert_eq!(appended.id, id);

    assert_eq!(stored_types(fixture).await?, [Client::NAME]);
    for event in fixture.log().await? {
        assert_eq!(event.aggregate_type(), Client::NAME);
    }
    let taken = older
        .with_context(async |ctx| ctx.create_with_key::<Client>("grace").await.map(drop))
        .await;
    assert_error!(taken, Error::KeyTaken { .. });
    let customer =
        store.with_readonly_context(async |ctx| ctx.load::<Customer>(added).await).await?;
    assert_eq!(customer.state().cents, 2);
    Ok(())
}

pub(crate) async fn the_stored_types_are_known_to_all(fixture: &Fixture) -> Result<()> {
    assert!(stored_types(fixture).await?.is_empty());
    let neighbour = fixture.neighbour().await?;
    let name = |aggregate, event| TypeName { aggregate, event };
    let names = [name(Client::NAME, None), name(Customer::NAME, Some(Renamed::NAME))];
    neighbour.engine().warmup(&names).await?;
    assert_eq!(stored_types(fixture).await?, [Client::NAME, Customer::NAME]);

    let opened = fixture.store_with(fixture.builder().registry(registry()?)).await.map(drop);
    assert_error!(opened, Error::AmbiguousAlias { first, second, .. }
        if first == Customer::NAME && second == Client::NAME);
    Ok(())
}

pub(crate) async fn a_subscription_follows_what_its_types_were_called(
    fixture: &Fixture,
) -> Result<()> {
    let (older, _) = left_behind(fixture).await?;
    let journal = Journal::default();
    let names = EventFilter::new().event::<Deposited>();
    let worker = older.subscription("deposits").filter(names).spawn(journal.handler())?;
    idle(&older, "deposits", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(journal.len(), 1);

    let store = open(fixture).await?;
    store
        .with_context(async |ctx| {
            let mut ada = ctx.load_by_key::<Customer>("ada").await?;
            ctx.apply(&mut ada, deposited(1))?;
            ctx.apply(&mut ada, Renamed { name: "Ada L.".to_owned() })
        })
        .await?;
    let (later, anew) = (Journal::default(), Journal::default());
    for (name, journal) in [("deposits", &later), ("anew", &anew)] {
        let subscription = store.subscription(name).event::<MoneyDeposited>();
        let worker = subscription.spawn(journal.handler())?;
        idle(&store, name, &worker).await?;
        worker.shutdown().await?;
    }
    let names = |journal: &Journal| -> Vec<_> {
        journal.events().iter().map(|event| event.event_type().to_owned()).collect()
    };
    assert_eq!(names(&later), [MoneyDeposited::NAME], "it goes on where it was");
    assert_eq!(names(&anew), [Greeted::NAME, Deposited::NAME, MoneyDeposited::NAME]);
    Ok(())
}
