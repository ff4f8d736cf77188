//! One stop signal for all threads: every wait ends at once when it is given.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result};
use crate::machine;
use crate::sync::Locked;

/// Signals within this time are one: `timeout` sends SIGTERM to its child and then to its whole group.
pub const ONE_SIGNAL: Duration = Duration::from_millis(500);

/// Ends the program, whose outputs are closed. Threads of libraries may still run, such as one that answers a viewer: what
/// OpenSSL does at the end of a process would take away what it stands on.
pub fn leave(code: u8) -> ! {
    let _ = std::io::stdout().flush();
    machine::leave(code)
}

/// A stop signal that can be shared, given once and waited for.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    /// A signal that Ctrl-C or SIGTERM gives from now on. A second Ctrl-C ends the process at once.
    pub fn on_signals() -> Result<Self> {
        let failed = |error: std::io::Error| Error::usage(format!("signals: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let listen = || Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?));
        let (mut interrupt, mut terminate) = {
            let _context = runtime.enter();
            listen().map_err(failed)?
        };
        let this = Self::default();
        let given = this.clone();
        let wait = async move {
            let mut first = None;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if first.get_or_insert_with(Instant::now).elapsed() < ONE_SIGNAL {
                    given.give();
                    continue;
                }
                leave(Error::Interrupted(String::new()).exit_code());
            }
        };
        let spawned = std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(wait));
        spawned.map(|_| this).map_err(failed)
    }

    pub fn give(&self) {
        *self.shared.0.locked() = true;
        self.shared.1.notify_all();
    }

    pub fn is_given(&self) -> bool {
        *self.shared.0.locked()
    }

    /// Sleeps for `time`, or less if the signal is given; true if it was.
    pub fn sleep(&self, time: Duration) -> bool {
        let given = self.shared.0.locked();
        let waited = self.shared.1.wait_timeout_while(given, time, |given| !*given);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
