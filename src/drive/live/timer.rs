//! The timer of the live loop.
//!
//! The timers of the async runtime are accurate to a millisecond, which is the time between two jobs at 1,000 per second. Linux has
//! timers that a runtime can wait for as for a socket, accurate to tens of microseconds; on other systems, and if this process has no
//! file descriptor left, the loop uses those of the runtime.

use crate::drive::clock::Clock;
use provider::Instant;

/// Wakes the live loop at an instant.
#[derive(Debug)]
pub(super) struct Timer {
    clock: Clock,
    #[cfg(target_os = "linux")]
    system: Option<system::Timer>,
}

impl Timer {
    /// Creates a timer. Called within an async runtime.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            #[cfg(target_os = "linux")]
            system: system::Timer::new().ok(),
        }
    }

    /// Waits until `at`. May return earlier, so callers read the clock again. Cancel-safe.
    pub(super) async fn wait(&mut self, at: Instant) {
        #[cfg(target_os = "linux")]
        if let Some(system) = &mut self.system
            && system.wait(&self.clock, at).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(self.clock.until(at)).await;
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Clock, Instant};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use std::io;
    use std::time::Duration;
    use tokio::net::unix::pipe::Receiver;

    /// A timer of the system.
    #[derive(Debug)]
    pub(super) struct Timer {
        /// A timerfd, used as a pipe: it becomes readable when the timer expires, until its eight bytes are read.
        file: Receiver,
        /// The instant that it is set to; `None` if it has expired or was not set.
        set_to: Option<Instant>,
    }

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let file = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            Ok(Self { file: Receiver::from_owned_fd_unchecked(file)?, set_to: None })
        }

        pub(super) async fn wait(&mut self, clock: &Clock, at: Instant) -> io::Result<()> {
            // Most wake-ups have another cause, and do not change what the loop waits for.
            if self.set_to != Some(at) {
                self.set(clock.until(at))?;
                self.set_to = Some(at);
            }
            self.file.readable().await?;
            self.set_to = None;
            match self.file.try_read(&mut [0; size_of::<u64>()]) {
                // It became readable for an earlier instant, before it was set again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                read => read.map(|_| ()),
            }
        }

        fn set(&self, wait: Duration) -> io::Result<()> {
            // Zero would disarm the timer.
            let wait = wait.max(Duration::from_nanos(1));
            let once = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec::try_from(wait).map_err(io::Error::other)?,
            };
            timerfd_settime(&self.file, TimerfdTimerFlags::empty(), &once)?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::Nanos;
    use std::time::Duration;

    /// Waits until `at`, also if a wait returns earlier, and returns the instant at which the wait was over.
    async fn waited(timer: &mut Timer, clock: Clock, at: Instant) -> Instant {
        while clock.now() < at {
            timer.wait(at).await;
        }
        clock.now()
    }

    #[tokio::test]
    async fn a_wait_ends_after_earlier_waits_were_dropped_or_over() {
        let clock = Clock::start();
        let mut timer = Timer::new(clock);
        let in_micros = |micros: u64| clock.now() + Nanos(micros * 1_000);
        let dropped =
            tokio::time::timeout(Duration::from_millis(2), timer.wait(in_micros(3_600_000_000))).await;
        assert!(dropped.is_err(), "an hour has not passed");
        for micros in [300, 0, 200, 1_500] {
            let at = in_micros(micros);
            assert!(waited(&mut timer, clock, at).await >= at);
        }
        // An instant that has passed does not disarm the timer.
        timer.wait(Instant::ZERO).await;
    }
}
