use super::*;

const URL: &str = "postgres://ada:secret@db.example:6543/bank";

fn with(query: &str) -> PostgresOptions {
    format!("{URL}?{query}").parse().unwrap_or_else(|error| panic!("{query}: {error}"))
}

fn refusal(url: &str) -> String {
    match url.parse::<PostgresOptions>() {
        Err(Error::InvalidUrl { problem }) => problem,
        other => panic!("{url}: {other:?}"),
    }
}

/// The parameters that a session starts with.
fn session(options: &PostgresOptions) -> String {
    options.connect_options().get_options().unwrap_or_default().to_owned()
}

#[test]
fn each_option_of_a_url_sets_what_it_names() {
    let millis = Duration::from_millis;
    assert_eq!(with("schema=bank").schema_name().as_ref(), "bank");
    assert_eq!((with("readers=3").readers, with("writers=5").writers), (3, 5));
    assert_eq!(with("statement_timeout_ms=7").statement_timeout, millis(7));
    assert_eq!(with("lock_timeout_ms=7").lock_timeout, millis(7));
    assert_eq!(with("acquire_timeout_ms=7").acquire_timeout, millis(7));
    assert_eq!(with("answer_timeout_ms=7").answer_timeout, millis(7));
    assert_eq!(with("idle_in_transaction_timeout_ms=7").idle_timeout, millis(7));
    assert_eq!(with("frontier_patience_ms=7").frontier_patience, millis(7));
    assert_eq!(with("lost_commits=accepted").lost_commits, LostCommits::Accepted);
    assert_eq!(with("notifications=off").notifications, NotificationsTo::ThisProcess);
    assert_eq!(with("session_timeouts=off").session_timeouts, SessionTimeouts::LeaveAlone);

    let (all, none) = (with("&readers=3&&writers=5&"), with(""));
    assert_eq!((all.readers, all.writers), (3, 5));
    assert_eq!((none.readers, none.writers), (8, 2));
    assert_eq!(none.lost_commits, LostCommits::Refused);
    assert_eq!(none.notifications, NotificationsTo::Everyone);
    assert_eq!(none.session_timeouts, SessionTimeouts::Set);
}

#[test]
fn there_is_always_a_connection_to_read_and_one_to_write() {
    let options = with("").readers(0).writers(0);
    assert_eq!((options.readers, options.writers), (1, 1));
}

#[test]
fn invalid_option_values_are_refused() {
    for query in [
        "readers=0",
        "writers=-1",
        "writers=many",
        "lock_timeout_ms=",
        "schema=Bank",
        "lost_commits=maybe",
        "notifications=on",
        "session_timeouts",
        "colour=red",
        "Readers=3",
    ] {
        refusal(&format!("{URL}?{query}"));
    }
}

#[test]
fn an_unknown_option_is_named_unless_it_may_be_a_part_of_a_password() {
    for query in ["readrs=3", "readers=2&readrs=3", "readrs=3&password=x", "readrs=secret"] {
        let problem = refusal(&format!("postgres://ada@db/bank?{query}"));
        assert!(problem.contains("`readrs`") && !problem.contains("secret"), "{problem}");
    }
    for url in [
        "postgres://ada:p?secret=x@db/bank",
        "postgres://ada:p?x&secret=x@db/bank",
        "postgres://ada@db/bank?password=p&secret=x",
        "postgres://ada@db/bank?secret",
        "postgres://ada@db/bank?se%63ret=3",
    ] {
        let problem = refusal(url);
        assert!(problem.contains("one is unknown"), "{problem}");
        assert!(!problem.contains("secret") && !problem.contains("ret`"), "{problem}");
    }
}

#[test]
fn the_options_of_the_driver_are_left_to_it() {
    let options = with("application_name=till&readers=3&options[work_mem]=8MB&port=77");
    let connect = options.connect_options();
    assert_eq!(connect.get_application_name(), Some("till"));
    assert_eq!((connect.get_host(), connect.get_port()), ("db.example", 77));
    assert!(session(&options).contains("work_mem=8MB"), "{}", session(&options));
    assert_eq!(with("").connect_options().get_application_name(), Some("evercore"));
}

#[test]
fn the_time_outs_are_set_on_each_session_unless_they_are_left_alone() {
    let query = "statement_timeout_ms=11&lock_timeout_ms=12&idle_in_transaction_timeout_ms=13";
    let options = with(query);
    for setting in [
        "statement_timeout=11",
        "lock_timeout=12",
        "default_transaction_isolation=read\\ committed",
        "jit=off",
    ] {
        assert!(session(&options).contains(setting), "{setting}: {}", session(&options));
    }
    let idle = "idle_in_transaction_session_timeout=13";
    assert!(!session(&options).contains(idle));
    let holding = options.holding(options.connect_options());
    assert!(holding.get_options().is_some_and(|held| held.contains(idle)));

    let alone = with(&format!("{query}&session_timeouts=off"));
    assert_eq!(session(&alone), "");
    assert_eq!(alone.holding(alone.connect_options()).get_options(), None);
}

#[test]
fn a_schema_has_a_name_that_needs_no_quotes() {
    let longest = "s".repeat(48);
    for name in ["a", "_", "bank_2", "p_g", &longest] {
        assert_eq!(Schema::new(name).map(|schema| schema.to_string()).ok().as_deref(), Some(name));
    }
    let too_long = "s".repeat(49);
    for name in ["", "2nd", "Bank", "b-k", "b k", "pg_bank", "bänk", "a\"b", &too_long] {
        assert!(Schema::new(name).is_err(), "{name}");
    }
}

#[test]
fn a_url_that_could_hide_a_password_is_refused_without_it() {
    for url in [
        "mysql://ada:secret@db/bank",
        "postgres:/ada:secret@db/bank",
        "postgres://db/ada:secret@bank",
        "ada:secret",
        "",
    ] {
        let problem = refusal(url);
        assert!(!problem.contains("secret"), "{url}: {problem}");
    }
    for scheme in ["postgres", "postgresql", "PostgreSQL"] {
        assert!(format!("{scheme}://db/bank").parse::<PostgresOptions>().is_ok(), "{scheme}");
    }
}

#[test]
fn a_message_names_the_database_and_no_password() {
    let options = with("schema=ledger");
    assert_eq!(options.describe(), "postgres://db.example:6543/bank (schema ledger)");
    let unnamed: PostgresOptions = "postgres://ada@db.example".parse().expect("a URL");
    assert_eq!(unnamed.describe(), "postgres://db.example:5432/ada (schema evercore)");
}
