//! P2 for whole requests: a closure is committed once per key, and its result is the answer to all repetitions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use evercore::command::Once;
use evercore::{
    AggregateId, CommandError, Error, EventStore, IdempotencyKey, Limits, Position, Result,
    RetryPolicy,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;

use crate::assert::assert_error;
use crate::domain::account::{self, Account, Deposit, Deposited, Refused, Withdrawn};
use crate::fixture::Fixture;
use crate::race::{race, race_all};

/// The answer of a service to a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Receipt {
    note: String,
    left: i64,
    since: Position,
}

/// Transfers money between two accounts, once per key. The accounts reject a transfer of money that they do not have.
async fn transfer(
    store: &EventStore,
    key: &str,
    [from, to]: [AggregateId; 2],
    amount: i64,
) -> Result<Once<Receipt>, Refused> {
    let since = store.head().await?;
    store
        .once_committed(key, async |ctx| {
            let mut payer = ctx.load::<Account>(from).await?;
            let mut payee = ctx.load::<Account>(to).await?;
            let left = payer.state().balance - amount;
            if left < 0 {
                return Err(Refused::Overdrawn);
            }
            ctx.apply(&mut payer, Withdrawn { amount })?;
            ctx.apply(&mut payee, Deposited { amount })?;
            Ok(Receipt { note: format!("{amount}\0\u{1F4B6} \"from\" {from}"), left, since })
        })
        .await
}

async fn two_accounts(store: &EventStore) -> Result<[AggregateId; 2]> {
    Ok([account::open(store, 30).await?, account::open(store, 0).await?])
}

/// Both the accounts' rule and the key would refuse the second transfer.
pub(crate) async fn a_repeated_request_is_answered_as_the_first(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let accounts = two_accounts(store).await?;
    let first = accepted(transfer(store, "request", accounts, 30).await)?;
    assert!(!first.is_repetition());
    let log = fixture.log().await?;
    assert_eq!((log.len(), first.position()), (4, log.last().map(|last| last.position())));

    let there = fixture.neighbour().await?;
    let next = fixture.successor().await?;
    for repeated in [&there, &next.store] {
        let again = accepted(transfer(repeated, "request", accounts, 30).await)?;
        assert!(again.is_repetition());
        assert_eq!((again.commit(), again.position()), (first.commit(), first.position()));
        assert_eq!(again.value(), first.value());
        assert_eq!(account::total(repeated, &accounts[..1]).await?, 0);
    }
    let other = transfer(&next.store, "other request", accounts, 30).await;
    assert!(matches!(other, Err(Refused::Overdrawn)), "{other:?}");
    Ok(())
}

fn accepted(answer: Result<Once<Receipt>, Refused>) -> Result<Once<Receipt>> {
    answer.map_err(|refused| match refused {
        Refused::Overdrawn => panic!("there was enough money, once"),
        Refused::Store(error) => error,
    })
}

/// Two processes send each request eight times, with money for half of the requests.
pub(crate) async fn racing_requests_with_one_key_land_once(fixture: &Fixture) -> Result<()> {
    const REQUESTS: usize = 4;
    let stores = [fixture.store().clone(), fixture.neighbour().await?];
    let accounts = two_accounts(&stores[0]).await?;
    let answers = race(8 * REQUESTS, |runner| {
        let store = stores[runner % 2].clone();
        async move {
            transfer(&store, &format!("request {}", runner / 2 % REQUESTS), accounts, 15).await
        }
    })
    .await;

    let mut landed = 0;
    for request in 0..REQUESTS {
        let of_wish: Vec<_> = answers
            .iter()
            .enumerate()
            .filter(|(runner, _)| runner / 2 % REQUESTS == request)
            .collect();
        let firsts = of_wish.iter().filter(|(_, answer)| is_first(answer)).count();
        assert!(firsts <= 1, "request {request} landed {firsts} times");
        landed += firsts;
        let mut told = of_wish.iter().filter_map(|(_, answer)| answer.as_ref().ok());
        let first = told.next().map(|once| (once.commit(), once.value()));
        assert!(told.all(|once| Some((once.commit(), once.value())) == first), "{of_wish:?}");
        for (_, answer) in of_wish {
            assert!(matches!(answer, Ok(_) | Err(Refused::Overdrawn)), "{answer:?}");
        }
    }
    assert_eq!(landed, 2, "there was money for two");
    assert_eq!(account::total(&stores[0], &accounts[1..]).await?, 30);
    Ok(())
}

/// Both repetitions have loaded the account before either commits, and neither is rerun.
pub(crate) async fn a_conflict_with_its_own_repetition_is_answered_as_that_is(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store_with(fixture.builder().retry(RetryPolicy::none())).await?;
    let id = account::open(&store, 0).await?;
    let (both_have_loaded, runs) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU32::new(0)));
    let answers = race_all(2, |_| {
        let (store, both_have_loaded) = (store.clone(), Arc::clone(&both_have_loaded));
        let runs = Arc::clone(&runs);
        async move {
            store
                .once_committed("request", async |ctx| {
                    let mut account = ctx.load::<Account>(id).await?;
                    let run = runs.fetch_add(1, Ordering::Relaxed);
                    if run < 2 {
                        both_have_loaded.wait().await;
                    }
                    ctx.apply(&mut account, Deposited { amount: 5 })?;
                    Ok::<_, Error>(run)
                })
                .await
        }
    })
    .await?;
    assert_eq!(answers[0].value(), answers[1].value());
    assert_ne!(answers[0].is_repetition(), answers[1].is_repetition());

    let executed = race(16, |_| {
        let store = store.clone();
        async move {
            store.execute::<Account, _>(id, Deposit { amount: 5 }).idempotency_key("command").await
        }
    });
    for answer in executed.await {
        assert_eq!(answer.expect("it conflicts with itself alone").state().balance, 10);
    }
    assert_eq!(account::total(&store, &[id]).await?, 10);
    Ok(())
}

fn is_first(answer: &Result<Once<Receipt>, Refused>) -> bool {
    answer.as_ref().is_ok_and(|once| !once.is_repetition())
}

pub(crate) async fn a_failed_request_leaves_its_key_free(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let accounts = two_accounts(store).await?;
    let refused = transfer(store, "request", accounts, 40).await;
    assert!(matches!(refused, Err(Refused::Overdrawn)), "{refused:?}");
    assert_eq!(store.find_by_idempotency_key("request").await?, None);

    let deposit = store.execute::<Account, _>(accounts[0], Deposit { amount: 10 }).await;
    deposit.expect("nothing stands in its way");
    assert!(!accepted(transfer(store, "request", accounts, 40).await)?.is_repetition());
    Ok(())
}

/// The account may have changed since, but the answer stays.
pub(crate) async fn a_request_that_changes_nothing_keeps_its_answer(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 7).await?;
    let look = async || {
        let look = store.once_committed("look", async |ctx| {
            Ok::<_, Error>(ctx.load::<Account>(id).await?.state().balance)
        });
        look.await
    };
    let first = look().await?;
    assert_eq!((*first.value(), first.is_repetition(), first.position()), (7, false, None));
    assert!(first.commit().is_some());
    let deposit = store.execute::<Account, _>(id, Deposit { amount: 1 }).await;
    deposit.expect("nothing stands in its way");
    let again = look().await?;
    assert_eq!((*again.value(), again.is_repetition()), (7, true));
    assert_eq!(again.commit(), first.commit());
    assert_eq!(store.once("nothing", async |_| Ok::<_, Error>(())).await?, ());
    assert_eq!(store.once("nothing", async |_| Ok::<_, Error>(())).await?, ());
    assert_eq!(fixture.log().await?.len(), 2);
    Ok(())
}

pub(crate) async fn a_key_of_another_request_is_refused(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 7).await?;
    let deposit = store.execute::<Account, _>(id, Deposit { amount: 1 });
    deposit.idempotency_key("command").await.expect("nothing stands in its way");
    let context = store
        .with_context(async |ctx| {
            ctx.set_idempotency_key("context")?;
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, Deposited { amount: 1 })
        })
        .await;
    context?;
    store.once("number", async |_| Ok::<_, Error>(1)).await?;
    let log = fixture.log().await?;
    for key in ["command", "context", "number"] {
        let text = store
            .once(key, async |ctx| {
                let mut account = ctx.load::<Account>(id).await?;
                ctx.apply(&mut account, Deposited { amount: 1 })?;
                Ok::<_, Error>("text".to_owned())
            })
            .await;
        assert_error!(text, Error::IdempotencyKeyReused { key: reused, .. } if reused == key);
    }
    let command = store.execute::<Account, _>(id, Deposit { amount: 1 });
    assert_error!(
        command.idempotency_key("number").await,
        CommandError::Store(Error::IdempotencyKeyReused { .. })
    );
    let of_its_own = store
        .once("request", async |ctx| {
            ctx.set_idempotency_key("another")?;
            Ok::<_, Error>(())
        })
        .await;
    assert_error!(of_its_own, Error::InvalidIdempotencyKey { key, .. } if key == "request");
    assert_eq!(fixture.log().await?, log);
    Ok(())
}

/// The result is refused before the commit, and again when a later program cannot decode it.
pub(crate) async fn a_result_that_cannot_be_given_again_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    let small = fixture.builder().limits(Limits::default().max_result_bytes(100));
    let store = fixture.store_with(small).await?;
    let once = async |text: String| store.once("request", async |_| Ok::<_, Error>(text)).await;
    assert_error!(once("x".repeat(99)).await, Error::ResultTooLarge { bytes: 101, limit: 100 });
    let no_number = store.once("request", async |_| Ok::<_, Error>(f64::NAN)).await;
    assert_error!(no_number, Error::NotRoundTrip { .. });
    let nothing = store.once("request", async |_| Ok::<_, Error>(Some(None::<u8>))).await;
    assert_error!(nothing, Error::NotRoundTrip { mismatch, .. } if mismatch.read == "None");
    let key = IdempotencyKey::new("request")?;
    assert_eq!(fixture.engine().find_by_idempotency_key(&key).await?, None);

    let longest = "x".repeat(98);
    assert_eq!(once(longest.clone()).await?, longest);
    assert_eq!(once("y".repeat(99)).await?, longest, "an answer that was given is given again");

    {
        #[derive(Serialize, Deserialize)]
        struct Answer(i64);
        store.once("answer", async |_| Ok::<_, Error>(Answer(-1))).await?;
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Answer(u8);
    let unreadable = store.once("answer", async |_| Ok::<_, Error>(Answer(1))).await;
    assert_error!(unreadable, Error::UnreadableResult { key, .. } if key == "answer");
    Ok(())
}
