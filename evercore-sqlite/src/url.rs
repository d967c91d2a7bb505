//! Parses the URLs that name databases.

use std::path::PathBuf;
use std::str::FromStr;

use evercore::Result;
use sqlx::sqlite::SqliteConnectOptions;

use crate::options::{SqliteOptions, invalid_url};

/// The place of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// In a file.
    File(PathBuf),
    /// In the memory of this process, for one engine alone.
    Memory,
}

/// Parses `sqlite://bank.db`, `sqlite:bank.db`, `sqlite:///var/lib/bank.db` or `sqlite::memory:`, with options after a
/// `?`.
pub(crate) fn parse(url: &str) -> Result<(Location, SqliteOptions)> {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    if !scheme.eq_ignore_ascii_case("sqlite") {
        return Err(invalid_url("it does not start with `sqlite:`"));
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let options = SqliteOptions::from_query(query)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let location = match path {
        "" => {
            return Err(invalid_url(
                "it names no file; add the file's path, as in `sqlite://bank.db`",
            ));
        }
        ":memory:" => Location::Memory,
        path => Location::File(decode(path)?),
    };
    Ok((location, options))
}

/// Percent-decodes a path, so that it can hold a `?` or a `%`. The driver's own parser does it.
fn decode(path: &str) -> Result<PathBuf> {
    let decoded = SqliteConnectOptions::from_str(&format!("sqlite:{path}"))
        .map_err(|_| invalid_url("the percent-decoded path is not UTF-8"))?;
    let decoded = decoded.get_filename().to_path_buf();
    if decoded.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(invalid_url("the path holds a NUL character"));
    }
    Ok(decoded)
}
