//! Bounds how many hashes are computed at a time and how much memory they take together.

use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

/// A counting gate over computations and memory. Hashing is work an attacker can ask for: without a bound, a burst of
/// log-ins takes the memory of the whole machine (CWE-400, CWE-770).
#[derive(Debug)]
pub struct Gate {
    max_running: usize,
    max_memory_kib: u64,
    counts: Counts,
}

/// What one process counts. A fork copies the turns, perhaps the lock, of threads that the child does not have: a process
/// never waits on counts of another one.
#[derive(Debug)]
struct Counts {
    process: u32,
    state: Mutex<State>,
    changed: Condvar,
    of_child: OnceLock<Box<Counts>>,
}

impl Counts {
    fn new() -> Self {
        Self {
            process: std::process::id(),
            state: Mutex::default(),
            changed: Condvar::new(),
            of_child: OnceLock::new(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    memory_kib: u64,
    most_running: usize,
    /// Number of the next who comes, and of the next whose turn it is.
    next: u64,
    serving: u64,
}

/// A place in the gate, given back when dropped.
pub(super) struct Turn<'g> {
    counts: &'g Counts,
    memory_kib: u64,
}

impl Gate {
    /// At most `max_running` computations and `max_memory_kib` KiB at a time.
    #[must_use]
    pub fn new(max_running: usize, max_memory_kib: u64) -> Self {
        Self {
            max_running: max_running.max(1),
            max_memory_kib,
            counts: Counts::new(),
        }
    }

    fn counts(&self) -> &Counts {
        let mut counts = &self.counts;
        while counts.process != std::process::id() {
            counts = counts.of_child.get_or_init(|| Box::new(Counts::new()));
        }
        counts
    }

    /// Most memory of one computation, in KiB.
    pub(super) fn max_memory_kib(&self) -> u64 {
        self.max_memory_kib
    }

    /// Waits until there is room, in the order of coming: small computations do not keep a large one waiting for ever.
    /// Who needs more than the whole allowance is turned away before.
    pub(super) fn enter(&self, memory_kib: u64) -> Turn<'_> {
        let counts = self.counts();
        let mut state = counts.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = state.next;
        state.next += 1;
        let mut state = counts
            .changed
            .wait_while(state, |s| {
                s.serving != ticket
                    || s.running >= self.max_running
                    || s.memory_kib.saturating_add(memory_kib) > self.max_memory_kib
                        && s.running > 0
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.serving += 1;
        state.running += 1;
        state.memory_kib += memory_kib;
        state.most_running = state.most_running.max(state.running);
        drop(state);
        // There may be room for the next one, too.
        counts.changed.notify_all();
        Turn { counts, memory_kib }
    }

    /// The most computations that have run at a time so far.
    #[must_use]
    pub fn most_running(&self) -> usize {
        let state = &self.counts().state;
        state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .most_running
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let counts = self.counts;
        let mut state = counts.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running -= 1;
        state.memory_kib -= self.memory_kib;
        counts.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_in_order() {
        let gate = Gate::new(3, 100);
        let peak_memory = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            for i in 0..16u64 {
                let (gate, peak) = (&gate, &peak_memory);
                scope.spawn(move || {
                    let _turn = gate.enter(if i == 0 { 100 } else { 40 });
                    let now = gate.counts.state.lock().unwrap().memory_kib;
                    peak.fetch_max(now, std::sync::atomic::Ordering::Relaxed);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                });
            }
        });
        assert!(peak_memory.into_inner() <= 100);
        assert!(gate.most_running() <= 3);
    }

    #[test]
    fn a_fork_does_not_wait_for_threads_it_has_not() {
        let mut gate = Gate::new(1, 100);
        std::mem::forget(gate.enter(100));
        gate.counts.process = 0;
        drop(gate.enter(100));
        drop(gate.enter(100));
        assert_eq!(gate.most_running(), 1);
    }

    #[test]
    fn a_large_one_gets_its_turn() {
        let gate = Gate::new(2, 100);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        let _turn = gate.enter(40);
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            for _ in 0..20 {
                drop(gate.enter(100));
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
