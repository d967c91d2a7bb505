//! Commits a context once per idempotency key, and stores the value that its closure returned.

use std::any::type_name;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument, debug_span};

use super::EventStore;
use crate::context::Reading;
use crate::engine::{Idempotency, IdempotentOutcome, Positions};
use crate::format::round_trip;
use crate::shared::Shared;
use crate::{
    Codec, CommitId, Committed, Context, Error, FromError, IdempotencyKey, Position, Rerun, Result,
};

/// The value of the closure that was committed. Returned by [`EventStore::once_committed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once<T> {
    value: T,
    committed: Option<Committed>,
    is_repetition: bool,
}

impl<T> Once<T> {
    /// Returns the value that the committed closure returned.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Consumes this and returns the value that the committed closure returned.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// Returns the id of the commit.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        self.committed.as_ref().map(|committed| committed.id)
    }

    /// Returns the position of the commit's last event, for [`EventStore::wait_for`]; `None` if it has no events.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.committed.as_ref().and_then(Committed::position)
    }

    /// Returns the positions of the commit's events.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        self.committed.as_ref().map_or(&Positions::NONE, |committed| &committed.positions)
    }

    /// Returns whether the key was used before, so that this call wrote nothing.
    #[must_use]
    pub const fn is_repetition(&self) -> bool {
        self.is_repetition
    }
}

impl EventStore {
    /// Runs `work` in a context that is committed once, however often this is called with the same key: by this process
    /// or another, now or after a restart. Returns the value that the committed closure returned, which is stored with
    /// the commit.
    ///
    /// For requests that may arrive twice: a client that got no answer asks again, a queue delivers again. A repetition
    /// writes nothing. Its closure may run, as in [`with_context`](Self::with_context), but its value is discarded, and
    /// so are its errors: an order that is already placed cannot be placed again, and the answer is the first one. A
    /// closure that fails commits nothing and leaves the key free.
    ///
    /// The value is stored as JSON, and every caller, including the first, receives the value decoded from that JSON.
    /// Keys are unique within the store and are kept forever.
    ///
    /// The only thing that tells two uses of a key apart is the name of the result's type. So put the route and the
    /// principal in front of a key that comes from a client; otherwise one customer's key could return another
    /// customer's answer. Renaming the type makes each repetition of an older request [`Error::IdempotencyKeyReused`].
    ///
    /// # Errors
    /// - Any error that `work` returns, unless the key has been used.
    /// - [`Error::IdempotencyKeyReused`] if the key was used for something else: a command, or a closure that returned
    ///   another type.
    /// - [`Error::UnreadableResult`] if the stored value no longer decodes as a `T`.
    /// - [`Error::ResultTooLarge`] if the value takes more than
    ///   [`Limits::max_result_bytes`](crate::Limits::max_result_bytes), or [`Error::NotRoundTrip`] or [`Error::Encode`]
    ///   if JSON cannot represent it so that the same value is read back. Nothing is written.
    /// - As [`with_context`](Self::with_context).
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Error, EventStore, state_event};
    /// # use evercore_memory as _;
    /// # #[derive(Aggregate, Default)]
    /// # struct Seat { guest: String }
    /// # #[state_event(aggregate = Seat)]
    /// # struct SeatTaken { guest: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let store = EventStore::connect("memory:").await?;
    /// let take = async |from_client: &str, guest: &str| {
    ///     store
    ///         .once(format!("take-seat:{guest}:{from_client}"), async |ctx| {
    ///             let mut seat = ctx.load_or_create::<Seat>("12A").await?;
    ///             if !seat.state().guest.is_empty() {
    ///                 return Err("the seat is taken".into());
    ///             }
    ///             ctx.apply(&mut seat, SeatTaken { guest: guest.to_owned() })?;
    ///             Ok::<_, Box<dyn std::error::Error + Send + Sync>>(seat.id())
    ///         })
    ///         .await
    /// };
    /// let first = take("request-17", "Ada").await?;
    /// let again = take("request-17", "Ada").await?; // by its own rule, the seat is taken by now
    /// assert_eq!(again, first);
    /// assert!(take("request-18", "Grace").await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn once<F, T, E>(
        &self,
        key: impl TryInto<IdempotencyKey, Error: Into<Error>>,
        work: F,
    ) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E> + Rerun,
        T: Serialize + DeserializeOwned,
        E: FromError,
    {
        self.once_committed(key, work).await.map(Once::into_value)
    }

    /// Does the same as [`once`](Self::once), and also returns the commit, its position, and whether the key had been
    /// used before.
    ///
    /// # Errors
    /// As [`once`](Self::once).
    pub async fn once_committed<F, T, E>(
        &self,
        key: impl TryInto<IdempotencyKey, Error: Into<Error>>,
        work: F,
    ) -> Result<Once<T>, E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E> + Rerun,
        T: Serialize + DeserializeOwned,
        E: FromError,
    {
        let key = key.try_into().map_err(Into::into)?;
        let run = async move {
            let mut reruns = self.begin(Reading::Cache)?;
            loop {
                let complete = |context: &mut Context, value: T| {
                    let (value, result) = through_storage(&value, &self.inner)?;
                    let (key, command) = (key.clone(), command::<T>());
                    context.set_idempotency(Idempotency { key, command, result })?;
                    Ok(value)
                };
                let failure = match self.attempt_then(&mut reruns, work.clone(), complete).await {
                    Ok((value, committed)) => {
                        return Ok(Once { value, committed, is_repetition: false });
                    }
                    Err(failure) => failure,
                };
                let may_be_known = failure.may_be_known();
                let Err(error) = self.wait_to_rerun(&mut reruns, failure).await else { continue };
                if may_be_known
                    && let Some(first) = self.inner.engine.find_by_idempotency_key(&key).await?
                {
                    return Ok(repetition(&key, first)?);
                }
                return Err(error);
            }
        };
        run.instrument(debug_span!("once")).await
    }
}

/// Encodes a value as JSON, and returns the value decoded from that with the JSON itself.
fn through_storage<T: Serialize + DeserializeOwned>(
    value: &T,
    store: &Shared,
) -> Result<(T, Box<str>)> {
    let refused = |problem| Error::unencodable(type_name::<T>(), problem);
    let limit = store.limits.max_result_bytes;
    let round_trips = store.writing.round_trips.up_to(limit);
    let encoded = round_trip::encode(value, Codec::Json, round_trips);
    let result = String::from_utf8(encoded.map_err(refused)?).expect("BUG: JSON is UTF-8");
    let bytes = result.len();
    if bytes > limit {
        return Err(Error::ResultTooLarge { bytes, limit });
    }
    let value = serde_json::from_str(&result).map_err(|error| refused(error.into()))?;
    Ok((value, result.into()))
}

/// Returns the stored value for a call whose key was used before.
fn repetition<T: DeserializeOwned>(
    key: &IdempotencyKey,
    first: IdempotentOutcome,
) -> Result<Once<T>> {
    let wanted = command::<T>();
    if first.command != wanted {
        return Err(Error::IdempotencyKeyReused {
            key: key.to_string(),
            used_for: format!("`{}`", first.command),
            wanted: format!("`{wanted}`"),
        });
    }
    let value = serde_json::from_str(&first.result).map_err(|error| Error::UnreadableResult {
        key: key.to_string(),
        rust_type: type_name::<T>(),
        source: error.into(),
    })?;
    Ok(Once { value, committed: Some(first.committed), is_repetition: true })
}

/// Returns the command name that is stored with the key. The closure's return type is all that tells it from others. No
/// type's name begins with `once: `, so that it cannot be mistaken for a command of
/// [`execute`](EventStore::execute).
fn command<T>() -> Box<str> {
    format!("once: {}", without_paths(type_name::<T>())).into()
}

/// Removes module paths from a type's name, since they change when code is moved.
fn without_paths(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    for part in name.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_without_their_paths() {
        for (name, short) in [
            ("()", "()"),
            ("i64", "i64"),
            ("alloc::string::String", "String"),
            ("alloc::vec::Vec<shop::orders::OrderId>", "Vec<OrderId>"),
            ("(shop::A, core::option::Option<b::B>)", "(A, Option<B>)"),
            ("[shop::Größe; 3]", "[Größe; 3]"),
        ] {
            assert_eq!(without_paths(name), short);
        }
    }
}
