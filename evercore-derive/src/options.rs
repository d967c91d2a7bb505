//! Reads the options of an attribute.

use std::collections::HashSet;

use darling::FromMeta;
use darling::ast::NestedMeta;
use darling::error::Accumulator;
use darling::util::path_to_string;
use proc_macro2::TokenStream;
use syn::Path;

/// The options of an attribute. None is required when they are parsed.
pub(crate) trait Options: FromMeta {
    /// The names of all options.
    const NAMES: &'static [&'static str];
}

/// The options that could be read.
pub(crate) struct Read<T> {
    pub(crate) options: T,
    names: HashSet<String>,
    /// The options that misspelt ones were meant to be.
    meant: HashSet<String>,
    is_list: bool,
}

impl<T> Read<T> {
    /// Whether an option was left out, as opposed to given in a way that is a mistake already.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        self.is_list && !self.names.contains(name) && !self.meant.contains(name)
    }
}

/// Reads the options of one attribute, or of several: `name = value, …`. An option that cannot be read is a separate
/// mistake and does not hide the others.
pub(crate) fn read<T: Options>(
    attributes: impl IntoIterator<Item = TokenStream>,
    mistakes: &mut Accumulator,
) -> Read<T> {
    let mut items = Vec::new();
    let mut is_list = true;
    for attribute in attributes {
        match NestedMeta::parse_meta_list(attribute) {
            Ok(list) => items.extend(list),
            Err(error) => {
                mistakes.push(no_list(&error));
                is_list = false;
            }
        }
    }

    let mut names = HashSet::new();
    let mut meant = HashSet::new();
    let mut readable = Vec::new();
    for item in items {
        let checked = check_name::<T>(&item, &mut names, &mut meant).and_then(|()| {
            // Parsed alone, so that its mistakes affect no other option.
            T::from_list(std::slice::from_ref(&item))
        });
        if mistakes.handle(checked).is_some() {
            readable.push(item);
        }
    }
    let options =
        T::from_list(&readable).expect("BUG: options that parse one by one do not parse together");
    Read { options, names, meant, is_list }
}

fn no_list(error: &syn::Error) -> darling::Error {
    let problem = format!("{error}; options are written as `name = value`, with commas in between");
    syn::Error::new(error.span(), problem).into()
}

fn check_name<T: Options>(
    item: &NestedMeta,
    names: &mut HashSet<String>,
    meant: &mut HashSet<String>,
) -> darling::Result<()> {
    let path = match item {
        NestedMeta::Meta(meta) => meta.path(),
        NestedMeta::NameValueInvalidExpr(pair) => &pair.path,
        NestedMeta::Lit(literal) => {
            let problem = format!("expected one of the options {}", listed(T::NAMES));
            return Err(darling::Error::custom(problem).with_span(literal));
        }
    };
    let name = path_to_string(path);
    if !T::NAMES.contains(&&*name) {
        let closest = closest(&name, T::NAMES);
        meant.extend(closest.map(str::to_owned));
        return Err(unknown(path, &name, closest, T::NAMES));
    }
    if names.contains(&name) {
        let problem = format!("`{name}` is given twice");
        return Err(darling::Error::custom(problem).with_span(path));
    }
    names.insert(name);
    Ok(())
}

/// Reports an unknown option, like darling's own error, which would call it a field.
fn unknown(path: &Path, name: &str, closest: Option<&str>, names: &[&str]) -> darling::Error {
    let problem = match closest {
        Some(closest) => format!("there is no option `{name}`; did you mean `{closest}`?"),
        None => format!("there is no option `{name}`; the options are {}", listed(names)),
    };
    darling::Error::custom(problem).with_span(path)
}

/// Returns the option that is spelt most like a name, if one is alike.
fn closest(name: &str, names: &[&'static str]) -> Option<&'static str> {
    let alike = |known: &str| strsim::jaro_winkler(name, known);
    let known = names.iter().copied().filter(|known| alike(known) > 0.8);
    known.max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
