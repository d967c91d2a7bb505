//! Shows an error together with its causes.

use std::any::Any;
use std::error::Error;
use std::fmt;

/// The most characters of a failure's text that are stored.
pub(crate) const MOST_FAILURE_CHARS: usize = 2_000;

/// Displays an error with all its causes, in one line: `what failed: why: why that`.
///
/// The `Display` of an error says only what that error adds, as is usual in Rust. Log a `Report` of it, so that the
/// line names the root cause. Every line that Evercore logs does so.
///
/// # Example
/// ```
/// use evercore::{Error, Report};
///
/// let error = Error::storage("read the log", std::io::Error::other("the disk is gone"));
/// assert_eq!(error.to_string(), "the storage failed to read the log");
/// assert_eq!(
///     Report::new(&error).to_string(),
///     "the storage failed to read the log: the disk is gone"
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(&'a dyn Error);

impl<'a> Report<'a> {
    /// Makes a report of this error.
    #[must_use]
    pub fn new(error: &'a dyn Error) -> Self {
        Self(error)
    }
}

impl Report<'_> {
    /// Returns the text for storage, cut to [`MOST_FAILURE_CHARS`].
    pub(crate) fn to_stored(self) -> String {
        to_stored(&self.to_string(), MOST_FAILURE_CHARS)
    }
}

/// Returns a text for storage: cut to so many characters, and without NUL, which databases refuse in a text.
pub(crate) fn to_stored(text: &str, most_chars: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(most_chars).collect()
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let why = error.to_string();
            // Some errors end with the text of their cause, which is not repeated.
            if !text.ends_with(&why) {
                text = format!("{text}: {why}");
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

/// Formats an error with all its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    Report::new(error).to_string()
}

/// Shows an error for programmers: its message with all its causes, then its structure in brackets.
///
/// # Errors
/// Those of the formatter.
pub fn debug_error(
    error: &dyn Error,
    f: &mut fmt::Formatter<'_>,
    structure: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    write!(f, "{} [", Report::new(error))?;
    structure(f)?;
    f.write_str("]")
}

/// The message of a panic, if it has one.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("refused by the server: {0}")]
    struct Repeating(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("no mail was sent")]
    struct Outer(#[source] Repeating);

    #[test]
    fn every_cause_is_shown_once() {
        let error = Outer(Repeating(std::io::Error::other("it is full")));
        let shown = Report::new(&error).to_string();
        assert_eq!(shown, "no mail was sent: refused by the server: it is full");
    }
}
