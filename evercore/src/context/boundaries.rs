//! Reads boundaries and emits events that belong to no aggregate.

use std::sync::Arc;

use tracing::instrument;

use super::Context;
use super::staging::{Base, OnKeyTaken};
use crate::boundary::reading::{Boundaries, Reading};
use crate::boundary::{Fact, Facts};
use crate::engine::{Capability, Condition, NewEvent, Reader, TagQuery, TagRequest, require};
use crate::shared::{Shared, TurnKey};
use crate::{
    Aggregate, AggregateId, CommandError, Decide, Decision, Emitted, Error, EventDraft,
    EventOptions, Metadata, Position, Result, Sequence,
};

/// The extent of one read of a boundary.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The frontier of the first page.
    frontier: Position,
    /// The number of events after the frontier.
    beyond: u64,
    /// The number of all events.
    total: usize,
    /// The position after which the next page starts; `None` if there is none.
    next: Option<Position>,
}

impl Context {
    /// Reads boundaries, and makes the commit rest on them: it lands only if no other event that matches them has been
    /// added before it in the log. Otherwise the closure runs again, as after any conflict.
    ///
    /// Events that this context has staged are part of what it reads. A context that writes nothing is not checked. A
    /// boundary that is read twice has to be unchanged since both reads.
    ///
    /// # Errors
    /// - [`Error::InvalidTag`] if a value of the key cannot be that of a tag.
    /// - [`Error::BoundaryTooLarge`] if there are more events than
    ///   [`Limits::max_boundary_events`](crate::Limits::max_boundary_events).
    /// - [`Error::Unregistered`] if the store does not know an event of a boundary.
    /// - [`Error::TagIncomplete`] if older events have not been given a tag yet that their type was given later.
    /// - [`Error::UnknownEvent`], [`Error::Decode`], [`Error::Upcast`] or [`Error::MissingCodec`] if an event cannot be
    ///   read.
    /// - [`Error::Unsupported`] if the engine has no tags.
    ///
    /// # Example
    /// ```standalone_crate
    /// use evercore::{Apply, Boundary, EventMeta, EventStore, event};
    /// # use evercore_memory as _;
    /// # type BoxError = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// #[event(tags(course, student))]
    /// struct StudentSubscribed { course: String, student: String }
    ///
    /// /// The students of a course.
    /// #[derive(Boundary, Default)]
    /// #[boundary(key(course: String), events(StudentSubscribed))]
    /// struct Seats { taken: u32 }
    ///
    /// impl Apply<StudentSubscribed> for Seats {
    ///     fn apply(&mut self, _: &StudentSubscribed, _: &EventMeta) {
    ///         self.taken += 1;
    ///     }
    /// }
    ///
    /// /// The courses of a student.
    /// #[derive(Boundary, Default)]
    /// #[boundary(key(student: String), events(StudentSubscribed))]
    /// struct Load { courses: u32 }
    ///
    /// impl Apply<StudentSubscribed> for Load {
    ///     fn apply(&mut self, _: &StudentSubscribed, _: &EventMeta) {
    ///         self.courses += 1;
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let store = EventStore::connect("memory:").await?;
    /// store
    ///     .with_context(async |ctx| {
    ///         let (seats, load) = ctx.read((Seats::of("algebra"), Load::of("Ada"))).await?;
    ///         if seats.taken >= 30 || load.courses >= 5 {
    ///             return Err(BoxError::from("there is no room"));
    ///         }
    ///         let (course, student) = ("algebra".to_owned(), "Ada".to_owned());
    ///         ctx.emit(StudentSubscribed { course, student })?;
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    pub async fn read<K: Boundaries>(&mut self, keys: K) -> Result<K::States> {
        let mut readings = Vec::new();
        keys.begin(&self.store.registry, &mut readings)?;
        let count = readings.len();
        // Boxed, to keep it out of the size of the closure's future.
        let readings = Box::pin(self.read_all(readings)).await?;
        Ok(K::finish(count, &mut readings.into_iter().map(Reading::into_state)))
    }

    #[instrument(level = "debug", name = "read", skip_all, err(level = "debug"))]
    async fn read_all(&mut self, mut readings: Vec<Reading>) -> Result<Vec<Reading>> {
        require(&*self.store.engine, Capability::Tags)?;
        for reading in &readings {
            let has_others =
                readings.iter().filter(|own| own.boundary == reading.boundary).count() > 1;
            let turn_key = || TurnKey::boundary(reading.boundary, &reading.query, has_others);
            if let Some(turn) = self.join_queue(turn_key) {
                self.queueing = turn.await;
            }
        }
        let queries: Vec<_> = readings.iter().map(|reading| reading.query.clone()).collect();
        let complete = self.store.check_complete(&queries).await;
        self.noted(complete)?;
        let seen = fold(&*self.store.engine, &self.store, &mut readings, None).await;
        let seen = self.noted(seen)?;
        for (reading, seen) in readings.iter_mut().zip(seen) {
            for event in self.staging.events() {
                reading.staged(event, self.staging.aggregate_type_of(event))?;
            }
            if reading.is_guarded {
                let condition = Condition {
                    boundary: reading.boundary,
                    query: reading.query.clone(),
                    beyond: seen.frontier,
                    seen: seen.beyond,
                };
                self.staging.rest_on(&self.store.limits, condition)?;
            }
        }
        Ok(readings)
    }

    /// Stages an event that belongs to no aggregate, only to its tags.
    ///
    /// # Errors
    /// On an error, the context stays as it was.
    /// - [`Error::InvalidTag`] if a value cannot be that of a tag.
    /// - [`Error::Unregistered`] if the store does not know the event.
    /// - [`Error::Encode`], [`Error::NotRoundTrip`], [`Error::PayloadTooLarge`] or [`Error::CommitTooLarge`].
    pub fn emit<E: Fact>(&mut self, event: E) -> Result<()> {
        self.emit_with(event, EventOptions::new())
    }

    /// Stages an event that belongs to no aggregate, with its own time, reference or metadata.
    ///
    /// # Errors
    /// As [`emit`](Self::emit), and [`Error::InvalidMetadata`].
    #[instrument(level = "debug", skip_all, fields(event = E::NAME), err(level = "debug"))]
    pub fn emit_with<E: Fact>(&mut self, event: E, options: EventOptions) -> Result<()> {
        let (id, last) = (AggregateId::UNPLACED, self.last_fact());
        let staged = self.store.prepare(
            const { &E::TYPE },
            |codec, round_trips| E::ENCODING.encode(&event, codec, round_trips),
            event.tags(),
            options,
            (id, last.next()),
            self.metadata.as_deref(),
        )?;
        self.stage_facts(vec![staged])
    }

    /// Stages several events that belong to no aggregate, in this order: all or none.
    ///
    /// # Errors
    /// As [`emit_with`](Self::emit_with).
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub fn emit_all<D>(&mut self, events: impl IntoIterator<Item = D>) -> Result<()>
    where
        D: Into<EventDraft<Facts>>,
    {
        let mut sequence = self.last_fact();
        let mut staged = Vec::new();
        for event in events {
            sequence = sequence.next();
            let EventDraft { event_type, encode, tags, options, .. } = event.into();
            let place = (AggregateId::UNPLACED, sequence);
            let metadata = self.metadata.as_deref();
            staged.push(self.store.prepare(event_type, encode, tags, options, place, metadata)?);
        }
        self.stage_facts(staged)
    }

    /// Lets boundaries [decide](Decide) on a command, and stages the events that are emitted. Returns the states after
    /// them.
    ///
    /// It [reads](Self::read) the boundaries, so the commit rests on them.
    /// [`EventStore::execute_on`](crate::EventStore::execute_on) does this for a single command.
    ///
    /// # Errors
    /// On an error, nothing is staged.
    /// - [`CommandError::Rejected`] with the decision's error.
    /// - [`CommandError::Store`] as [`read`](Self::read) and [`emit_with`](Self::emit_with), and with
    ///   [`Error::EventOutsideBoundary`] if the keys are not those of the emitted events.
    pub async fn decide_on<K, C>(
        &mut self,
        keys: K,
        command: &C,
    ) -> Result<K::States, CommandError<<K::States as Decide<C>>::Error>>
    where
        K: Boundaries<States: Decide<C>>,
    {
        let mut readings = Vec::new();
        keys.begin(&self.store.registry, &mut readings)?;
        self.decide_over::<K, C>(readings, command).await
    }

    /// Like [`decide_on`](Self::decide_on), for boundaries whose reading has begun.
    pub(crate) async fn decide_over<K, C>(
        &mut self,
        readings: Vec<Reading>,
        command: &C,
    ) -> Result<K::States, CommandError<<K::States as Decide<C>>::Error>>
    where
        K: Boundaries<States: Decide<C>>,
    {
        let readings = Box::pin(self.read_all(readings)).await?;
        let queries: Vec<_> = readings.iter().map(|reading| reading.query.clone()).collect();
        let names: Vec<_> = readings.iter().map(|reading| reading.boundary).collect();
        let states = &mut readings.into_iter().map(Reading::into_state);
        let mut states = K::finish(states.len(), states);
        let metadata = Metadata::of_event(
            None,
            self.metadata.as_deref(),
            self.store.default_metadata.as_ref(),
        );
        let mut decision = Decision::on(&mut states)
            .after(AggregateId::UNPLACED, self.last_fact())
            .at(self.store.clock.now())
            .with_metadata(metadata)
            .in_codec(self.store.codec())
            .checking(self.store.round_trips())
            .within(queries.clone());
        K::States::decide(&mut decision, command).map_err(CommandError::Rejected)?;
        let emitted = decision.into_emitted().into_iter();
        let checked = emitted.map(|Emitted { event_type, payload, tags, meta }| {
            let event = self.store.check(event_type, payload, tags, meta)?;
            check_within(&event, &names, &queries)?;
            Ok(event)
        });
        self.stage_facts(checked.collect::<Result<_>>()?)?;
        Ok(states)
    }

    /// Returns the sequence of the last staged event that belongs to no aggregate.
    fn last_fact(&self) -> Sequence {
        let stream = self.staging.stream(AggregateId::UNPLACED);
        stream.map_or(Sequence::ZERO, |stream| stream.sequence)
    }

    /// Stages events that belong to no aggregate, all or none.
    fn stage_facts(&mut self, events: Vec<NewEvent>) -> Result<()> {
        let limits = &self.store.limits;
        if !events.is_empty() && !self.has_unplaced() {
            self.staging.check_room(limits, &events)?;
            let base = Base::Created { on_key_taken: OnKeyTaken::Fail };
            self.staging.enter(limits, AggregateId::UNPLACED, Facts::NAME, base, None)?;
        }
        self.staging.push_all(limits, events)
    }

    /// Returns whether an event was emitted that has no aggregate yet: [`place_facts`](Self::place_facts) gives it one.
    pub(crate) fn has_unplaced(&self) -> bool {
        self.staging.stream(AggregateId::UNPLACED).is_some()
    }

    /// Gives the events that belong to no aggregate a fresh one, in which they are stored.
    pub(crate) async fn place_facts(&mut self) -> Result<()> {
        if self.has_unplaced() {
            let id = self.ids.next(&self.store.ids, &*self.store.engine).await;
            let id = self.noted(id)?;
            self.staging.place_facts(id);
        }
        Ok(())
    }
}

/// Refuses an event that the decision's boundaries select by its type, but none of them by its tags: they are not those
/// of what the command is about, so that the decision rests on nothing.
fn check_within(event: &NewEvent, names: &[&str], queries: &[Arc<TagQuery>]) -> Result<()> {
    let is_of_type = |query: &&Arc<TagQuery>| query.selects_type(Facts::NAME, event.event_type);
    let matches = |query: &Arc<TagQuery>| query.matches(Facts::NAME, event.event_type, &event.tags);
    let mut of_type = names.iter().zip(queries).filter(|(_, query)| is_of_type(query));
    match of_type.next() {
        Some((boundary, query)) if !queries.iter().any(matches) => {
            Err(Error::EventOutsideBoundary {
                event: event.event_type.to_owned(),
                tags: event.tags.iter().collect::<Vec<_>>().join(" and "),
                boundary: (*boundary).to_owned(),
                selected: query.tags(),
            })
        }
        _ => Ok(()),
    }
}

impl TurnKey {
    /// Names the queue of a boundary: by the tags that all its events have, since every decision that can conflict with
    /// it over one of these has them too. A read of alternatives may have none in common, and one of several boundaries
    /// of a type can conflict over each: they queue with all others of the type.
    pub(crate) fn boundary(name: &'static str, query: &TagQuery, has_others: bool) -> Self {
        let common = if has_others { Vec::new() } else { query.common_tags() };
        Self::Boundary(name, common)
    }
}

/// Reads the events of boundaries and folds them into their states, page by page.
pub(crate) async fn fold(
    reader: &dyn Reader,
    store: &Shared,
    readings: &mut [Reading],
    up_to: Option<Position>,
) -> Result<Vec<Seen>> {
    let mut seen: Vec<_> = readings.iter().map(|_| Seen::nothing()).collect();
    let mut is_first = true;
    loop {
        let (open, requests): (Vec<_>, Vec<_>) = seen
            .iter()
            .zip(&*readings)
            .enumerate()
            .filter_map(|(index, (seen, reading))| {
                let (query, limit) = (reading.query.clone(), store.limits.page_events);
                seen.next.map(|after| (index, TagRequest { query, after, up_to, limit }))
            })
            .unzip();
        if open.is_empty() {
            return Ok(seen);
        }
        let pages = reader.read_tagged(requests).await?;
        if pages.len() != open.len() {
            let problem = format!("{} requests got {} pages", open.len(), pages.len());
            return Err(Error::corrupt("pages of tagged events", problem));
        }
        for (index, page) in open.into_iter().zip(pages) {
            let (seen, reading) = (&mut seen[index], &mut readings[index]);
            if is_first {
                seen.frontier = page.frontier;
            }
            seen.total += page.events.len();
            let limit = store.limits.max_boundary_events;
            if seen.total > limit {
                let (boundary, tags) = (reading.boundary.to_owned(), reading.query.tags());
                return Err(Error::BoundaryTooLarge { boundary, tags, limit });
            }
            for event in &page.events {
                reading.stored(&store.registry, event)?;
                seen.beyond += u64::from(event.position() > seen.frontier);
            }
            let last = page.events.last().map(crate::RecordedEvent::position);
            seen.next = last.filter(|_| !page.at_end);
        }
        is_first = false;
    }
}

impl Seen {
    const fn nothing() -> Self {
        let (frontier, next) = (Position::START, Some(Position::START));
        Self { frontier, beyond: 0, total: 0, next }
    }
}

impl super::read_context::ReadContext {
    /// Reads boundaries.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub async fn read<K: Boundaries>(&self, keys: K) -> Result<K::States> {
        self.read_up_to(keys, None).await
    }

    /// Reads boundaries as they were after the event at a position of the log.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub async fn read_as_of<K: Boundaries>(&self, keys: K, as_of: Position) -> Result<K::States> {
        self.read_up_to(keys, Some(as_of)).await
    }

    #[instrument(level = "debug", name = "read", skip_all, err(level = "debug"))]
    async fn read_up_to<K: Boundaries>(
        &self,
        keys: K,
        up_to: Option<Position>,
    ) -> Result<K::States> {
        let (reader, store, tags) = self.parts();
        require(&*store.engine, Capability::Tags)?;
        let mut readings = Vec::new();
        keys.begin(&store.registry, &mut readings)?;
        let count = readings.len();
        let queries: Vec<_> = readings.iter().map(|reading| reading.query.clone()).collect();
        tags.check_complete(&queries)?;
        fold(reader, store, &mut readings, up_to).await?;
        Ok(K::finish(count, &mut readings.into_iter().map(Reading::into_state)))
    }
}
