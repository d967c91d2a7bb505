//! Defines the types of tasks, and their registration as events of a built-in aggregate.

use crate::{Aggregate, Apply, Event, EventMeta, EventType};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Encoding;

/// What a task of a type is about: its body, which is stored, and read by the handler of the type.
///
/// `#[task]` writes this implementation, and that of [`Event`], which stands for the stored form here: bodies are
/// encoded, named, versioned, [upcast](crate::evolution) and catalogued as events are, as if they were events of the
/// built-in aggregate [`Tasks`](TaskBodies).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task",
    label = "not a task",
    note = "put `#[evercore::task(queue = \"…\")]` on `{Self}`"
)]
pub trait TaskBody: Event<Aggregate = TaskBodies> {
    /// The queue to which its tasks go, unless one is enqueued to [another](super::Task::to).
    const QUEUE: &'static str;
}

/// The built-in aggregate type that names the bodies of tasks in a registry. No aggregate of it is ever stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskBodies;

#[diagnostic::do_not_recommend]
impl Aggregate for TaskBodies {
    const NAME: &'static str = "evercore.tasks";
}

#[diagnostic::do_not_recommend]
impl<E: Event<Aggregate = Self>> Apply<E> for TaskBodies {
    fn apply(&mut self, _: &E, _: &EventMeta) {}
}

/// The type of a body, in a constant.
pub(crate) struct TaskType<T>(std::marker::PhantomData<T>);

impl<T: TaskBody> TaskType<T> {
    pub(crate) const TYPE: EventType = EventType::of::<T>();
}
