//! Declarations that other macros write from fragments.

use evercore::evolution::{Parts, Split, Upcast};
use evercore::{Aggregate, BoxError, Event};

use crate::store::{recorded, state_after};

/// Declares an aggregate from fragments of every kind.
macro_rules! aggregate {
    (
        $(#[$meta:meta])*
        $vis:vis struct $aggregate:ident named $name:literal, snapshot every $every:literal {
            $($field:ident: $ty:ty),* $(,)?
        }
    ) => {
        #[derive(::evercore::Aggregate, Clone, Debug, Default, PartialEq)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[aggregate(name = $name, snapshot_every = $every)]
        $(#[$meta])*
        $vis struct $aggregate {
            $($field: $ty),*
        }
    };
}

/// Declares a state event from fragments of every kind.
macro_rules! state_event {
    (
        $(#[$meta:meta])*
        $vis:vis $event:ident of $aggregate:ty, named $name:literal, version $version:literal $(or $alias:literal)*,
        $($(#[$field_meta:meta])* $field:ident: $ty:ty),* $(,)?
    ) => {
        #[::evercore::state_event(
            aggregate = $aggregate,
            name = $name,
            aliases = [$($alias),*],
            version = $version,
            oldest_version = $version,
        )]
        $(#[$meta])*
        $vis struct $event {
            $($(#[$field_meta])* $field: $ty),*
        }
    };
}

/// Declares an event with an older shape, and a retired event that is split into it.
macro_rules! evolved {
    ($event:item, $old:path, $raw:expr, $aggregate:path, $retired:ident, $codec:ident) => {
        #[::evercore::event(
            aggregate = $aggregate,
            name = "fragments.counted",
            version = 3,
            upcast_from = [raw($raw), $old],
            codec = $codec,
        )]
        $event

        #[::evercore::retired_event(aggregate = $aggregate, name = "fragments.lost", into = [Counted])]
        struct $retired {
            count: u8,
        }
    };
}

aggregate! {
    /// A state with "quotes", and \"more\" of them.
    #[serde(rename_all = "camelCase")]
    struct Basket named "fragments.basket", snapshot every 2 {
        first_owner: Option<String>,
        r#type: u8,
        count: u8,
    }
}

state_event! {
    /// An event with "quotes".
    #[derive(Debug)]
    #[serde(rename_all = "camelCase")]
    Given of Basket, named "fragments.given", version 2 or "fragments.Given" or "given",
    #[serde(default)]
    first_owner: Option<Option<String>>,
    /// One of 'these'.
    #[cfg_attr(all(), serde(alias = "kind"))]
    r#type: u8,
    #[state(skip)]
    by: String,
}

#[derive(serde::Deserialize)]
struct CountedV2 {
    number: u8,
}

evolved! {
    #[derive(Debug)]
    struct Counted {
        count: u8,
    },
    self::CountedV2,
    Ok::<serde_json::Value, BoxError>,
    crate::hygiene::fragments::Basket,
    Lost,
    json
}

impl evercore::Apply<Counted> for Basket {
    fn apply(&mut self, event: &Counted, _: &evercore::EventMeta) {
        self.count = event.count;
    }
}

impl Upcast<CountedV2> for Counted {
    fn upcast(old: CountedV2) -> Result<Self, BoxError> {
        Ok(Self { count: old.number })
    }
}

impl Split for Lost {
    fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
        parts.push(Counted { count: self.count });
        Ok(())
    }
}

/// The field's name comes from the macro, its type from the caller.
macro_rules! weighed {
    ($event:ident, $ty:ty) => {
        #[derive(Aggregate, Clone, Debug, Default, PartialEq)]
        #[aggregate(name = "fragments.scale")]
        struct Scale {
            weight: $ty,
        }

        #[::evercore::state_event(aggregate = Scale, name = "fragments.weighed")]
        struct $event {
            weight: Option<$ty>,
        }
    };
}

weighed!(Weighed, Vec<Option<u8>>);

#[tokio::test]
async fn types_declared_by_macro_fragments_work() {
    let given = |owner| Given { first_owner: owner, r#type: 3, by: "Grace".to_owned() };
    let basket = state_after::<Basket>(|ctx, basket| {
        ctx.apply(basket, given(Some(Some("Ada".to_owned()))))?;
        ctx.apply(basket, Counted { count: 7 })
    })
    .await;
    let expected = Basket { first_owner: Some("Ada".to_owned()), r#type: 3, count: 7 };
    assert_eq!(basket, expected);
    let events = recorded::<Basket>(|ctx, basket| ctx.apply(basket, given(Some(None)))).await;
    let text = std::str::from_utf8(events[0].payload().bytes()).expect("JSON is text");
    assert_eq!(text, r#"{"firstOwner":null,"type":3,"by":"Grace"}"#);
    assert_eq!((Given::NAME, Given::VERSION), ("fragments.given", 2));

    let scale = state_after::<Scale>(|ctx, scale| {
        ctx.apply(scale, Weighed { weight: Some(vec![None, Some(1)]) })
    })
    .await;
    assert_eq!(scale.weight, [None, Some(1)]);
}

#[tokio::test]
async fn events_declared_in_a_function_apply_to_aggregates_inside_and_outside_of_it() {
    use evercore::state_event;

    #[state_event(aggregate = Scale, name = "fragments.emptied")]
    struct Emptied {
        weight: Vec<Option<u8>>,
    }

    #[derive(Aggregate, Clone, Debug, Default, PartialEq)]
    #[aggregate(name = "fragments.local")]
    struct Local {
        r#gen: u8,
        r#async: u8,
    }

    #[state_event(aggregate = Local, name = "fragments.set")]
    struct Set {
        r#gen: u8,
        r#async: Option<u8>,
    }

    let scale = state_after::<Scale>(|ctx, scale| {
        ctx.apply(scale, Weighed { weight: Some(vec![None]) })?;
        ctx.apply(scale, Emptied { weight: Vec::new() })
    })
    .await;
    assert_eq!(scale, Scale::default());
    let local =
        state_after::<Local>(|ctx, local| ctx.apply(local, Set { r#gen: 1, r#async: Some(2) }));
    let local = local.await;
    assert_eq!((local.r#gen, local.r#async), (1, 2));
}
