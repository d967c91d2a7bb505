//! Defines which events a subscription follows.

mod lanes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::registry::name_problem;
use crate::{Aggregate, Error, Event, NaturalKey, Registry, Result, Tag, Tags};

/// The events that a subscription follows. By default, all of them.
///
/// A name stands for its type, including the type's earlier names: a subscription also reads events that were written
/// before a rename, and [retired](crate::evolution::RetiredEvent) events that may be split into them.
///
/// Types that are added accumulate: the events of `Account` and those of `Loan`. If single events of an aggregate type
/// are added, only these are followed. A key restricts the filter to aggregates that hold the key at the time their
/// event is read, and tags to events that have all of them.
///
/// # Example
/// ```standalone_crate
/// use evercore::boundary::Tags;
/// use evercore::{Aggregate, EventFilter, state_event};
///
/// #[derive(Aggregate, Default)]
/// #[aggregate(name = "account")]
/// struct Account { balance: i64 }
///
/// #[state_event(aggregate = Account, name = "opened")]
/// struct Opened { balance: i64 }
///
/// let filter = EventFilter::new().event::<Opened>();
/// assert!(filter.matches("account", "opened", None, &Tags::NONE));
/// assert!(!filter.matches("account", "closed", None, &Tags::NONE));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// The aggregate types, each with its events; an empty set means all events of the type. Empty: all types.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    aggregates: BTreeMap<String, BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<NaturalKey>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    tags: BTreeSet<Tag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lane: Option<Box<str>>,
    #[serde(skip)]
    unlinked: UnlinkedNames,
}

/// Whether names that belong to no linked type are accepted. It decides only whether a filter is used at all, so filters
/// that differ in nothing else are equal.
#[derive(Clone, Copy, Debug, Default)]
enum UnlinkedNames {
    #[default]
    Refused,
    Allowed,
}

impl EventFilter {
    /// Follows all events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Follows the events of an aggregate type.
    #[must_use]
    pub fn aggregate<A: Aggregate>(self) -> Self {
        self.aggregate_named(A::NAME)
    }

    /// Follows an event.
    #[must_use]
    pub fn event<E: Event>(self) -> Self {
        self.event_named(E::Aggregate::NAME, E::NAME)
    }

    /// Follows the events of an aggregate type, by one of its names.
    #[must_use]
    pub fn aggregate_named(mut self, name: impl Into<String>) -> Self {
        self.aggregates.entry(name.into()).or_default();
        self
    }

    /// Follows an event, by a name of the aggregate type and a name of the event.
    #[must_use]
    pub fn event_named(mut self, aggregate: impl Into<String>, event: impl Into<String>) -> Self {
        self.aggregates.entry(aggregate.into()).or_default().insert(event.into());
        self
    }

    /// Follows only the events of aggregates that hold this natural key.
    #[must_use]
    pub fn key(mut self, key: NaturalKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Follows only events that have this tag, and each other one that is added.
    #[must_use]
    pub fn tag(mut self, tag: Tag) -> Self {
        self.tags.insert(tag);
        self
    }

    /// Keeps the order of events that have the same value of this tag, and not that of the events of an aggregate:
    /// [`SubscriptionBuilder::lane`](crate::subscription::SubscriptionBuilder::lane). It does not decide which events
    /// are followed.
    #[must_use]
    pub fn lane(mut self, tag: impl Into<String>) -> Self {
        self.lane = Some(tag.into().into());
        self
    }

    /// Accepts names that belong to no linked type, for tools that follow the events of other programs. Such a name
    /// stands for itself alone, as it is stored: the aliases of its type are not known.
    ///
    /// Without this, a subscription refuses such a name with [`Error::UnknownFilterName`], since it is most likely
    /// misspelt.
    ///
    /// # Example
    /// ```
    /// use evercore::EventFilter;
    /// use evercore::boundary::Tags;
    ///
    /// let deposits = EventFilter::new().event_named("account", "money-deposited").allow_unlinked();
    /// assert!(deposits.matches("account", "money-deposited", None, &Tags::NONE));
    /// ```
    #[must_use]
    pub fn allow_unlinked(mut self) -> Self {
        self.unlinked = UnlinkedNames::Allowed;
        self
    }

    /// Returns whether the filter selects an event with exactly these names (other names of the same types are not
    /// considered) and these tags, whose aggregate holds this key now.
    #[must_use]
    pub fn matches(
        &self,
        aggregate_type: &str,
        event_type: &str,
        key: Option<&NaturalKey>,
        tags: &Tags,
    ) -> bool {
        self.names(aggregate_type, event_type)
            && (self.key.is_none() || self.key.as_ref() == key)
            && self.tags.iter().all(|tag| tags.contains(tag))
    }

    /// Returns whether all types are followed. For engines.
    #[must_use]
    pub fn is_of_all_types(&self) -> bool {
        self.aggregates.is_empty()
    }

    /// Returns whether every event matches. For engines.
    #[must_use]
    pub fn is_of_all_events(&self) -> bool {
        self.is_of_all_types() && self.key.is_none() && self.tags.is_empty()
    }

    /// Returns the aggregate types of which all events are followed. For engines.
    pub fn whole_aggregates(&self) -> impl Iterator<Item = &str> {
        let whole = self.aggregates.iter().filter(|(_, events)| events.is_empty());
        whole.map(|(aggregate, _)| aggregate.as_str())
    }

    /// Returns the events that are followed individually, each with its aggregate type. For engines.
    pub fn single_events(&self) -> impl Iterator<Item = (&str, &str)> {
        self.aggregates.iter().flat_map(|(aggregate, events)| {
            events.iter().map(|event| (aggregate.as_str(), event.as_str()))
        })
    }

    /// Returns the natural key. For engines.
    #[must_use]
    pub fn natural_key(&self) -> Option<&NaturalKey> {
        self.key.as_ref()
    }

    /// Returns the tags that the events have, in the order of their texts. For engines.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = &Tag> {
        self.tags.iter()
    }

    /// Encodes the filter as it is stored. Equal filters have equal encodings, however they were built. For engines.
    #[must_use]
    pub fn to_column(&self) -> String {
        serde_json::to_string(self).expect("BUG: names have a JSON form")
    }

    /// Decodes the filter from its stored form. For engines.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the text was not written by [`to_column`](Self::to_column).
    pub fn from_column(column: &str) -> Result<Self> {
        serde_json::from_str(column)
            .map_err(|error| Error::corrupt("subscription filter", error.to_string()))
    }

    /// Returns the filter with each name replaced by several: of an aggregate type, and of an aggregate type's event.
    pub(crate) fn with_names(
        &self,
        aggregates: impl Fn(&str) -> Vec<String>,
        events: impl Fn(&str, &str) -> Vec<String>,
    ) -> Self {
        let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (aggregate, single) in &self.aggregates {
            let single: BTreeSet<_> =
                single.iter().flat_map(|event| events(aggregate, event)).collect();
            for aggregate in aggregates(aggregate) {
                named.entry(aggregate).or_default().extend(single.iter().cloned());
            }
        }
        let Self { key, tags, lane, unlinked, .. } = self.clone();
        Self { aggregates: named, key, tags, lane, unlinked }
    }

    /// Returns whether a type is followed, by exactly these names.
    fn names(&self, aggregate_type: &str, event_type: &str) -> bool {
        let is_wanted =
            |events: &BTreeSet<String>| events.is_empty() || events.contains(event_type);
        self.aggregates.is_empty() || self.aggregates.get(aggregate_type).is_some_and(is_wanted)
    }

    /// Returns the aggregate types that are named.
    pub(crate) fn aggregates(&self) -> impl Iterator<Item = &str> {
        self.aggregates.keys().map(String::as_str)
    }

    /// Refuses names that no type can have, and unless they are allowed, names that are not in the registry: they would
    /// never match, so they are most likely a mistake.
    pub(crate) fn check(&self, registry: &Registry) -> Result<()> {
        let events = self.single_events().map(|(_, event)| event);
        self.aggregates().chain(events).try_for_each(check_name)?;
        self.check_lane(registry)?;
        if matches!(self.unlinked, UnlinkedNames::Allowed) {
            return Ok(());
        }
        let unknown = |name: String| Err(Error::UnknownFilterName { name });
        for aggregate in self.aggregates.keys() {
            if registry.aggregate_named(aggregate).is_none() {
                return unknown(format!("the aggregate type `{aggregate}`"));
            }
        }
        for (aggregate, event) in self.single_events() {
            if !registry.has_event(aggregate, event) {
                return unknown(format!("the event `{event}` of `{aggregate}`"));
            }
        }
        for tag in &self.tags {
            let mut declared = registry.events().flat_map(|event| event.tags());
            if !declared.any(|declared| declared.name == tag.name()) {
                return unknown(format!("the tag `{}`", tag.name()));
            }
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<()> {
    match name_problem(name) {
        Some(problem) => Err(Error::InvalidFilterName { name: name.to_owned(), problem }),
        None => Ok(()),
    }
}

impl PartialEq for UnlinkedNames {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for UnlinkedNames {}

impl fmt::Display for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.whole_aggregates().map(str::to_owned).collect::<Vec<_>>();
        parts.extend(self.single_events().map(|(aggregate, event)| format!("{aggregate}/{event}")));
        if parts.is_empty() {
            parts.push("all events".to_owned());
        }
        f.write_str(&parts.join(", "))?;
        if let Some(key) = &self.key {
            write!(f, " with key `{key}`")?;
        }
        self.tags.iter().try_for_each(|tag| write!(f, " with tag `{tag}`"))?;
        self.lane.iter().try_for_each(|lane| write!(f, " in lanes by `{lane}`"))
    }
}
