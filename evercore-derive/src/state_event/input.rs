//! Parses the options of `#[state(…)]` on a field.

use darling::FromMeta;

use crate::options::Options;
use crate::value::Word;

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct FieldInput {
    pub(crate) skip: Word,
}

impl Options for FieldInput {
    const NAMES: &'static [&'static str] = &["skip"];
}
