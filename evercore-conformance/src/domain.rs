//! The small domain of the cases, implemented by hand so that the cases test an engine and not the macros.

pub(crate) mod account;
pub(crate) mod counter;
pub(crate) mod customer;
pub(crate) mod diary;
pub(crate) mod gauge;
pub(crate) mod hoard;
pub(crate) mod tally;

use evercore::Registry;

/// Returns the registry of all types that the cases use, unless they build their own.
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
