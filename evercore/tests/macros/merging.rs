//! Merges the fields of state events into the state.

use std::collections::BTreeMap;

use evercore::{Aggregate, state_event};

use crate::store::state_after;

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Profile {
    name: String,
    nick: Option<String>,
    r#type: u8,
    tags: Vec<String>,
    scores: BTreeMap<String, i32>,
    nested: Option<Option<i32>>,
}

#[state_event(aggregate = Profile)]
struct Named {
    name: String,
    nick: String,
}

#[state_event(aggregate = Profile)]
#[derive(Default)]
struct Edited {
    name: Option<String>,
    nick: Option<Option<String>>,
    r#type: std::option::Option<u8>,
    tags: Option<Vec<String>>,
    scores: ::core::option::Option<BTreeMap<String, i32>>,
}

#[state_event(aggregate = Profile)]
struct Nested {
    nested: Option<Option<i32>>,
}

#[state_event(aggregate = Profile)]
struct Imported {
    name: String,
    #[state(skip)]
    source: String,
    #[cfg(any())]
    name_in_another_build: String,
}

#[state_event(aggregate = Profile)]
struct Viewed {}

fn ada() -> Named {
    Named { name: "Ada".to_owned(), nick: "Countess".to_owned() }
}

async fn after_edit(edited: Edited) -> Profile {
    state_after(|ctx, profile| {
        ctx.apply(profile, ada())?;
        ctx.apply(profile, edited)
    })
    .await
}

#[tokio::test]
async fn a_field_sets_the_field_of_its_name() {
    let profile = state_after::<Profile>(|ctx, profile| ctx.apply(profile, ada())).await;
    assert_eq!(profile.name, "Ada");
}

#[tokio::test]
async fn a_plain_field_sets_an_optional_one_to_some() {
    let profile = state_after::<Profile>(|ctx, profile| ctx.apply(profile, ada())).await;
    assert_eq!(profile.nick.as_deref(), Some("Countess"));
}

#[tokio::test]
async fn none_leaves_the_state_as_it_is() {
    let before = state_after::<Profile>(|ctx, profile| ctx.apply(profile, ada())).await;
    assert_eq!(after_edit(Edited::default()).await, before);
}

#[tokio::test]
async fn some_sets_a_plain_field_however_the_option_is_spelled() {
    let profile = after_edit(Edited {
        name: Some("Grace".to_owned()),
        r#type: Some(7),
        tags: Some(vec!["navy".to_owned()]),
        scores: Some(BTreeMap::from([("cobol".to_owned(), 1)])),
        ..Edited::default()
    })
    .await;
    let expected = Profile {
        name: "Grace".to_owned(),
        nick: Some("Countess".to_owned()),
        r#type: 7,
        tags: vec!["navy".to_owned()],
        scores: BTreeMap::from([("cobol".to_owned(), 1)]),
        nested: None,
    };
    assert_eq!(profile, expected);
}

#[tokio::test]
async fn some_none_clears_an_optional_field() {
    let profile = after_edit(Edited { nick: Some(None), ..Edited::default() }).await;
    assert_eq!((profile.nick, &*profile.name), (None, "Ada"));
}

#[tokio::test]
async fn some_some_sets_an_optional_field() {
    let nick = Some(Some("Enchantress".to_owned()));
    let profile = after_edit(Edited { nick, ..Edited::default() }).await;
    assert_eq!(profile.nick.as_deref(), Some("Enchantress"));
}

#[tokio::test]
async fn only_the_outermost_option_of_an_event_means_to_leave_the_state_as_it_is() {
    let nested = state_after::<Profile>(|ctx, profile| {
        ctx.apply(profile, Nested { nested: Some(Some(1)) })?;
        ctx.apply(profile, Nested { nested: None })
    });
    assert_eq!(nested.await.nested, Some(Some(1)));
}

#[tokio::test]
async fn a_skipped_field_stays_in_the_event() {
    let profile = state_after::<Profile>(|ctx, profile| {
        let source = "a file".to_owned();
        ctx.apply(profile, Imported { name: "Ada".to_owned(), source })
    })
    .await;
    assert_eq!(profile, Profile { name: "Ada".to_owned(), ..Profile::default() });
}

#[tokio::test]
async fn an_event_without_fields_changes_nothing() {
    let profile = state_after::<Profile>(|ctx, profile| ctx.apply(profile, Viewed {})).await;
    assert_eq!(profile, Profile::default());
}
