//! The meaning of URLs.

use evercore::{Error, EventStore};

use crate::account::{balance, open_account};

#[tokio::test]
async fn the_forms_of_a_url_name_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = folder.path().to_str().expect("a path of text");
    let cases = [
        ("sqlite://{}/a.db", "a.db"),
        ("sqlite:{}/b.db", "b.db"),
        ("SQLite:{}/c.db", "c.db"),
        ("sqlite://{}/d%3F%20e.db", "d? e.db"),
        ("sqlite://{}/f.db?busy_timeout_ms=500&synchronous=normal&readers=2&mode=rwc", "f.db"),
        ("sqlite://{}/g.db?", "g.db"),
        ("sqlite://{}/g.db?mode=rw", "g.db"),
    ];
    for (url, file) in cases {
        let url = url.replace("{}", base);
        let store =
            EventStore::connect(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        open_account(&store, &[1]).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        store.close().await.expect("it closes");
        assert!(folder.path().join(file).is_file(), "{url} did not make {file}");
    }
}

#[tokio::test]
async fn a_url_that_makes_no_sense_is_refused_with_the_reason() {
    let cases = [
        ("sqlite:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite://?mode=rwc", "names no file"),
        ("sqlite://a.db?colour=red", "`colour`"),
        ("sqlite://a.db?readers", "`readers`"),
        ("sqlite://a.db?readers=0", "`readers`"),
        ("sqlite://a.db?readers=65", "`readers`"),
        ("sqlite://a.db?busy_timeout_ms=-1", "`busy_timeout_ms`"),
        ("sqlite://a.db?busy_timeout_ms=5s", "`busy_timeout_ms`"),
        ("sqlite://a.db?synchronous=off", "`synchronous`"),
        ("sqlite://a.db?mode=ro", "`mode`"),
        ("sqlite://a%00b.db", "NUL"),
        ("sqlite://%ff.db", "UTF-8"),
    ];
    for (url, reason) in cases {
        match EventStore::connect(url).await {
            Err(Error::InvalidUrl { problem }) => {
                assert!(problem.contains(reason), "{url}: {problem}")
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn each_database_in_memory_is_its_own() {
    let (one, other) = (
        EventStore::connect("sqlite::memory:").await.expect("it opens"),
        EventStore::connect("sqlite://:memory:").await.expect("it opens"),
    );
    let id = open_account(&one, &[1, 2]).await.expect("it commits");
    assert_eq!(balance(&one, id).await.expect("it loads"), 3);
    assert!(matches!(balance(&other, id).await, Err(Error::UnknownId { .. })));
}
