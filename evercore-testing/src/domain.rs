//! The small world that the cases play in. Written by hand, so that a case tests an engine and not the macros.

pub(crate) mod account;
pub(crate) mod counter;
pub(crate) mod customer;
pub(crate) mod diary;
pub(crate) mod gauge;
pub(crate) mod hoard;
pub(crate) mod tally;

use evercore::Registry;

/// All that the cases know, unless they build a registry of their own.
pub(crate) fn registry() -> Registry {
    Registry::builder()
        .event::<account::Deposited>()
        .event::<account::Withdrawn>()
        .event::<counter::Added>()
        .event::<counter::Reset>()
        .event::<diary::Noted>()
        .event::<gauge::Read>()
        .event::<tally::Counted>()
        .build()
        .expect("BUG: the suite's names are distinct")
}
