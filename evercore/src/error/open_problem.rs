//! Names why a database, or the engine on it, cannot be used.

use std::fmt;

/// The reason why a database cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenProblem {
    /// The path is a directory.
    IsDirectory,
    /// The folder of the file does not exist.
    NoSuchFolder,
    /// The file does not exist, and the options of the store say that a missing file is not created.
    NoSuchFile,
    /// The file or its folder cannot be written.
    ReadOnly,
    /// The file, or one that belongs to it, was moved, replaced or deleted while it was open.
    Moved,
    /// The file is not a database of this engine.
    NotADatabase,
    /// The schema was made by a newer Evercore.
    SchemaTooNew {
        /// The number of the migration that this build does not know.
        found: i64,
    },
    /// The schema is missing or older than this build needs.
    SchemaOutdated,
    /// The database may lose commits that it has acknowledged, and the options of the store do not accept that.
    LosesCommits {
        /// The setting that causes it, and the remedy.
        setting: &'static str,
    },
    /// The encoding of the database is not UTF-8, so it cannot store every text.
    NotUtf8 {
        /// The encoding of the database.
        encoding: String,
    },
    /// The server does not answer at its address, or it is starting or shutting down. Can be retried.
    Unreachable,
    /// Nothing listens at the server's address. Can be retried.
    ConnectionRefused,
    /// The name of the server's host cannot be looked up. Can be retried.
    UnknownHost,
    /// The server refuses the login: an unknown user, a wrong password, or a rule of the server.
    AccessDenied,
    /// The server has no database of this name.
    NoSuchDatabase,
    /// The database is in memory, and what was asked for needs one in a file.
    InMemory,
    /// The user lacks a permission that the store needs, on the database, the schema or a table.
    NoPermission,
    /// Any other reason; the source of the error says more.
    Other,
}

/// The reason why there is no tokio runtime to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeProblem {
    /// The call is made outside of a runtime.
    #[error(
        "the call was made outside of a runtime; make it in `#[tokio::main]`, or in `Runtime::block_on`"
    )]
    Missing,
    /// The runtime in which the store was opened has ended.
    #[error(
        "the runtime in which the store was opened has ended, and with it the store's connections; open a store in the runtime that uses it, or keep its runtime for as long as the store is used"
    )]
    Ended,
}

impl OpenProblem {
    /// Returns the address of the page that says more.
    pub(super) const fn guide(&self) -> &'static str {
        match self {
            Self::NoPermission => guide!("postgresql.md#roles-and-grants"),
            _ => guide!("errors.md#a-store-that-does-not-open"),
        }
    }
}

impl fmt::Display for OpenProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsDirectory => f.write_str("it is a directory; name a file in it"),
            Self::NoSuchFolder => f.write_str("its folder does not exist; create it first"),
            Self::NoSuchFile => f.write_str(
                "the file does not exist, and `mode=rw` creates none; check the path, and that its volume is mounted; leave out `mode=rw` to create an empty store",
            ),
            Self::ReadOnly => f.write_str(
                "it cannot be written; check the permissions of the file and of its folder",
            ),
            Self::Moved => f.write_str(
                "it was moved, replaced or deleted while it was open, so nothing more is written to it; move it back together with the files beside it, or restore a backup, then open a new store",
            ),
            Self::NotADatabase => f.write_str(
                "it is not a database of this engine, and was left unchanged; name another file",
            ),
            Self::SchemaTooNew { found } => {
                write!(
                    f,
                    "its schema has migration {found}, which this build does not know; update evercore"
                )
            }
            Self::SchemaOutdated => f.write_str(
                "its schema is missing or older than this build needs; run `store.migrate()`",
            ),
            Self::LosesCommits { setting } => {
                write!(f, "it may lose commits that it has acknowledged: {setting}")
            }
            Self::NotUtf8 { encoding } => write!(
                f,
                "its encoding is {encoding}, which cannot store every text; create a database with \
                 `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`, and copy the data to it with `pg_dump`"
            ),
            Self::Unreachable => {
                f.write_str("the server does not answer; check its address and that it is running, then retry")
            }
            Self::ConnectionRefused => f.write_str(
                "no server listens at its address; check the host and port, start the server, then retry",
            ),
            Self::UnknownHost => {
                f.write_str("its host name cannot be resolved; check the spelling, then retry")
            }
            Self::AccessDenied => f.write_str(
                "the server refused this user; check the name, the password, and which users the server accepts from this address",
            ),
            Self::NoSuchDatabase => {
                f.write_str("the server has no such database; create it, or name another")
            }
            Self::InMemory => f.write_str(
                "it is in memory, where each read would block the writer; use a database in a file, or read in `with_transaction`",
            ),
            Self::NoPermission => f.write_str(
                "the user lacks a permission that the store needs; grant it",
            ),
            Self::Other => f.write_str("the database returned an error; see the source of this error"),
        }
    }
}
