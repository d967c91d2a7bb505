//! P5: a unique value belongs to at most one aggregate of a type.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evercore::boundary::Tag;
use evercore::engine::{Capability, Commit, Precondition, UniqueChange, UniqueStep};
use evercore::{
    Aggregate, AggregateId, Error, EventStore, Expected, NaturalKey, Registry, Result, Stream,
};
use tokio::time::sleep;

use crate::assert::assert_error;
use crate::domain::counter;
use crate::domain::guest::{self, Guest, Invited, OldGuest, OldInvited};
use crate::domain::member::{
    self, EMAIL, Greeted, Member, Registered, by_email, by_seat, with_email,
};
use crate::fixture::Fixture;
use crate::race::{race, race_all};
use crate::raw;

const RUNNERS: usize = 12;

/// The time between two commits of a writer, so that a log stays small.
const PACE: Duration = Duration::from_micros(500);

/// Opens a store of another program, with an engine of its own.
async fn program(fixture: &Fixture, registry: Result<Registry>) -> Result<EventStore> {
    let engine = fixture.harness().open().await?;
    fixture.builder().registry(registry?).open_shared(engine).await
}

fn seats(seats: &[u32]) -> Registered {
    Registered { email: None, seats: seats.to_vec() }
}

/// Asks for the holder of each of these addresses.
async fn holders(store: &EventStore, emails: &[&str]) -> Result<Vec<Option<AggregateId>>> {
    let mut holders = Vec::new();
    for email in emails {
        holders.push(member::find(store, by_email(email)).await?);
    }
    Ok(holders)
}

pub(crate) async fn of_racing_claims_of_a_value_one_wins(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    for round in 0..5 {
        let email = format!("{round}@example.org");
        let answers = race(RUNNERS, |_| {
            let (store, email) = (store.clone(), email.clone());
            async move { member::create(&store, with_email(&email)).await }
        })
        .await;
        let winners: Vec<_> = answers.iter().flatten().copied().collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        for answer in answers.into_iter().filter(Result::is_err) {
            assert_error!(answer, Error::ValueTaken { aggregate, name, value, holder }
                if aggregate == Member::NAME && name == EMAIL && value == email && holder == winners[0]);
        }
        assert_eq!(member::find(store, by_email(&email)).await?, Some(winners[0]));
    }
    assert_eq!(fixture.log().await?.len(), 5, "losers leave no events");
    Ok(())
}

/// The members exist before, so that engines lock their rows as well.
pub(crate) async fn of_racing_changes_to_a_value_one_wins(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let mut members = Vec::new();
    for number in 0..RUNNERS {
        members.push(member::create(store, with_email(&format!("{number}"))).await?);
    }
    for round in 0..5 {
        let email = format!("round {round}");
        let answers = race(RUNNERS, |runner| {
            let (store, email, id) = (store.clone(), email.clone(), members[runner]);
            async move { member::change(&store, id, with_email(&email)).await }
        })
        .await;
        let winners: Vec<_> = (0..RUNNERS).filter(|&runner| answers[runner].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        assert_eq!(member::find(store, by_email(&email)).await?, Some(members[winners[0]]));
    }
    Ok(())
}

/// Each context claims two values, half of them in the opposite order: one gets both, and none waits forever.
pub(crate) async fn racing_claims_of_two_values_in_opposite_orders_end(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    for round in 0..5 {
        let answers = race(RUNNERS, |runner| {
            let store = store.clone();
            let mut emails = [format!("left {round}"), format!("right {round}")];
            if runner % 2 == 0 {
                emails.reverse();
            }
            async move {
                store
                    .with_context(async |ctx| {
                        for email in &emails {
                            member::stage(ctx, with_email(email)).await?;
                        }
                        Ok(())
                    })
                    .await
            }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        for answer in answers.into_iter().filter(Result::is_err) {
            assert_error!(answer, Error::ValueTaken { .. });
        }
    }
    assert_eq!(fixture.log().await?.len(), 10);
    Ok(())
}

pub(crate) async fn a_taken_value_refuses_the_whole_commit(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let holder = member::create(store, with_email("taken")).await?;
    let moving = member::create(store, with_email("own")).await?;
    let before = fixture.log().await?;

    let answer = store
        .with_context(async |ctx| {
            member::stage(ctx, with_email("fresh")).await?;
            let mut moving = ctx.load::<Member>(moving).await?;
            ctx.apply(&mut moving, with_email("taken"))?;
            Ok::<_, Error>(())
        })
        .await;
    assert_error!(answer, Error::ValueTaken { value, holder: by, .. } if value == "taken" && by == holder);
    assert_eq!(fixture.log().await?, before);
    let found = holders(store, &["taken", "own", "fresh"]).await?;
    assert_eq!(found, [Some(holder), Some(moving), None]);
    Ok(())
}

pub(crate) async fn a_changed_or_released_value_is_free(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let first = member::create(store, with_email("a")).await?;
    member::change(store, first, with_email("b")).await?;
    let second = member::create(store, with_email("a")).await?;
    member::change(store, first, seats(&[])).await?;
    let third = member::create(store, with_email("b")).await?;
    assert_eq!(holders(store, &["a", "b"]).await?, [Some(second), Some(third)]);
    member::change(store, third, with_email("b")).await?;
    assert_eq!(holders(store, &["a", "b"]).await?, [Some(second), Some(third)]);
    Ok(())
}

pub(crate) async fn two_aggregates_can_swap_their_values(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let first = member::create(store, with_email("a")).await?;
    let second = member::create(store, with_email("b")).await?;
    store
        .with_context(async |ctx| {
            let mut first = ctx.load::<Member>(first).await?;
            let mut second = ctx.load::<Member>(second).await?;
            ctx.apply(&mut first, with_email("b"))?;
            ctx.apply(&mut second, with_email("a"))
        })
        .await?;
    assert_eq!(holders(store, &["a", "b"]).await?, [Some(second), Some(first)]);
    Ok(())
}

/// Each member takes the address of the next; the last one takes a free one. In both orders of the commit.
pub(crate) async fn values_can_move_along_a_chain(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let mut members = Vec::new();
    for email in ["a", "b", "c"] {
        members.push(member::create(store, with_email(email)).await?);
    }
    store
        .with_context(async |ctx| {
            for (&id, email) in members.iter().zip(["b", "c", "d"]) {
                let mut member = ctx.load::<Member>(id).await?;
                ctx.apply(&mut member, with_email(email))?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    let [a, b, c] = [members[0], members[1], members[2]];
    let emails = ["a", "b", "c", "d"];
    assert_eq!(holders(store, &emails).await?, [None, Some(a), Some(b), Some(c)]);
    store
        .with_context(async |ctx| {
            for (&id, email) in members.iter().zip(["a", "b", "c"]) {
                let mut member = ctx.load::<Member>(id).await?;
                ctx.apply(&mut member, with_email(email))?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(holders(store, &emails).await?, [Some(a), Some(b), Some(c), None]);
    Ok(())
}

/// The holder comes before or after the new holder in the commit, for engines that process it in order.
pub(crate) async fn a_released_value_can_be_claimed_in_the_same_context(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let old = member::create(store, with_email("x")).await?;
    let newer = store
        .with_context(async |ctx| {
            let mut old = ctx.load::<Member>(old).await?;
            ctx.apply(&mut old, seats(&[]))?;
            member::stage(ctx, with_email("x")).await
        })
        .await?;
    assert_eq!(holders(store, &["x"]).await?, [Some(newer)]);
    let newest = store
        .with_context(async |ctx| {
            let newest = member::stage(ctx, with_email("x")).await?;
            let mut newer = ctx.load::<Member>(newer).await?;
            ctx.apply(&mut newer, seats(&[]))?;
            Ok::<_, Error>(newest)
        })
        .await?;
    assert_eq!(holders(store, &["x"]).await?, [Some(newest)]);
    Ok(())
}

/// Only what the commit leaves counts: a value that a context takes and gives back is never claimed.
pub(crate) async fn only_the_last_state_of_a_context_claims(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let holder = member::create(store, with_email("taken")).await?;
    let passing = store
        .with_context(async |ctx| {
            let mut passing = ctx.create::<Member>().await?;
            ctx.apply(&mut passing, with_email("taken"))?;
            ctx.apply(&mut passing, with_email("own"))?;
            Ok::<_, Error>(passing.id())
        })
        .await?;
    assert_eq!(holders(store, &["taken", "own"]).await?, [Some(holder), Some(passing)]);
    Ok(())
}

pub(crate) async fn an_aggregate_has_several_values_of_one_name(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let pair = member::create(store, seats(&[7, 8])).await?;
    let refused = member::create(store, seats(&[9, 8])).await;
    assert_error!(refused, Error::ValueTaken { name, value, holder, .. }
        if name == "seat" && value == "8" && holder == pair);
    assert_eq!(member::find(store, by_seat(9)).await?, None);
    member::change(store, pair, seats(&[7, 9])).await?;
    let eight = member::create(store, seats(&[8])).await?;
    for (seat, holder) in [(7, pair), (8, eight), (9, pair)] {
        assert_eq!(member::find(store, by_seat(seat)).await?, Some(holder), "{seat}");
    }
    Ok(())
}

pub(crate) async fn a_context_finds_what_it_has_staged(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let old = member::create(store, with_email("old")).await?;
    store
        .with_context(async |ctx| {
            let new = member::stage(ctx, with_email("new")).await?;
            assert_eq!(ctx.load_by_unique(by_email("new")).await?.id(), new);
            let mut old = ctx.load_by_unique(by_email("old")).await?;
            ctx.apply(&mut old, with_email("newer"))?;
            assert!(ctx.find_by_unique(by_email("old")).await?.is_none(), "it is released");
            assert_eq!(ctx.load_by_unique(by_email("newer")).await?.id(), old.id());
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(holders(store, &["old", "newer"]).await?, [None, Some(old)]);
    let unknown = store.with_context(async |ctx| ctx.load_by_unique(by_email("none")).await).await;
    assert_error!(unknown, Error::UnknownValue { value, .. } if value == "none");
    let invalid = store.with_context(async |ctx| ctx.load_by_unique(by_email("")).await).await;
    assert_error!(invalid, Error::InvalidValue { .. });
    Ok(())
}

pub(crate) async fn an_invalid_value_refuses_the_commit(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    for email in ["", "a\nb", "a\0b", &"e".repeat(250)] {
        let refused = member::create(store, with_email(email)).await;
        assert_error!(refused, Error::InvalidValue { .. });
    }
    let refused = member::create(store, seats(&(1..=33).collect::<Vec<_>>())).await;
    assert_error!(refused, Error::InvalidValue { .. });
    assert_eq!(fixture.log().await?, []);
    let longest = "e".repeat(249);
    let all = Registered { email: Some(longest.clone()), seats: (1..=31).collect() };
    let id = member::create(store, all).await?;
    assert_eq!(member::find(store, by_email(&longest)).await?, Some(id));
    Ok(())
}

/// Every rerun decides on the state that it has loaded, and claims by it.
pub(crate) async fn a_rerun_claims_by_the_state_that_it_has_loaded(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    let id = member::create(store, with_email("first")).await?;
    let is_rerun = AtomicBool::new(false);
    store
        .with_context(async |ctx| {
            let mut member = ctx.load::<Member>(id).await?;
            if !is_rerun.swap(true, Ordering::Relaxed) {
                member::change(&rival, id, with_email("second")).await?;
            }
            ctx.apply(&mut member, with_email("third"))
        })
        .await?;
    assert_eq!(holders(store, &["first", "second", "third"]).await?, [None, None, Some(id)]);
    Ok(())
}

/// A conflict comes before a taken value, which may be due to the stale state.
pub(crate) async fn a_stale_claim_is_a_conflict(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    let id = member::create(store, with_email("own")).await?;
    member::create(store, with_email("taken")).await?;
    let stale = store
        .with_context_once(async |ctx| {
            let mut member = ctx.load::<Member>(id).await?;
            member::change(&rival, id, with_email("other")).await?;
            ctx.apply(&mut member, with_email("taken"))
        })
        .await;
    assert_error!(stale, Error::Conflict { .. });
    assert_eq!(holders(store, &["other"]).await?, [Some(id)]);
    Ok(())
}

pub(crate) async fn a_value_that_stays_is_not_claimed_again(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let id = member::create(store, with_email("own")).await?;
    race_all(RUNNERS, |_| {
        let store = store.clone();
        async move {
            store
                .with_context(async |ctx| {
                    let mut member = ctx.load_by_unique(by_email("own")).await?;
                    ctx.apply(&mut member, Greeted)
                })
                .await
        }
    })
    .await?;
    assert_eq!(holders(store, &["own"]).await?, [Some(id)]);
    Ok(())
}

/// A view shows the holder of its moment, with the state of that moment.
pub(crate) async fn a_view_finds_values_as_of_its_moment(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    fixture.needs(Capability::ReadViews)?;
    let store = fixture.store();
    let id = member::create(store, with_email("before")).await?;
    store
        .with_readonly_context(async |ctx| {
            ctx.load::<Member>(id).await?;
            member::change(&fixture.rival(), id, with_email("after")).await?;
            let found = ctx.load_by_unique(by_email("before")).await?;
            assert_eq!((found.id(), found.state().email.as_deref()), (id, Some("before")));
            assert!(ctx.find_by_unique(by_email("after")).await?.is_none());
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(holders(store, &["before", "after"]).await?, [None, Some(id)]);
    Ok(())
}

pub(crate) async fn values_compare_byte_for_byte(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let store = fixture.store();
    let emails = [
        "Ada", "ada", "ada ", " ada", "é", "e\u{301}", "ß", "ss", "1", "01", "%", "_", "a:b", "'",
        "\"", "\\", "{a,b}", "null", "NULL", "🦀", "\u{200b}",
    ];
    let mut ids = Vec::new();
    for email in emails {
        ids.push(Some(member::create(store, with_email(email)).await?));
    }
    assert_eq!(holders(store, &emails).await?, ids);
    Ok(())
}

/// The core sends no such commits, but an engine judges them nevertheless.
pub(crate) async fn an_engine_judges_changes_that_no_context_sends(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let (engine, store) = (fixture.engine(), fixture.store());
    let (first, second) = (raw::fresh_id(engine).await?, raw::fresh_id(engine).await?);
    let change = |id, value: &str, step| UniqueChange {
        aggregate_id: id,
        aggregate_type: Member::NAME,
        value: Tag::new(EMAIL, value).expect("a value"),
        step,
    };
    let commit = |id, precondition, unique| {
        let write = raw::write::<Member>(id, precondition);
        Commit { unique, ..raw::commit(vec![write], Vec::new()) }
    };

    let mut both = raw::commit(
        vec![
            raw::write::<Member>(first, Precondition::New),
            raw::write::<Member>(second, Precondition::New),
        ],
        Vec::new(),
    );
    both.unique =
        vec![change(first, "one", UniqueStep::Claim), change(second, "one", UniqueStep::Claim)];
    assert_error!(engine.commit(both).await, Error::ValueTaken { holder, .. } if holder == first);
    assert_eq!(holders(store, &["one"]).await?, [None]);

    let claim = vec![change(first, "one", UniqueStep::Claim)];
    engine.commit(commit(first, Precondition::New, claim.clone())).await?;
    engine.commit(commit(first, Precondition::Exists, claim)).await?;
    assert_eq!(holders(store, &["one"]).await?, [Some(first)], "it was its own");

    let release = vec![change(second, "one", UniqueStep::Release)];
    engine.commit(commit(second, Precondition::New, release)).await?;
    assert_eq!(holders(store, &["one"]).await?, [Some(first)], "only the holder releases");

    // Releasing another value of the same holder frees nothing.
    let mut swap = commit(
        first,
        Precondition::Exists,
        vec![change(first, "other", UniqueStep::Release), change(second, "one", UniqueStep::Claim)],
    );
    swap.writes.push(raw::write::<Member>(second, Precondition::Exists));
    assert_error!(engine.commit(swap).await, Error::ValueTaken { holder, .. } if holder == first);
    Ok(())
}

/// The addresses of guests were not unique at first. More guests than a page of the call.
pub(crate) async fn values_of_older_aggregates_are_claimed_by_a_call(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    fixture.needs(Capability::Inspection)?;
    let old = fixture.store_with(fixture.builder().registry(guest::old_registry()?)).await?;
    let first = guest::invite_before(&old, Some("shared")).await?;
    let second = guest::invite_before(&old, Some("shared")).await?;
    guest::invite_before(&old, None).await?;
    let invalid = guest::invite_before(&old, Some("")).await?;
    for number in 0..250 {
        guest::invite_before(&old, Some(&format!("{number}"))).await?;
    }

    let new =
        || async { fixture.store_with(fixture.builder().registry(guest::new_registry()?)).await };
    let store = new().await?;
    assert_error!(
        fixture.store_with(fixture.builder().registry(guest::old_registry()?)).await,
        Error::UndeclaredValues { aggregate, name } if aggregate == "guest" && name == "email"
    );
    assert_error!(guest::find(&store, "shared").await, Error::ValuesIncomplete { .. });
    guest::invite(&store, "new").await?;
    let taken = guest::invite(&store, "new").await;
    assert_error!(taken, Error::ValueTaken { value, .. } if value == "new");

    let mut pages = 0;
    let claimed = store.claim_unique_values::<Guest>(|_| pages += 1).await?;
    assert!(pages > 1);
    assert!(!claimed.is_complete);
    assert_eq!((claimed.aggregates, claimed.values, claimed.unclaimed_count), (255, 252, 2));
    let [shared, empty] = &claimed.unclaimed[..] else { panic!("{claimed:?}") };
    // Aggregates claim at the same time, so either of the two may have the value.
    let loser = shared.aggregate_id;
    let winner = if loser == first { second } else { first };
    assert!(matches!(&shared.error, Error::ValueTaken { holder, .. } if *holder == winner));
    assert_eq!((loser.min(winner), empty.aggregate_id), (first, invalid));
    assert!(matches!(&empty.error, Error::InvalidValue { .. }));
    assert_error!(guest::find(&store, "shared").await, Error::ValuesIncomplete { .. });
    assert_error!(guest::invite(&store, "7").await, Error::ValueTaken { .. });

    guest::change(&store, loser, "own").await?;
    guest::change(&store, invalid, "another").await?;
    let claimed = store.claim_unique_values::<Guest>(|_| {}).await?;
    assert!(claimed.is_complete, "{claimed:?}");
    for store in [store, new().await?] {
        assert_eq!(guest::find(&store, "shared").await?, Some(winner));
        assert_eq!(guest::find(&store, "own").await?, Some(loser));
        assert!(guest::find(&store, "249").await?.is_some());
        let nothing = store.claim_unique_values::<Guest>(|_| {}).await?;
        assert_eq!((nothing.aggregates, nothing.is_complete), (0, true));
    }
    Ok(())
}

pub(crate) async fn a_running_older_program_is_refused_once_a_name_is_declared(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let old = program(fixture, guest::old_registry()).await?;
    let id = guest::invite_before(&old, Some("own")).await?;
    let new = program(fixture, guest::new_registry()).await?;
    for _ in 0..2 {
        assert_error!(
            guest::invite_before(&old, Some("own")).await,
            Error::UndeclaredValues { aggregate, name } if aggregate == "guest" && name == "email"
        );
        let changed = guest::change_before(&old, id, "other").await;
        assert_error!(changed, Error::UndeclaredValues { .. });
        let stream = Stream::Key(NaturalKey::new("a key")?);
        let events = [OldInvited(None)];
        let appended = old.append::<OldGuest, _>(stream, Expected::Any, events).await;
        assert_error!(appended, Error::UndeclaredValues { .. });
    }
    // The newer program's own commits go on.
    guest::invite(&new, "new").await?;
    assert_eq!(fixture.log().await?.len(), 2);
    Ok(())
}

pub(crate) async fn a_first_aggregate_of_an_older_program_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    // The older program is there, and has stored nothing yet.
    let old = program(fixture, guest::old_registry()).await?;
    let new = program(fixture, guest::new_registry()).await?;
    let refused = guest::invite_before(&old, Some("own")).await;
    assert_error!(refused, Error::UndeclaredValues { .. });
    let id = guest::invite(&new, "own").await?;
    assert_eq!(guest::find(&new, "own").await?, Some(id), "the name is complete at once");
    Ok(())
}

pub(crate) async fn an_older_program_may_write_what_has_no_values(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let old = program(fixture, guest::old_registry()).await?;
    let id = guest::invite_before(&old, Some("own")).await?;
    let new = program(fixture, guest::new_registry()).await?;
    counter::create(&old, 1).await?;
    let both = old.with_context(async |ctx| {
        let mut counter = ctx.create::<counter::Counter>().await?;
        ctx.apply(&mut counter, counter::Added { by: 1 })?;
        let mut guest = ctx.load::<OldGuest>(id).await?;
        ctx.apply(&mut guest, OldInvited(None))
    });
    assert_error!(both.await, Error::UndeclaredValues { .. });
    counter::create(&old, 1).await?;
    assert_eq!(fixture.log().await?.len(), 3);
    drop(new);
    Ok(())
}

/// A value that was not claimed, or by another aggregate as well, is not found with its aggregate.
pub(crate) async fn each_value_is_claimed_beside_older_writers(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    fixture.needs(Capability::Inspection)?;
    let old = program(fixture, guest::old_registry()).await?;
    let older = [old.clone(), program(fixture, guest::old_registry()).await?, old.clone(), old];
    let writers = older.into_iter().enumerate();
    let writers: Vec<_> =
        writers.map(|(number, store)| tokio::spawn(write_until_refused(store, number))).collect();
    while fixture.log().await?.len() < 12 {
        sleep(PACE).await;
    }
    let new = program(fixture, guest::new_registry()).await?;
    let newer = tokio::spawn(write_newer(new.clone()));
    claim_all(&new).await?;
    newer.await.expect("a racing task panicked")?;
    for writer in writers {
        writer.await.expect("a racing task panicked")?;
    }

    let mut emails = HashMap::new();
    for event in fixture.log().await? {
        for Invited(email) in new.registry().decode_all::<Invited>(&event)? {
            emails.insert(event.aggregate_id(), email);
        }
    }
    for (id, email) in emails {
        let email = email.expect("each guest has one");
        assert_eq!(guest::find(&new, &email).await?, Some(id), "{email}");
    }
    Ok(())
}

/// Returns an address of a guest, which is sometimes that of guests of other writers.
fn email(writer: usize, number: u32) -> String {
    if number.is_multiple_of(8) { format!("shared {number}") } else { format!("{writer} {number}") }
}

async fn write_until_refused(store: EventStore, writer: usize) -> Result<()> {
    for number in 0..100_000 {
        sleep(PACE).await;
        match guest::invite_before(&store, Some(&email(writer, number))).await {
            Ok(_) => {}
            Err(Error::UndeclaredValues { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    panic!("the older program was never refused")
}

async fn write_newer(store: EventStore) -> Result<()> {
    for number in 0..24 {
        sleep(PACE).await;
        match guest::invite(&store, &email(99, number)).await {
            Ok(_) | Err(Error::ValueTaken { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Claims all values, after guests whose address another one has were given others.
async fn claim_all(store: &EventStore) -> Result<()> {
    for _ in 0..10 {
        let claimed = store.claim_unique_values::<Guest>(|_| {}).await?;
        if claimed.is_complete {
            return Ok(());
        }
        for unclaimed in claimed.unclaimed {
            assert_error!(Err::<(), _>(unclaimed.error), Error::ValueTaken { .. });
            let id = unclaimed.aggregate_id;
            guest::change(store, id, &format!("own {id}")).await?;
        }
    }
    panic!("the values are never complete")
}
