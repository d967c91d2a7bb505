//! Checks the rules that all macros share.

use std::collections::HashSet;

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Generics, Ident, LitStr, Path, parse_quote};

use crate::value::{CratePath, Number, Texts};

/// The longest stored name; the same as in `evercore`, where the registry checks hand-written types.
const MAX_NAME_BYTES: usize = 255;

/// Returns the path that generated code starts with.
pub(crate) fn krate(given: Option<CratePath>) -> Path {
    given.map_or_else(|| parse_quote!(::evercore), |CratePath(path)| path)
}

/// Returns the stored name: the given one, or else the type's name.
pub(crate) fn name(given: Option<LitStr>, ident: &Ident, mistakes: &mut Accumulator) -> LitStr {
    match given {
        Some(name) => {
            mistakes.handle(check_name(&name));
            name
        }
        None => LitStr::new(&ident.unraw().to_string(), ident.span()),
    }
}

/// Checks that a name can be stored.
pub(crate) fn check_name(name: &LitStr) -> darling::Result<()> {
    let text = name.value();
    let problem = if text.is_empty() {
        "a stored name cannot be empty".to_owned()
    } else if text.contains('\0') {
        "a stored name cannot hold a NUL character".to_owned()
    } else if text.len() > MAX_NAME_BYTES {
        format!("this name is {} bytes long, but the limit is {MAX_NAME_BYTES}", text.len())
    } else {
        return Ok(());
    };
    Err(darling::Error::custom(problem).with_span(name))
}

/// Checks the given aliases and returns them.
pub(crate) fn aliases(
    what: &str,
    given: Option<Texts>,
    name: &LitStr,
    mistakes: &mut Accumulator,
) -> Vec<LitStr> {
    let aliases = given.map(|Texts(aliases)| aliases).unwrap_or_default();
    let mut seen = HashSet::new();
    for alias in &aliases {
        let problem = if alias.value() == name.value() {
            Some(format!(
                "this is the {what}'s name already; an alias is another name under which it was stored"
            ))
        } else if !seen.insert(alias.value()) {
            Some("this alias is given twice".to_owned())
        } else {
            mistakes.handle(check_name(alias));
            None
        };
        mistakes.extend(problem.map(|problem| darling::Error::custom(problem).with_span(alias)));
    }
    aliases
}

/// Returns the version: the given one, or else 1.
pub(crate) fn version(given: Option<Number>, mistakes: &mut Accumulator) -> u32 {
    let Some(Number { value, span }) = given else { return 1 };
    if value == 0 {
        mistakes.push(syn::Error::new(span, "versions start at 1").into());
    }
    value
}

/// Refuses generic parameters: a stored name stands for exactly one type.
pub(crate) fn no_generics(what: &str, generics: &Generics, mistakes: &mut Accumulator) {
    if generics.params.is_empty() {
        return;
    }
    let problem = format!("{what} cannot be generic: its stored name stands for exactly one type");
    mistakes.push(darling::Error::custom(problem).with_span(&generics.params));
}

/// Writes the constant of the aliases; nothing if there are none.
pub(crate) fn aliases_constant(krate: &Path, aliases: &[LitStr]) -> Option<TokenStream> {
    let text = quote!(#krate::__private::core::primitive::str);
    (!aliases.is_empty())
        .then(|| quote!(const ALIASES: &'static [&'static #text] = &[#(#aliases),*];))
}

/// Writes the registration of a type.
pub(crate) fn announcement(
    krate: &Path,
    allowed: Option<&Attribute>,
    described: TokenStream,
) -> TokenStream {
    quote! {
        #allowed
        const _: () = {
            #krate::__private::inventory::submit! { #described }
        };
    }
}
