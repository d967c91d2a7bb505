//! Declarations that would leave events unreadable are refused when the registry is built.

use evercore::evolution::{Upcast, Upcaster};
use evercore::format::Encoding;
use evercore::{Aggregate, Apply, Error, Event, EventMeta, Registry, event, retired_event};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Default)]
#[aggregate(name = "thing")]
struct Thing;

#[derive(Deserialize)]
struct MadeV1;

#[derive(Deserialize)]
struct MadeV2;

impl Upcast<MadeV1> for MadeV2 {
    fn upcast(_: MadeV1) -> Result<Self, evercore::BoxError> {
        Ok(Self)
    }
}

/// Implements an event by hand with its version, the oldest version and the upcasters.
macro_rules! made {
    ($name:ident, $version:literal, since $oldest:literal, [$($upcaster:expr),*]) => {
        #[derive(Serialize, Deserialize)]
        struct $name;

        impl Event for $name {
            type Aggregate = Thing;
            const NAME: &'static str = "made";
            const ENCODING: Encoding<Self> = Encoding::serde();
            const VERSION: u32 = $version;
            const OLDEST_VERSION: u32 = $oldest;
            const UPCASTERS: &'static [Upcaster] = &[$($upcaster),*];
        }

        impl Apply<$name> for Thing {
            fn apply(&mut self, _: &$name, _: &EventMeta) {}
        }

        impl Upcast<MadeV2> for $name {
            fn upcast(_: MadeV2) -> Result<Self, evercore::BoxError> {
                Ok(Self)
            }
        }
    };
}

fn refused<E: Event<Aggregate = Thing>>() -> String
where
    Thing: Apply<E>,
{
    let built = Registry::builder().event::<E>().build();
    built.expect_err("it cannot be read").to_string().replace("evolution::declarations::", "")
}

#[test]
fn a_version_without_an_upcaster_is_named() {
    made!(Made, 3, since 1, [Upcaster::typed::<MadeV2, Self>()]);
    assert_eq!(
        refused::<Made>(),
        "version 1 of the event `made` of `thing` cannot be upcast to version 3: add its shape to the `upcast_from` of `a_version_without_an_upcaster_is_named::Made`; if no database holds that version, set `oldest_version` to the first version that is stored"
    );
}

#[test]
fn versions_below_the_oldest_version_need_no_upcaster() {
    made!(Made, 3, since 2, [Upcaster::typed::<MadeV2, Self>()]);
    let registry = Registry::builder().event::<Made>().build().expect("version 2 can be read");
    let known: Vec<_> =
        (0..5).filter(|version| registry.knows("thing", "made", *version)).collect();
    assert_eq!(known, [2, 3]);
}

#[test]
fn an_older_version_may_be_an_event_of_its_own() {
    made!(Older, 1, since 1, []);
    made!(Made, 2, since 1, []);
    let registry = Registry::builder().event::<Made>().event::<Older>().build();
    assert!(registry.expect("both can be read").knows_event::<Older>());
}

#[test]
fn two_upcasters_from_one_version_are_refused() {
    made!(Older, 2, since 1, [Upcaster::raw(Ok)]);
    made!(Made, 3, since 1, [Upcaster::typed::<MadeV1, MadeV2>(), Upcaster::typed::<MadeV2, Self>()]);
    let built = Registry::builder().event::<Made>().event::<Older>().build();
    let Err(Error::DuplicateName { what, first, second }) = built else { panic!("it is built") };
    assert_eq!(what, "version 1 of the event name `made` of `thing`");
    assert!(first.ends_with("Made") && second.ends_with("Older"), "{first} {second}");
}

#[test]
fn names_that_lead_to_each_other_are_refused() {
    mod one {
        #[evercore::event(aggregate = super::Thing, name = "opened", aliases = ["unlocked"])]
        pub(super) struct Opened;
        impl evercore::Apply<Opened> for super::Thing {
            fn apply(&mut self, _: &Opened, _: &evercore::EventMeta) {}
        }
    }
    #[event(aggregate = Thing, name = "unlocked", aliases = ["opened"])]
    struct Unlocked;
    impl Apply<Unlocked> for Thing {
        fn apply(&mut self, _: &Unlocked, _: &EventMeta) {}
    }
    let built = Registry::builder().event::<one::Opened>().event::<Unlocked>().build();
    let Err(Error::DuplicateName { what, .. }) = built else { panic!("it is built") };
    assert!(what.starts_with("version 1 of the event name `"), "{what}");
}

#[test]
fn a_retired_event_that_is_also_registered_is_refused() {
    made!(Made, 1, since 1, []);
    #[retired_event(aggregate = Thing, name = "made")]
    struct Dropped;
    let built = Registry::builder().event::<Made>().dropped::<Dropped>().build();
    assert!(matches!(built, Err(Error::DuplicateName { .. })), "{built:?}");
}

#[test]
fn upcasters_that_do_not_fit_each_other_are_refused() {
    made!(Made, 3, since 1, [Upcaster::typed::<MadeV2, Self>(), Upcaster::typed::<MadeV1, MadeV2>()]);
    assert_eq!(
        refused::<Made>(),
        "`upcasters_that_do_not_fit_each_other_are_refused::Made` cannot be registered: one of its upcasters returns `upcasters_that_do_not_fit_each_other_are_refused::Made`, but the next step takes `MadeV1`"
    );
}

#[test]
fn versions_that_make_no_sense_are_refused() {
    made!(TooMany, 1, since 1, [Upcaster::raw(Ok)]);
    made!(Zero, 0, since 1, []);
    made!(Newer, 2, since 3, []);
    made!(Beyond, 2, since 2, [Upcaster::raw(Ok)]);
    let problems = [
        (refused::<TooMany>(), "it has 1 upcasters, but its version is 1"),
        (refused::<Zero>(), "versions start at 1"),
        (refused::<Newer>(), "its oldest version is 3, but its version is 2"),
        (refused::<Beyond>(), "its upcasters begin at version 1, but its oldest version is 2"),
    ];
    for (message, problem) in problems {
        assert!(message.ends_with(problem), "{message}");
    }
}

#[test]
fn an_alias_that_another_aggregate_has_is_refused() {
    #[derive(Aggregate, Default)]
    #[aggregate(name = "other", aliases = ["thing"])]
    struct Other;

    for registry in [
        Registry::builder().aggregate::<Thing>().aggregate::<Other>(),
        Registry::builder().aggregate::<Other>().aggregate::<Thing>(),
    ] {
        let built = registry.build();
        let Err(Error::DuplicateName { what, .. }) = built else { panic!("it is built") };
        assert_eq!(what, "the aggregate name `thing`");
    }
}
