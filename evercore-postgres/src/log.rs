//! Reading histories and the log.

use evercore::engine::{HistoryRequest, LogPage, LogRequest};
use evercore::{Position, RecordedEvent, Result};
use sqlx::PgExecutor;
use sqlx::postgres::PgRow;

use crate::engine::Shared;
use crate::error::classify;
use crate::row;
use crate::statements::Statements;

/// The least events of half a page. Of fewer, a second connection costs more than it saves.
const LEAST_HALF: u32 = 200;

/// A small number as a column holds it.
pub(crate) fn index(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(crate) async fn history_rows(
    executor: impl PgExecutor<'_>,
    statements: &Statements,
    request: HistoryRequest,
) -> Result<Vec<PgRow>> {
    sqlx::query(statements.read_history.sql())
        .bind(request.id.get())
        .bind(request.after.get())
        .bind(request.up_to.map(evercore::Sequence::get))
        .bind(i64::from(request.limit))
        .fetch_all(executor)
        .await
        .map_err(|error| classify("read a history", error))
}

/// A page of the log, as far as the frontier.
///
/// Two connections read a long one, half of the positions each: the server works on both at the same time, and while the
/// driver decodes. The frontier is read before, and settles what either finds.
pub(crate) async fn read_page(shared: &Shared, request: &LogRequest) -> Result<LogPage> {
    let Shared { readers, statements, frontier, .. } = shared;
    let frontier = frontier.read(readers, statements).await?;
    let half = request.limit / 2;
    let middle = Position::new(request.after.get().saturating_add(half.into()))?;
    let is_long = half >= LEAST_HALF && request.correlation.is_none() && middle < frontier;
    let mut connection = readers.acquire().await?;
    let second = if is_long { readers.acquire_another().await? } else { None };
    let found = match second {
        None => rows(&mut *connection, statements, request, frontier).await?,
        Some(mut second) => {
            let (first, later) = halves(request, middle);
            let (first, later) = tokio::try_join!(
                rows(&mut *connection, statements, &first, middle),
                rows(&mut *second, statements, &later, frontier),
            )?;
            first.followed_by(later)
        }
    };
    drop(connection);
    found.page(shared, request.after, frontier).await
}

/// Rows of the log.
#[derive(Debug)]
pub(crate) struct Rows {
    rows: Vec<PgRow>,
    /// As many as were asked for, so that there may be more.
    is_full: bool,
}

/// The rows of a page that ends at the frontier at the latest. No statement is needed where there is nothing.
pub(crate) async fn rows(
    executor: impl PgExecutor<'_>,
    statements: &Statements,
    request: &LogRequest,
    frontier: Position,
) -> Result<Rows> {
    if frontier <= request.after {
        return Ok(Rows { rows: Vec::new(), is_full: false });
    }
    let statement = match request.correlation {
        None => &statements.read_log,
        Some(_) => &statements.read_correlated,
    };
    let query = sqlx::query(statement.sql())
        .bind(request.after.get())
        .bind(frontier.get())
        .bind(i64::from(request.limit));
    let query = match &request.correlation {
        None => query,
        Some(correlation) => query.bind(&**correlation),
    };
    let rows = query.fetch_all(executor).await.map_err(|error| classify("read the log", error))?;
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows >= request.limit);
    Ok(Rows { rows, is_full })
}

impl Rows {
    fn followed_by(mut self, later: Self) -> Self {
        self.rows.extend(later.rows);
        Self { rows: self.rows, is_full: later.is_full }
    }

    /// The page that these rows are.
    pub(crate) async fn page(
        self,
        shared: &Shared,
        after: Position,
        frontier: Position,
    ) -> Result<LogPage> {
        let Shared { types, readers, statements, .. } = shared;
        let events = row::events(&self.rows, types, readers, statements).await?;
        // Not the frontier: a writer that announces late makes it go back, and a crash may as well.
        let end = events.last().map_or(after, RecordedEvent::position);
        let at_end = !self.is_full || end >= frontier;
        Ok(LogPage { events, end, at_end })
    }
}

/// The two halves of a request. There are no more events than positions in the first.
fn halves(request: &LogRequest, middle: Position) -> (LogRequest, LogRequest) {
    let half = request.limit / 2;
    (LogRequest::new(request.after, half), LogRequest::new(middle, request.limit - half))
}
