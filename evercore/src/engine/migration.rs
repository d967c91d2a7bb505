//! Describes a step by which an engine brings its schema up to date.

/// A migration of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// A description of what it does.
    pub description: String,
    /// The SQL.
    pub sql: String,
}

impl Migration {
    /// Makes a migration.
    #[must_use]
    pub const fn new(version: i64, description: String, sql: String) -> Self {
        Self { version, description, sql }
    }
}
