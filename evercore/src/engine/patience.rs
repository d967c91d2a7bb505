//! Bounds waits for something outside of the program, such as a database, by the machine's clock.
//!
//! Tests can pause tokio's clock. It then jumps to the next timer whenever all tasks wait, so a time-out on an answer
//! of a database would pass at once. Tokio's timers also need a runtime. The timers here do without either: a thread
//! keeps them, which is started with the first one.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// The error of a wait that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer arrived in time")]
pub struct Elapsed;

/// The timers of the program.
static TIMERS: Timers = Timers { state: Mutex::new(State::new()), earlier: Condvar::new() };

struct Timers {
    state: Mutex<State>,
    /// Signalled when a timer is set that ends before the thread would wake.
    earlier: Condvar,
}

struct State {
    /// The timers by the time when they end. The number tells apart timers of the same time.
    set: BTreeMap<(Instant, u64), Waker>,
    last_number: u64,
    /// The time until which the thread sleeps; `None` if there is no timer to wait for.
    sleeps_until: Option<Instant>,
    has_thread: bool,
}

/// A timer, from its first poll until it is dropped.
struct Timer {
    /// The time when it ends; `None` if that is beyond the range of the clock, so that it never ends.
    ends: Option<Instant>,
    number: Option<u64>,
}

/// Waits for a future that depends on something outside of the program, for at most `patience` by the machine's clock.
/// For engines.
///
/// # Errors
/// [`Elapsed`] if the future is not ready by then; it is dropped.
pub async fn timeout<F: Future>(patience: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    let mut timer = Timer::new(patience);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending => Pin::new(&mut timer).poll(context).map(Err),
    })
    .await
}

/// Sleeps by the machine's clock, before something outside of the program is asked once more. For engines.
pub async fn sleep(time: Duration) {
    let Elapsed = Timer::new(time).await;
}

impl Timer {
    fn new(time: Duration) -> Self {
        Self { ends: Instant::now().checked_add(time), number: None }
    }
}

impl Future for Timer {
    type Output = Elapsed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Elapsed> {
        let Some(ends) = self.ends else { return Poll::Pending };
        if Instant::now() >= ends {
            return Poll::Ready(Elapsed);
        }
        self.number = Some(TIMERS.set(ends, self.number, context.waker()));
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let (Some(ends), Some(number)) = (self.ends, self.number) {
            TIMERS.state().set.remove(&(ends, number));
        }
    }
}

impl Timers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a timer, or updates one that was set before.
    fn set(&'static self, ends: Instant, number: Option<u64>, waker: &Waker) -> u64 {
        let mut state = self.state();
        let number = number.unwrap_or_else(|| {
            state.last_number += 1;
            state.last_number
        });
        state.set.entry((ends, number)).or_insert_with(|| waker.clone()).clone_from(waker);
        if !state.has_thread {
            // If the thread cannot be started now, the next timer tries again.
            let thread = thread::Builder::new().name("evercore-timers".to_owned());
            state.has_thread = thread.spawn(|| self.run()).is_ok();
        } else if state.sleeps_until.is_none_or(|until| ends < until) {
            self.earlier.notify_one();
        }
        number
    }

    fn run(&self) {
        let mut state = self.state();
        loop {
            let ended = state.take_ended(Instant::now());
            if !ended.is_empty() {
                drop(state);
                ended.into_iter().for_each(Waker::wake);
                state = self.state();
                continue;
            }
            let next = state.set.first_key_value().map(|((ends, _), _)| *ends);
            state.sleeps_until = next;
            state = match next {
                None => self.earlier.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let time = next.saturating_duration_since(Instant::now());
                    let woken = self.earlier.wait_timeout(state, time);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl State {
    const fn new() -> Self {
        Self { set: BTreeMap::new(), last_number: 0, sleeps_until: None, has_thread: false }
    }

    fn take_ended(&mut self, now: Instant) -> Vec<Waker> {
        let later = self.set.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.set, later).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn a_timeout_ignores_the_paused_tokio_clock() {
        let (answer, mut answered) = oneshot::channel();
        thread::spawn(move || {
            thread::sleep(SOON);
            answer.send(7)
        });
        // On tokio's paused clock this ends at once, since no task has anything else to do.
        let by_tokio = tokio::time::timeout(Duration::from_secs(60), &mut answered).await;
        assert!(by_tokio.is_err(), "{by_tokio:?}");
        let answer = timeout(Duration::from_secs(60), answered).await;
        assert_eq!(answer.expect("it comes in time"), Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_an_end_to_it() {
        let began = Instant::now();
        assert_eq!(timeout(SOON, pending::<()>()).await, Err(Elapsed));
        assert!(began.elapsed() >= SOON);
        sleep(SOON).await;
        assert!(began.elapsed() >= SOON * 2);
    }

    #[test]
    fn timeouts_need_no_runtime_and_the_shorter_one_ends_first() {
        let long = async {
            assert_eq!(timeout(SOON * 3, pending::<()>()).await, Err(Elapsed));
            Instant::now()
        };
        let short = async {
            assert_eq!(timeout(SOON, pending::<()>()).await, Err(Elapsed));
            Instant::now()
        };
        let (long, short) = block_on(futures_util::future::join(long, short));
        assert!(short < long);
    }

    #[test]
    fn waits_that_ended_or_were_dropped_are_removed() {
        block_on(async {
            for _ in 0..3 {
                let mut dropped = Box::pin(timeout(Duration::from_secs(3_600), pending::<()>()));
                poll_fn(|context| {
                    assert!(dropped.as_mut().poll(context).is_pending());
                    assert!(dropped.as_mut().poll(context).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
        });
        let far = Instant::now() + Duration::from_secs(1_800);
        let left = TIMERS.state().set.keys().filter(|(ends, _)| *ends > far).count();
        assert_eq!(left, 0);
    }

    #[test]
    fn durations_beyond_the_clock_wait_forever() {
        assert_eq!(block_on(timeout(Duration::MAX, async { 3 })), Ok(3));
        assert!(Timer::new(Duration::MAX).ends.is_none());
    }

    /// Runs a future without a runtime.
    fn block_on<F: Future>(work: F) -> F::Output {
        struct Unpark(thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
        let mut work = pin!(work);
        loop {
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }
}
