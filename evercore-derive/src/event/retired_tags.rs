//! Reads the names of the tags that an event no longer has.

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Path, Token};

use super::tags::{self, Tags};
use crate::value::Value;

/// The names as given: `region, "gift-card"`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenNames(Vec<LitStr>);

/// The names of the tags that an event no longer has.
#[derive(Default)]
pub(crate) struct RetiredTags(Vec<LitStr>);

impl Value for GivenNames {
    const EXPECTED: &'static str =
        "expected the names of tags, as in `retired_tags(region, \"gift-card\")`";
}

impl Parse for GivenNames {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = |input: ParseStream<'_>| {
            if input.peek(LitStr) {
                return input.parse();
            }
            let ident = Ident::parse_any(input)?;
            Ok(LitStr::new(&ident.unraw().to_string(), ident.span()))
        };
        let names = Punctuated::<LitStr, Token![,]>::parse_terminated_with(input, name)?;
        if names.is_empty() {
            return Err(input.error(Self::EXPECTED));
        }
        Ok(Self(names.into_iter().collect()))
    }
}

/// Checks the names, and reports mistakes.
pub(crate) fn read(
    given: Option<GivenNames>,
    tags: &Tags,
    mistakes: &mut Accumulator,
) -> RetiredTags {
    let mut retired: Vec<LitStr> = Vec::new();
    for name in given.into_iter().flat_map(|given| given.0) {
        let text = name.value();
        let problem = if let Some(problem) = tags::name_problem(&text) {
            format!("the name of a tag {problem}")
        } else if tags.has(&text) {
            format!("the tag `{text}` is retired, so it cannot be among the `tags`")
        } else if retired.iter().any(|other| other.value() == text) {
            format!("the tag `{text}` is given twice")
        } else {
            retired.push(name);
            continue;
        };
        mistakes.push(darling::Error::custom(problem).with_span(&name));
    }
    RetiredTags(retired)
}

impl RetiredTags {
    /// Writes the constant, if there are any.
    pub(crate) fn constant(&self, krate: &Path) -> Option<TokenStream> {
        let names = &self.0;
        (!names.is_empty()).then(|| {
            quote! {
                const RETIRED_TAGS: &'static [&'static #krate::__private::core::primitive::str] =
                    &[#(#names),*];
            }
        })
    }
}
