//! Tries every interleaving of callers that leave or cancel reads, reader threads, and a close of the queue.
//!
//! The queue is compiled here from the engine's own source, with locks that [`loom`] schedules. `LOOM_MAX_PREEMPTIONS`
//! limits the number of preemptions of a thread; the number of interleavings is printed.

#[allow(dead_code, reason = "not all of it is tried")]
#[path = "../../src/readers/queue.rs"]
mod queue;
mod sync;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::sync::Arc;
use loom::thread;
use queue::{Queue, Refused};

/// A piece of work that counts its executions, with a counter that loom does not track.
type Work = std::sync::Arc<AtomicUsize>;

/// The maximum number of preemptions. More find nothing else in queues of this size and take minutes.
const PREEMPTIONS: usize = 2;

fn try_all(name: &str, run: impl Fn() + Send + Sync + 'static) {
    let orders = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        run();
    });
    println!("{name}: {} orders", orders.load(Ordering::Relaxed));
}

/// Starts a thread that reads until the queue is closed.
fn start(queue: &Arc<Queue<Work>>) -> Result<(), Infallible> {
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        while let Some(work) = queue.next() {
            work.fetch_add(1, Ordering::Relaxed);
        }
        queue.leave_thread();
    });
    Ok(())
}

fn leave(queue: &Arc<Queue<Work>>, work: &Work) -> Option<u64> {
    match queue.leave(std::sync::Arc::clone(work), || start(queue)) {
        Ok(number) => Some(number),
        Err(Refused::Closed) => None,
        Err(Refused::NoThread(never)) => match never {},
    }
}

fn close(queue: &Queue<Work>) -> usize {
    let refused = queue.close().count();
    // Returns only after all threads have ended. A thread that sleeps forever is a deadlock, which loom reports.
    queue.wait_for_threads(std::time::Duration::MAX);
    refused
}

#[test]
fn each_queued_read_runs_once() {
    try_all("two who leave, one thread", || {
        let queue = Arc::new(Queue::new(1));
        let (first, second) = (Work::default(), Work::default());
        let other = {
            let (queue, first) = (Arc::clone(&queue), first.clone());
            thread::spawn(move || leave(&queue, &first))
        };
        let left = leave(&queue, &second);
        assert!(left.is_some() && other.join().expect("no panic").is_some());
        let refused = close(&queue);
        let done = first.load(Ordering::Relaxed) + second.load(Ordering::Relaxed);
        assert_eq!(done + refused, 2);
    });
}

#[test]
fn threads_that_sleep_are_woken_for_later_work() {
    try_all("one who waits for the answer, two threads", || {
        let queue = Arc::new(Queue::new(2));
        for _ in 0..2 {
            let work = Work::default();
            leave(&queue, &work);
            // Only the work can wake this thread: a reader thread that is not woken for it causes a deadlock.
            while work.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(close(&queue), 0);
    });
}

#[test]
fn a_cancelled_read_never_runs() {
    try_all("one who takes back, one thread", || {
        let queue = Arc::new(Queue::new(1));
        let (kept, taken) = (Work::default(), Work::default());
        leave(&queue, &kept);
        let number = leave(&queue, &taken).expect("it is open");
        let is_taken_back = queue.take_back(number);
        let refused = close(&queue);
        let done = kept.load(Ordering::Relaxed) + taken.load(Ordering::Relaxed);
        assert_eq!(done + refused + usize::from(is_taken_back), 2);
        if is_taken_back {
            assert_eq!(taken.load(Ordering::Relaxed), 0);
        }
    });
}

#[test]
fn a_close_loses_no_read_that_is_queued_concurrently() {
    try_all("one who leaves, one who closes", || {
        let queue = Arc::new(Queue::new(1));
        let work = Work::default();
        let closing = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || close(&queue))
        };
        let left = leave(&queue, &work);
        let refused = closing.join().expect("no panic");
        let refused = refused + close(&queue);
        assert_eq!(work.load(Ordering::Relaxed) + refused, usize::from(left.is_some()));
    });
}

/// A faulty queue that checks for waiting work, releases the lock, and then takes the work back.
mod control {
    use super::*;
    use sync::Mutex;

    #[test]
    #[should_panic(expected = "done and taken back")]
    fn a_lock_released_between_two_steps_is_caught() {
        try_all("a careless queue", || {
            let waiting = Arc::new(Mutex::new(Some(())));
            let thread = {
                let waiting = Arc::clone(&waiting);
                thread::spawn(move || waiting.lock().expect("no panic").take().is_some())
            };
            let is_taken_back = waiting.lock().expect("no panic").is_some();
            if is_taken_back {
                *waiting.lock().expect("no panic") = None;
            }
            let is_done = thread.join().expect("no panic");
            assert!(!(is_done && is_taken_back), "it was done and taken back");
        });
    }
}
