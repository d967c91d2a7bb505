//! The macros of evercore as ordinary functions, because a proc-macro crate cannot export functions.

#[path = "../../evercore-derive/src"]
mod pipeline {
    pub(crate) mod aggregate;
    pub(crate) mod boundary;
    pub(crate) mod command;
    pub(crate) mod conditional;
    pub(crate) mod deprecated;
    pub(crate) mod event;
    pub(crate) mod option_type;
    pub(crate) mod options;
    pub(crate) mod parts;
    pub(crate) mod retired_event;
    pub(crate) mod rules;
    pub(crate) mod state_event;
    pub(crate) mod task;
    pub(crate) mod value;
}

use proc_macro2::TokenStream;

// The modules refer to each other by paths from the root of their crate.
use pipeline::{
    aggregate, boundary, command, conditional, deprecated, event, option_type, options, parts,
    retired_event, rules, state_event, task, value,
};

/// A macro of evercore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Macro {
    /// `#[derive(Aggregate)]`, which has no options beside its item.
    Aggregate,
    /// `#[derive(Boundary)]`, likewise.
    Boundary,
    /// `#[event]`
    Event,
    /// `#[state_event]`
    StateEvent,
    /// `#[retired_event]`
    RetiredEvent,
    /// `#[task]`
    Task,
    /// `#[command]`
    Command,
}

impl Macro {
    /// All macros.
    pub const ALL: [Self; 7] = [
        Self::Aggregate,
        Self::Boundary,
        Self::Event,
        Self::StateEvent,
        Self::RetiredEvent,
        Self::Task,
        Self::Command,
    ];

    /// Returns the macro's expansion of an item with these options.
    #[must_use]
    pub fn expand(self, options: TokenStream, item: TokenStream) -> TokenStream {
        match self {
            Self::Aggregate => aggregate::derive(item),
            Self::Boundary => boundary::derive(item),
            Self::Event => event::attribute(options, item),
            Self::StateEvent => state_event::attribute(options, item),
            Self::RetiredEvent => retired_event::attribute(options, item),
            Self::Task => task::attribute(options, item),
            Self::Command => command::attribute(options, item),
        }
    }
}
