//! Defines metadata: data that accompanies an event, such as its cause and its principal.

mod task;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::format::codec::json;
use crate::{Error, RecordedEvent, Result};

pub use task::with_metadata;
pub(crate) use task::{MetadataSource, with_cause};

/// The longest correlation id, causation id, principal, reference or metadata name, in bytes of UTF-8.
pub const MAX_LABEL_BYTES: usize = 255;

/// The largest metadata of one event, in bytes of its JSON form.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;

/// Data that accompanies an event: correlation, causation, principal, and free fields.
///
/// # Example
/// ```
/// use evercore::Metadata;
///
/// let metadata = Metadata::new().correlation("order-17").principal("ada").with("channel", "web");
/// assert_eq!(metadata.principal_id(), Some("ada"));
/// assert_eq!(metadata.get("channel").and_then(|v| v.as_str()), Some("web"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    correlation: Option<String>,
    causation: Option<String>,
    stored: Stored,
}

/// The part that an engine stores in its `metadata` column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

impl Metadata {
    /// Creates empty metadata.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates metadata for an event that is caused by `event`: that event is its causation, and its correlation id is
    /// passed on, or else that event's id.
    #[must_use]
    pub fn caused_by(event: &RecordedEvent) -> Self {
        let id = event.id();
        let correlation = event.metadata().correlation_id().unwrap_or(&id).to_owned();
        Self::new().correlation(correlation).causation(id)
    }

    /// Fills in what is not set here from `around`.
    pub(crate) fn within(mut self, around: Self) -> Self {
        let Self { correlation, causation, stored: Stored { principal, fields } } = around;
        self.correlation = self.correlation.or(correlation);
        self.causation = self.causation.or(causation);
        self.stored.principal = self.stored.principal.or(principal);
        for (name, value) in fields {
            self.stored.fields.entry(name).or_insert(value);
        }
        self
    }

    /// Sets the correlation id, which all events of one request share.
    #[must_use]
    pub fn correlation(mut self, id: impl Into<String>) -> Self {
        self.correlation = Some(id.into());
        self
    }

    /// Sets the id of the direct cause of the event: a command or another event.
    #[must_use]
    pub fn causation(mut self, id: impl Into<String>) -> Self {
        self.causation = Some(id.into());
        self
    }

    /// Sets the principal: the user or service that acted.
    #[must_use]
    pub fn principal(mut self, id: impl Into<String>) -> Self {
        self.stored.principal = Some(id.into());
        self
    }

    /// Sets a free field. The name `principal` is reserved for [`Metadata::principal`], and is refused when the event
    /// is staged.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.stored.fields.insert(name.into(), value.into());
        self
    }

    /// Removes a free field.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.stored.fields.remove(name);
        self
    }

    /// Returns the correlation id.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation.as_deref()
    }

    /// Returns the id of the event's direct cause.
    #[must_use]
    pub fn causation_id(&self) -> Option<&str> {
        self.causation.as_deref()
    }

    /// Returns the principal: the user or service that acted.
    #[must_use]
    pub fn principal_id(&self) -> Option<&str> {
        self.stored.principal.as_deref()
    }

    /// Returns a free field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.stored.fields.get(name)
    }

    /// Returns whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Encodes the JSON text of the `metadata` column, which holds everything but the two ids that have columns of
    /// their own. `None` if there is nothing to store. For engines.
    ///
    /// # Errors
    /// [`Error::InvalidMetadata`] if it is larger than [`MAX_METADATA_BYTES`], or nested too deeply to be read again.
    pub fn to_column(&self) -> Result<Option<String>> {
        if self.stored == Stored::default() {
            return Ok(None);
        }
        let written = json::encode(&self.stored).map_err(|source| invalid(source.to_string()))?;
        let json = String::from_utf8(written.bytes).expect("BUG: JSON is UTF-8");
        if json.len() > MAX_METADATA_BYTES {
            return Err(invalid(format!(
                "its JSON form is {} bytes long, but the limit is {MAX_METADATA_BYTES}",
                json.len()
            )));
        }
        Ok(Some(json))
    }

    /// Decodes the metadata from its three columns. For engines.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if `column` was not written by [`Metadata::to_column`].
    pub fn from_columns(
        correlation: Option<String>,
        causation: Option<String>,
        column: Option<&str>,
    ) -> Result<Self> {
        let stored = match column {
            None => Stored::default(),
            Some(json) => serde_json::from_str(json)
                .map_err(|source| Error::corrupt("metadata column", source.to_string()))?,
        };
        Ok(Self { correlation, causation, stored })
    }

    /// Checks all values and names, and returns [`to_column`](Self::to_column).
    pub(crate) fn check(&self) -> Result<Option<String>> {
        check_label("correlation id", self.correlation_id())?;
        check_label("causation id", self.causation_id())?;
        check_label("principal", self.principal_id())?;
        for name in self.stored.fields.keys() {
            check_label("metadata name", Some(name))?;
        }
        if self.stored.fields.contains_key("principal") {
            return Err(invalid(
                "`principal` is a reserved field; set it with `Metadata::principal`".to_owned(),
            ));
        }
        self.to_column()
    }
}

/// Checks a short text that is stored with an event.
pub(crate) fn check_label(what: &'static str, label: Option<&str>) -> Result<()> {
    let problem = match label {
        Some("") => format!("the {what} is empty; omit it instead"),
        Some(text) if text.len() > MAX_LABEL_BYTES => {
            format!("the {what} is {} bytes long, but the limit is {MAX_LABEL_BYTES}", text.len())
        }
        Some(text) if text.contains('\0') => format!("the {what} holds a NUL character"),
        _ => return Ok(()),
    };
    Err(invalid(problem))
}

fn invalid(problem: String) -> Error {
    Error::InvalidMetadata { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_read_as_they_were_stored() -> Result<()> {
        let all = Metadata::new().correlation("c").causation("d").principal("ada").with("n", 7);
        for metadata in [Metadata::new(), Metadata::new().principal("ada"), all] {
            let own = |id: Option<&str>| id.map(str::to_owned);
            let (correlation, causation) =
                (own(metadata.correlation_id()), own(metadata.causation_id()));
            let column = metadata.to_column()?;
            let read = Metadata::from_columns(correlation, causation, column.as_deref())?;
            assert_eq!(read, metadata);
        }
        // The deepest nesting that can be read.
        let nested =
            |levels| (0..levels).fold(Value::from(7), |inner, _| Value::Array(vec![inner]));
        let deepest = Metadata::new().with("n", nested(126));
        let column = deepest.to_column()?;
        assert_eq!(Metadata::from_columns(None, None, column.as_deref())?, deepest);
        let refused = Metadata::new().with("n", nested(127)).to_column();
        assert!(matches!(refused, Err(Error::InvalidMetadata { .. })), "{refused:?}");

        let damaged = Metadata::from_columns(None, None, Some("{"));
        assert!(matches!(damaged, Err(Error::Corrupt { .. })), "{damaged:?}");
        Ok(())
    }
}
