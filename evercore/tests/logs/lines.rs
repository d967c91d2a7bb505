//! Records the log lines of a thread.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The lines that were logged on this thread since `watch` was called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

/// A line in the form `message name=value name=value`.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Lines {
    pub(crate) fn watch() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::registry().with(lines.clone());
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// Returns the lines of this level whose message contains this text.
    pub(crate) fn all(&self, level: Level, message: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |(at, line): &&(Level, String)| *at == level && line.contains(message);
        lines.iter().filter(is_meant).map(|(_, line)| line.clone()).collect()
    }

    /// Returns the only such line.
    pub(crate) fn one(&self, level: Level, message: &str) -> String {
        match &*self.all(level, message) {
            [line] => line.clone(),
            other => panic!("one line should say `{message}`, not {other:?}; all: {self:?}"),
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = format!("{}{}", line.message, line.fields);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((*event.metadata().level(), text));
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.fields, " {}={value}", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
