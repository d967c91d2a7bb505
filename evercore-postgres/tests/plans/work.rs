//! Runs everything that the engine can do.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use evercore::boundary::{Tag, Tags};
use evercore::engine::{
    AcquireRequest, Acquired, AggregateWrite, Beat, Commit, Condition, Control, CursorMove, Detail,
    DiscardedRequest, EventKey, Grant, HistoryRequest, IfDifferent, InspectEvents, Inspection,
    KeyChange, Lane, LoadRequest, LoadTarget, LogQuery, NewSubscription, NewlyParked,
    ParkedRequest, Precondition, Reader, RetaggedEvent, Settlement, StorageEngine, StoredEvent,
    StoredTag, SubscriptionStorage, TagAtom, TagBatch, TagDeclaration, TagQuery, TagRequest,
    TagStorage, TypeName, UniqueName, WhichParked,
};
use evercore::subscription::Partition;
use evercore::{
    Aggregate, AggregateId, Apply, Boundary, CommitId, Error, EventFilter, EventMeta, EventStore,
    Expected, Fingerprint, IdempotencyKey, NaturalKey, Position, Result, Sequence, Start, Stream,
    SubscriptionName, event, state_event,
};
use evercore_postgres::{PostgresContext, PostgresEngine, PostgresOptions};
use serde::{Deserialize, Serialize};

use crate::PAGE;
use crate::later;

const ACCOUNT: &str = "account";

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(name = "account", snapshot_every = 2)]
pub(crate) struct Account {
    balance: i64,
}

#[event(aggregate = Account, name = "deposited")]
pub(crate) struct Deposited {
    pub(crate) amount: i64,
}

/// The log has no event of this type.
#[event(aggregate = Account, name = "closed")]
struct Closed {
    number: i64,
}

/// An aggregate with a unique value.
#[derive(Aggregate, Default)]
#[aggregate(name = "member", unique(email))]
struct Member {
    email: Option<String>,
}

#[state_event(aggregate = Member, name = "email-set")]
struct EmailSet {
    email: String,
}

/// An event with tags, in an aggregate.
#[event(aggregate = Account, name = "lent", tags(rare))]
struct Lent {
    rare: i64,
}

/// The loans of one object.
#[derive(Boundary, Default)]
#[boundary(key(rare: i64), events(Lent))]
struct Loans {
    number: i64,
}

impl Apply<Lent> for Account {
    fn apply(&mut self, event: &Lent, _meta: &EventMeta) {
        self.balance -= event.rare;
    }
}

impl Apply<Lent> for Loans {
    fn apply(&mut self, _event: &Lent, _meta: &EventMeta) {
        self.number += 1;
    }
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

impl Apply<Closed> for Account {
    fn apply(&mut self, event: &Closed, _meta: &EventMeta) {
        self.balance -= event.number;
    }
}

fn name(name: &str) -> SubscriptionName {
    SubscriptionName::new(name).expect("a name")
}

fn key(key: &str) -> NaturalKey {
    NaturalKey::new(key).expect("a key")
}

fn id(id: i64) -> AggregateId {
    AggregateId::new(id).expect("an id")
}

fn position(position: i64) -> Position {
    Position::new(position).expect("a position")
}

/// Stores a subscription with two partitions.
pub(crate) async fn register(engine: &PostgresEngine, subscription: &str) {
    engine.register(&wanted(subscription)).await.expect("it can be stored");
}

fn wanted(subscription: &str) -> NewSubscription {
    NewSubscription {
        name: name(subscription),
        filter: Arc::default(),
        partitions: 2,
        start: Start::Beginning,
        if_different: IfDifferent::Refuse,
    }
}

/// Runs every statement, on a database made by [`fill`](crate::tables::fill).
pub(crate) async fn all(url: &str) {
    let options: PostgresOptions = url.parse().expect("a URL");
    let engine = Arc::new(PostgresEngine::open(options).await.expect("the server answers"));
    let store = EventStore::builder().open_shared(engine.clone()).await.expect("it migrates");
    for part in [0, 1, 2] {
        read(&engine, part).await.expect("it can be read");
        read_tagged(&engine, part).await.expect("it can be read");
    }
    inspect(engine.inspection()).await.expect("it can be read");
    write(&store, &engine).await.expect("there is no other writer");
    follow(&engine).await.expect("there is no other subscriber");
    unique(&store, &engine).await.expect("there is no other member");
    later::all(&store, &engine).await.expect("there is no other worker");
    // Last: the store knows the tags that were declared before it was opened.
    tag(&engine).await.expect("no tags are given beside");
    store.close().await.expect("nothing is under way");
}

/// Claims, changes and finds a unique value.
async fn unique(store: &EventStore, engine: &PostgresEngine) -> Result<()> {
    for email in ["ada@example.com", "grace@example.com"] {
        store
            .with_context(async |ctx| {
                let mut member = ctx.load_or_create::<Member>("the member").await?;
                ctx.apply(&mut member, EmailSet { email: email.to_owned() })
            })
            .await?;
    }
    let found = store.with_readonly_context(async |ctx| {
        ctx.find_by_unique(Member::by_email("grace@example.com")).await
    });
    assert!(found.await?.is_some());
    store.claim_unique_values::<Member>(|_| ()).await?;
    // A name that is not stored yet, each time.
    let name = Box::leak(CommitId::generate().to_string().into_boxed_str());
    engine.declare_unique(&[UniqueName { aggregate_type: "guest", name }]).await?;
    let names = [UniqueName { aggregate_type: Member::NAME, name: "email" }];
    engine.record_claimed(&names, 1, true).await
}

/// Reads from the beginning of the log, from its middle, or near its end.
async fn read(engine: &PostgresEngine, part: i64) -> Result<()> {
    let end = engine.read_log(of(EventFilter::new().key(key("account 1")), position(0))).await?;
    assert_eq!(end.events.len(), PAGE as usize);
    let head = engine.resolve_start(Start::End).await?;
    let after = position((head.get() - 1_000) * part / 2);

    engine.read_log(LogQuery::new(after, PAGE)).await?;
    for id in ["often", "seldom 1001", "never"] {
        engine.read_log(LogQuery::new(after, PAGE).correlation(id)).await?;
        let followed = of(EventFilter::new().event::<Deposited>(), after);
        engine.read_log(followed.correlation(id)).await?;
    }
    for filter in [
        EventFilter::new().aggregate::<Account>(),
        EventFilter::new().event::<Deposited>(),
        EventFilter::new().event::<Closed>(),
        EventFilter::new().key(key("account 1")),
        EventFilter::new().key(key("account 77")),
        EventFilter::new().key(key("none has this")),
    ] {
        engine.read_log(of(filter.clone(), after)).await?;
        let in_lanes = of(filter.lane("rare"), after).partition(Partition::new(1, 3)?);
        engine.read_log(in_lanes).await?;
    }

    // The first aggregate has half of all events.
    let sequence = Sequence::new(after.get() / 2)?;
    for id in [id(1), id(7)] {
        engine
            .read_history(HistoryRequest { id, after: sequence, up_to: None, limit: PAGE })
            .await?;
        for snapshot in [None, Some(Fingerprint::new(1))] {
            for target in [LoadTarget::Id(id), LoadTarget::Key(key(&format!("account {id}")))] {
                let load = LoadRequest {
                    aggregate_type: ACCOUNT,
                    target,
                    snapshot,
                    up_to: None,
                    limit: PAGE,
                };
                engine.load(load).await?.expect("it is there");
            }
        }
    }
    let view = engine.begin_read().await?;
    view.read_log(LogQuery::new(after, PAGE)).await?;
    engine.find_by_idempotency_key(&IdempotencyKey::new("key 7")?).await?.expect("it is there");
    engine.frontier_holders().await?;
    engine.aggregate_types().await?;
    // Stored names are not sent again.
    let new: &'static str = Box::leak(CommitId::generate().to_string().into_boxed_str());
    engine.warmup(&[TypeName { aggregate: new, event: Some(new) }]).await?;
    engine.resolve_start(Start::After(after)).await?;
    engine.resolve_start(Start::From(Utc::now() - Duration::from_secs(1_000))).await?;
    Ok(())
}

/// A query for the events of these types with any of several lists of tags.
fn query(events: &[&str], any: &[&[&str]]) -> Arc<TagQuery> {
    let types: Vec<_> = events
        .iter()
        .map(|event| StoredEvent { aggregate: ACCOUNT.into(), event: (*event).into() })
        .collect();
    let tag = |text: &&str| {
        let (name, value) = text.split_once(':').expect("a name and a value");
        Tag::new(name, value).expect("a tag")
    };
    let atom =
        |tags: &&[&str]| TagAtom { types: types.clone(), tags: tags.iter().map(tag).collect() };
    Arc::new(TagQuery { atoms: any.iter().map(atom).collect() })
}

/// Reads events by their tags, from the beginning of the log, from its middle, or near its end.
async fn read_tagged(engine: &PostgresEngine, part: i64) -> Result<()> {
    let end = engine.resolve_start(Start::End).await?;
    let after = position((end.get() - 1_000) * part / 2);
    let many: Vec<_> = (10..39).map(|number| format!("many:{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).chain(["all:1", "even:1"]).collect();
    let mut sought = vec![
        (query(&["deposited"], &[&["all:1"]]), PAGE),
        (query(&["deposited", "closed", "not stored"], &[&["rare:7"], &["all:1"]]), PAGE),
        (query(&["deposited"], &[&["none:1"]]), PAGE),
        (query(&["deposited"], &[&["all:1", "none:1"]]), PAGE),
        (query(&["deposited"], &[&["even:1", "none:1", "all:1"]]), PAGE),
    ];
    for tags in [["rare:5000", "all:1"], ["all:1", "rare:5000"]] {
        sought.push((query(&["deposited", "closed"], &[&tags]), PAGE));
    }
    // Each event that matches takes several steps.
    sought.push((query(&["deposited"], &[&["all:1", "even:1"]]), PAGE / 5));
    sought.push((query(&["deposited"], &[&many]), PAGE));
    for (query, limit) in &sought {
        let request = TagRequest { after, ..TagRequest::new(Arc::clone(query), *limit) };
        engine.read_tagged(vec![request]).await?;
    }
    let all = sought.iter().map(|(query, _)| TagRequest::new(Arc::clone(query), PAGE / 10));
    let pages = engine.read_tagged(all.collect()).await?;
    let found: Vec<_> = pages.iter().map(|page| page.events.len()).collect();
    let few = PAGE as usize / 10;
    assert_eq!(found, [few, few, 0, 0, 0, 5, 5, few, 1]);
    engine
        .begin_read()
        .await?
        .read_tagged(vec![TagRequest::new(Arc::clone(&sought[0].0), PAGE)])
        .await?;
    Ok(())
}

/// Commits that rest on what was read, in the way that single commits take and in that of groups.
async fn decide(store: &EventStore, engine: &PostgresEngine, created: AggregateId) -> Result<()> {
    for events in [1, 2] {
        let decided = store.with_context(async |ctx| {
            ctx.read(Loans::of(7)).await?;
            let mut account = ctx.load::<Account>(created).await?;
            for _ in 0..events {
                ctx.apply(&mut account, Lent { rare: 7 })?;
            }
            Ok::<_, Error>(())
        });
        decided.await?;
    }
    let end = engine.resolve_start(Start::End).await?;
    let conditions = |beyond: i64, seen| -> Vec<_> {
        let queries = [
            query(&["deposited", "closed", "not stored"], &[&["all:1"], &["even:1", "all:1"]]),
            query(&["closed"], &[&["none:1"]]),
        ];
        let condition =
            |query| Condition { boundary: "Loans", query, beyond: position(beyond), seen };
        queries.map(condition).into()
    };
    let mut commit = guards([created, id(9)]);
    commit.writes.iter_mut().for_each(|write| write.precondition = Precondition::Exists);
    let holds = Commit { conditions: conditions(end.get(), 0), ..commit.clone() };
    engine.commit(holds).await?;
    let conditions = conditions(end.get() - 1_000, 0);
    let fails = Commit { id: CommitId::generate(), conditions, ..commit };
    engine.commit(fails).await.expect_err("a thousand events match");
    Ok(())
}

/// Declares a tag for a type that has many events, and gives it to some of them.
async fn tag(engine: &PostgresEngine) -> Result<()> {
    let event = StoredEvent { aggregate: ACCOUNT.into(), event: "deposited".into() };
    // Another one each time: the tag of the last time has ended.
    let name = format!("late in {}", CommitId::generate());
    let late = StoredTag { event, name: name.as_str().into() };
    engine.declare_tags(&[(late.clone(), TagDeclaration::Given)]).await?;
    assert!(engine.declarations().await?.tags.iter().any(|(tag, _)| *tag == late));
    engine.begin_tagging(std::slice::from_ref(&late)).await?;
    let page = engine.read_log(LogQuery::new(Position::START, PAGE)).await?;
    let events: Vec<_> = page
        .events
        .iter()
        .map(|event| {
            let own = event.tags().iter().filter_map(|tag| tag.split_once(':'));
            let own = own.map(|(name, value)| Tag::new(name, value));
            let late = Tag::new(&name, event.position());
            let after = Tags::new(own.chain([late]).collect::<Result<Vec<_>>>()?)?;
            Ok(RetaggedEvent { position: event.position(), before: event.tags().clone(), after })
        })
        .collect::<Result<_>>()?;
    let of = vec![late.clone()];
    let batch = TagBatch { events, of, up_to: page.end, is_last: false };
    assert!(engine.add_tags(&batch).await?, "the events are as they were read");
    assert!(!engine.add_tags(&batch).await?, "they have the tag now");
    // The program of this test writes the event without it.
    engine.declare_tags(&[(late, TagDeclaration::Retired)]).await
}

fn of(filter: EventFilter, after: Position) -> LogQuery {
    LogQuery::new(after, PAGE).filter(Arc::new(filter))
}

async fn inspect(inspection: &dyn Inspection) -> Result<()> {
    for after in [None, Some(100)] {
        inspection.aggregates(after, PAGE).await?;
        for up_to in [1, 1_000, i64::MAX] {
            let after = EventKey { aggregate_id: 1, sequence: after.unwrap_or(0), position: 0 };
            inspection.events(&InspectEvents { after, up_to, limit: PAGE }).await?;
        }
        let place = after.map(|at| EventKey { aggregate_id: 1, sequence: 1, position: at });
        inspection.positions(place, PAGE).await?;
        let account = after.map(|number| format!("account {number}"));
        inspection.keys(ACCOUNT, account.as_deref().map(str::as_bytes), PAGE).await?;
        inspection.parked(after.map(|after| ("much", after)), PAGE).await?;
    }
    let commits = inspection.commits(None, PAGE).await?;
    inspection.commits(commits.last().map(|commit| commit.id), PAGE).await?;
    let tags = inspection.tag_index(None, PAGE).await?;
    let last = tags.last().map(|last| last.key);
    assert!(!inspection.tag_index(last, PAGE).await?.is_empty(), "there are more pages");
    inspection.durable_subscriptions(None, PAGE).await?;
    inspection.last_given().await?;
    Ok(())
}

async fn write(store: &EventStore, engine: &PostgresEngine) -> Result<()> {
    let new = format!("account {}", CommitId::generate());
    let single = store.with_context(async |ctx| {
        let mut account = ctx.create_with_key::<Account>(new.as_str()).await?;
        ctx.apply(&mut account, Deposited { amount: 1 })?;
        ctx.apply(&mut account, Deposited { amount: 1 })?;
        Ok::<_, Error>(account.id())
    });
    let created = single.await?;
    let more = [Deposited { amount: 1 }];
    let appended = store.append::<Account, _>(Stream::Id(created), Expected::Any, more).await?;
    let several = store.with_context(async |ctx| {
        let mut account = ctx.load::<Account>(created).await?;
        ctx.change_key(&mut account, format!("{new} renamed"))?;
        ctx.set_idempotency_key(new.as_str())?;
        for n in 0..3 {
            let mut other = ctx.create_with_key::<Account>(format!("{new} {n}")).await?;
            ctx.apply(&mut other, Deposited { amount: 1 })?;
            ctx.apply(&mut other, Deposited { amount: 1 })?;
        }
        Ok::<_, Error>(())
    });
    several.await?;
    let again = store.with_context(async |ctx| {
        ctx.set_idempotency_key(new.as_str())?;
        ctx.create_with_key::<Account>(format!("{new} 0")).await.map(drop)
    });
    again.await.expect_err("the keys are used");
    let taken = store.with_context(async |ctx| {
        ctx.create_with_key::<Account>("account 9").await?;
        ctx.create_with_key::<Account>("account 10").await.map(drop)
    });
    taken.await.expect_err("the keys are used");
    let in_transaction = store.with_transaction(async |ctx: &mut PostgresContext| {
        let mut account = ctx.load::<Account>(created).await?;
        ctx.apply(&mut account, Deposited { amount: 1 })?;
        Ok::<_, Error>(())
    });
    in_transaction.await?;
    decide(store, engine, created).await?;

    engine.find_commit(appended.committed.id).await?;
    engine.find_commit(CommitId::generate()).await?;
    let guards = guards([created, id(9)]);
    engine.commit(guards.clone()).await.expect_err("the sequence is another");
    let mut exist = guards;
    exist.writes.iter_mut().for_each(|write| write.precondition = Precondition::Exists);
    let first = engine.commit(exist.clone()).await?;
    assert_eq!(engine.commit(exist).await?, first);
    Ok(())
}

fn guards(ids: [AggregateId; 2]) -> Commit {
    let write = |id| AggregateWrite {
        id,
        aggregate_type: ACCOUNT,
        precondition: Precondition::At(Sequence::FIRST),
        key: KeyChange::Keep,
    };
    Commit { writes: ids.map(write).into(), ..Commit::new(Utc::now()) }
}

async fn follow(engine: &PostgresEngine) -> Result<()> {
    register(engine, "little").await;
    let (much, little) = (acquire(engine, "much").await?, acquire(engine, "little").await?);
    acquire(engine, "little").await?;
    let taken = engine.acquire(&request("little")).await?;
    assert!(matches!(taken, Acquired::Taken { .. }), "{taken:?}");
    let beat =
        |grant: &Grant| Beat { lease: grant.lease.clone(), renew: Some(Duration::from_secs(9)) };
    engine.heartbeat(&[beat(&much), beat(&little)]).await?;
    engine.ask_for(&little.lease, "another", Duration::from_secs(1)).await?;

    let park = |number: i64, reason: Option<&str>| NewlyParked {
        position: position(number),
        lane: id(1).into(),
        reason: reason.map(str::to_owned),
        redrive_after: reason.map(|_| Duration::from_secs(60)),
    };
    let step = |grant: &Grant, to| CursorMove { from: grant.cursor, to: position(to) };
    let nothing = |grant: &Grant| Settlement {
        lease: grant.lease.clone(),
        cursor: None,
        parked: Vec::new(),
        unparked: None,
        failure: None,
    };
    let parked = vec![park(2, Some("it failed")), park(4, None), park(6, None)];
    let cursor = Some(step(&little, 10));
    let parks = Settlement { cursor, parked, ..nothing(&little) };
    engine.settle(&parks).await?;
    // The same cursor move, which is already recorded.
    engine.settle(&Settlement { parked: Vec::new(), ..parks }).await?;
    for unparked in [4, 4] {
        let unparks = Settlement { unparked: Some(position(unparked)), ..nothing(&little) };
        engine.settle(&unparks).await?;
    }

    let lanes: Vec<_> = (1..=i64::from(PAGE)).map(Lane::new).collect();
    for subscription in ["much", "little"] {
        engine.parked_lanes(&name(subscription), &lanes).await?;
        for after in [0, 20_000] {
            for which in [WhichParked::All, WhichParked::ToRedrive] {
                let parked = ParkedRequest {
                    subscription: name(subscription),
                    after: position(after),
                    limit: PAGE,
                    partition: Partition::WHOLE,
                    which,
                };
                engine.parked_events(&parked).await?;
            }
        }
    }
    let discarded =
        DiscardedRequest { subscription: name("little"), after: position(0), limit: PAGE };
    engine.discarded_events(&discarded).await?;
    for detail in [Detail::Places, Detail::Backlog] {
        engine.subscriptions(None, detail).await?;
        engine.subscriptions(Some(&name("little")), detail).await?;
    }

    engine.release(&much.lease).await?;
    let control = async |control: Control| engine.control(&name("little"), &control).await;
    control(Control::Pause).await?;
    control(Control::Resume).await?;
    control(Control::Redrive).await?;
    control(Control::RedriveEvent(position(2))).await?;
    let (by, reason) = ("ada".to_owned(), "it is of no use".to_owned());
    control(Control::Discard { position: position(2), by, reason }).await?;
    control(Control::Reset(Start::Beginning)).await?;
    let replaced = NewSubscription {
        partitions: 3,
        filter: Arc::new(EventFilter::new().aggregate::<Account>()),
        if_different: IfDifferent::Replace,
        ..wanted("little")
    };
    engine.register(&replaced).await?;
    let in_other_lanes = NewSubscription {
        filter: Arc::new(EventFilter::new().lane("rare")),
        if_different: IfDifferent::Replace,
        ..wanted("much")
    };
    engine.register(&in_other_lanes).await.expect_err("events are parked");
    control(Control::Delete).await
}

fn request(subscription: &str) -> AcquireRequest {
    AcquireRequest {
        subscription: name(subscription),
        owner: "the owner".to_owned(),
        lease: Duration::from_secs(30),
        filter: Arc::default(),
        partitions: 2,
    }
}

async fn acquire(engine: &PostgresEngine, subscription: &str) -> Result<Grant> {
    match engine.acquire(&request(subscription)).await? {
        Acquired::Granted(grant) => Ok(grant),
        other => panic!("{other:?}"),
    }
}
