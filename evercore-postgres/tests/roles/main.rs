//! The roles and grants of the guide are sufficient, and none is superfluous.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use evercore::chrono::DateTime;
use evercore::command::{CommandId, CommandQuery};
use evercore::engine::{
    AcquireRequest, Acquired, Beat, ClaimRequest, CommandOutcome, Commit, Control, CursorMove,
    Detail, DiscardedRequest, FailedAttempt, Grant, IfDifferent, NewSubscription, NewlyParked,
    Settlement, StorageEngine, StoredPlace, StoredTask, TaskLease, TaskReturn, UniqueName,
};
use evercore::task::{Claimed, Handlers, QueueName, Task, TaskError, TaskId};
use evercore::{
    Aggregate, AggregateId, Apply, Boundary, CommitId, Error, EventFilter, EventMeta, EventStore,
    Metadata, Migrate, Position, Start, SubscriptionName, event, state_event, task,
};
use evercore_postgres::PostgresContext;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use throwaway_postgres::{Binaries, Server};

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(snapshot_every = 2, unique(email))]
struct Account {
    balance: i64,
    email: Option<String>,
}

#[state_event(aggregate = Account)]
struct EmailChanged {
    email: Option<String>,
}

#[event(aggregate = Account)]
struct Deposited {
    amount: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

#[event(tags(client))]
struct Visited {
    client: String,
}

#[derive(Boundary, Default)]
#[boundary(key(client: String), events(Visited))]
struct Visits {
    times: u32,
}

impl Apply<Visited> for Visits {
    fn apply(&mut self, _: &Visited, _: &EventMeta) {
        self.times += 1;
    }
}

#[task(queue = "visits")]
struct Visit {
    client: String,
}

#[derive(Debug)]
enum Refusal {
    Sql(sqlx::Error),
    Store(Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Refusal {
    fn is_of_a_privilege(&self) -> bool {
        let sql = match self {
            Self::Sql(error) => Some(error),
            Self::Store(error) => error.source().and_then(|source| source.downcast_ref()),
        };
        let code = sql.and_then(|error| error.as_database_error()?.code());
        code.as_deref() == Some("42501")
    }
}

/// A database with the roles of the guide, migrated by the owner.
struct Bank {
    server: Server,
    superuser: PgConnection,
}

impl Bank {
    async fn new() -> Self {
        let server = Binaries::find()
            .and_then(|binaries| Server::start(&binaries, &["fsync=off"]))
            .unwrap_or_else(|failure| panic!("{failure}"));
        let mut superuser = PgConnection::connect(&server.url()).await.expect("it answers");
        run(&mut superuser, include_str!("../../docs/roles.sql")).await.expect("they are new");
        let bank = Self { server, superuser };

        EventStore::connect(bank.url("bank_owner")).await.expect("the owner may migrate");
        let mut owner = bank.connect("bank_owner").await;
        run(&mut owner, include_str!("../../docs/grants.sql")).await.expect("it is the owner's");
        bank
    }

    fn url(&self, role: &str) -> String {
        self.server.url().replace("postgres@", &format!("{role}@"))
    }

    async fn connect(&self, role: &str) -> PgConnection {
        PgConnection::connect(&self.url(role)).await.expect("the server trusts everyone")
    }

    /// Does everything that an application does, starting with opening the store.
    async fn use_it(&mut self) -> Result<(), Refusal> {
        let store = EventStore::connect(self.url("bank_app")).await?;
        store.warmup().await?;
        let id: AggregateId = store
            .with_context(async |ctx| {
                let mut account = ctx.create_with_key::<Account>("ada").await?;
                for amount in [1, 2, 3] {
                    ctx.apply(&mut account, Deposited { amount })?;
                }
                Ok::<_, Error>(account.id())
            })
            .await?;
        for amount in [4, 5] {
            store
                .with_context(async |ctx| {
                    let mut account = ctx.load::<Account>(id).await?;
                    ctx.apply(&mut account, Deposited { amount })
                })
                .await?;
        }
        store
            .with_context(async |ctx| {
                let mut account = ctx.load_by_key::<Account>("ada").await?;
                ctx.change_key(&mut account, "grace")
            })
            .await?;
        for email in [Some("ada@example.org"), None, Some("grace@example.org")] {
            store
                .with_context(async |ctx| {
                    let mut account = ctx.load::<Account>(id).await?;
                    ctx.apply(&mut account, EmailChanged { email: email.map(str::to_owned) })
                })
                .await?;
        }
        let by_email = Account::by_email("grace@example.org");
        store.with_readonly_context(async |ctx| ctx.load_by_unique(by_email).await).await?;
        let email = UniqueName { aggregate_type: Account::NAME, name: "email" };
        store.engine().record_claimed(&[email], 0, true).await?;
        store
            .with_context(async |ctx| {
                ctx.read(Visits::of("grace")).await?;
                ctx.emit(Visited { client: "grace".to_owned() })
            })
            .await?;
        store.with_readonly_context(async |ctx| ctx.load_by_key::<Account>("grace").await).await?;
        store.read_log(Position::START, 10).await?;
        store.find_commit(evercore::CommitId::generate()).await?;
        subscribe(store.engine(), id).await?;
        do_later(&store).await?;
        let report = store.verify().run().await?;
        assert!(report.is_clean(), "{report}");
        store.close().await?;

        let mut app = self.connect("bank_app").await;
        run(&mut app, "SELECT * FROM evercore.event_log").await?;
        Ok(())
    }

    /// Restores the state after the migration.
    async fn forget(&mut self) {
        let tables = "aggregate_types, event_types, unique_names, unique_values, aggregates, events, event_tags, snapshots, commits, subscriptions, tasks, ended_tasks, paused_queues, command_log";
        let sql = format!("SET search_path = evercore; TRUNCATE {tables} CASCADE");
        run(&mut self.superuser, &sql).await.expect("a superuser may");
    }

    /// Returns the application's grants, each as `privilege ON object`.
    async fn grants(&mut self) -> Vec<String> {
        let sql = "
            SELECT acl.privilege_type || ' ON '
                || CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || c.oid::regclass
            FROM pg_class c, aclexplode(c.relacl) acl
            WHERE acl.grantee = 'bank_app'::regrole
            UNION ALL
            SELECT acl.privilege_type || '(' || a.attname || ') ON ' || a.attrelid::regclass
            FROM pg_attribute a, aclexplode(a.attacl) acl
            WHERE acl.grantee = 'bank_app'::regrole
            UNION ALL
            SELECT acl.privilege_type || ' ON SCHEMA ' || n.nspname
            FROM pg_namespace n, aclexplode(n.nspacl) acl
            WHERE acl.grantee = 'bank_app'::regrole";
        sqlx::query_scalar(sql).fetch_all(&mut self.superuser).await.expect("the catalogue")
    }
}

/// Does everything that a context, a worker and an operator do with tasks.
async fn do_later(store: &EventStore) -> Result<(), Error> {
    let visit = |client: &str| Task::new(Visit { client: client.to_owned() });
    store.enqueue(visit("ada").key("k")).await?;
    store.enqueue(visit("ada").key("k").replace()).await?;
    store.with_context(async |ctx| ctx.cancel::<Visit>("k")).await?;
    store.enqueue(visit("ada")).await?;
    let handlers = Handlers::new().on(async |_: Claimed<Visit>| Ok::<_, TaskError>(()));
    assert_eq!(store.queue("visits").run_due(handlers).await?.done, 1);

    // A worker would only log that it cannot record a failure.
    store.enqueue(visit("grace")).await?;
    let tasks = store.engine().tasks().expect("the engine has tasks");
    let (queue, owner, lease) =
        (QueueName::new("visits")?, "a worker".to_owned(), Duration::from_secs(60));
    let claimed = tasks.claim(&ClaimRequest { queue, owner, lease, limit: 1 }).await?.tasks;
    let StoredTask { id, queue, place: StoredPlace::Claimed { token, .. }, .. } = &claimed[0]
    else {
        panic!("it is claimed: {claimed:?}");
    };
    let lease = TaskLease { queue: queue.clone(), id: *id, token: *token };
    let returned = TaskReturn {
        id: TaskId::generate(),
        queue: QueueName::new("returned")?,
        metadata: Metadata::new(),
        metadata_column: None,
    };
    let (failure, returns) = ("no".to_owned(), Some(returned));
    tasks.fail(&FailedAttempt { lease, failure, retry_after: None, returns }).await?;
    let queues = store.queues();
    let dead = queues.dead("visits", None, 1).await?.remove(0).id;
    queues.pause("visits").await?;
    queues.resume("visits").await?;
    queues.retry("visits", dead).await?;
    queues.discard("visits", dead, "no use").await?;
    queues.list().await?;
    log_a_command(store).await
}

/// Does everything that a worker and an operator do with the command log. A worker would only log that it cannot store an
/// outcome.
async fn log_a_command(store: &EventStore) -> Result<(), Error> {
    let id = CommandId::from_uuid(*CommitId::generate().as_uuid());
    let outcome = CommandOutcome {
        id,
        command: "greet".into(),
        aggregate_type: "Account".into(),
        aggregate_id: None,
        rejection: Some("no".into()),
        principal: None,
        correlation_id: None,
        causation_id: None,
        sent_at: DateTime::UNIX_EPOCH,
        took: Duration::ZERO,
    };
    let commit = Commit { outcomes: vec![outcome], ..Commit::new(DateTime::UNIX_EPOCH) };
    store.engine().commit(commit).await?;
    assert!(store.outcome(id).await?.is_some_and(|outcome| outcome.is_final()));
    let log = store.command_log();
    assert_eq!(log.list(&CommandQuery::new().rejected(), 9).await?.len(), 1);
    assert_eq!(log.prune(Duration::ZERO).await?, 1);
    Ok(())
}

/// Does everything that a worker and an operator do with a subscription.
async fn subscribe(engine: &dyn StorageEngine, id: AggregateId) -> Result<(), Error> {
    let mut subscription = NewSubscription {
        name: SubscriptionName::new("balances")?,
        filter: Arc::new(EventFilter::new()),
        partitions: 1,
        start: Start::Beginning,
        if_different: IfDifferent::Replace,
    };
    engine.register(&subscription).await?;
    let lasts = Duration::from_secs(60);
    let request = AcquireRequest {
        subscription: subscription.name.clone(),
        owner: "a worker".to_owned(),
        lease: lasts,
        filter: Arc::clone(&subscription.filter),
        partitions: 1,
    };
    let Acquired::Granted(Grant { lease, .. }) = engine.acquire(&request).await? else {
        panic!("no other worker wants it");
    };
    engine.heartbeat(&[Beat { lease: lease.clone(), renew: Some(lasts) }]).await?;
    let position = engine.resolve_start(Start::End).await?;
    let parked = NewlyParked {
        position,
        lane: id.into(),
        reason: Some("no".to_owned()),
        redrive_after: None,
    };
    let mut settlement = Settlement {
        lease: lease.clone(),
        cursor: Some(CursorMove { from: Position::START, to: position }),
        parked: vec![parked.clone()],
        unparked: None,
        failure: None,
    };
    engine.settle(&settlement).await?;
    engine.control(&subscription.name, &Control::Redrive).await?;
    settlement =
        Settlement { cursor: None, parked: Vec::new(), unparked: Some(position), ..settlement };
    engine.settle(&settlement).await?;
    let here = Some(CursorMove { from: position, to: position });
    settlement = Settlement { cursor: here, parked: vec![parked], unparked: None, ..settlement };
    engine.settle(&settlement).await?;
    engine.control(&subscription.name, &Control::RedriveEvent(position)).await?;
    let (by, reason) = ("ada".to_owned(), "no use".to_owned());
    engine.control(&subscription.name, &Control::Discard { position, by, reason }).await?;
    let request = DiscardedRequest {
        subscription: subscription.name.clone(),
        after: Position::START,
        limit: 1,
    };
    engine.discarded_events(&request).await?;
    engine.ask_for(&lease, "another", lasts).await?;
    engine.release(&lease).await?;
    engine.subscriptions(None, Detail::Backlog).await?;
    subscription.partitions = 2;
    engine.register(&subscription).await?;
    engine.control(&subscription.name, &Control::Pause).await?;
    engine.control(&subscription.name, &Control::Reset(Start::Beginning)).await?;
    engine.control(&subscription.name, &Control::Delete).await
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

#[tokio::test]
async fn the_grants_of_the_guide_are_enough_and_none_can_be_left_out() {
    let mut bank = Bank::new().await;
    bank.use_it().await.expect("the grants are enough");

    let grants = bank.grants().await;
    assert!(grants.len() > 10, "{grants:?}");
    for grant in grants {
        bank.forget().await;
        run(&mut bank.superuser, &format!("REVOKE {grant} FROM bank_app"))
            .await
            .expect("it is there");
        let refusal = bank.use_it().await.expect_err(&grant);
        assert!(refusal.is_of_a_privilege(), "without {grant}: {refusal:?}");
        run(&mut bank.superuser, &format!("GRANT {grant} TO bank_app")).await.expect("as before");
    }
    bank.forget().await;
    bank.use_it().await.expect("everything was granted again");
}

/// An event of an older program, which had no tags.
mod older {
    use evercore::{Apply, EventMeta, Registry};

    #[evercore::event(aggregate = super::Account, name = "Withdrawn")]
    pub(crate) struct Withdrawn {
        pub(crate) teller: String,
    }

    impl Apply<Withdrawn> for super::Account {
        fn apply(&mut self, _: &Withdrawn, _: &EventMeta) {}
    }

    pub(crate) fn registry() -> Registry {
        Registry::builder().event::<Withdrawn>().build().expect("it is sound")
    }
}

/// The same event with a tag.
mod newer {
    use evercore::boundary::{Tag, TagName, Tags};
    use evercore::format::Encoding;
    use evercore::{Apply, Event, EventMeta, Registry, Result};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Withdrawn {
        teller: String,
    }

    impl Event for Withdrawn {
        type Aggregate = super::Account;
        const NAME: &'static str = "Withdrawn";
        const TAGS: &'static [TagName] = &[TagName::one("teller")];
        const ENCODING: Encoding<Self> = Encoding::serde();

        fn tags(&self) -> Result<Tags> {
            Tags::new([Tag::new("teller", &self.teller)?])
        }
    }

    impl Apply<Withdrawn> for super::Account {
        fn apply(&mut self, _: &Withdrawn, _: &EventMeta) {}
    }

    pub(crate) fn registry() -> Registry {
        Registry::builder().event::<Withdrawn>().build().expect("it is sound")
    }
}

#[tokio::test]
async fn tags_are_given_to_older_events_with_two_grants_more() {
    let bank = Bank::new().await;
    let url = bank.url("bank_app");
    let old = EventStore::builder().registry(older::registry()).connect(&url).await;
    old.expect("the grants are enough")
        .with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, older::Withdrawn { teller: "ada".to_owned() })
        })
        .await
        .expect("the grants are enough");
    let new = EventStore::builder().registry(newer::registry()).connect(&url).await;
    let new = new.expect("tags are declared with the usual grants");
    let refused = new.backfill_tags().run().await.expect_err("events cannot be changed");
    assert!(Refusal::from(refused).is_of_a_privilege());

    let mut owner = bank.connect("bank_owner").await;
    run(&mut owner, include_str!("../../docs/tagging.sql")).await.expect("it is the owner's");
    let done = new.backfill_tags().run().await.expect("the grants are enough");
    assert_eq!(done.changed, 1);
    let forbidden = "UPDATE evercore.events SET payload = payload";
    let refusal = run(&mut bank.connect("bank_app").await, forbidden).await;
    assert!(Refusal::from(refusal.expect_err("payloads stay")).is_of_a_privilege());
}

#[tokio::test]
async fn the_application_changes_no_event_and_no_table() {
    let mut bank = Bank::new().await;
    bank.use_it().await.expect("the grants are enough");
    let mut app = bank.connect("bank_app").await;
    for forbidden in [
        "UPDATE evercore.events SET payload = payload",
        "DELETE FROM evercore.events",
        "TRUNCATE evercore.events",
        // Attempts to circumvent the restrictions.
        "INSERT INTO evercore.events SELECT * FROM evercore.events ON CONFLICT (position) DO UPDATE SET payload = ''",
        "MERGE INTO evercore.events e USING evercore.events o ON e.position = o.position WHEN MATCHED THEN DELETE",
        "SELECT * FROM evercore.events FOR UPDATE",
        "DO $$ BEGIN LOCK TABLE evercore.events IN ACCESS EXCLUSIVE MODE; END $$",
        "DROP TABLE evercore.events CASCADE",
        "ALTER TABLE evercore.events DISABLE TRIGGER ALL",
        "CREATE RULE mine AS ON INSERT TO evercore.events DO INSTEAD NOTHING",
        "CREATE OR REPLACE VIEW evercore.event_log AS SELECT 1",
        "SET ROLE bank_owner",
        "COPY evercore.events TO '/tmp/events'",
        "DELETE FROM evercore.aggregates",
        "UPDATE evercore.commits SET landed = landed",
        "SELECT setval('evercore.event_positions', 1)",
        "INSERT INTO evercore.evercore_migrations (version, description) VALUES (99, 'mine')",
        "ALTER TABLE evercore.events ADD COLUMN mine text",
        "CREATE TABLE evercore.mine ()",
        "DROP SCHEMA evercore CASCADE",
    ] {
        let refusal = Refusal::from(run(&mut app, forbidden).await.expect_err(forbidden));
        assert!(refusal.is_of_a_privilege(), "{forbidden}: {refusal:?}");
    }
}

#[tokio::test]
async fn a_role_has_the_time_outs_that_a_pooler_does_not_pass_on() {
    let mut bank = Bank::new().await;
    run(&mut bank.superuser, include_str!("../../docs/timeouts.sql")).await.expect("it is there");
    for (options, name, time_out) in
        [("", "evercore", "30s"), ("?session_timeouts=off&application_name=bank", "bank", "20s")]
    {
        let url = format!("{}{options}", bank.url("bank_app"));
        let store = EventStore::connect(url).await.expect("the server answers");
        let found: Result<(String, String), Refusal> = store
            .with_transaction(async |ctx: &mut PostgresContext| {
                let show = "SELECT current_setting('application_name'), current_setting('statement_timeout')";
                Ok(sqlx::query_as(show).fetch_one(&mut **ctx.transaction()).await?)
            })
            .await;
        assert_eq!(found.expect("anyone may ask"), (name.to_owned(), time_out.to_owned()));
    }
}

#[tokio::test]
async fn the_owner_can_migrate_by_hand() {
    let mut bank = Bank::new().await;
    run(&mut bank.superuser, "DROP SCHEMA evercore CASCADE").await.expect("a superuser may");
    run(&mut bank.superuser, "CREATE SCHEMA evercore AUTHORIZATION bank_owner")
        .await
        .expect("again");
    let store = EventStore::builder()
        .migrate(Migrate::Manually)
        .connect(bank.url("bank_owner"))
        .await
        .expect("it opens");
    let mut owner = bank.connect("bank_owner").await;
    for migration in store.migrations() {
        run(&mut owner, &migration.sql).await.expect("it runs as it is printed");
    }
    store.warmup().await.expect("the tables are there");
    store.migrate().await.expect("there is nothing left to do");

    let recorded: Vec<(i64, String)> =
        sqlx::query_as("SELECT version, description FROM evercore.evercore_migrations ORDER BY 1")
            .fetch_all(&mut owner)
            .await
            .expect("it is the owner's");
    let printed = store.migrations().into_iter().map(|step| (step.version, step.description));
    assert_eq!(recorded, printed.collect::<Vec<_>>());
}
