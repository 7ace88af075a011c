//! Bounds how many hashes are computed at a time and how much memory they take together.

use std::sync::{Condvar, Mutex, PoisonError};

/// A counting gate over computations and memory. Hashing is work an attacker can ask for: without a bound, a burst of
/// log-ins takes the memory of the whole machine (CWE-400, CWE-770).
#[derive(Debug)]
pub struct Gate {
    max_running: usize,
    max_memory_kib: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    memory_kib: u64,
    most_running: usize,
}

/// A place in the gate, given back when dropped.
pub(super) struct Turn<'g> {
    gate: &'g Gate,
    memory_kib: u64,
}

impl Gate {
    /// At most `max_running` computations and `max_memory_kib` KiB at a time.
    #[must_use]
    pub fn new(max_running: usize, max_memory_kib: u64) -> Self {
        Self {
            max_running: max_running.max(1),
            max_memory_kib,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Waits until there is room. A computation that needs more than the whole allowance runs alone.
    pub(super) fn enter(&self, memory_kib: u64) -> Turn<'_> {
        let full = |s: &mut State| {
            s.running >= self.max_running
                || s.running > 0 && s.memory_kib + memory_kib > self.max_memory_kib
        };
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .changed
            .wait_while(state, full)
            .unwrap_or_else(PoisonError::into_inner);
        state.running += 1;
        state.memory_kib += memory_kib;
        state.most_running = state.most_running.max(state.running);
        Turn {
            gate: self,
            memory_kib,
        }
    }

    /// The most computations that have run at a time so far.
    #[must_use]
    pub fn most_running(&self) -> usize {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .most_running
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self
            .gate
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.running -= 1;
        state.memory_kib -= self.memory_kib;
        self.gate.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_a_large_one_runs_alone() {
        let gate = Gate::new(3, 100);
        let peak_memory = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            for i in 0..16u64 {
                let (gate, peak) = (&gate, &peak_memory);
                scope.spawn(move || {
                    let _turn = gate.enter(if i == 0 { 500 } else { 40 });
                    let now = gate.state.lock().unwrap().memory_kib;
                    if now != 500 {
                        peak.fetch_max(now, std::sync::atomic::Ordering::Relaxed);
                    }
                    std::thread::sleep(std::time::Duration::from_millis(2));
                });
            }
        });
        assert!(peak_memory.into_inner() <= 100);
        assert!(gate.most_running() <= 3);
    }
}
