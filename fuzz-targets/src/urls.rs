//! Target for URLs, as both engines parse them.

use evercore_postgres::PostgresOptions;
use evercore_sqlite::__fuzzing::read_url;

use crate::all_words;

/// The password of each URL in the corpus.
const PASSWORD: &str = "hunter2";

/// An error about a URL reveals nothing of the URL.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(url) = std::str::from_utf8(bytes) else { return };
    match url.parse::<PostgresOptions>() {
        Ok(options) => {
            let shown = format!("{options:?}");
            // If the same text is also a host or a database name, it is shown there.
            let names_more = url.matches(PASSWORD).count() != 1 || !is_in_its_place(url);
            assert!(names_more || !shown.contains(PASSWORD), "{url}: {shown}");
        }
        Err(error) => {
            let words = all_words(&error);
            // An unknown option is named in the message.
            let names_more = url.contains(&format!("{PASSWORD}=")) && words.contains('`');
            assert!(names_more || !words.contains(PASSWORD), "{url}: {words}");
        }
    }
    if let Err(error) = read_url(url) {
        assert!(!all_words(&error).is_empty());
    }
}

/// Returns whether the password is between the user and the host.
fn is_in_its_place(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let Some((who, _)) = rest.split_once('@') else { return false };
    !who.contains(['/', '?', '#', '\\'])
        && who.split_once(':').is_some_and(|(_, word)| word == PASSWORD)
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [
        "postgres://app:hunter2@localhost/bank",
        "postgresql://app:hunter2@127.0.0.1:5433/bank?schema=bank&readers=8&writers=2&sslmode=disable",
        "postgres://app:hunter2@[::1]/bank?statement_timeout_ms=500&lock_timeout_ms=500&acquire_timeout_ms=1",
        "postgres://app@localhost/bank?password=hunter2&notifications=off&session_timeouts=off",
        "postgres://%2Fvar%2Frun%2Fpostgresql/bank?user=app&password=hunter2&frontier_patience_ms=9",
        "postgres://app:hunter2@localhost:port/bank",
        "postgres://app:hunter2?readers=1@localhost/bank",
        "postgres://app:x?readers=hunter2@localhost/bank",
        "postgres://app:x?schema=hunter2@localhost/bank",
        "postgres://app:x&notifications=hunter2@localhost/bank?notifications=hunter2",
        "postgres://app:hunter2@localhost/bank?sslmode=hunter2",
        "postgres://app@localhost/bank?pasword=hunter2",
        "sqlite://bank.db",
        "sqlite::memory:",
        "sqlite:///var/lib/d%3F%20e.db?busy_timeout_ms=500&synchronous=normal&readers=2&mode=rw",
        "sqlite://a%00b.db?mode=ro",
        "sqlite://%ff.db",
    ]
    .map(|url| url.as_bytes().to_vec())
    .into()
}
