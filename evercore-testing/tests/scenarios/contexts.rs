//! Scenarios over several aggregates and contexts.

use evercore::{
    Aggregate, Apply, Context, Error, EventDraft, EventMeta, EventOptions, EventStore, Metadata,
    event,
};
use evercore_memory::MemoryEngine;
use evercore_testing::StoreScenario;
use expect_test::expect;

use crate::failures::assert_says;

#[derive(Aggregate, Default)]
#[aggregate(name = "purse")]
struct Purse {
    coins: u32,
}

#[event(aggregate = Purse, name = "filled")]
struct Filled {
    coins: u32,
}

#[event(aggregate = Purse, name = "emptied")]
struct Emptied {
    coins: u32,
}

#[derive(Aggregate, Default)]
#[aggregate(name = "receipt")]
struct Receipt;

#[event(aggregate = Receipt, name = "written")]
struct Written {
    coins: u32,
}

impl Apply<Filled> for Purse {
    fn apply(&mut self, event: &Filled, _: &EventMeta) {
        self.coins += event.coins;
    }
}

impl Apply<Emptied> for Purse {
    fn apply(&mut self, event: &Emptied, _: &EventMeta) {
        self.coins -= event.coins;
    }
}

impl Apply<Written> for Receipt {
    fn apply(&mut self, _: &Written, _: &EventMeta) {}
}

#[derive(Debug)]
enum ShopError {
    TooPoor,
    Store(Error),
}

impl PartialEq for ShopError {
    fn eq(&self, other: &Self) -> bool {
        matches!((self, other), (Self::TooPoor, Self::TooPoor))
    }
}

impl From<Error> for ShopError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

async fn pay(ctx: &mut Context, from: &str, to: &str, coins: u32) -> Result<u32, ShopError> {
    let mut from = ctx.load_by_key::<Purse>(from).await?;
    let mut to = ctx.load_or_create::<Purse>(to).await?;
    if from.state().coins < coins {
        return Err(ShopError::TooPoor);
    }
    ctx.apply(&mut from, Emptied { coins })?;
    ctx.apply(&mut to, Filled { coins })?;
    let mut receipt = ctx.create::<Receipt>().await?;
    ctx.apply(&mut receipt, Written { coins })?;
    Ok(from.state().coins)
}

async fn shop() -> StoreScenario {
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("it opens");
    StoreScenario::on(store).given::<Purse>("ada", (Filled { coins: 3 }, Emptied { coins: 1 }))
}

#[tokio::test]
async fn events_of_several_aggregates_are_expected_by_their_keys() {
    shop()
        .await
        .when(async |ctx| pay(ctx, "ada", "bob", 2).await)
        .await
        .then::<Purse>("ada", [Emptied { coins: 2 }])
        .then::<Purse>("bob", [Filled { coins: 2 }])
        .then_unkeyed::<Receipt>([Written { coins: 2 }])
        .then_nothing_else()
        .then_returned(|left| assert_eq!(*left, 0))
        .when(async |ctx| pay(ctx, "ada", "bob", 1).await)
        .await
        .then_rejected(ShopError::TooPoor)
        .given::<Purse>("eve", ())
        .when(async |ctx| pay(ctx, "eve", "bob", 1).await)
        .await
        .then_rejected(ShopError::TooPoor)
        .when(async |ctx| pay(ctx, "nobody", "bob", 1).await)
        .await
        .then_rejected_as(|error| {
            assert!(matches!(error, ShopError::Store(Error::UnknownKey { .. })), "{error:?}");
        });
}

#[tokio::test]
async fn metadata_are_compared_if_they_are_expected() {
    let told = |principal: &str| EventOptions::new().metadata(Metadata::new().principal(principal));
    let done = shop()
        .await
        .when(async |ctx| {
            let mut purse = ctx.load_by_key::<Purse>("ada").await?;
            ctx.apply_with(&mut purse, Filled { coins: 1 }, told("ada"))
        })
        .await
        .then::<Purse>("ada", [Filled { coins: 1 }])
        .then::<Purse>("ada", [EventDraft::from(Filled { coins: 1 }).with(told("ada"))]);
    assert_says(
        || {
            drop(
                done.then::<Purse>(
                    "ada",
                    [EventDraft::from(Filled { coins: 1 }).with(told("bob"))],
                ),
            )
        },
        &expect![[r#"
            purse `ada`: the events are not the expected ones

              filled: metadata.principal: expected "bob", got "ada"
        "#]],
    );
}

#[tokio::test]
async fn what_differs_is_named_with_its_aggregate() {
    let paid = async || shop().await.when(async |ctx| pay(ctx, "ada", "bob", 2).await).await;
    let done = paid().await;
    assert_says(
        || drop(done.then::<Purse>("bob", [Filled { coins: 1 }])),
        &expect![[r#"
            purse `bob`: the events are not the expected ones

              filled: coins: expected 1, got 2
        "#]],
    );
    let done = paid().await;
    assert_says(
        || drop(done.then::<Purse>("eve", [Filled { coins: 1 }])),
        &expect![[r#"
            purse `eve`: the events are not the expected ones

              filled: expected {"coins":1}, did not happen
        "#]],
    );
    let done = paid().await.then::<Purse>("ada", [Emptied { coins: 2 }]);
    let done = done.then_unkeyed::<Receipt>([Written { coins: 2 }]);
    assert_says(
        || drop(done.then_nothing_else()),
        &expect![[r#"
            purse `bob`: not expected

              filled: {"coins":2}
        "#]],
    );
    let done = paid().await;
    assert_says(
        || drop(done.then_rejected(ShopError::TooPoor)),
        &expect![[r#"
            expected TooPoor, was accepted

              emptied: {"coins":2}
              filled: {"coins":2}
              written: {"coins":2}
        "#]],
    );
    let done = shop().await.when(async |ctx| pay(ctx, "ada", "bob", 9).await).await;
    assert_says(
        || drop(done.then_nothing_else()),
        &expect!["expected to be accepted, was rejected: TooPoor\n"],
    );
}

#[tokio::test]
#[should_panic(expected = "purse `ada`: not expected")]
async fn the_next_step_refuses_what_no_step_has_expected() {
    let done = shop().await.when(async |ctx| pay(ctx, "ada", "bob", 2).await).await;
    done.when(async |ctx| pay(ctx, "ada", "bob", 1).await).await.then_nothing_else();
}
