//! Files that cannot be opened.

use std::path::Path;
use std::time::Duration;

use evercore::error::OpenProblem;
use evercore::{Aggregate, Error, EventStore, Registry};

use evercore::engine::StorageEngine;
use tokio::time::timeout;

use crate::account::{engine, file};
use crate::raw::execute;

async fn problem(path: &Path) -> OpenProblem {
    let url = ["sqlite://", path.to_str().expect("a path of text")].concat();
    match EventStore::connect(&url).await {
        Err(Error::CannotOpen { database, problem, .. }) => {
            assert_eq!(database, path.to_str().expect("a path of text"));
            problem
        }
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn a_directory_is_refused_as_a_database() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(problem(folder.path()).await, OpenProblem::IsDirectory);
}

#[tokio::test]
async fn a_missing_folder_is_not_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    assert_eq!(problem(&missing.join("bank.db")).await, OpenProblem::NoSuchFolder);
    assert!(!missing.exists());
}

/// Waiting is for databases that come up by themselves.
#[tokio::test]
async fn a_file_that_cannot_be_opened_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let waiting = || EventStore::builder().wait_for_database(Duration::from_secs(600));
    let url = |path: &str| format!("sqlite://{}/{path}", folder.path().display());
    let refused = timeout(Duration::from_secs(60), waiting().connect(url("missing/bank.db"))).await;
    let refused = refused.expect("it is said at once");
    assert!(
        matches!(&refused, Err(Error::CannotOpen { problem: OpenProblem::NoSuchFolder, .. })),
        "{refused:?}"
    );
    waiting().connect(url("bank.db")).await.expect("it opens");
}

#[tokio::test]
async fn a_file_is_no_folder() {
    let (_folder, path) = file();
    std::fs::write(&path, "").expect("a file");
    assert_eq!(problem(&path.join("bank.db")).await, OpenProblem::NoSuchFolder);
}

#[tokio::test]
async fn a_file_that_is_not_a_database_stays_unchanged() {
    for content in ["hello", &"not a database ".repeat(500)] {
        let (folder, path) = file();
        std::fs::write(&path, content).expect("a file");
        assert_eq!(problem(&path).await, OpenProblem::NotADatabase);
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), content);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}

#[tokio::test]
async fn a_newer_schema_stays_as_it_is() {
    let (_folder, path) = file();
    engine(&path).await.close().await.expect("it closes");
    execute(&path, "INSERT INTO evercore_migrations (version, description) VALUES (99, 'x')").await;
    let before = std::fs::read(&path).expect("a file");
    assert_eq!(problem(&path).await, OpenProblem::SchemaTooNew { found: 99 });
    assert_eq!(std::fs::read(&path).expect("a file"), before);
}

#[tokio::test]
async fn a_schema_that_was_never_made_is_missed_at_the_first_use() {
    let (_folder, path) = file();
    let url = ["sqlite://", path.to_str().expect("a path of text")].concat();
    let store = EventStore::builder()
        .migrate(evercore::Migrate::Manually)
        .connect(&url)
        .await
        .expect("it opens");
    let refused = crate::account::open_account(&store, &[1]).await.expect_err("no tables");
    assert!(
        matches!(&refused, Error::CannotOpen { problem: OpenProblem::SchemaOutdated, .. }),
        "{refused:?}"
    );
    store.migrate().await.expect("it migrates");
    crate::account::open_account(&store, &[1]).await.expect("it commits");
}

#[tokio::test]
async fn a_schema_that_was_never_made_keeps_no_renamed_type_from_opening() {
    #[derive(Default)]
    struct Renamed;

    impl Aggregate for Renamed {
        const NAME: &'static str = "renamed";
        const ALIASES: &'static [&'static str] = &["former"];
    }

    let (_folder, path) = file();
    let url = ["sqlite://", path.to_str().expect("a path of text")].concat();
    let registry = Registry::builder().aggregate::<Renamed>().build().expect("one name");
    let store = EventStore::builder()
        .registry(registry)
        .migrate(evercore::Migrate::Manually)
        .connect(&url)
        .await
        .expect("it opens");
    let create = async || {
        store.with_context(async |ctx| ctx.create::<Renamed>().await.map(|new| new.id())).await
    };
    let refused = create().await.expect_err("no tables");
    assert!(
        matches!(&refused, Error::CannotOpen { problem: OpenProblem::SchemaOutdated, .. }),
        "{refused:?}"
    );
    store.migrate().await.expect("it migrates");
    create().await.expect("it commits");
}

#[tokio::test]
async fn a_file_that_is_to_exist_is_not_created() {
    let (_folder, path) = file();
    let url = ["sqlite://", path.to_str().expect("a path of text"), "?mode=rw"].concat();
    let refused = EventStore::connect(&url).await.expect_err("there is no file");
    assert!(
        matches!(&refused, Error::CannotOpen { problem: OpenProblem::NoSuchFile, .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("leave out `mode=rw`"), "{refused}");
    assert!(!path.exists());
}

/// Permission bits do not restrict the superuser, but the kernel's own files are read-only.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_unwritable_file_is_read_only_for_the_superuser_as_well() {
    for path in ["/sys/evercore.db", "/sys/kernel/uevent_seqnum"] {
        assert_eq!(problem(Path::new(path)).await, OpenProblem::ReadOnly, "{path}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_file_or_folder_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let chmod = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    };
    let (folder, path) = file();
    engine(&path).await.close().await.expect("it closes");
    let before = std::fs::read(&path).expect("a file");
    chmod(&path, 0o444);
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        eprintln!("skipped: permission bits do not bind this user");
        return;
    }
    assert_eq!(problem(&path).await, OpenProblem::ReadOnly);
    chmod(&path, 0o644);
    chmod(folder.path(), 0o555);
    assert_eq!(problem(&path).await, OpenProblem::ReadOnly);
    assert_eq!(problem(&folder.path().join("new.db")).await, OpenProblem::ReadOnly);
    chmod(folder.path(), 0o755);
    assert_eq!(std::fs::read(&path).expect("a file"), before);
}
