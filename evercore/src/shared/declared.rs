//! Keeps the declarations of programs as they were read last, and has each commit name their version.

use std::sync::{Arc, PoisonError, RwLock};

use tracing::{error, warn};

use super::Shared;
use super::known_tags::KnownTags;
use super::unique_names::KnownNames;
use crate::engine::{Capability, Commit, Declarations};
use crate::{Error, Report, Result};

/// The declarations that were read last. None before the first look, and after a commit was refused because they had
/// changed.
#[derive(Debug, Default)]
pub(crate) struct LastRead(RwLock<Option<Arc<Declared>>>);

/// The declarations of one version, and what follows from them for this program.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// `None` if the engine keeps no declarations.
    version: Option<i64>,
    pub(crate) tags: KnownTags,
    pub(crate) unique: KnownNames,
}

impl LastRead {
    pub(super) fn get(&self) -> Option<Arc<Declared>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, declared: Option<Arc<Declared>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = declared;
    }
}

impl Shared {
    /// Stores the declarations of this program, and refuses it if it is older than another one that has used the
    /// database.
    pub(crate) async fn open_declared(&self) -> Result<()> {
        let declared = self.reload_declared().await?;
        declared.tags.check_program()?;
        declared.unique.check_program()
    }

    /// Returns the declarations as they were read last.
    pub(crate) async fn declared(&self) -> Result<Arc<Declared>> {
        match self.declared.get() {
            Some(declared) => Ok(declared),
            None => self.reload_declared().await,
        }
    }

    /// Returns the declarations for a view that is opened afterwards: what is complete now is complete in the view.
    pub(crate) async fn declared_before_view(&self) -> Result<Arc<Declared>> {
        let declared = self.declared().await?;
        let are_complete = declared.tags.are_complete() && declared.unique.are_complete();
        if are_complete { Ok(declared) } else { self.reload_declared().await }
    }

    /// Reads the declarations, and stores those of this program that are not.
    pub(crate) async fn reload_declared(&self) -> Result<Arc<Declared>> {
        let capabilities = self.engine.capabilities();
        let mut declared = Declared::default();
        if capabilities.has(Capability::Tags) || capabilities.has(Capability::UniqueValues) {
            let mut stored = self.engine.declarations().await?;
            if self.declare_missing(&stored).await? {
                stored = self.engine.declarations().await?;
            }
            declared.version = Some(stored.version);
            declared.tags = self.judge_tags(stored.tags).await?;
            declared.unique = self.judge_names(stored.unique);
        }
        let declared = Arc::new(declared);
        self.declared.set(Some(Arc::clone(&declared)));
        Ok(declared)
    }

    /// Stores the declarations of this program that are not stored. Returns whether that has changed any.
    async fn declare_missing(&self, stored: &Declarations) -> Result<bool> {
        let names = self.missing_names(&stored.unique).await?;
        let tags = self.missing_tags(&stored.tags).await?;
        let declare = async {
            // Before the tags, which store their types: a name of a type that is not stored is complete at once.
            if !names.is_empty() {
                self.engine.declare_unique(&names).await?;
            }
            if !tags.is_empty() {
                self.engine.declare_tags(&tags).await?;
            }
            Ok(())
        };
        match declare.await {
            Ok(()) => Ok(!names.is_empty() || !tags.is_empty()),
            // The tags and names that are not stored count as incomplete.
            Err(error @ Error::Standby { .. }) => {
                warn!(error = %Report::new(&error), "tags of events and names of unique values cannot be declared on a standby; open the store on the primary first");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets the declarations after a commit was refused because they had changed.
    pub(crate) fn forget_declared(&self) {
        self.declared.set(None);
    }

    /// Has a commit name the version of the declarations that this program knows. `None` if they have to be read first.
    pub(crate) fn name_version(&self, commit: &mut Commit) -> Option<Result<()>> {
        self.declared.get().map(|declared| declared.admit(commit))
    }
}

impl Declared {
    /// Refuses a commit that this program must not make, since it is older than another one. Has any other one name the
    /// version.
    pub(crate) fn admit(&self, commit: &mut Commit) -> Result<()> {
        // Nothing else depends on what is declared.
        let depends =
            !(commit.events.is_empty() && commit.unique.is_empty() && commit.conditions.is_empty());
        commit.declared = self.version.filter(|_| depends);
        let admitted = self.tags.admit(commit).and_then(|()| self.unique.admit(commit));
        if let Err(refused) = &admitted {
            error!(error = %Report::new(refused), "a commit is refused, since this program is older than another one");
        }
        admitted
    }
}
