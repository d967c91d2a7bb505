//! Configures how the engine reaches the database and what it may use of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use evercore::{Error, Result};
use sqlx::postgres::PgConnectOptions;

/// The settings of the engine: how it reaches the database and what it may use of it.
///
/// They can be parsed from a URL: `postgres://user:password@host/database?schema=bank&readers=8`. Beside the driver's
/// options (`sslmode`, `sslrootcert`, …), the URL takes those of this type: `schema`, `readers`, `writers`,
/// `statement_timeout_ms`, `lock_timeout_ms`, `acquire_timeout_ms`, `answer_timeout_ms`,
/// `idle_in_transaction_timeout_ms`, `session_timeouts=off`, `notifications=off`, `frontier_patience_ms`,
/// `lost_commits=accepted`.
#[derive(Clone)]
pub struct PostgresOptions {
    connect: PgConnectOptions,
    schema: Schema,
    pub(crate) readers: u32,
    pub(crate) writers: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    statement_timeout: Duration,
    lock_timeout: Duration,
    idle_timeout: Duration,
    session_timeouts: SessionTimeouts,
    pub(crate) notifications: NotificationsTo,
    pub(crate) frontier_patience: Duration,
    pub(crate) lost_commits: LostCommits,
}

const FORM: &str = "it is not of the form `postgres://user:password@host:port/database?option=value`, where `@` and `/` in a name are \
     written `%40` and `%2F`";

/// The URL options of this engine.
const OPTIONS: [&str; 12] = [
    "schema",
    "readers",
    "writers",
    "statement_timeout_ms",
    "lock_timeout_ms",
    "acquire_timeout_ms",
    "answer_timeout_ms",
    "idle_in_transaction_timeout_ms",
    "frontier_patience_ms",
    "lost_commits",
    "notifications",
    "session_timeouts",
];

/// The driver's URL options, as sqlx 0.9 reads them; it also reads `options[…]`.
const DRIVER_OPTIONS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// A checked schema name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema(String);

/// The processes that are notified of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotificationsTo {
    /// All processes, through `LISTEN` and `NOTIFY`.
    Everyone,
    /// This one only; others find commits when they poll.
    ThisProcess,
}

/// Whether the engine opens on a server that may lose acknowledged commits in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LostCommits {
    Refused,
    Accepted,
}

/// Whether the time-outs are set on each session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionTimeouts {
    Set,
    /// Not set, because a pooler refuses start-up parameters; they can be set on the role instead.
    LeaveAlone,
}

impl PostgresOptions {
    /// Creates options for the database that the driver's options describe.
    #[must_use]
    pub fn new(connect: PgConnectOptions) -> Self {
        Self {
            connect,
            schema: Schema("evercore".to_owned()),
            readers: 8,
            writers: 2,
            acquire_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(60),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            session_timeouts: SessionTimeouts::Set,
            notifications: NotificationsTo::Everyone,
            frontier_patience: Duration::from_secs(10),
            lost_commits: LostCommits::Refused,
        }
    }

    /// Sets the schema that holds the tables. Default: `evercore`.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] unless it is 1 to 48 lower-case letters, digits or underscores that do not start with a
    /// digit.
    pub fn schema(mut self, schema: &str) -> Result<Self> {
        self.schema = Schema::new(schema)?;
        Ok(self)
    }

    /// Sets the most connections that read, and separately the most that read contexts and transactions hold. The
    /// minimum is 1. Default: 8.
    #[must_use]
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// Sets the number of connections that commit. At least 1; more than 2 seldom pay, since waiting commits share one.
    /// Default: 2.
    #[must_use]
    pub fn writers(mut self, writers: u32) -> Self {
        self.writers = writers.max(1);
        self
    }

    /// Sets how long to wait for a connection. Default: 10 s.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Sets how long to wait for the server's answer before the connection counts as lost: a machine that is gone sends
    /// no sign of it. Must be longer than a statement may run. It does not bound statements that user code runs in a
    /// transaction. Default: 60 s.
    #[must_use]
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Sets how long a statement may run. Default: 30 s.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// Sets how long a statement may wait for a lock. Default: 10 s.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Sets how long a transaction that user code holds may be idle before the server ends it, and releases the locks
    /// that others may wait for. Default: 30 s.
    #[must_use]
    pub fn idle_in_transaction_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Turns notifications between processes off: this process sends none and receives none, and finds commits of
    /// others by polling the log, five times a second. For poolers that do not support `LISTEN`.
    #[must_use]
    pub fn without_notifications(mut self) -> Self {
        self.notifications = NotificationsTo::ThisProcess;
        self
    }

    /// Sets how long an unfinished transaction that appends may hold back the readers of the log before a warning names
    /// it. Default: 10 s.
    #[must_use]
    pub fn frontier_patience(mut self, patience: Duration) -> Self {
        self.frontier_patience = patience;
        self
    }

    /// Leaves the time-outs to the role or the database. For poolers that refuse start-up parameters.
    #[must_use]
    pub fn without_session_timeouts(mut self) -> Self {
        self.session_timeouts = SessionTimeouts::LeaveAlone;
        self
    }

    /// Opens the engine even where `synchronous_commit` is off. There, a crash of the server loses the last commits
    /// that it has acknowledged: those of up to about three times `wal_writer_delay`. Subscriptions in other processes
    /// may have seen them. Without this setting, opening the engine fails there.
    #[must_use]
    pub fn accept_lost_commits(mut self) -> Self {
        self.lost_commits = LostCommits::Accepted;
        self
    }

    pub(crate) fn schema_name(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        let mut connect = self.connect.clone();
        if connect.get_application_name().is_none() {
            connect = connect.application_name("evercore");
        }
        match self.session_timeouts {
            // The driver would send this parameter by itself. It concerns numbers sent as text; the engine's are
            // binary.
            SessionTimeouts::LeaveAlone => connect.extra_float_digits(None),
            SessionTimeouts::Set => connect.options([
                ("statement_timeout", self.statement_timeout.as_millis().to_string()),
                ("lock_timeout", self.lock_timeout.as_millis().to_string()),
                // Decisions made under a lock must see what was committed before the lock was taken.
                ("default_transaction_isolation", "read committed".to_owned()),
                // Compiling a statement takes longer than running any of the engine's.
                ("jit", "off".to_owned()),
            ]),
        }
    }

    /// Adds the idle time-out to `connect`, for the transactions that user code holds.
    pub(crate) fn holding(&self, connect: PgConnectOptions) -> PgConnectOptions {
        let idle = self.idle_timeout.as_millis().to_string();
        match self.session_timeouts {
            SessionTimeouts::LeaveAlone => connect,
            SessionTimeouts::Set => {
                connect.options([("idle_in_transaction_session_timeout", idle)])
            }
        }
    }

    /// Describes the database for messages, without the password.
    pub(crate) fn describe(&self) -> String {
        format!(
            "postgres://{}:{}/{} (schema {})",
            self.connect.get_host(),
            self.connect.get_port(),
            self.connect.get_database().unwrap_or(self.connect.get_username()),
            self.schema,
        )
    }
}

impl FromStr for PostgresOptions {
    type Err = Error;

    /// Parses a URL. Messages repeat no part of it except the name of an unknown option: any part may belong to a
    /// password in which a `?` or an `@` was not escaped.
    fn from_str(url: &str) -> Result<Self> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        check_form(base)?;
        let mut ours = Vec::new();
        let mut drivers = Vec::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if let Some(name) = OPTIONS.into_iter().find(|ours| *ours == name) {
                ours.push((name, value));
            } else if DRIVER_OPTIONS.contains(&name) || name.starts_with("options[") {
                drivers.push(option);
            } else {
                // The driver would ignore it, and log it with its value.
                let is_named = option.contains('=') && is_no_secret(name, query, &drivers);
                let which = if is_named { format!("`{name}`") } else { "one".to_owned() };
                return Err(invalid(&format!(
                    "of its options, {which} is unknown; the options are {}, and those of the driver {}",
                    OPTIONS.join(", "),
                    DRIVER_OPTIONS.join(", "),
                )));
            }
        }
        let url =
            if drivers.is_empty() { base.to_owned() } else { [base, &drivers.join("&")].join("?") };
        // The driver's message may hold the URL, and so the password.
        let connect = PgConnectOptions::from_str(&url).map_err(|_| invalid(FORM))?;
        ours.into_iter().try_fold(Self::new(connect), |options, (name, value)| match name {
            "schema" => options.schema(value),
            "readers" => Ok(options.readers(number(name, value)?)),
            "writers" => Ok(options.writers(number(name, value)?)),
            "statement_timeout_ms" => Ok(options.statement_timeout(millis(name, value)?)),
            "lock_timeout_ms" => Ok(options.lock_timeout(millis(name, value)?)),
            "acquire_timeout_ms" => Ok(options.acquire_timeout(millis(name, value)?)),
            "answer_timeout_ms" => Ok(options.answer_timeout(millis(name, value)?)),
            "idle_in_transaction_timeout_ms" => {
                Ok(options.idle_in_transaction_timeout(millis(name, value)?))
            }
            "frontier_patience_ms" => Ok(options.frontier_patience(millis(name, value)?)),
            "lost_commits" if value == "accepted" => Ok(options.accept_lost_commits()),
            "notifications" if value == "off" => Ok(options.without_notifications()),
            "session_timeouts" if value == "off" => Ok(options.without_session_timeouts()),
            _ => Err(invalid(&format!("`{name}` takes `off`, or is left out"))),
        })
    }
}

impl Schema {
    /// The longest schema name with which all derived names stay distinct: PostgreSQL cuts names at 63 bytes.
    const MAX_BYTES: usize = 48;

    fn new(name: &str) -> Result<Self> {
        let letters =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let starts_well = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        if letters && starts_well && name.len() <= Self::MAX_BYTES && !name.starts_with("pg_") {
            Ok(Self(name.to_owned()))
        } else {
            Err(invalid(
                "a schema name is 1 to 48 lower-case letters, digits or underscores, and does not start with a digit or with `pg_`",
            ))
        }
    }
}

/// Checks what the driver does not. With a colon or a slash too many, the driver would take a user and a password for
/// the name of the database, which messages repeat.
fn check_form(base: &str) -> Result<()> {
    let (scheme, rest) = base.split_once("://").ok_or_else(|| invalid(FORM))?;
    let is_ours = ["postgres", "postgresql"].iter().any(|ours| scheme.eq_ignore_ascii_case(ours));
    let database = rest.split_once('/').map_or("", |(_, database)| database);
    if is_ours && !database.contains('@') { Ok(()) } else { Err(invalid(FORM)) }
}

/// Whether the name of an unknown option can be repeated in a message, because it is no part of a password that was not
/// escaped. A password before the host would be followed by an `@`; a password given as an option would come first, and
/// have been cut at an `&`.
fn is_no_secret(name: &str, query: &str, before: &[&str]) -> bool {
    let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    is_word && !query.contains('@') && !before.iter().any(|option| option.starts_with("password"))
}

fn number(name: &str, value: &str) -> Result<u32> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| invalid(&format!("`{name}` takes a number from 1 to {}", u32::MAX)))
}

fn millis(name: &str, value: &str) -> Result<Duration> {
    number(name, value).map(|millis| Duration::from_millis(millis.into()))
}

fn invalid(problem: &str) -> Error {
    Error::InvalidUrl { problem: problem.to_owned() }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Schema {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("database", &self.describe())
            .field("readers", &self.readers)
            .field("writers", &self.writers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
