//! Reads the options of an attribute.

use std::collections::HashSet;

use darling::FromMeta;
use darling::ast::NestedMeta;
use darling::error::Accumulator;
use darling::util::path_to_string;
use proc_macro2::TokenStream;
use syn::Path;

/// Reads `name = value, …`. What cannot be read is a mistake of its own and hides none of the rest.
///
/// `None` if the text is not even a list, so that nothing can be said about what is missing in it.
pub(crate) fn read<T: FromMeta>(tokens: TokenStream, mistakes: &mut Accumulator) -> Option<T> {
    let items = mistakes.handle(NestedMeta::parse_meta_list(tokens).map_err(Into::into))?;
    let mut names = HashSet::new();
    let mut readable = Vec::new();
    for item in items {
        if let Some(name) = name(&item).filter(|name| !names.insert(path_to_string(name))) {
            let problem = format!("`{}` is given twice", path_to_string(name));
            mistakes.push(darling::Error::custom(problem).with_span(name));
        } else if mistakes.handle(T::from_list(std::slice::from_ref(&item))).is_some() {
            readable.push(item);
        }
    }
    Some(T::from_list(&readable).expect("BUG: options that can be read alone cannot be together"))
}

fn name(item: &NestedMeta) -> Option<&Path> {
    match item {
        NestedMeta::Meta(meta) => Some(meta.path()),
        NestedMeta::NameValueInvalidExpr(pair) => Some(&pair.path),
        NestedMeta::Lit(_) => None,
    }
}
