//! Released events must keep their shape.

mod tasks;

use std::fs;

use evercore::format::Encoding;
use evercore::{
    Aggregate, Apply, BoxError, Event, EventMeta, Registry, Result, event, state_event,
};
use evercore_testing::{Catalogue, CatalogueError, CatalogueUpdate};
use expect_test::{Expect, expect};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// The programs of several releases, each with all types that it reads.
mod releases {
    use super::*;

    #[derive(Aggregate, Default)]
    #[aggregate(name = "account")]
    pub(crate) struct Account {
        owner: String,
        note: Option<String>,
        balance: i64,
    }

    pub(crate) mod first {
        use super::*;

        #[state_event(aggregate = Account, name = "opened")]
        pub(crate) struct Opened {
            owner: String,
            note: Option<String>,
        }

        #[state_event(aggregate = Account, name = "BalanceSet")]
        pub(crate) struct BalanceSet {
            balance: i64,
        }
    }

    pub(crate) mod second {
        use super::*;

        /// Changed in every possible way, without a new version.
        #[state_event(aggregate = Account, name = "opened")]
        pub(crate) struct Opened {
            owner: Option<String>,
            #[state(skip)]
            branch: u32,
        }

        /// Changed correctly, with a new version.
        #[state_event(aggregate = Account, name = "opened", version = 2)]
        pub(crate) struct OpenedAtBranch {
            owner: String,
            note: Option<String>,
            #[state(skip)]
            branch: u32,
        }

        #[state_event(aggregate = Account, name = "balance-set", aliases = ["BalanceSet"])]
        pub(crate) struct BalanceSet {
            balance: i64,
        }

        /// The same fields in another order.
        #[state_event(aggregate = Account, name = "opened")]
        pub(crate) struct OpenedInOrder {
            note: Option<String>,
            owner: String,
        }
    }

    /// Events with tags.
    pub(crate) mod tagged {
        use super::*;

        #[event(name = "taken", tags(course, student, room))]
        pub(crate) struct Taken {
            course: u32,
            student: u32,
            room: Option<u32>,
        }
    }

    /// The same events with a tag less, with another number of values, and with a new one.
    pub(crate) mod retagged {
        use super::*;

        #[event(name = "taken", tags(course, pupil = student, room = course))]
        pub(crate) struct Taken {
            course: u32,
            student: u32,
            room: Option<u32>,
        }
    }

    /// A new version with a tag less.
    pub(crate) mod tagged_less {
        use super::*;

        #[event(name = "taken", version = 2, tags(course, student), upcast_from = [raw(with_floor)])]
        pub(crate) struct Taken {
            course: u32,
            student: u32,
            room: Option<u32>,
            floor: u32,
        }

        fn with_floor(mut old: serde_json::Value) -> Result<serde_json::Value, BoxError> {
            old["floor"] = 1.into();
            Ok(old)
        }
    }

    pub(crate) mod tagged_more {
        use super::*;

        #[event(name = "taken", tags(course, student, room, pupil = student))]
        pub(crate) struct Taken {
            course: u32,
            student: u32,
            room: Option<u32>,
        }
    }

    /// Implemented by hand, without a shape.
    #[derive(Serialize, Deserialize)]
    pub(crate) struct Closed;

    impl Event for Closed {
        type Aggregate = Account;
        const NAME: &'static str = "closed";
        const ENCODING: Encoding<Self> = Encoding::serde();
    }

    impl Apply<Closed> for Account {
        fn apply(&mut self, _event: &Closed, _meta: &EventMeta) {
            self.balance = 0;
        }
    }
}

use releases::{Closed, first, retagged, second, tagged, tagged_less, tagged_more};

/// A temporary directory with the catalogue file of the first release.
struct Released(TempDir);

impl Released {
    fn first() -> Result<Self> {
        let folder = TempDir::new().expect("a folder for the test");
        let released = Self(folder);
        released.check(&first()?, CatalogueUpdate::Additions).expect("all of it is new");
        Ok(released)
    }

    fn check(&self, catalogue: &Catalogue, update: CatalogueUpdate) -> Result<(), CatalogueError> {
        catalogue.check(&self.0.path().join("events.lock"), update)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.0.path().join("events.lock")).expect("the file is there")
    }

    /// Asserts that the check fails with this message.
    #[track_caller]
    fn assert_refused(&self, catalogue: &Catalogue, update: CatalogueUpdate, message: Expect) {
        let before = self.text();
        let error = self.check(catalogue, update).expect_err("the catalogue does not match");
        let folder = format!("{}/", self.0.path().display());
        message.assert_eq(&format!("{error}\n").replace(&folder, ""));
        assert_eq!(self.text(), before, "a failure leaves the file as it is");
    }
}

fn first() -> Result<Catalogue> {
    let registry = Registry::builder()
        .event::<first::Opened>()
        .event::<first::BalanceSet>()
        .event::<Closed>()
        .build()?;
    Ok(Catalogue::of(registry))
}

#[test]
fn the_file_holds_names_versions_and_shapes() -> Result<()> {
    let released = Released::first()?;
    expect![[r#"
        {
          "account": {
            "BalanceSet": {
              "1": [
                "balance: i64"
              ]
            },
            "closed": {
              "1": null
            },
            "opened": {
              "1": [
                "owner: String",
                "note: Option<String>"
              ]
            }
          }
        }
    "#]]
    .assert_eq(&released.text());
    Ok(())
}

#[test]
fn an_unchanged_catalogue_passes() -> Result<()> {
    Released::first()?.check(&first()?, CatalogueUpdate::Nothing).expect("nothing has changed");
    Ok(())
}

#[test]
fn a_changed_shape_fails_and_names_what_changed() -> Result<()> {
    let changed = Catalogue::of(
        Registry::builder()
            .event::<second::Opened>()
            .event::<first::BalanceSet>()
            .event::<Closed>()
            .build()?,
    );
    let message = expect![[r#"
        events are not what they were when they were written to events.lock:

          account: opened, version 1 (catalogue::releases::second::Opened)
            changed `owner`: String became Option<String>
            removed `note`: Option<String>
            added `branch`: u32

        Events of the old shape may be stored. Keep the old shape readable and give the new one a new `version`;
        keep every tag, and a name that is no longer written as an alias. If no such event was ever stored outside of tests,
        accept the change: run this test with EVERCORE_CATALOGUE=update, and commit the file.
    "#]];
    Released::first()?.assert_refused(&changed, CatalogueUpdate::Additions, message);
    Ok(())
}

#[test]
fn an_event_that_is_gone_fails() -> Result<()> {
    let gone =
        Catalogue::of(Registry::builder().event::<first::BalanceSet>().event::<Closed>().build()?);
    let message = expect![[r#"
        events are not what they were when they were written to events.lock:

          account: opened, version 1
            no type reads it any more

        Events of the old shape may be stored. Keep the old shape readable and give the new one a new `version`;
        keep every tag, and a name that is no longer written as an alias. If no such event was ever stored outside of tests,
        accept the change: run this test with EVERCORE_CATALOGUE=update, and commit the file.
    "#]];
    Released::first()?.assert_refused(&gone, CatalogueUpdate::Nothing, message);
    Ok(())
}

#[test]
fn an_added_version_passes_and_is_written() -> Result<()> {
    let added = Catalogue::of(
        Registry::builder()
            .event::<first::Opened>()
            .event::<second::OpenedAtBranch>()
            .event::<first::BalanceSet>()
            .event::<Closed>()
            .build()?,
    );
    let released = Released::first()?;
    released.check(&added, CatalogueUpdate::Additions).expect("a version was added");
    released.check(&added, CatalogueUpdate::Nothing).expect("it was written");
    assert!(released.text().contains("branch: u32"));
    released
        .check(&first()?, CatalogueUpdate::Nothing)
        .expect_err("from now on, the second version is released as well");
    Ok(())
}

#[test]
fn a_type_missing_from_the_file_fails_if_nothing_may_be_written() -> Result<()> {
    let added = Catalogue::of(
        Registry::builder()
            .event::<first::Opened>()
            .event::<second::OpenedAtBranch>()
            .event::<second::BalanceSet>()
            .event::<Closed>()
            .build()?,
    );
    let message = expect![[r#"
        events.lock is out of date:

          account: balance-set, version 1 (catalogue::releases::second::BalanceSet) is new
          account: opened, version 2 (catalogue::releases::second::OpenedAtBranch) is new

        Run this test with EVERCORE_CATALOGUE=update, and commit the file.
    "#]];
    Released::first()?.assert_refused(&added, CatalogueUpdate::Nothing, message);
    Ok(())
}

#[test]
fn a_renamed_event_that_keeps_its_old_name_as_an_alias_passes() -> Result<()> {
    let renamed = Catalogue::of(
        Registry::builder()
            .event::<first::Opened>()
            .event::<second::BalanceSet>()
            .event::<Closed>()
            .build()?,
    );
    let released = Released::first()?;
    released.check(&renamed, CatalogueUpdate::Additions).expect("it reads the old events");
    assert!(released.text().contains(r#""BalanceSet""#), "what was released stays released");
    assert!(released.text().contains(r#""balance-set""#));
    Ok(())
}

#[test]
fn the_order_of_the_fields_plays_no_part() -> Result<()> {
    let ordered = Catalogue::of(
        Registry::builder()
            .event::<second::OpenedInOrder>()
            .event::<first::BalanceSet>()
            .event::<Closed>()
            .build()?,
    );
    let checked = Released::first()?.check(&ordered, CatalogueUpdate::Nothing);
    checked.expect("the fields are the same");
    Ok(())
}

#[test]
fn an_accepted_change_is_written() -> Result<()> {
    let changed = Catalogue::of(Registry::builder().event::<second::Opened>().build()?);
    let released = Released::first()?;
    released.check(&changed, CatalogueUpdate::Everything).expect("everything is accepted");
    released.check(&changed, CatalogueUpdate::Nothing).expect("it was written");
    assert!(!released.text().contains("BalanceSet"), "what is gone is gone");
    Ok(())
}

#[test]
fn a_file_that_is_none_is_named() -> Result<()> {
    let released = Released::first()?;
    fs::write(released.0.path().join("events.lock"), "<<<<<<< HEAD\n").expect("it is there");
    let message = expect![[r#"
        events.lock: expected value at line 1 column 1
    "#]];
    released.assert_refused(&first()?, CatalogueUpdate::Additions, message);
    released.check(&first()?, CatalogueUpdate::Everything).expect("it is written anew");
    released.check(&first()?, CatalogueUpdate::Nothing).expect("it was written");
    Ok(())
}

fn of<E: Event>() -> Result<Catalogue>
where
    E::Aggregate: Apply<E>,
{
    Ok(Catalogue::of(Registry::builder().event::<E>().build()?))
}

fn tagged() -> Result<Released> {
    let released = Released(TempDir::new().expect("a folder for the test"));
    let added = released.check(&of::<tagged::Taken>()?, CatalogueUpdate::Additions);
    added.expect("all of it is new");
    Ok(released)
}

#[test]
fn the_file_holds_the_tags_of_events() -> Result<()> {
    let released = tagged()?;
    expect![[r#"
        {
          "evercore.facts": {
            "taken": {
              "1": {
                "shape": [
                  "course: u32",
                  "student: u32",
                  "room: Option<u32>"
                ],
                "tags": [
                  "course: one",
                  "student: one",
                  "room: optional"
                ]
              }
            }
          }
        }
    "#]]
    .assert_eq(&released.text());
    let unchanged = released.check(&of::<tagged::Taken>()?, CatalogueUpdate::Nothing);
    unchanged.expect("nothing has changed");
    Ok(())
}

#[test]
fn a_tag_that_is_removed_renamed_or_has_other_values_fails() -> Result<()> {
    let message = expect![[r#"
        events are not what they were when they were written to events.lock:

          evercore.facts: taken, version 1 (catalogue::releases::retagged::Taken)
            removed the tag `student`: one
            changed the values of the tag `room`: optional became one

        Events of the old shape may be stored. Keep the old shape readable and give the new one a new `version`;
        keep every tag, and a name that is no longer written as an alias. If no such event was ever stored outside of tests,
        accept the change: run this test with EVERCORE_CATALOGUE=update, and commit the file.
    "#]];
    let retagged = of::<retagged::Taken>()?;
    tagged()?.assert_refused(&retagged, CatalogueUpdate::Additions, message);
    Ok(())
}

#[test]
fn a_new_version_keeps_the_tags_of_the_old_one() -> Result<()> {
    let message = expect![[r#"
        events are not what they were when they were written to events.lock:

          evercore.facts: taken, version 1 (catalogue::releases::tagged_less::Taken)
            removed the tag `room`: optional

        Events of the old shape may be stored. Keep the old shape readable and give the new one a new `version`;
        keep every tag, and a name that is no longer written as an alias. If no such event was ever stored outside of tests,
        accept the change: run this test with EVERCORE_CATALOGUE=update, and commit the file.
    "#]];
    let less = of::<tagged_less::Taken>()?;
    tagged()?.assert_refused(&less, CatalogueUpdate::Additions, message);
    Ok(())
}

#[test]
fn a_new_tag_passes_and_is_written() -> Result<()> {
    let (released, added) = (tagged()?, of::<tagged_more::Taken>()?);
    let message = expect![[r#"
        events.lock is out of date:

          evercore.facts: taken, version 1 (catalogue::releases::tagged_more::Taken) has new tags: `pupil`

        Run this test with EVERCORE_CATALOGUE=update, and commit the file.
    "#]];
    released.assert_refused(&added, CatalogueUpdate::Nothing, message);
    released.check(&added, CatalogueUpdate::Additions).expect("a tag was added");
    released.check(&added, CatalogueUpdate::Nothing).expect("it was written");
    let removed = of::<tagged::Taken>()?;
    released.check(&removed, CatalogueUpdate::Nothing).expect_err("it is released as well");
    Ok(())
}
