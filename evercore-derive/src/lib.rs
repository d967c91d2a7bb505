//! The macros of evercore. Use them through the crate `evercore`, which documents what they serve.

mod aggregate;
mod event;
mod options;
mod rules;
mod state_event;
mod value;

use proc_macro::TokenStream;

/// Makes a struct or an enum an aggregate.
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn aggregate(item: TokenStream) -> TokenStream {
    aggregate::derive(item.into()).into()
}

/// Makes a struct or an enum an event, which changes the state by its `Apply`.
#[proc_macro_attribute]
pub fn event(args: TokenStream, item: TokenStream) -> TokenStream {
    event::attribute(args.into(), item.into()).into()
}

/// Makes a struct with named fields an event that copies them into the state.
#[proc_macro_attribute]
pub fn state_event(args: TokenStream, item: TokenStream) -> TokenStream {
    state_event::attribute(args.into(), item.into()).into()
}
