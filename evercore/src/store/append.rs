//! Appends events without loading their aggregate.

use tracing::instrument;

use super::attempt::Attempt;
use super::{EventDraft, EventStore};
use crate::clock::to_stored_precision;
use crate::context::Reading;
use crate::context::rehydrate::link_at;
use crate::engine::{
    AggregateWrite, Commit, HistoryRequest, KeyChange, LoadRequest, LoadTarget, NewEvent,
    Precondition,
};
use crate::error::unknown_key;
use crate::format::link::Link;
use crate::shared::TurnKey;
use crate::{
    Aggregate, AggregateId, Committed, ConflictReason, Error, NaturalKey, RecordedEvent, Result,
    Sequence,
};

/// The aggregate to append to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The aggregate with this id. It has to exist.
    Id(AggregateId),
    /// The aggregate with this natural key. It is created where [`Expected`] allows it.
    Key(NaturalKey),
}

/// The state that an aggregate is expected to be in when events are appended to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Any state. A [`Stream::Key`] that does not exist is created.
    Any,
    /// No events. A [`Stream::Key`] that does not exist is created.
    NoStream,
    /// An existing aggregate with exactly this sequence.
    Exactly(Sequence),
}

/// The result of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The aggregate's id.
    pub id: AggregateId,
    /// The commit, with the positions of the events.
    pub committed: Committed,
}

impl EventStore {
    /// Appends events to one aggregate without loading its state, and so without a decision. For imports and tools;
    /// domain code uses [`with_context`](Self::with_context).
    ///
    /// An aggregate with [unique values](crate::Aggregate::UNIQUE) is refused when the program is compiled, since its state
    /// decides which values a commit claims:
    ///
    /// ```compile_fail,E0080
    /// # use evercore::{Aggregate, EventStore, Expected, NaturalKey, Stream, state_event};
    /// # use evercore_memory as _;
    /// #[derive(Aggregate, Default)]
    /// #[aggregate(unique(email))]
    /// struct Account { email: Option<String> }
    ///
    /// #[state_event(aggregate = Account)]
    /// struct EmailChanged { email: Option<String> }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// # let store = EventStore::connect("memory:").await?;
    /// let stream = Stream::Key(NaturalKey::new("NL91ABNA0417164300")?);
    /// let events = [EmailChanged { email: None }];
    /// store.append::<Account, _>(stream, Expected::Any, events).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Nothing is written.
    /// - [`Error::EmptyAppend`] if there is no event.
    /// - [`Error::NestedCommit`] as [`with_context`](Self::with_context).
    /// - [`Error::Conflict`] if the aggregate is not as expected.
    /// - [`Error::UnknownId`], [`Error::UnknownKey`] or [`Error::WrongAggregateType`] if it has to exist and does not.
    /// - The errors of [`Context::apply`](crate::Context::apply) about an event.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, state_event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceImported { balance: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// # let store = evercore::EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
    /// use evercore::{Expected, NaturalKey, Stream};
    ///
    /// let stream = Stream::Key(NaturalKey::new("NL91ABNA0417164300")?);
    /// let events = [BalanceImported { balance: 7 }, BalanceImported { balance: 9 }];
    /// let appended = store.append::<Account, _>(stream, Expected::NoStream, events).await?;
    /// assert_eq!(store.history(appended.id, ..).await?.events.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[instrument(level = "debug", skip_all, fields(aggregate = A::NAME), err(level = "debug"))]
    pub async fn append<A: Aggregate, D: Into<EventDraft<A>>>(
        &self,
        stream: Stream,
        expected: Expected,
        events: impl IntoIterator<Item = D, IntoIter: Send> + Send,
    ) -> Result<Appended> {
        const {
            assert!(
                A::UNIQUE.is_none(),
                "an aggregate with unique values changes only in a context, which loads it: its state decides which values a commit claims"
            );
        }
        let mut reruns = self.begin(Reading::Storage)?;
        // Sequences count from 1 here; the engine assigns the real ones. Events are encoded once, however often the
        // append is retried.
        let mut sequence = Sequence::ZERO;
        let mut bytes = 0;
        let mut prepared = Vec::new();
        let placeholder = AggregateId::new(1)?;
        for event in events {
            sequence = sequence.next();
            let EventDraft { event_type, encode, tags, options, .. } = event.into();
            let place = (placeholder, sequence);
            let event = self.inner.prepare(event_type, encode, tags, options, place, None)?;
            bytes += event.bytes();
            prepared.push(event);
            self.inner.limits.check_commit(1, prepared.len(), bytes)?;
        }
        if prepared.is_empty() {
            return Err(Error::EmptyAppend { aggregate: A::NAME.to_owned() });
        }

        let turn_key = match &stream {
            Stream::Id(id) => TurnKey::Id(*id),
            Stream::Key(key) => TurnKey::Key(self.inner.stored_name::<A>().await?, key.clone()),
        };
        // An append that expects a sequence does not queue: the turns of others would only make its expectation stale.
        if !matches!(expected, Expected::Exactly(_)) {
            self.join(&mut reruns, &turn_key).await;
        }
        loop {
            let mut write = self.resolve::<A>(&stream, expected).await?;
            let id = write.id;
            let mut events = prepared.clone();
            for event in &mut events {
                event.meta.aggregate_id = id;
            }
            if self.inner.writing.chained {
                self.chain(&mut write, &mut events).await?;
            }
            let commit = Commit {
                writes: vec![write],
                events,
                ..Commit::new(to_stored_precision(self.inner.clock.now()))
            };
            let answer = self.inner.send(commit).await;
            self.inner.forget([id]);
            match answer {
                Ok(committed) => return Ok(Appended { id, committed }),
                // Another writer has created the aggregate since the lookup: look it up again.
                Err(Error::KeyTaken { .. }) => {
                    let conflict = Error::Conflict {
                        aggregate: A::NAME.to_owned(),
                        id,
                        reason: ConflictReason::Created,
                    };
                    let failure = Attempt::conflict(conflict, &turn_key);
                    self.wait_to_rerun::<Error>(&mut reruns, failure).await?;
                }
                Err(changed @ Error::DeclarationsChanged) => {
                    self.wait_to_rerun::<Error>(&mut reruns, Attempt::from(changed)).await?;
                }
                // `Expected::Any` accepts every sequence; the conflict is only about the hash, which was made for an
                // older one.
                Err(conflict @ Error::Conflict { .. })
                    if self.inner.writing.chained && expected == Expected::Any =>
                {
                    let failure = Attempt::conflict(conflict, &turn_key);
                    self.wait_to_rerun::<Error>(&mut reruns, failure).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Finds the stream's aggregate, or reserves an id for a new one, and derives the precondition of the write.
    async fn resolve<A: Aggregate>(
        &self,
        stream: &Stream,
        expected: Expected,
    ) -> Result<AggregateWrite> {
        let aggregate_type = self.inner.stored_name::<A>().await?;
        let existing = match stream {
            Stream::Id(id) => *id,
            Stream::Key(key) => match (self.holder::<A>(key).await?, expected) {
                (Some(id), _) => id,
                (None, Expected::Exactly(_)) => return Err(unknown_key::<A>(key)),
                (None, Expected::Any | Expected::NoStream) => {
                    let id = self.inner.ids.next(&*self.inner.engine).await?;
                    let key = KeyChange::Set(key.clone());
                    return Ok(AggregateWrite {
                        id,
                        aggregate_type,
                        precondition: Precondition::New,
                        key,
                    });
                }
            },
        };
        let precondition = match expected {
            Expected::Any => Precondition::Exists,
            Expected::NoStream => Precondition::At(Sequence::ZERO),
            Expected::Exactly(sequence) => Precondition::At(sequence),
        };
        Ok(AggregateWrite { id: existing, aggregate_type, precondition, key: KeyChange::Keep })
    }

    /// Adds hashes to the events. Each hash includes that of the event before, so the precondition is set to the
    /// sequence that was read.
    async fn chain(&self, write: &mut AggregateWrite, events: &mut [NewEvent]) -> Result<()> {
        let engine = &*self.inner.engine;
        let (mut sequence, mut link) = match write.precondition {
            Precondition::New => (Sequence::ZERO, None),
            Precondition::At(sequence) | Precondition::Unchanged { sequence, .. } => {
                (sequence, link_at(engine, write.id, sequence).await?)
            }
            Precondition::Exists => {
                let last = self.last_event(write.id).await?;
                let sequence = last.as_ref().map_or(Sequence::ZERO, RecordedEvent::sequence);
                write.precondition = Precondition::At(sequence);
                (sequence, last.and_then(|last| last.payload().link()))
            }
        };
        for event in events {
            sequence = sequence.next();
            event.meta.sequence = sequence;
            let hash = Link::of_new(link, write.aggregate_type, event);
            event.payload.add_link(hash);
            link = Some(hash);
        }
        Ok(())
    }

    /// Finds the last event of an aggregate by galloping: the step doubles while events are found, then halves.
    async fn last_event(&self, id: AggregateId) -> Result<Option<RecordedEvent>> {
        let next = async |after: i64| {
            let after = Sequence::new(after)?;
            let request = HistoryRequest { id, after, up_to: None, limit: 1 };
            Ok::<_, Error>(self.inner.engine.read_history(request).await?.pop())
        };
        let Some(mut last) = next(0).await? else { return Ok(None) };
        let (mut step, mut is_growing) = (1, true);
        while step > 0 {
            let found = next(last.sequence().get() + step - 1).await?;
            is_growing &= found.is_some();
            last = found.unwrap_or(last);
            step = if is_growing { step * 2 } else { step / 2 };
        }
        Ok(Some(last))
    }

    /// Returns the id of the aggregate that has a natural key.
    async fn holder<A: Aggregate>(&self, key: &NaturalKey) -> Result<Option<AggregateId>> {
        let request = LoadRequest {
            aggregate_type: self.inner.stored_name::<A>().await?,
            target: LoadTarget::Key(key.clone()),
            snapshot: None,
            up_to: Some(Sequence::ZERO),
            limit: 1,
        };
        Ok(self.inner.engine.load(request).await?.map(|loaded| loaded.id))
    }
}
