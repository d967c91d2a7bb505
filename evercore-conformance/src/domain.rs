//! The small domain of the cases, implemented by hand so that the cases test an engine and not the macros.

/// Loads in a view if the engine has views, so that no cache is read, and in a context otherwise.
macro_rules! read {
    ($store:expr, |$ctx:ident| $load:expr) => {
        if $store.engine().capabilities().has(evercore::engine::Capability::ReadViews) {
            $store.with_readonly_context(async |$ctx| $load).await
        } else {
            $store.detached().with_context(async |$ctx| $load).await
        }
    };
}

pub(crate) mod account;
pub(crate) mod counter;
pub(crate) mod courses;
pub(crate) mod customer;
pub(crate) mod diary;
pub(crate) mod errands;
pub(crate) mod gauge;
pub(crate) mod guest;
pub(crate) mod hoard;
pub(crate) mod member;
pub(crate) mod orders;
pub(crate) mod parcels;
pub(crate) mod posts;
pub(crate) mod tally;

use evercore::Registry;

/// Returns the registry of all types that the cases use, unless they build their own.
pub(crate) fn registry() -> Registry {
    Registry::builder()
        .event::<account::Deposited>()
        .event::<account::Withdrawn>()
        .event::<counter::Added>()
        .event::<counter::Reset>()
        .event::<courses::CourseDefined>()
        .event::<courses::Subscribed>()
        .event::<diary::Noted>()
        .event::<errands::Add>()
        .event::<errands::Note>()
        .event::<gauge::Read>()
        .event::<orders::Change>()
        .event::<orders::Increment>()
        .event::<posts::Pinned>()
        .event::<posts::Posted>()
        .event::<member::Greeted>()
        .event::<member::Registered>()
        .event::<tally::Counted>()
        .build()
        .expect("BUG: the suite's names are distinct")
}
