//! Knows which tags are declared for the stored events, and refuses what this program cannot do with them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tracing::{error, warn};

use super::Shared;
use crate::engine::{
    Capability, Commit, DeclaredTags, StoredEvent, StoredTag, TagDeclaration, TagQuery, TagState,
};
use crate::{Error, EventFilter, Position, Report, Result, Tag, Tags};

/// The declarations that were read last. None before the first look, and after a commit was refused because they had
/// changed.
#[derive(Debug, Default)]
pub(crate) struct TagsLastRead(RwLock<Option<Arc<KnownTags>>>);

/// The declared tags of one version, and what follows from them for this program.
#[derive(Debug, Default)]
pub(crate) struct KnownTags {
    /// `None` if the engine has no tags.
    version: Option<i64>,
    states: HashMap<StoredTag, TagState>,
    /// Whether all of them are complete, which is usual.
    are_complete: bool,
    /// The types of events that this program writes without a tag that others have declared, with the tag.
    undeclared: HashMap<StoredEvent, Arc<str>>,
    /// Those of them whose older events have been given the tag, so that none without it may follow.
    lacking: HashMap<StoredEvent, Arc<str>>,
    /// A tag that this program gives and that another one has retired.
    retired: Option<StoredTag>,
}

/// An incomplete tag of this program, and the position up to which the events of its type have it.
pub(crate) type OpenTag = (StoredTag, Position);

impl TagsLastRead {
    fn get(&self) -> Option<Arc<KnownTags>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, known: Option<Arc<KnownTags>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl Shared {
    /// Declares the tags of this program, and refuses it if it is older than another one that has used the database.
    pub(crate) async fn open_tags(&self) -> Result<()> {
        let known = self.reload_tags().await?;
        if let Some((event, name)) = known.undeclared.iter().min() {
            return Err(older_program(event, name));
        }
        known.retired.as_ref().map_or(Ok(()), |tag| Err(retired(tag)))
    }

    /// Returns the declared tags as they were read last.
    pub(crate) async fn known_tags(&self) -> Result<Arc<KnownTags>> {
        match self.tags.get() {
            Some(known) => Ok(known),
            None => self.reload_tags().await,
        }
    }

    /// Returns the declared tags for a view that is opened afterwards: what is complete now is complete in the view.
    pub(crate) async fn tags_before_view(&self) -> Result<Arc<KnownTags>> {
        let known = self.known_tags().await?;
        if known.are_complete { Ok(known) } else { self.reload_tags().await }
    }

    /// Reads the declared tags, and declares those of this program that are not.
    pub(crate) async fn reload_tags(&self) -> Result<Arc<KnownTags>> {
        if !self.engine.capabilities().has(Capability::Tags) {
            let known = Arc::new(KnownTags { are_complete: true, ..KnownTags::default() });
            self.tags.set(Some(Arc::clone(&known)));
            return Ok(known);
        }
        let mut stored = self.engine.declared_tags().await?;
        let missing = self.undeclared(&stored).await?;
        let mut undeclared = Vec::new();
        if !missing.is_empty() {
            match self.engine.declare_tags(&missing).await {
                Ok(()) => {
                    stored = self.engine.declared_tags().await?;
                    undeclared = self.undeclared(&stored).await?;
                }
                // What cannot be declared is not complete.
                Err(error @ Error::Standby { .. }) => {
                    warn!(error = %Report::new(&error), "the tags of events cannot be declared on a standby; open the store on the primary first");
                    undeclared = missing;
                }
                Err(error) => return Err(error),
            }
        }
        let known = Arc::new(self.judge(stored, undeclared).await?);
        self.tags.set(Some(Arc::clone(&known)));
        Ok(known)
    }

    /// Forgets the declared tags after a commit was refused because they had changed.
    pub(crate) fn forget_tags(&self) {
        self.tags.set(None);
    }

    /// Refuses queries by a tag that not all events of their types have. What is complete stays so; what is not is read
    /// again.
    pub(crate) async fn check_complete(&self, queries: &[Arc<TagQuery>]) -> Result<()> {
        let known = self.known_tags().await?;
        if known.check_complete(queries).is_ok() {
            return Ok(());
        }
        self.reload_tags().await?.check_complete(queries)
    }

    /// Refuses a filter by a tag that not all events have which the filter selects by their types.
    pub(crate) async fn check_filter_is_complete(&self, filter: &EventFilter) -> Result<()> {
        // Of the tag that makes the lanes, only the name counts here.
        let lane = filter.lane_tag().map(|name| Tag::new(name, "any")).transpose()?;
        let wanted: Vec<_> = filter.tags().cloned().chain(lane).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let (read, tags) = (self.registry.as_read(filter), Tags::new(wanted.iter().cloned())?);
        let types = self.registry.declaring(&wanted).flat_map(|event| {
            let names = self.registry.stored_events(event);
            names.filter(|(aggregate, event)| {
                read.matches(aggregate, event, filter.natural_key(), &tags)
            })
        });
        let types = types.map(|(aggregate, event)| StoredEvent { aggregate, event }).collect();
        let atom = crate::engine::TagAtom { types, tags: wanted };
        self.check_complete(&[Arc::new(TagQuery { atoms: vec![atom] })]).await
    }

    /// Has a commit name the version of the declared tags that this program knows. `None` if they have to be read first.
    pub(crate) fn name_tags(&self, commit: &mut Commit) -> Option<Result<()>> {
        self.tags.get().map(|known| known.admit(commit))
    }

    /// Returns the incomplete tags of this program.
    pub(crate) async fn open_tags_of(&self, known: &KnownTags) -> Result<Vec<OpenTag>> {
        let mut open = Vec::new();
        for (tag, declaration) in self.declarations().await? {
            match (declaration, known.states.get(&tag)) {
                (TagDeclaration::Given, Some(TagState::Declared)) => {
                    open.push((tag, Position::START));
                }
                (TagDeclaration::Given, Some(TagState::Incomplete(up_to))) => {
                    open.push((tag, *up_to));
                }
                _ => {}
            }
        }
        Ok(open)
    }

    /// Returns the declarations of this program that are not stored.
    async fn undeclared(&self, stored: &DeclaredTags) -> Result<Vec<(StoredTag, TagDeclaration)>> {
        let states: HashMap<_, _> = stored.tags.iter().map(|(tag, state)| (tag, state)).collect();
        let mut declarations = self.declarations().await?;
        declarations.retain(|(tag, declaration)| match (declaration, states.get(tag)) {
            (TagDeclaration::Given, state) => state.is_none(),
            // A tag that no program has declared needs no end.
            (TagDeclaration::Retired, state) => {
                state.is_some_and(|state| **state != TagState::Retired)
            }
        });
        Ok(declarations)
    }

    /// Returns the declarations of this program.
    async fn declarations(&self) -> Result<Vec<(StoredTag, TagDeclaration)>> {
        let mut declarations = Vec::new();
        for (event, named) in self.tagged_types().await? {
            let given = named.given.iter().map(|name| (name, TagDeclaration::Given));
            let retired = named.retired.iter().map(|name| (name, TagDeclaration::Retired));
            declarations.extend(given.chain(retired).map(|(name, declaration)| {
                let (event, name) = (event.clone(), Arc::from(*name));
                (StoredTag { event, name }, declaration)
            }));
        }
        Ok(declarations)
    }

    /// Returns the types under the names by which the database knows them, with their tags.
    async fn tagged_types(&self) -> Result<Vec<(StoredEvent, crate::registry::NamedTags)>> {
        let mut types = Vec::new();
        for (aggregate, names) in self.registry.tags_by_name() {
            let aggregate: Arc<str> = self.stored_name_of(&aggregate).await?.into();
            types.extend(names.into_iter().map(|(event, tags)| {
                (StoredEvent { aggregate: Arc::clone(&aggregate), event: event.into() }, tags)
            }));
        }
        Ok(types)
    }

    /// Compares the stored declarations with those of this program.
    async fn judge(
        &self,
        stored: DeclaredTags,
        undeclared: Vec<(StoredTag, TagDeclaration)>,
    ) -> Result<KnownTags> {
        let unstored = undeclared.into_iter().map(|(tag, _)| (tag, TagState::Declared));
        let states: HashMap<_, _> = unstored.chain(stored.tags).collect();
        let (mut undeclared, mut lacking) = (HashMap::new(), HashMap::new());
        let mut retired = None;
        for (event, named) in self.tagged_types().await? {
            for (tag, state) in states.iter().filter(|(tag, _)| tag.event == event) {
                let is_given = named.given.contains(&*tag.name);
                match state {
                    TagState::Retired if is_given => retired = Some(tag.clone()),
                    TagState::Declared | TagState::Incomplete(_) | TagState::Complete
                        if named.is_written && !is_given =>
                    {
                        undeclared.insert(event.clone(), Arc::clone(&tag.name));
                        if *state != TagState::Declared {
                            lacking.insert(event.clone(), Arc::clone(&tag.name));
                        }
                    }
                    _ => {}
                }
            }
        }
        let are_complete = states.values().all(|state| *state == TagState::Complete);
        let version = Some(stored.version);
        Ok(KnownTags { version, states, are_complete, undeclared, lacking, retired })
    }
}

impl KnownTags {
    /// Refuses queries by a tag that not all events of their types have.
    pub(crate) fn check_complete(&self, queries: &[Arc<TagQuery>]) -> Result<()> {
        if self.are_complete {
            return Ok(());
        }
        for atom in queries.iter().flat_map(|query| &query.atoms) {
            for (event, tag) in
                atom.types.iter().flat_map(|event| atom.tags.iter().map(move |tag| (event, tag)))
            {
                let tag = StoredTag { event: event.clone(), name: tag.name().into() };
                match self.states.get(&tag) {
                    Some(TagState::Declared | TagState::Incomplete(_)) => {
                        return Err(incomplete(&tag));
                    }
                    Some(TagState::Retired) => return Err(retired(&tag)),
                    // Without a declaration, nothing is stored under the name.
                    Some(TagState::Complete) | None => {}
                }
            }
        }
        Ok(())
    }

    /// Refuses a commit with events that lack a tag, or one that rests on a retired tag. Has any other one name the
    /// version.
    pub(crate) fn admit(&self, commit: &mut Commit) -> Result<()> {
        commit.declared = self.version;
        if !self.lacking.is_empty() {
            for event in &commit.events {
                let written = StoredEvent {
                    aggregate: commit.aggregate_type_of(event).into(),
                    event: event.event_type.into(),
                };
                if let Some(name) = self.lacking.get(&written) {
                    let refused = older_program(&written, name);
                    error!(error = %Report::new(&refused), "a commit is refused, since this program is older than another one");
                    return Err(refused);
                }
            }
        }
        if self.retired.is_some() {
            for condition in &commit.conditions {
                let queries = [Arc::clone(&condition.query)];
                if let Err(refused) = self.check_complete(&queries) {
                    error!(error = %Report::new(&refused), "a commit is refused, since this program is older than another one");
                    return Err(refused);
                }
            }
        }
        Ok(())
    }
}

fn older_program(event: &StoredEvent, tag: &str) -> Error {
    let (aggregate, event) = (event.aggregate.to_string(), event.event.to_string());
    Error::OlderProgram { aggregate, event, tag: tag.to_owned() }
}

fn incomplete(tag: &StoredTag) -> Error {
    let StoredTag { event: StoredEvent { aggregate, event }, name } = tag;
    let (aggregate, event) = (aggregate.to_string(), event.to_string());
    Error::TagIncomplete { aggregate, event, tag: name.to_string() }
}

fn retired(tag: &StoredTag) -> Error {
    let StoredTag { event: StoredEvent { aggregate, event }, name } = tag;
    let (aggregate, event) = (aggregate.to_string(), event.to_string());
    Error::TagRetired { aggregate, event, tag: name.to_string() }
}
