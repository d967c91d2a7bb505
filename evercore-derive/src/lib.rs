//! The macros of evercore.
use proc_macro::TokenStream;

#[proc_macro_derive(Aggregate, attributes(aggregate))]
/// x
pub fn aggregate(_i: TokenStream) -> TokenStream {
    TokenStream::new()
}
#[proc_macro_attribute]
/// x
pub fn event(_a: TokenStream, i: TokenStream) -> TokenStream {
    i
}
#[proc_macro_attribute]
/// x
pub fn state_event(_a: TokenStream, i: TokenStream) -> TokenStream {
    i
}
