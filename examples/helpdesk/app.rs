//! The HTTP interface.

use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use evercore::{AggregateId, Context, ErrorKind, EventStore, Position, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::error;

use crate::database::Pool;
use crate::domain::{self, DeskError};
use crate::mails::MAILS;
use crate::tickets::{self, TICKETS, TicketRow};

/// The longest wait for a list that shows a change.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
struct Desk {
    store: EventStore,
    pool: Pool,
}

/// Returns the routes of the service.
pub(crate) fn app(store: EventStore, pool: Pool) -> Router {
    Router::new()
        .route("/tickets", get(list).post(open))
        .route("/tickets/{id}/agent", post(assign))
        .route("/tickets/{id}/close", post(close))
        .route("/mails/dead", get(dead_mails).post(retry_mails))
        .with_state(Desk { store, pool })
}

#[derive(Deserialize)]
struct NewTicket {
    customer: String,
    subject: String,
}

#[derive(Deserialize)]
struct Assignment {
    agent: String,
}

/// The answer to a change. A later request that shows `position` sees the change.
#[derive(Serialize)]
struct Changed {
    ticket: i64,
    position: i64,
}

impl Changed {
    fn new(ticket: AggregateId, position: Option<Position>) -> Json<Self> {
        Json(Self { ticket: ticket.get(), position: position.map_or(0, Position::get) })
    }
}

/// Opens a ticket. A repeated request with the same `Idempotency-Key` is answered as the first, and opens none.
async fn open(
    State(desk): State<Desk>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewTicket>,
) -> Result<(StatusCode, Json<Changed>), DeskError> {
    let opened = desk
        .store
        .once_committed(format!("POST /tickets {key}"), async |ctx| {
            domain::open(ctx, &new.customer, &new.subject).await
        })
        .await?;
    let position = opened.position();
    Ok((StatusCode::CREATED, Changed::new(opened.into_value(), position)))
}

async fn assign(
    State(desk): State<Desk>,
    Path(ticket): Path<i64>,
    Json(Assignment { agent }): Json<Assignment>,
) -> Result<Json<Changed>, DeskError> {
    let ticket = AggregateId::new(ticket)?;
    let assign = async |ctx: &mut Context| domain::assign(ctx, ticket, &agent).await;
    let ((), commit) = desk.store.with_context_committed(assign).await?;
    Ok(Changed::new(ticket, commit.and_then(|commit| commit.position())))
}

async fn close(
    State(desk): State<Desk>,
    Path(ticket): Path<i64>,
) -> Result<Json<Changed>, DeskError> {
    let ticket = AggregateId::new(ticket)?;
    let close = async |ctx: &mut Context| domain::close(ctx, ticket).await;
    let ((), commit) = desk.store.with_context_committed(close).await?;
    Ok(Changed::new(ticket, commit.and_then(|commit| commit.position())))
}

#[derive(Deserialize)]
struct Since {
    /// The `position` of a change that the list has to show.
    position: Option<i64>,
}

/// Lists the tickets that are not closed.
async fn list(
    State(desk): State<Desk>,
    Query(since): Query<Since>,
) -> Result<Json<Vec<TicketRow>>, DeskError> {
    if let Some(position) = since.position {
        let shown = desk.store.wait_for(TICKETS, Position::new(position)?);
        timeout(LONGEST_WAIT, shown).await.map_err(|_| DeskError::Late)??;
    }
    Ok(Json(tickets::open_tickets(&desk.pool).await?))
}

/// Lists mails that could not be sent, for an operator.
async fn dead_mails(State(desk): State<Desk>) -> Result<Json<Vec<Value>>, DeskError> {
    let dead = desk.store.queues().dead(MAILS, None, 100).await?.into_iter();
    let dead = dead.map(|of| json!({ "mail": of.body.to_json().ok(), "failure": of.failure }));
    Ok(Json(dead.collect()))
}

/// Sends those mails again, and returns their number.
async fn retry_mails(State(desk): State<Desk>) -> Result<Json<u64>, DeskError> {
    Ok(Json(desk.store.queues().retry_all(MAILS).await?))
}

/// The header that makes a request safe to repeat.
struct IdempotencyKey(String);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let header = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let key = header.filter(|key| !key.is_empty() && key.len() <= 200).ok_or((
            StatusCode::BAD_REQUEST,
            "set the header `Idempotency-Key` to a text of 1 to 200 characters, such as a UUID",
        ))?;
        Ok(Self(key.to_owned()))
    }
}

impl IntoResponse for DeskError {
    fn into_response(self) -> Response {
        let status = match self.kind() {
            ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            error!(error = %Report::new(&self), %status, "a request has failed");
        }
        (status, self.public_message()).into_response()
    }
}
