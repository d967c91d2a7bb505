//! The catalogue of events: a file with the shape of each that was released.

mod difference;
mod lock;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evercore::{Registry, Result};

use difference::Difference;
use lock::Lock;

/// The environment variable that says what becomes of the file.
const VARIABLE: &str = "EVERCORE_CATALOGUE";

/// Asserts that no event has changed its shape since it was written to a file that is kept under version control.
///
/// The file holds the names, versions and shapes of all events. Its path is relative to the crate that the macro is used
/// in. Call it from an integration test, so that events of unit tests are not taken for released ones, and name your
/// crate there, so that its events are linked. A second argument takes a [`Registry`] in place of what is linked.
///
/// - An event or a version that is **new** is written to the file, and the test passes. Where the environment variable
///   `CI` is set, the file is not written; the test fails and tells how to bring it up to date.
/// - An event whose shape has **changed** without a new version, or that no type reads any more, fails with the fields
///   that differ: events of that shape are stored, and would not be read as what they are.
///
/// `EVERCORE_CATALOGUE=update` accepts everything as it is, and `EVERCORE_CATALOGUE=check` writes nothing, `CI` or not.
///
/// # What it does not see
///
/// Types are compared as they are written. When a type *inside* an event changes, the catalogue stays silent; when it is
/// only renamed, the catalogue fails. An event that is written by hand says its [`Shape`](evercore::Shape) itself, or is
/// only known by name and version; so is the one of a [`decider!`](evercore::decider).
///
/// # Panics
/// If the catalogue does not match, or cannot be read or written.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, state_event};
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(name = "account")]
/// # struct Account { balance: i64 }
/// #[state_event(aggregate = Account, name = "balance-set")]
/// struct BalanceSet { balance: i64 }
///
/// // A `#[test]` of its own, in `tests/catalogue.rs`.
/// fn released_events_keep_their_shape() {
///     evercore_testing::assert_catalogue!("tests/catalogue/example.lock");
/// }
/// # released_events_keep_their_shape();
/// ```
#[macro_export]
macro_rules! assert_catalogue {
    ($file:expr $(,)?) => {
        $crate::Catalogue::assert_linked(env!("CARGO_MANIFEST_DIR"), $file)
    };
    ($file:expr, $registry:expr $(,)?) => {
        $crate::Catalogue::of($registry).assert_matches(env!("CARGO_MANIFEST_DIR"), $file)
    };
}

/// The names, versions and shapes of all events of a registry. [`assert_catalogue!`] is the short form.
#[derive(Clone, Debug)]
pub struct Catalogue {
    registry: Arc<Registry>,
    types: Vec<EventShape>,
}

/// What becomes of the file when it and the types differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogueUpdate {
    /// It stays as it is, and any difference is an error.
    Nothing,
    /// What is new is added. A changed shape is an error.
    Additions,
    /// It is written anew.
    Everything,
}

/// Why a file and the types do not agree.
#[derive(Debug)]
#[non_exhaustive]
pub enum CatalogueError {
    /// Events whose shape has changed without a new version, or that no type reads any more.
    Changed {
        /// The file.
        file: PathBuf,
        /// A list of them, for people.
        changes: String,
    },
    /// Events that are not in the file yet.
    Outdated {
        /// The file.
        file: PathBuf,
        /// A list of them, for people.
        additions: String,
    },
    /// A file that cannot be read, or written.
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system, or the file's format, says.
        source: io::Error,
    },
}

/// A version of an event, as a type has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EventShape {
    aggregate: String,
    /// The name that is written, then the older ones.
    names: Vec<String>,
    version: u32,
    rust_type: &'static str,
    /// `None` if the type does not say.
    parts: Option<Vec<String>>,
}

impl Catalogue {
    /// The catalogue of all types that are linked into this program.
    ///
    /// # Errors
    /// As [`Registry::linked`].
    pub fn linked() -> Result<Self> {
        Registry::linked().map(Self::of)
    }

    /// The catalogue of a registry.
    #[must_use]
    pub fn of(registry: impl Into<Arc<Registry>>) -> Self {
        let registry = registry.into();
        let types = registry.events().map(|event| {
            let names = [event.name()].into_iter().chain(event.aliases().iter().copied());
            let parts = event.shape().map(|shape| shape.parts().iter().map(spelled).collect());
            EventShape {
                aggregate: event.aggregate().name().to_owned(),
                names: names.map(str::to_owned).collect(),
                version: event.version(),
                rust_type: event.rust_type(),
                parts,
            }
        });
        let mut types: Vec<_> = types.collect();
        types.sort_by(|a, b| {
            (&a.aggregate, &a.names, a.version).cmp(&(&b.aggregate, &b.names, b.version))
        });
        Self { registry, types }
    }

    /// Compares with a file, and updates it as far as `update` says. A file that does not exist is empty.
    ///
    /// # Errors
    /// - [`CatalogueError::Changed`] or [`CatalogueError::Outdated`] for a difference that is not to be written.
    /// - [`CatalogueError::File`] if it cannot be read, or written.
    pub fn check(&self, file: &Path, update: CatalogueUpdate) -> Result<(), CatalogueError> {
        let failed = |source| CatalogueError::File { file: file.to_owned(), source };
        if update == CatalogueUpdate::Everything {
            return Lock::of(&self.types).write(file).map_err(failed);
        }
        let before = Lock::read(file).map_err(failed)?;
        let Difference { changes, additions } = self.difference(&before);
        if !changes.is_empty() {
            return Err(CatalogueError::Changed {
                file: file.to_owned(),
                changes: listed(&changes),
            });
        }
        if additions.is_empty() {
            return Ok(());
        }
        if update == CatalogueUpdate::Additions {
            return before.extended(&self.types).write(file).map_err(failed);
        }
        Err(CatalogueError::Outdated { file: file.to_owned(), additions: listed(&additions) })
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn assert_linked(directory: &str, file: impl AsRef<Path>) {
        match Self::linked() {
            Ok(catalogue) => catalogue.assert_matches(directory, file),
            Err(error) => panic!("the linked types make no registry: {error}"),
        }
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn assert_matches(&self, directory: &str, file: impl AsRef<Path>) {
        let file = Path::new(directory).join(file);
        let wanted = std::env::var(VARIABLE).ok();
        let update = match wanted.as_deref() {
            None | Some("") if std::env::var_os("CI").is_some() => CatalogueUpdate::Nothing,
            None | Some("") => CatalogueUpdate::Additions,
            Some("check") => CatalogueUpdate::Nothing,
            Some("update") => CatalogueUpdate::Everything,
            Some(other) => panic!("{VARIABLE} is `{other}`; set it to `update` or to `check`"),
        };
        if let Err(error) = self.check(&file, update) {
            panic!("{error}");
        }
    }
}

fn spelled((name, ty): &(&'static str, &'static str)) -> String {
    if ty.is_empty() { (*name).to_owned() } else { format!("{name}: {ty}") }
}

fn listed<T: fmt::Display>(entries: &[T]) -> String {
    entries.iter().map(|entry| format!("\n{entry}")).collect()
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { file, changes } => write!(
                f,
                "events are not what they were when they were written to {}:\n{changes}\n\n\
                 Events of the old shape may be stored. Keep the old shape readable and give the new one a new `version`;\n\
                 keep a name that is no longer written as an alias. If no such event was ever stored outside of tests,\n\
                 accept the change: run this test with {VARIABLE}=update, and commit the file.",
                file.display()
            ),
            Self::Outdated { file, additions } => write!(
                f,
                "{} is out of date:\n{additions}\n\n\
                 Run this test with {VARIABLE}=update, and commit the file.",
                file.display()
            ),
            Self::File { file, source } => write!(f, "{}: {source}", file.display()),
        }
    }
}

impl std::error::Error for CatalogueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Changed { .. } | Self::Outdated { .. } => None,
        }
    }
}
