//! Removes what may be a secret from the text of an error, before it is shown to any client that asks.
//!
//! Where it is not clear where a secret ends, more of the text is removed rather than less.

/// The ends of the names of settings whose values are secret.
const SECRET: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "secret_key",
    "private_key",
    "credential",
    "credentials",
    "signature",
];

/// The end of the name of a header whose value has several words.
const HEADER: &str = "authorization";

/// Words before a secret that are none of it.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// Replaces all of a URL but its scheme, and the values of settings such as `password=…`.
pub(super) fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((secret, begins)) = next_secret(rest) {
        shown.push_str(&rest[..begins]);
        shown.push('…');
        let hidden = &rest[begins..];
        rest = match secret {
            // Brackets and single quotes are legal in a URL, also in its password.
            Secret::Url => after(hidden, |c| c.is_whitespace() || "\"`<>".contains(c)),
            Secret::Value => after_value(hidden, after_word),
            Secret::Header => after_value(hidden, |value| after(value, |c| c == '\n')),
        };
    }
    shown.push_str(rest);
    shown
}

enum Secret {
    Url,
    Value,
    Header,
}

/// Finds the first secret, and where it begins.
fn next_secret(text: &str) -> Option<(Secret, usize)> {
    let url = text.find("://").map(|at| at + "://".len());
    let value = text
        .match_indices(['=', ':'])
        .filter(|(at, _)| !text[at + 1..].starts_with("//"))
        .find_map(|(at, sign)| Some((secret_of(&text[..at])?, at + sign.len())));
    match (url, value) {
        (Some(url), Some((secret, value))) if value < url => Some((secret, value)),
        (Some(url), _) => Some((Secret::Url, url)),
        (None, value) => value,
    }
}

/// Returns the kind of secret that follows a text, if the text ends with the name of one.
fn secret_of(before: &str) -> Option<Secret> {
    let name = before.trim_end_matches(|c: char| c.is_whitespace() || "\"'`\\)]".contains(c));
    if ends_with(name, HEADER) {
        return Some(Secret::Header);
    }
    SECRET.iter().any(|secret| ends_with(name, secret)).then_some(Secret::Value)
}

fn ends_with(name: &str, end: &str) -> bool {
    let begins = name.len().checked_sub(end.len());
    begins.and_then(|at| name.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
}

fn after(text: &str, is_end: impl Fn(char) -> bool) -> &str {
    &text[text.find(is_end).unwrap_or(text.len())..]
}

/// Returns the text after a value, which may be in quotes.
fn after_value(text: &str, after_unquoted: impl Fn(&str) -> &str) -> &str {
    let value = text.trim_start();
    let value = value.strip_prefix("Some(").unwrap_or(value);
    let unescaped = value.trim_start_matches('\\');
    match unescaped.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => {
            after_quoted(&unescaped[1..], quote, value.len() - unescaped.len())
        }
        _ => after_unquoted(value),
    }
}

/// Returns the text after the quote that ends a value: neither a doubled one, nor one behind more backslashes than the
/// quote that began it.
fn after_quoted(inner: &str, quote: char, backslashes: usize) -> &str {
    let mut rest = inner;
    while let Some(at) = rest.find(quote) {
        let (before, behind) = (&rest[..at], &rest[at + 1..]);
        if before.len() - before.trim_end_matches('\\').len() > backslashes {
            rest = behind;
        } else if let Some(doubled) = behind.strip_prefix(quote) {
            rest = doubled;
        } else {
            return behind;
        }
    }
    ""
}

/// Returns the text after a word, and after a scheme such as `Bearer` before it.
fn after_word(text: &str) -> &str {
    let behind = after(text, char::is_whitespace);
    let word = &text[..text.len() - behind.len()];
    if SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme)) {
        return after(behind.trim_start(), char::is_whitespace);
    }
    behind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_all(texts: &[(&str, &str)]) {
        for (text, shown) in texts {
            assert_eq!(redact(text), *shown);
        }
    }

    #[test]
    fn urls_and_passwords_are_replaced_and_the_rest_stays() {
        assert_all(&[
            (
                "cannot reach `postgres://ada:s3cret@db/bank?sslmode=off`: refused",
                "cannot reach `postgres://…`: refused",
            ),
            ("password=s3cret host=db", "password=… host=db"),
            ("PGPASSWORD = 's3 cret', then", "PGPASSWORD =…, then"),
            ("{\"password\":\"s3cret\"}", "{\"password\":…}"),
            (
                "api_token: s3cret; amqp://u:s3cret@h and http://s3cret",
                "api_token:… amqp://… and http://…",
            ),
            (
                "password authentication failed for user \"ada\"",
                "password authentication failed for user \"ada\"",
            ),
            ("Connection refused (os error 111)", "Connection refused (os error 111)"),
            ("the token=", "the token=…"),
        ]);
    }

    #[test]
    fn a_url_ends_where_no_url_goes_on() {
        assert_all(&[
            ("no route to postgres://u:a(b)c@db today", "no route to postgres://… today"),
            ("no route to postgres://u:a'b@db today", "no route to postgres://… today"),
            ("\"amqp://u:s3cret@h\" is full", "\"amqp://…\" is full"),
            ("<amqp://u:s3cret@h> is full", "<amqp://…> is full"),
        ]);
    }

    #[test]
    fn a_quoted_value_ends_at_its_own_quote() {
        assert_all(&[
            (r"password='a\'s3cret' host=db", "password=… host=db"),
            ("password='a''s3cret' host=db", "password=… host=db"),
            (r#"{\"password\": \"a s3cret\"} fails"#, r#"{\"password\":…} fails"#),
            (r#"{\"password\": \"a\\\"s3cret\"} fails"#, r#"{\"password\":…} fails"#),
            (r#"Config { password: Some("a s3cret"), .. }"#, "Config { password:…), .. }"),
            ("password='never s3cret ends", "password=…"),
            ("password=a)s3cret,s3cret&s3cret host=db", "password=… host=db"),
        ]);
    }

    #[test]
    fn settings_and_headers_are_known_by_many_names() {
        assert_all(&[
            ("pwd=s3cret;x", "pwd=…"),
            ("DB_PASS: s3cret in `env`", "DB_PASS:… in `env`"),
            ("api_key=s3cret is unknown", "api_key=… is unknown"),
            ("X-API-Key: s3cret is unknown", "X-API-Key:… is unknown"),
            ("Key (api_key)=(s3cret) exists", "Key (api_key)=… exists"),
            ("Authorization: Bearer s3cret\nrefused", "Authorization:…\nrefused"),
            ("Authorization: Digest u=\"ada\", r=\"s3cret\"", "Authorization:…"),
            ("{\"authorization\": \"Bearer s3cret\"}", "{\"authorization\":…}"),
            ("the token: Bearer s3cret is old", "the token:… is old"),
        ]);
    }
}
