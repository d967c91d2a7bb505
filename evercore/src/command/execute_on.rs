//! Executes commands on boundaries: reads them, lets them decide, commits, and starts over after a conflict.

use std::any::type_name;
use std::fmt;
use std::future::ready;
use std::marker::PhantomData;
use std::pin::Pin;

use sha2::{Digest, Sha256};
use tracing::{Instrument, debug_span};

use super::execute::{First, command_name};
use super::executed::CommittedEvent;
use super::executed_on::{DoneOn, ExecutedOn};
use crate::boundary::Boundaries;
use crate::boundary::reading::Reading;
use crate::context::Reading as ReadFrom;
use crate::engine::Idempotency;
use crate::store::attempt::{Attempt, Reruns, committed};
use crate::{CommandError, Decide, Error, EventStore, IdempotencyKey, Metadata, Result};

/// A command on boundaries that is executed when awaited. Created by [`EventStore::execute_on`].
#[must_use = "a command does nothing until it is awaited"]
pub struct ExecuteOn<'a, K, C> {
    store: &'a EventStore,
    readings: Result<Vec<Reading>>,
    command: C,
    idempotency_key: Option<Result<IdempotencyKey>>,
    metadata: Option<Box<Metadata>>,
    keys: PhantomData<fn() -> K>,
}

impl EventStore {
    /// Executes a command on boundaries: reads them, lets them [decide](Decide), and commits the events that they emit,
    /// which belong to no aggregate. The commit lands only if what was read is still all there is; otherwise all of this
    /// is repeated, as the store's [`RetryPolicy`](crate::RetryPolicy) says.
    ///
    /// [`Decide`] is implemented for the boundary, or for a tuple if several decide together.
    ///
    /// # Errors
    /// Awaiting it returns
    /// - [`CommandError::Rejected`] with the decision's error;
    /// - [`CommandError::Store`] as [`Context::read`](crate::Context::read) and [`with_context`](Self::with_context), and
    ///   [`Error::IdempotencyKeyReused`].
    ///
    /// # Example
    /// ```standalone_crate
    /// use evercore::{Apply, Boundary, CommandError, Decide, Decision, EventMeta, EventStore, event};
    /// # use evercore_memory as _;
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
    /// struct Subscribe { course: String, student: String }
    ///
    /// #[derive(Debug)]
    /// struct Full;
    ///
    /// impl Decide<Subscribe> for Seats {
    ///     type Error = Full;
    ///
    ///     fn decide(seats: &mut Decision<'_, Self>, command: &Subscribe) -> Result<(), Full> {
    ///         if seats.taken >= 30 {
    ///             return Err(Full);
    ///         }
    ///         let Subscribe { course, student } = command;
    ///         seats.emit(StudentSubscribed { course: course.clone(), student: student.clone() });
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), CommandError<Full>> {
    /// let store = EventStore::connect("memory:").await?;
    /// let (course, student) = ("algebra".to_owned(), "Ada".to_owned());
    /// let done = store.execute_on(Seats::of("algebra"), Subscribe { course, student }).await?;
    /// assert_eq!(done.states().taken, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute_on<K, C>(&self, keys: K, command: C) -> ExecuteOn<'_, K, C>
    where
        K: Boundaries<States: Decide<C>>,
    {
        let mut readings = Vec::new();
        let begun = keys.begin(&self.inner.registry, &mut readings);
        ExecuteOn {
            store: self,
            readings: begun.map(|()| readings),
            command,
            idempotency_key: None,
            metadata: None,
            keys: PhantomData,
        }
    }
}

impl<K, C> ExecuteOn<'_, K, C> {
    /// Makes the command take effect once, as [`Execute::idempotency_key`](super::Execute::idempotency_key) does.
    ///
    /// A repetition returns the states as they were after the last event of the first execution; if it emitted none, as
    /// they are now.
    pub fn idempotency_key(
        mut self,
        key: impl TryInto<IdempotencyKey, Error: Into<Error>>,
    ) -> Self {
        self.idempotency_key = Some(key.try_into().map_err(Into::into));
        self
    }

    /// Sets the metadata of the events, as [`Execute::metadata`](super::Execute::metadata) does.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(Box::new(metadata));
        self
    }

    fn request(self) -> Result<Request<C>> {
        let Self { readings, command, idempotency_key, metadata, .. } = self;
        let (readings, idempotency_key) = (readings?, idempotency_key.transpose()?);
        Ok(Request { readings, command, idempotency_key, metadata })
    }
}

impl<'a, K, C> IntoFuture for ExecuteOn<'a, K, C>
where
    K: Boundaries<States: Decide<C, Error: Send>> + 'a,
    C: Send + Sync + 'a,
{
    type Output = Result<ExecutedOn<K::States>, CommandError<<K::States as Decide<C>>::Error>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let store = self.store;
        let request = match self.request() {
            Ok(request) => request,
            Err(error) => return Box::pin(ready(Err(error.into()))),
        };
        let boundaries = request.names();
        let run = async move {
            let mut reruns = store.begin(ReadFrom::Storage)?;
            loop {
                let failure = match store.attempt_on::<K, C>(&request, &mut reruns).await {
                    Ok(executed) => return Ok(executed),
                    Err(failure) => failure,
                };
                let key = request.idempotency_key.as_ref();
                let first = store.after_failure(key, &mut reruns, failure).await?;
                if let Some(first) = first {
                    return Ok(Box::pin(store.repetition_on::<K, C>(&request, *first)).await?);
                }
            }
        };
        Box::pin(run.instrument(debug_span!("execute_on", boundaries, command = type_name::<C>())))
    }
}

/// The parts of [`ExecuteOn`], validated.
struct Request<C> {
    /// The boundaries before their first event.
    readings: Vec<Reading>,
    command: C,
    idempotency_key: Option<IdempotencyKey>,
    metadata: Option<Box<Metadata>>,
}

impl<C> Request<C> {
    /// Starts to read the boundaries.
    fn fresh(&self) -> Vec<Reading> {
        self.readings.iter().map(Reading::fresh).collect()
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.readings.iter().map(|reading| reading.boundary).collect();
        names.join(", ")
    }

    /// Returns a hash of the boundaries that the command is about, with all their tags.
    fn target(&self) -> String {
        let mut hash = Sha256::new();
        // No name and no tag holds a line break.
        let mut take = |mark: &str, text: &str| hash.update(format!("{mark}{text}\n"));
        for reading in &self.readings {
            take("boundary ", reading.boundary);
            for atom in &reading.query.atoms {
                take("or", "");
                atom.tags.iter().for_each(|tag| take("tag ", tag.as_str()));
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the boundaries and their tags, for a message.
    fn shown(&self) -> String {
        let shown = |reading: &Reading| format!("{} of {}", reading.boundary, reading.query.tags());
        self.readings.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

impl EventStore {
    async fn attempt_on<K, C>(
        &self,
        request: &Request<C>,
        reruns: &mut Reruns,
    ) -> Result<ExecutedOn<K::States>, Attempt<CommandError<<K::States as Decide<C>>::Error>>>
    where
        K: Boundaries<States: Decide<C>>,
    {
        let mut context = reruns.context(self);
        let decide = async {
            if let Some(metadata) = &request.metadata {
                context.set_metadata(Metadata::clone(metadata))?;
            }
            let states = context.decide_over::<K, C>(request.fresh(), &request.command).await?;
            context.place_facts().await?;
            Ok(states)
        };
        let decided = decide.await;
        reruns.queueing = context.take_queueing();
        let states = decided.map_err(Attempt::Work)?;
        let events = context.staged_events().to_vec();
        if let Some(key) = request.idempotency_key.clone() {
            let result = DoneOn::new(request.target(), &events).write();
            let command = command_name::<C>().into();
            context.keep(Idempotency { key, command, result }).expect("BUG: a command has one key");
        }
        let landed = committed(context.finish(&self.inner)).await?;
        let events = events.into_iter().map(CommittedEvent::emitted).collect();
        Ok(ExecutedOn::new(states, events, landed))
    }

    /// Returns the result of an idempotency key that was committed before, after checking that command and boundaries
    /// are the same.
    async fn repetition_on<K, C>(
        &self,
        request: &Request<C>,
        First { key, outcome: first }: First,
    ) -> Result<ExecutedOn<K::States>>
    where
        K: Boundaries,
    {
        let (command, target) = (command_name::<C>(), request.target());
        let done = DoneOn::read(&first).ok().filter(|done| done.on == target);
        let Some(done) = done.filter(|_| *first.command == *command) else {
            return Err(Error::IdempotencyKeyReused {
                key: key.to_string(),
                used_for: format!("`{}`", first.command),
                wanted: format!("`{command}` on {}", request.shown()),
            });
        };
        done.replay::<K>(&self.inner, request.fresh(), first.committed).await
    }
}

impl<K, C> fmt::Debug for ExecuteOn<'_, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecuteOn")
            .field("command", &type_name::<C>())
            .field("readings", &self.readings)
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}
