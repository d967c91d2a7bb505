//! What `#[state(…)]` says on a field.

use darling::FromMeta;
use darling::util::Flag;

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct FieldInput {
    pub(crate) skip: Flag,
}
