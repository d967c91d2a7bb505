//! The output of the macros triggers no lint, under the strictest settings.
#![deny(
    warnings,
    deprecated,
    dead_code,
    nonstandard_style,
    unused,
    absolute_paths_not_starting_with_crate,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    keyword_idents_2018,
    let_underscore_drop,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unsafe_code,
    unstable_features,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
// Lints about this file itself, independent of the macros.
#![allow(
    clippy::missing_const_for_fn,
    clippy::option_option,
    clippy::redundant_pub_crate,
    clippy::unnecessary_wraps
)]

// Imported, so that the full paths in generated code are longer than necessary.
use evercore::evolution::{Parts, RetiredEvent, Shape, Split, Upcast, Upcaster};
use evercore::format::Encoding;
use evercore::registry::{AggregateType, EventType, RetiredType};
use evercore::{
    Aggregate, Apply, BoxError, Event, EventMeta, RecordedEvent, Registry, SnapshotPolicy, event,
    retired_event, state_event,
};
use serde::{Deserialize, Serialize};

/// A state with every option.
#[derive(Aggregate, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[aggregate(
    name = "lints.parcel",
    aliases = ["lints.box"],
    snapshot_every = 2,
    snapshot_version = 3,
    unknown_events = hand_to(Parcel::note),
)]
pub(crate) struct Parcel {
    /// The weight.
    pub(crate) weight: u32,
    /// The position that it moves to.
    pub(crate) to: Option<String>,
}

impl Parcel {
    fn note(&mut self, _: &RecordedEvent) {
        self.weight = 0;
    }
}

/// A state that cannot be copied, in the style of another language.
#[derive(Aggregate, Debug, Default)]
#[allow(non_camel_case_types, non_snake_case)]
pub(crate) struct delivery_van {
    Plate: String,
}

/// A state event.
#[state_event(aggregate = Parcel, name = "lints.weighed", aliases = ["lints.Weighed"])]
#[derive(Debug)]
pub(crate) struct Weighed {
    /// The weight: "heavy", or \"heavier\".
    pub(crate) weight: u32,
    /// The position that it moves to.
    pub(crate) to: Option<Option<String>>,
}

/// A state event in the style of another language.
#[state_event(aggregate = delivery_van)]
#[derive(Debug)]
#[allow(non_camel_case_types, non_snake_case)]
pub(crate) struct van_registered {
    /// Its plate.
    pub(crate) Plate: String,
}

/// A state event that copies nothing.
#[state_event(aggregate = Parcel, name = "lints.seen")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {}

/// An older shape.
#[derive(Debug, Deserialize)]
pub(crate) struct SentV2 {
    by: String,
}

/// An event with older shapes.
#[event(
    aggregate = Parcel,
    name = "lints.sent",
    version = 3,
    oldest_version = 1,
    upcast_from = [raw(name_the_sender), SentV2],
    codec = json,
)]
#[derive(Debug)]
pub(crate) enum Sent {
    /// Sent by a known sender.
    By {
        /// The name that the type is stored under.
        name: String,
    },
    /// The sender is unknown.
    Unknown,
}

fn name_the_sender(json: serde_json::Value) -> Result<serde_json::Value, BoxError> {
    Ok(json)
}

impl Upcast<SentV2> for Sent {
    fn upcast(old: SentV2) -> Result<Self, BoxError> {
        Ok(Self::By { name: old.by })
    }
}

impl Apply<Sent> for Parcel {
    fn apply(&mut self, event: &Sent, _: &EventMeta) {
        self.to = match event {
            Sent::By { name } => Some(name.clone()),
            Sent::Unknown => None,
        };
    }
}

/// An event that is split.
#[retired_event(aggregate = Parcel, name = "lints.changed", into = [Weighed, Seen])]
#[derive(Debug)]
pub(crate) struct Changed {
    weight: u32,
}

impl Split for Changed {
    fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
        parts.push(Weighed { weight: self.weight, to: None });
        parts.push(Seen {});
        Ok(())
    }
}

/// An event that is dropped, and whose fields are never read.
#[retired_event(aggregate = Parcel, name = "lints.printed")]
#[derive(Debug)]
pub(crate) struct Printed {
    pages: u32,
}

#[test]
fn types_declared_under_strict_lints_are_registered() {
    let registry = Registry::linked().expect("all names differ");
    assert!(registry.knows_event::<Weighed>());
    assert!(registry.knows_event::<van_registered>());
    assert!(registry.knows_event::<Sent>());
    assert!(registry.knows_event::<Seen>());

    // Uses the imports.
    let _: (EventType, AggregateType) = (EventType::of::<Seen>(), AggregateType::of::<Parcel>());
    let _: RetiredType = RetiredType::split::<Changed>();
    let _: (Option<Shape>, Encoding<Seen>) = (Seen::SHAPE, Seen::ENCODING);
    let _: (Option<SnapshotPolicy<Parcel>>, &[Upcaster]) = (Parcel::SNAPSHOTS, Sent::UPCASTERS);
    assert_eq!((Changed::NAME, Printed::VERSION), ("lints.changed", 1));
}
