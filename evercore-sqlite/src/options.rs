//! Configures how a database is opened.

use std::time::Duration;

use evercore::{Error, Result};

/// The most connections that read at the same time.
const MAX_READERS: u32 = 64;

/// The settings with which a database is opened. [`Default`] is safe and good for most uses.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use evercore_sqlite::{SqliteOptions, Synchronous};
///
/// let options = SqliteOptions::default()
///     .busy_timeout(Duration::from_secs(30))
///     .synchronous(Synchronous::Normal);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    busy_timeout: Duration,
    synchronous: Synchronous,
    readers: u32,
    missing_file: MissingFile,
}

/// The point at which a commit counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Once it is on the disk: an acknowledged commit survives a power cut.
    #[default]
    Full,
    /// Once the operating system has it. An acknowledged commit survives a crash of the program, but a power cut may
    /// lose the last commits; the log stays consistent.
    Normal,
}

/// The action if the file does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingFile {
    /// Creates it. Its folder must exist.
    #[default]
    Create,
    /// Refuses to open.
    Refuse,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
            synchronous: Synchronous::Full,
            readers: 4,
            missing_file: MissingFile::Create,
        }
    }
}

impl SqliteOptions {
    /// Sets how long to wait for another process that writes, for a transaction of this process, or for a free reader,
    /// before [`Error::Busy`]. To the millisecond, at most 24 days. Default: 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        const LONGEST: Duration = Duration::from_secs(24 * 24 * 60 * 60);
        self.busy_timeout = timeout.min(LONGEST);
        self
    }

    /// Sets when a commit counts as written. Default: [`Synchronous::Full`].
    #[must_use]
    pub const fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Sets how many connections may read at the same time, 1 to 64, each on a thread of its own, and separately how
    /// many read contexts may be open. Connections are opened when they are needed. Default: 4.
    #[must_use]
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers.clamp(1, MAX_READERS);
        self
    }

    /// Sets the action if the file does not exist. Default: [`MissingFile::Create`].
    #[must_use]
    pub const fn missing_file(mut self, missing_file: MissingFile) -> Self {
        self.missing_file = missing_file;
        self
    }

    pub(crate) const fn get_busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    pub(crate) const fn get_synchronous(&self) -> Synchronous {
        self.synchronous
    }

    pub(crate) const fn get_readers(&self) -> u32 {
        self.readers
    }

    pub(crate) const fn get_missing_file(&self) -> MissingFile {
        self.missing_file
    }

    /// Parses the part of a URL after `?`.
    pub(crate) fn from_query(query: &str) -> Result<Self> {
        query.split('&').filter(|pair| !pair.is_empty()).try_fold(
            Self::default(),
            |options, pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                options.with(name, value)
            },
        )
    }

    fn with(self, name: &str, value: &str) -> Result<Self> {
        let wants =
            |what: &str| invalid_url(format!("the option `{name}` takes {what}, not `{value}`"));
        match name {
            "busy_timeout_ms" => value
                .parse()
                .map(|ms: u32| self.busy_timeout(Duration::from_millis(ms.into())))
                .map_err(|_| wants("a number of milliseconds")),
            "synchronous" => match value {
                "full" => Ok(self.synchronous(Synchronous::Full)),
                "normal" => Ok(self.synchronous(Synchronous::Normal)),
                _ => Err(wants("`full` or `normal`")),
            },
            "readers" => value
                .parse()
                .ok()
                .filter(|readers| (1..=MAX_READERS).contains(readers))
                .map(|readers| self.readers(readers))
                .ok_or_else(|| wants("a number from 1 to 64")),
            "mode" => match value {
                "rwc" => Ok(self.missing_file(MissingFile::Create)),
                "rw" => Ok(self.missing_file(MissingFile::Refuse)),
                _ => Err(wants("`rwc` (create a missing file) or `rw` (refuse)")),
            },
            _ => Err(invalid_url(format!(
                "there is no option `{name}`; the options are `busy_timeout_ms`, `synchronous`, `readers` and `mode`"
            ))),
        }
    }
}

pub(crate) fn invalid_url(problem: impl Into<String>) -> Error {
    Error::InvalidUrl { problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(query: &str) -> SqliteOptions {
        SqliteOptions::from_query(query).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    #[test]
    fn each_option_of_a_url_sets_what_it_names() {
        let default = SqliteOptions::default();
        let full = SqliteOptions::default().synchronous(Synchronous::Full);
        assert_eq!(
            (with(""), with("mode=rwc"), with("synchronous=full")),
            (default.clone(), default, full)
        );
        assert_eq!(with("synchronous=normal").get_synchronous(), Synchronous::Normal);
        assert_eq!(with("mode=rw").get_missing_file(), MissingFile::Refuse);
        assert_eq!(with("busy_timeout_ms=7").get_busy_timeout(), Duration::from_millis(7));
        for readers in [1, 3, MAX_READERS] {
            assert_eq!(with(&format!("readers={readers}")).get_readers(), readers);
        }
        let both = with("&readers=3&&synchronous=normal&");
        assert_eq!((both.get_readers(), both.get_synchronous()), (3, Synchronous::Normal));
    }

    #[test]
    fn options_out_of_range_are_clamped() {
        let options = |readers| SqliteOptions::default().readers(readers).get_readers();
        assert_eq!((options(0), options(MAX_READERS + 1)), (1, MAX_READERS));
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        let timeout = |timeout| SqliteOptions::default().busy_timeout(timeout).get_busy_timeout();
        assert_eq!((timeout(days(24)), timeout(days(25))), (days(24), days(24)));
        assert_eq!(timeout(Duration::MAX), days(24));
    }
}
