//! Removes what may be a secret from the text of an error, before it is shown to any client that asks.

/// The ends of the names of settings whose values are secret.
const SECRET: [&str; 4] = ["password", "passwd", "secret", "token"];

/// Replaces all of a URL but its scheme, and the values of settings such as `password=…`.
pub(super) fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, begins)) = next_secret(rest) {
        shown.push_str(&rest[..begins]);
        shown.push('…');
        rest = match at {
            Secret::Url => after(&rest[begins..], |c| c.is_whitespace() || "\"'`<>()".contains(c)),
            Secret::Value => after_value(&rest[begins..]),
        };
    }
    shown.push_str(rest);
    shown
}

enum Secret {
    Url,
    Value,
}

/// Finds the first secret, and where it begins.
fn next_secret(text: &str) -> Option<(Secret, usize)> {
    let url = text.find("://").map(|at| at + "://".len());
    let value = text
        .match_indices(['=', ':'])
        .filter(|(at, _)| !text[at + 1..].starts_with("//"))
        .find(|(at, _)| {
            let name =
                text[..*at].trim_end_matches(|c: char| c.is_whitespace() || "\"'".contains(c));
            let name = name.to_ascii_lowercase();
            SECRET.iter().any(|secret| name.ends_with(secret))
        })
        .map(|(at, sign)| at + sign.len());
    match (url, value) {
        (Some(url), Some(value)) if value < url => Some((Secret::Value, value)),
        (Some(url), _) => Some((Secret::Url, url)),
        (None, value) => value.map(|value| (Secret::Value, value)),
    }
}

fn after(text: &str, is_end: impl Fn(char) -> bool) -> &str {
    &text[text.find(is_end).unwrap_or(text.len())..]
}

/// Returns the text after a value, which may be in quotes.
fn after_value(text: &str) -> &str {
    let value = text.trim_start();
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = &value[1..];
            inner.find(quote).map_or("", |end| &inner[end + 1..])
        }
        _ => after(value, |c| c.is_whitespace() || ",;&)".contains(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_passwords_are_replaced_and_the_rest_stays() {
        for (text, shown) in [
            (
                "cannot reach `postgres://ada:s3cret@db/bank?sslmode=off`: refused",
                "cannot reach `postgres://…`: refused",
            ),
            ("password=s3cret host=db", "password=… host=db"),
            ("PGPASSWORD = 's3 cret', then", "PGPASSWORD =…, then"),
            ("{\"password\":\"s3cret\"}", "{\"password\":…}"),
            (
                "api_token: s3cret; amqp://u:s3cret@h and http://s3cret",
                "api_token:…; amqp://… and http://…",
            ),
            (
                "password authentication failed for user \"ada\"",
                "password authentication failed for user \"ada\"",
            ),
            ("Connection refused (os error 111)", "Connection refused (os error 111)"),
            ("the token=", "the token=…"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
