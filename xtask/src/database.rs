//! Provides the PostgreSQL server that tests use.

use std::io::Read;

use throwaway_postgres::{Binaries, Server, URL_VARIABLE};

use crate::command::{Cargo, Failure};

/// The PostgreSQL server of the tests, if they use one.
pub(crate) enum TestDatabase {
    /// The caller's own server, from the environment.
    Named(String),
    /// A throw-away server, until the tests are over.
    ThrowAway(Server),
    LeftOut,
}

impl TestDatabase {
    pub(crate) fn start() -> Result<Self, Failure> {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            return Ok(Self::Named(url));
        }
        let server = start(&["fsync=off"])
            .map_err(|failure| Failure(format!("{}\nOr skip it: --no-postgres", failure.0)))?;
        Ok(Self::ThrowAway(server))
    }

    pub(crate) fn left_out() -> Self {
        Self::LeftOut
    }

    /// Returns the packages to test, as arguments.
    pub(crate) fn packages(&self) -> &'static str {
        match self {
            Self::Named(_) | Self::ThrowAway(_) => "--workspace",
            Self::LeftOut => "--workspace --exclude evercore-postgres",
        }
    }

    /// Returns the arguments with which programs leave out the tests that they cannot run.
    pub(crate) fn left_out_tests(&self) -> &'static [&'static str] {
        match self {
            Self::Named(_) | Self::ThrowAway(_) => &[],
            Self::LeftOut => &["--skip", "on_postgres"],
        }
    }

    /// Returns the number of test programs that may run at a time, at most `most`. Each starts a server of its own, so
    /// that none waits for the transactions of another or is counted among its connections. A named server is theirs
    /// one after the other.
    pub(crate) fn programs_at_once(&self, most: usize) -> usize {
        match self {
            Self::Named(_) => 1,
            Self::ThrowAway(_) | Self::LeftOut => most,
        }
    }

    /// Passes the URL of the server to the tests of a command.
    pub(crate) fn apply(&self, cargo: Cargo) -> Cargo {
        match self.url() {
            Some(url) => cargo.env(URL_VARIABLE, &url),
            None => cargo,
        }
    }

    /// Returns the URLs on which the examples are run.
    pub(crate) fn example_urls(&self) -> Vec<String> {
        let own_schema = |url: String| {
            let separator = if url.contains('?') { '&' } else { '?' };
            format!("{url}{separator}schema=examples")
        };
        std::iter::once("sqlite::memory:".to_owned()).chain(self.url().map(own_schema)).collect()
    }

    pub(crate) fn say_what_was_left_out(&self) {
        if matches!(self, Self::LeftOut) {
            eprintln!(
                "skipped without PostgreSQL: the tests of evercore-postgres, the examples and the chaos on it"
            );
        }
    }

    fn url(&self) -> Option<String> {
        match self {
            Self::Named(url) => Some(url.clone()),
            Self::ThrowAway(server) => Some(server.url()),
            Self::LeftOut => None,
        }
    }
}

/// Runs a server until the input ends.
pub(crate) fn serve() -> Result<(), Failure> {
    let server = start(&[])?;
    println!("{}", server.url());
    eprintln!("Ends with its input (Ctrl-D), or with this program (Ctrl-C).");
    let mut rest = Vec::new();
    std::io::stdin()
        .read_to_end(&mut rest)
        .map(drop)
        .map_err(|error| Failure(format!("cannot read the input: {error}")))
}

fn start(settings: &[&str]) -> Result<Server, Failure> {
    Binaries::find()
        .and_then(|binaries| Server::start(&binaries, settings))
        .map_err(|failure| Failure(failure.to_string()))
}
