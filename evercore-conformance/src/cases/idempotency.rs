//! P2 for commands: of all commits with one idempotency key, one is stored, and its outcome is the answer to all.

use evercore::command::Executed;
use evercore::engine::{Commit, Idempotency, Precondition};
use evercore::{CommandError, Error, EventStore, IdempotencyKey, Result, Sequence, Target};

use crate::domain::account::{self, Account, Deposit, Deposited, Overdrawn, Withdraw, Withdrawn};
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;
use crate::race::race_all;
use crate::raw;

type Answer = Result<Executed<Account>, CommandError<Overdrawn>>;

async fn withdraw(store: &EventStore, target: impl Into<Target>, amount: i64, key: &str) -> Answer {
    store.execute::<Account, _>(target.into(), Withdraw { amount }).idempotency_key(key).await
}

/// Unwraps the answer to a command that the domain has no reason to reject.
fn accepted(answer: Answer) -> Result<Executed<Account>> {
    answer.map_err(|error| match error {
        CommandError::Rejected(Overdrawn) => panic!("there is enough money"),
        CommandError::Store(error) => error,
    })
}

fn assert_reused(answer: Answer) {
    match answer {
        Err(CommandError::Store(Error::IdempotencyKeyReused { .. })) => {}
        other => panic!("the key was used for something else, and the answer is {other:?}"),
    }
}

pub(crate) async fn a_repeated_command_writes_nothing_and_is_answered_as_the_first(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 100).await?;
    let first = accepted(withdraw(store, id, 30, "request").await)?;
    assert!(!first.is_repetition());
    accepted(withdraw(store, id, 5, "other request").await)?;
    let log = fixture.log().await?;

    let again = accepted(withdraw(store, id, 30, "request").await)?;
    assert!(again.is_repetition());
    assert_eq!((again.id(), again.commit()), (first.id(), first.commit()));
    assert_eq!(again.position(), first.position());
    assert_eq!(again.state().balance, 70, "as it was then");
    assert_eq!(again.aggregate().sequence(), first.aggregate().sequence());
    let [happened] = again.events() else { panic!("one event, not {:?}", again.events()) };
    assert_eq!(happened.decode::<Withdrawn>()?.amount, 30);
    assert_eq!(happened.meta(), first.events()[0].meta());
    assert_eq!(fixture.log().await?, log);
    let landed = store.find_by_idempotency_key("request").await?.expect("it has landed");
    assert_eq!((Some(landed.id), landed.position()), (first.commit(), first.position()));
    Ok(())
}

/// The writers are in two processes. They share no aggregate whose sequence would reveal a repetition.
pub(crate) async fn racing_repetitions_come_true_once(fixture: &Fixture) -> Result<()> {
    const REQUESTS: usize = 4;
    let (here, there) = (fixture.store(), fixture.neighbour().await?);
    let answers = race_all(12, |runner| {
        let store = if runner % 2 == 0 { here.clone() } else { there.clone() };
        async move {
            let mut opened = Vec::new();
            for request in 0..REQUESTS {
                let deposit = Deposit { amount: 7 };
                let open = store.execute::<Account, _>(Target::New, deposit);
                let answer = accepted(open.idempotency_key(format!("request {request}")).await)?;
                opened.push((answer.id(), answer.position()));
            }
            Ok(opened)
        }
    })
    .await?;
    assert!(answers.iter().all(|others| *others == answers[0]), "{answers:?}");
    assert_eq!(fixture.log().await?.len(), REQUESTS);
    Ok(())
}

pub(crate) async fn a_repetition_is_known_to_the_next_process(fixture: &Fixture) -> Result<()> {
    let id = account::open(fixture.store(), 100).await?;
    let first = accepted(withdraw(fixture.store(), id, 30, "request").await)?;
    let next = fixture.successor().await?;
    let again = accepted(withdraw(&next.store, id, 30, "request").await)?;
    assert!(again.is_repetition());
    assert_eq!((again.commit(), again.position()), (first.commit(), first.position()));
    assert_eq!(account::total(&next.store, &[id]).await?, 70);
    Ok(())
}

/// A repetition gets the same answer even if the current state would no longer allow the command.
pub(crate) async fn a_repetition_would_be_refused_and_is_answered(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 30).await?;
    accepted(withdraw(store, id, 30, "request").await)?;
    let again = accepted(withdraw(store, id, 30, "request").await)?;
    assert!(again.is_repetition());
    assert_eq!(again.state().balance, 0);
    assert!(matches!(
        withdraw(store, id, 30, "another request").await,
        Err(CommandError::Rejected(Overdrawn))
    ));
    Ok(())
}

pub(crate) async fn a_repeated_creation_creates_nothing(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let open = async |target: Target, key: &str| {
        let deposit = Deposit { amount: 7 };
        accepted(store.execute::<Account, _>(target, deposit).idempotency_key(key).await)
    };
    let first = open(Target::New, "request").await?;
    let again = open(Target::New, "request").await?;
    assert!(again.is_repetition());
    assert_eq!(again.id(), first.id());

    let keyed = open(Target::new_with_key("account")?, "keyed request").await?;
    let again = open(Target::new_with_key("account")?, "keyed request").await?;
    assert!(again.is_repetition(), "the natural key is taken by the first");
    assert_eq!(again.id(), keyed.id());
    assert_eq!(again.aggregate().key(), keyed.aggregate().key());
    assert_eq!(fixture.log().await?.len(), 2);
    Ok(())
}

pub(crate) async fn a_refused_command_leaves_its_key_free(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 10).await?;
    let refused = withdraw(store, id, 30, "request").await;
    assert!(matches!(refused, Err(CommandError::Rejected(Overdrawn))));
    assert_eq!(store.find_by_idempotency_key("request").await?, None);

    let deposit = store.execute::<Account, _>(id, Deposit { amount: 50 }).await;
    accepted(deposit)?;
    assert!(!accepted(withdraw(store, id, 30, "request").await)?.is_repetition());
    Ok(())
}

/// A command without an effect has none when it is repeated, whatever it would do now.
pub(crate) async fn a_command_that_emits_nothing_comes_true_as_well(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 10).await?;
    let log = fixture.log().await?;
    for is_repetition in [false, true] {
        let nothing = Deposit { amount: 0 };
        let done = store.execute::<Account, _>(id, nothing).idempotency_key("request").await;
        let done = accepted(done)?;
        assert_eq!(done.is_repetition(), is_repetition);
        assert!(done.events().is_empty() && done.position().is_none());
        assert_eq!(done.state().balance, 10);

        let created = store.execute::<Account, _>(Target::New, nothing).idempotency_key("new");
        let created = accepted(created.await)?;
        assert_eq!(created.is_repetition(), is_repetition);
        assert_eq!(created.aggregate().sequence(), Sequence::ZERO);
        let is_there = store
            .with_readonly_context(async |ctx| ctx.find::<Account>(created.id()).await)
            .await?;
        assert!(is_there.is_none(), "nothing was created");
    }
    let unkeyed = accepted(store.execute::<Account, _>(id, Deposit { amount: 0 }).await)?;
    assert_eq!(unkeyed.commit(), None);
    assert_eq!(fixture.log().await?, log);
    Ok(())
}

pub(crate) async fn a_key_of_another_command_or_aggregate_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let (id, other) = (account::open(store, 100).await?, account::open(store, 100).await?);
    accepted(withdraw(store, id, 30, "request").await)?;
    let log = fixture.log().await?;
    assert_reused(withdraw(store, other, 30, "request").await);
    let deposit = Deposit { amount: 1 };
    assert_reused(store.execute::<Account, _>(id, deposit).idempotency_key("request").await);
    assert_eq!(fixture.log().await?, log);

    // A context has no answer that could be repeated, so it gets an error.
    let used = store
        .with_context(async |ctx| {
            ctx.set_idempotency_key("request")?;
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, Deposited { amount: 1 })
        })
        .await;
    assert!(matches!(used, Err(Error::IdempotencyKeyUsed { .. })), "{used:?}");
    assert_eq!(fixture.log().await?, log);
    Ok(())
}

fn with_key(commit: Commit, key: &str) -> Result<Commit> {
    let (command, result) = ("command".into(), "null".into());
    let idempotency = Some(Idempotency { key: IdempotencyKey::new(key)?, command, result });
    Ok(Commit { idempotency, ..commit })
}

pub(crate) async fn a_used_key_is_told_before_a_conflict(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let id = raw::fresh_id(engine).await?;
    let creation = with_key(raw::creation(id, &[Added { by: 1 }]), "request")?;
    let landed = engine.commit(creation.clone()).await?;
    assert_eq!(
        engine.commit(creation.clone()).await?,
        landed,
        "the same commit is known by its id"
    );

    let again = Commit { id: evercore::CommitId::generate(), ..creation };
    let used = engine.commit(again).await;
    assert!(matches!(used, Err(Error::IdempotencyKeyUsed { .. })), "{used:?}");
    let key = IdempotencyKey::new("request")?;
    let first = engine.find_by_idempotency_key(&key).await?.expect("it has landed");
    assert_eq!(first.committed, landed);
    assert_eq!((&*first.command, &*first.result), ("command", "null"));
    Ok(())
}

pub(crate) async fn a_used_key_in_a_group_does_not_fail_its_neighbours(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let used = counter::create(store, 0).await?;
    let add = async |store: &EventStore, id, key: String| {
        store
            .with_context(async |ctx| {
                ctx.set_idempotency_key(key.as_str())?;
                let mut counter = ctx.load::<Counter>(id).await?;
                ctx.apply(&mut counter, Added { by: 1 })
            })
            .await
    };
    add(store, used, "request".to_owned()).await?;
    let refused = race_all(16, |runner| {
        let store = store.clone();
        async move {
            let id = counter::create(&store, 0).await?;
            let key =
                if runner % 4 == 0 { "request".to_owned() } else { format!("request {runner}") };
            match add(&store, id, key).await {
                Ok(()) => Ok(0),
                Err(Error::IdempotencyKeyUsed { .. }) => Ok(1),
                Err(error) => Err(error),
            }
        }
    })
    .await?;
    assert_eq!(refused.iter().sum::<u32>(), 4);
    // 17 creations, 1 command from before, 12 now.
    assert_eq!(fixture.log().await?.len(), 17 + 1 + 12);
    Ok(())
}

pub(crate) async fn a_key_without_a_landed_commit_is_found_nowhere(
    fixture: &Fixture,
) -> Result<()> {
    let (engine, key) = (fixture.engine(), IdempotencyKey::new("request")?);
    assert_eq!(engine.find_by_idempotency_key(&key).await?, None);

    let id = counter::create(fixture.store(), 0).await?;
    let stale = raw::write::<Counter>(id, Precondition::At(Sequence::new(7)?));
    let refused = with_key(raw::commit(vec![stale], Vec::new()), "request")?;
    assert!(engine.commit(refused).await.is_err());
    assert_eq!(engine.find_by_idempotency_key(&key).await?, None);

    let alone = with_key(raw::commit(Vec::new(), Vec::new()), "request")?;
    let landed = engine.commit(alone).await?;
    assert!(landed.positions.is_empty());
    assert_eq!(
        engine.find_by_idempotency_key(&key).await?.map(|first| first.committed),
        Some(landed)
    );
    Ok(())
}
