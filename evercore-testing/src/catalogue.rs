//! Compares the shapes and tags of all events with a file that records the released ones.

mod difference;
mod lock;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evercore::boundary::{TagName, TagValues};
use evercore::{Registry, Result};

use difference::Difference;
use lock::Lock;

/// The environment variable that decides how the file is updated.
const VARIABLE: &str = "EVERCORE_CATALOGUE";

/// Asserts that no event has changed its shape or lost a tag since it was recorded in a file under version control.
///
/// The file holds the names, versions, shapes and tags of all events, and of the bodies of tasks under `evercore.tasks`.
/// Its path is relative to the crate that calls the macro.
/// Call it from an integration test, so that events defined in unit tests are not recorded as released ones, and refer
/// to your crate there, so that its events are linked. An optional second argument is a [`Registry`] to use instead of
/// the linked types.
///
/// - A **new** event or version is added to the file, and the test passes. If the environment variable `CI` is set, the
///   file is not written; the test fails and explains how to update it.
/// - An event whose shape has **changed** without a new version, or that no type reads any more, fails the test with
///   the fields that differ: stored events of the old shape could not be read correctly.
///
/// - An event that has **lost a tag**, or gives another number of values for it, fails the test: boundaries,
///   subscriptions and lanes that find events by it would miss some. A renamed tag is a lost one. A **new tag** is added
///   to the file.
///
/// `EVERCORE_CATALOGUE=update` accepts all changes, and `EVERCORE_CATALOGUE=check` never writes, with or without `CI`.
///
/// # What it does not see
///
/// Field types are compared as they are written in the source. A change *inside* a field's type goes unnoticed, and
/// renaming that type alone fails the test. An event that implements its traits by hand may state its
/// [`Shape`](evercore::evolution::Shape); without one, as for the event of a [`decider!`](evercore::decider), only its
/// name and version are compared.
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

/// The names, versions, shapes and tags of all events of a registry. Most tests only need [`assert_catalogue!`].
#[derive(Clone, Debug)]
pub struct Catalogue {
    registry: Arc<Registry>,
    types: Vec<EventShape>,
}

/// Decides how [`Catalogue::check`] updates the file when it differs from the types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogueUpdate {
    /// Leaves the file alone; any difference is an error.
    Nothing,
    /// Adds new events and versions. A changed shape is an error.
    Additions,
    /// Rewrites the file from the types.
    Everything,
}

/// The reasons why a file does not match the types.
#[derive(Debug)]
#[non_exhaustive]
pub enum CatalogueError {
    /// Some events have changed their shape without a new version, have lost a tag, or are no longer read by any type.
    Changed {
        /// The file.
        file: PathBuf,
        /// A human-readable list of these events.
        changes: String,
    },
    /// Some events or tags are not in the file yet.
    Outdated {
        /// The file.
        file: PathBuf,
        /// A human-readable list of these events.
        additions: String,
    },
    /// The file cannot be read or written.
    File {
        /// The file.
        file: PathBuf,
        /// The error of the operating system or of the file's format.
        source: io::Error,
    },
}

/// One version of an event, with its tags, as its type declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EventShape {
    aggregate: String,
    /// The name that is written, followed by its aliases.
    names: Vec<String>,
    version: u32,
    rust_type: &'static str,
    /// `None` if the type declares no shape.
    parts: Option<Vec<String>>,
    /// Each with the number of its values, as in `course: one`.
    tags: Vec<String>,
}

impl Catalogue {
    /// Returns the catalogue of all types that are linked into this program.
    ///
    /// # Errors
    /// The same as [`Registry::linked`].
    pub fn linked() -> Result<Self> {
        Registry::linked().map(Self::of)
    }

    /// Returns the catalogue of a registry.
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
                tags: event.tags().iter().map(tag).collect(),
            }
        });
        let mut types: Vec<_> = types.collect();
        types.sort_by(|a, b| {
            (&a.aggregate, &a.names, a.version).cmp(&(&b.aggregate, &b.names, b.version))
        });
        Self { registry, types }
    }

    /// Compares the catalogue with a file, and updates the file as `update` allows. A missing file counts as empty.
    ///
    /// # Errors
    /// - [`CatalogueError::Changed`] or [`CatalogueError::Outdated`] for a difference that `update` does not accept.
    /// - [`CatalogueError::File`] if the file cannot be read or written.
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

fn tag(tag: &TagName) -> String {
    let values = match tag.values {
        TagValues::One => "one",
        TagValues::Optional => "optional",
        _ => "many",
    };
    format!("{}: {values}", tag.name)
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
                 keep every tag, and a name that is no longer written as an alias. If no such event was ever stored outside of tests,\n\
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
