//! Allows generated code to use deprecated items.

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, DeriveInput, Meta, Path, Token, parse_quote};

use crate::{conditional, parts};

/// Returns an attribute that allows the use of deprecated items, if the item is deprecated, has a deprecated part, or
/// allows it itself.
///
/// It is not added otherwise: in a crate that forbids the lint, the attribute would be an error.
pub(crate) fn allowed(item: &DeriveInput) -> Option<Attribute> {
    let mut attrs = parts::attributes(&item.data).into_iter().chain([&item.attrs]).flatten();
    attrs.any(mentions).then(|| parse_quote!(#[allow(deprecated)]))
}

fn mentions(attr: &Attribute) -> bool {
    conditional::all(std::slice::from_ref(attr)).iter().any(|attr| {
        let path = attr.meta.path();
        path.is_ident("deprecated") || path.is_ident("allow") && names_deprecated(&attr.meta)
    })
}

/// Whether the attribute is `#[allow(deprecated)]`, possibly with other lints or a reason.
fn names_deprecated(meta: &Meta) -> bool {
    let Ok(list) = meta.require_list() else { return false };
    let lints = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let is_it = |path: &Path| path.to_token_stream().to_string() == "deprecated";
    lints.into_iter().flatten().any(|lint| is_it(lint.path()))
}
