//! Knows which tags are declared for the stored events, and refuses what this program cannot do with them.

use std::collections::HashMap;
use std::sync::Arc;

use super::Shared;
use crate::engine::{
    Capability, Commit, StoredEvent, StoredTag, TagDeclaration, TagQuery, TagState,
};
use crate::{Error, EventFilter, Position, Result, Tag, Tags};

/// The declared tags of one version, and what follows from them for this program.
#[derive(Debug, Default)]
pub(crate) struct KnownTags {
    states: HashMap<StoredTag, TagState>,
    /// Whether any of them is not complete, which is unusual.
    are_incomplete: bool,
    /// The types of events that this program writes without a tag that others have declared, with the tag.
    undeclared: HashMap<StoredEvent, Arc<str>>,
    /// Those of them whose older events have been given the tag, so that none without it may follow.
    lacking: HashMap<StoredEvent, Arc<str>>,
    /// A tag that this program gives and that another one has retired.
    retired: Option<StoredTag>,
}

/// An incomplete tag of this program, and the position up to which the events of its type have it.
pub(crate) type OpenTag = (StoredTag, Position);

impl Shared {
    /// Refuses queries by a tag that not all events of their types have. What is complete stays so; what is not is read
    /// again.
    pub(crate) async fn check_complete(&self, queries: &[Arc<TagQuery>]) -> Result<()> {
        if self.declared().await?.tags.check_complete(queries).is_ok() {
            return Ok(());
        }
        self.reload_declared().await?.tags.check_complete(queries)
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

    /// Returns the incomplete tags of this program.
    pub(crate) async fn open_tags_of(&self, known: &KnownTags) -> Result<Vec<OpenTag>> {
        let mut open = Vec::new();
        for (tag, declaration) in self.own_tags().await? {
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
    pub(super) async fn missing_tags(
        &self,
        stored: &[(StoredTag, TagState)],
    ) -> Result<Vec<(StoredTag, TagDeclaration)>> {
        if !self.engine.capabilities().has(Capability::Tags) {
            return Ok(Vec::new());
        }
        let states: HashMap<_, _> = stored.iter().map(|(tag, state)| (tag, state)).collect();
        let mut own = self.own_tags().await?;
        own.retain(|(tag, declaration)| match (declaration, states.get(tag)) {
            (TagDeclaration::Given, state) => state.is_none(),
            // A tag that no program has declared needs no end.
            (TagDeclaration::Retired, state) => {
                state.is_some_and(|state| **state != TagState::Retired)
            }
        });
        Ok(own)
    }

    /// Returns the declarations of this program.
    async fn own_tags(&self) -> Result<Vec<(StoredTag, TagDeclaration)>> {
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
    pub(super) async fn judge_tags(&self, stored: Vec<(StoredTag, TagState)>) -> Result<KnownTags> {
        let missing = self.missing_tags(&stored).await?;
        let missing = missing.into_iter().map(|(tag, _)| (tag, TagState::Declared));
        let states: HashMap<_, _> = missing.chain(stored).collect();
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
        let are_incomplete = states.values().any(|state| *state != TagState::Complete);
        Ok(KnownTags { states, are_incomplete, undeclared, lacking, retired })
    }
}

impl KnownTags {
    /// Returns whether all tags are complete, which is usual.
    pub(super) const fn are_complete(&self) -> bool {
        !self.are_incomplete
    }

    /// Refuses a program that does not give a tag to its events that others have declared, or that gives a retired one.
    pub(super) fn check_program(&self) -> Result<()> {
        if let Some((event, name)) = self.undeclared.iter().min() {
            return Err(older_program(event, name));
        }
        self.retired.as_ref().map_or(Ok(()), |tag| Err(retired(tag)))
    }

    /// Refuses queries by a tag that not all events of their types have.
    pub(crate) fn check_complete(&self, queries: &[Arc<TagQuery>]) -> Result<()> {
        if self.are_complete() {
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

    /// Refuses a commit with events that lack a tag, or one that rests on a retired tag.
    pub(super) fn admit(&self, commit: &Commit) -> Result<()> {
        if !self.lacking.is_empty() {
            for event in &commit.events {
                let written = StoredEvent {
                    aggregate: commit.aggregate_type_of(event).into(),
                    event: event.event_type.into(),
                };
                if let Some(name) = self.lacking.get(&written) {
                    return Err(older_program(&written, name));
                }
            }
        }
        if self.retired.is_some() {
            for condition in &commit.conditions {
                self.check_complete(&[Arc::clone(&condition.query)])?;
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
