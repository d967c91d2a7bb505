//! Routes each event to a handler for its type, in the transaction that settles its batch.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::handler::{Batch, HandlerError, one};
use super::router::Received;
use super::routes::{Routed, Routes, runs};
use super::transaction_handler::{TransactionFn, TransactionHandler};
use crate::evolution::retired::Part;
use crate::recorded::page::PageEvent;
use crate::{BoxError, Error, Event, RecordedEvent, RetiredType, TransactionContext};

/// Passes each event to the closure or function for its type, one at a time and in order, with the context of the
/// transaction that settles the batch.
///
/// It is to [`TransactionHandler`] what [`Router`](crate::Router) is to [`Handler`](crate::Handler): events are decoded
/// in their present shape, [retired](crate::evolution::RetiredEvent) events are given as the events that have replaced
/// them, events of known types without a closure are skipped, and an event that cannot be decoded or that the program
/// does not know is a failure, unless the router [skips](Self::skip_unknown) such events or has a
/// [closure](Self::on_unknown) for them. Events that a closure applies name the event that it handles as their cause.
pub struct TransactionRouter<X> {
    routes: Routes<HandleType<X>>,
    unknown: Unknown<X>,
}

/// Handles the events of one type.
struct HandleType<X> {
    event: Handle<X, PageEvent>,
    part: Handle<X, (PageEvent, Part)>,
}

/// The reaction to an event of a type that the program does not know.
enum Unknown<X> {
    Fail,
    Skip,
    HandOver(Handle<X, PageEvent>),
}

type Handle<X, A> =
    Arc<dyn for<'a> Fn(&'a mut TransactionContext<X>, A) -> Handling<'a> + Send + Sync>;
type Handling<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

impl<X: Send + 'static> TransactionRouter<X> {
    /// Makes a router without closures, which skips all events of known types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the closure for the events of a type, under all names and in all versions that they were written in. A
    /// second closure for a type replaces the first.
    #[must_use]
    pub fn on<E, F>(mut self, handle: F) -> Self
    where
        E: Event,
        F: for<'a> TransactionFn<'a, X, Received<E>> + Sync + 'static,
    {
        let handle_part = handle.clone();
        self.routes.insert::<E>(HandleType {
            event: Arc::new(move |ctx, recorded| {
                let handle = handle.clone();
                Box::pin(async move {
                    let event = recorded.decode_known()?;
                    handle(ctx, Received { event, recorded }).await.map_err(Into::into)
                })
            }),
            part: Arc::new(move |ctx, (recorded, part)| {
                let handle = handle_part.clone();
                Box::pin(async move {
                    let event = part.into_event().expect("BUG: a part goes by its type");
                    handle(ctx, Received { event, recorded }).await.map_err(Into::into)
                })
            }),
        });
        self
    }

    /// Skips events of types that the program does not know: those of a newer program, or of another one that shares
    /// the log. Default: such an event fails with [`Error::UnknownEvent`].
    #[must_use]
    pub fn skip_unknown(mut self) -> Self {
        self.unknown = Unknown::Skip;
        self
    }

    /// Sets the closure for events of types that the program does not know. It is given them as they are stored.
    #[must_use]
    pub fn on_unknown<F>(mut self, handle: F) -> Self
    where
        F: for<'a> TransactionFn<'a, X, RecordedEvent> + Sync + 'static,
    {
        self.unknown = Unknown::HandOver(Arc::new(move |ctx, event| {
            let handle = handle.clone();
            Box::pin(
                async move { handle(ctx, RecordedEvent::clone(&event)).await.map_err(Into::into) },
            )
        }));
        self
    }

    async fn handle_one(
        &self,
        ctx: &mut TransactionContext<X>,
        event: PageEvent,
        routed: &Routed<'_, HandleType<X>>,
    ) -> Result<(), BoxError> {
        match routed {
            Routed::To(route) => (route.handler.event)(ctx, event).await,
            Routed::ToParts(retired) => self.handle_parts(ctx, event, retired).await,
            Routed::Nowhere => Ok(()),
            Routed::Unknown => match &self.unknown {
                Unknown::Fail => Err(Error::UnknownEvent(Box::new(event.place())).into()),
                Unknown::Skip => Ok(()),
                Unknown::HandOver(handle) => handle(ctx, event).await,
            },
        }
    }

    async fn handle_parts(
        &self,
        ctx: &mut TransactionContext<X>,
        event: PageEvent,
        retired: &RetiredType,
    ) -> Result<(), BoxError> {
        for part in event.parts(retired)? {
            if let Some(route) = self.routes.by_type().get(&part.event_type()) {
                (route.handler.part)(ctx, (event.clone(), part)).await?;
            }
        }
        Ok(())
    }
}

impl<X: Send + 'static> TransactionHandler<X> for TransactionRouter<X> {
    async fn handle(
        &mut self,
        ctx: &mut TransactionContext<X>,
        batch: Batch,
    ) -> Result<(), HandlerError> {
        for events in runs(&batch) {
            let routed = self.routes.find(&batch, &batch[events.start]);
            for index in events {
                let handling = self.handle_one(ctx, batch.event(index), &routed);
                one(&batch, index, handling).await?;
            }
        }
        Ok(())
    }
}

impl<X> Default for TransactionRouter<X> {
    fn default() -> Self {
        Self { routes: Routes::default(), unknown: Unknown::Fail }
    }
}

impl<X> Clone for TransactionRouter<X> {
    fn clone(&self) -> Self {
        let unknown = match &self.unknown {
            Unknown::Fail => Unknown::Fail,
            Unknown::Skip => Unknown::Skip,
            Unknown::HandOver(handle) => Unknown::HandOver(Arc::clone(handle)),
        };
        Self { routes: self.routes.clone(), unknown }
    }
}

impl<X> fmt::Debug for TransactionRouter<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionRouter").field("routes", &self.routes).finish_non_exhaustive()
    }
}
