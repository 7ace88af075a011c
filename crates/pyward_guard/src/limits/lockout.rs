//! Progressive lock-out after failed attempts, by account, by client and by both.

use std::sync::Mutex;

use super::table::Table;
use super::{KeyHasher, lock};
use crate::{Error, Result};

/// When attempts are locked out, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LockoutRule {
    /// Failures on one account that are free.
    pub account: u32,
    /// Failures from one client, over all accounts, that are free.
    pub client: u32,
    /// Milliseconds of the first lock; each further failure doubles it.
    pub first: u64,
    /// Longest lock in milliseconds.
    pub longest: u64,
    /// Milliseconds without a failure after which all is forgotten.
    pub forget: u64,
    /// Milliseconds for which a client that signed in to an account stays known there. A known client is not held up
    /// by the failures of others on the account, so an attacker cannot lock the owner out.
    pub known: u64,
}

impl Default for LockoutRule {
    /// 5 free failures by account and 20 by client, then 30 s doubling to 1 h; forgotten after a day, known for 90 days.
    fn default() -> Self {
        Self {
            account: 5,
            client: 20,
            first: 30_000,
            longest: 3_600_000,
            forget: 86_400_000,
            known: 90 * 86_400_000,
        }
    }
}

impl LockoutRule {
    /// The lock that follows failure number `failures`, given that `free` were free.
    #[must_use]
    pub fn delay(&self, failures: u32, free: u32) -> u64 {
        if failures < free {
            return 0;
        }
        let doublings = (failures - free).min(40);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// What an attempt was held up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Too many failures on the account.
    Account,
    /// Too many failures from the client.
    Client,
}

/// The attempt may not go on yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked {
    /// Milliseconds to wait.
    pub retry_after: u64,
    /// Why.
    pub scope: Scope,
}

/// A permitted attempt, already counted as a failure until [`Lockout::succeeded`] takes it back.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    account: u128,
    client: u128,
    pair: u128,
    /// Failures so far on the account, this attempt included.
    pub failures: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    failures: u32,
    last: u64,
    until: u64,
}

#[derive(Default)]
struct State {
    counts: Table<Count>,
    known: Table<u64>,
}

/// Lock-out state in memory. An attempt counts as failed from the start, so parallel guesses gain nothing.
pub struct Lockout {
    rule: LockoutRule,
    hasher: KeyHasher,
    table: Mutex<State>,
    max_keys: usize,
}

impl Lockout {
    /// A lock-out that remembers at most `max_keys` accounts and clients.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a rule without free failures, without a first lock, or with `longest` below `first`.
    pub fn new(rule: LockoutRule, max_keys: usize) -> Result<Self> {
        if rule.account == 0
            || rule.client == 0
            || rule.first == 0
            || rule.longest < rule.first
            || rule.forget < rule.longest
            || max_keys < 4
        {
            return Err(Error::InvalidInput(
                "a lock-out needs free failures, a first lock, first <= longest <= forget, and room for some keys".into(),
            ));
        }
        Ok(Self {
            rule,
            hasher: KeyHasher::new(),
            table: Mutex::default(),
            max_keys,
        })
    }

    fn keys(&self, account: &[u8], client: &[u8]) -> (u128, u128, u128) {
        let tagged = |tag: u8, parts: [&[u8]; 2]| {
            let mut key = Vec::with_capacity(16 + parts[0].len() + parts[1].len());
            key.push(tag);
            key.extend((parts[0].len() as u64).to_be_bytes());
            key.extend(parts[0]);
            key.extend(parts[1]);
            self.hasher.hash(&key)
        };
        (
            tagged(1, [account, b""]),
            tagged(2, [client, b""]),
            tagged(3, [account, client]),
        )
    }

    /// Begins an attempt on `account` from `client`.
    ///
    /// # Errors
    /// [`Locked`] when one of them is locked out; nothing is counted then.
    pub fn begin(
        &self,
        account: &[u8],
        client: &[u8],
        now: u64,
    ) -> std::result::Result<Attempt, Locked> {
        let (account, client, pair) = self.keys(account, client);
        let mut table = lock(&self.table);
        let known = table.known.get(pair).is_some_and(|until| *until > now);
        let target = if known { pair } else { account };
        for (key, scope) in [(client, Scope::Client), (target, Scope::Account)] {
            if let Some(count) = table.counts.get(key)
                && count.until > now
            {
                return Err(Locked {
                    retry_after: count.until - now,
                    scope,
                });
            }
        }
        while table.counts.len() + 2 > self.max_keys {
            // What is forgotten goes first, then the least telling: a flood of new names does not lift an earned lock.
            table.counts.give_up(|count| {
                let lives = now.saturating_sub(count.last) < self.rule.forget;
                (lives, count.until.max(now), count.failures, count.last)
            });
        }
        self.fail(&mut table, client, self.rule.client, now);
        let failures = self.fail(&mut table, target, self.rule.account, now);
        Ok(Attempt {
            account,
            client,
            pair,
            failures,
        })
    }

    fn fail(&self, table: &mut State, key: u128, free: u32, now: u64) -> u32 {
        let count = table.counts.entry(key, Count::default);
        if now.saturating_sub(count.last) >= self.rule.forget {
            *count = Count::default();
        }
        count.failures = count.failures.saturating_add(1);
        count.last = now;
        count.until = match self.rule.delay(count.failures, free) {
            0 => 0,
            delay => now.saturating_add(delay),
        };
        count.failures
    }

    /// Takes the attempt's failure back: the account starts afresh, the client gets its one failure back and is known from now on.
    pub fn succeeded(&self, attempt: Attempt, now: u64) {
        let mut table = lock(&self.table);
        table.counts.remove(attempt.account);
        table.counts.remove(attempt.pair);
        if let Some(count) = table.counts.get_mut(attempt.client) {
            count.failures = count.failures.saturating_sub(1);
            if count.failures == 0 {
                table.counts.remove(attempt.client);
            } else if count.failures < self.rule.client {
                count.until = 0;
            }
        }
        if self.rule.known > 0 {
            if table.known.len() >= self.max_keys {
                table.known.give_up(|until| *until);
            }
            *table.known.entry(attempt.pair, || 0) = now.saturating_add(self.rule.known);
        }
    }

    /// Lifts every lock on an account (an administrator's unlock, a completed reset).
    pub fn unlock(&self, account: &[u8]) {
        let (account, ..) = self.keys(account, b"");
        lock(&self.table).counts.remove(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lockout() -> Lockout {
        Lockout::new(
            LockoutRule {
                account: 3,
                client: 5,
                first: 100,
                longest: 400,
                forget: 10_000,
                known: 50_000,
            },
            1000,
        )
        .unwrap()
    }

    #[test]
    fn locks_grow_and_are_bounded() {
        let lockout = lockout();
        for _ in 0..3 {
            lockout.begin(b"ada", b"c1", 0).unwrap();
        }
        let mut now = 0;
        for expected in [100, 200, 400] {
            let locked = lockout.begin(b"ada", b"c2", now).unwrap_err();
            assert_eq!(
                (locked.retry_after, locked.scope),
                (expected, Scope::Account)
            );
            assert!(lockout.begin(b"ada", b"c2", now + expected - 1).is_err());
            now += expected;
            lockout.begin(b"ada", b"c2", now).unwrap();
        }
        assert_eq!(
            lockout.begin(b"ada", b"c2", now).unwrap_err().retry_after,
            400
        );
        lockout.unlock(b"ada");
        assert!(lockout.begin(b"ada", b"c9", now).is_ok());
    }

    #[test]
    fn one_client_on_many_accounts_is_locked() {
        let lockout = lockout();
        for n in 0..5u8 {
            lockout.begin(&[n], b"sprayer", 0).unwrap();
        }
        assert_eq!(
            lockout.begin(b"next", b"sprayer", 0).unwrap_err().scope,
            Scope::Client
        );
        assert!(lockout.begin(b"next", b"someone else", 0).is_ok());
    }

    #[test]
    fn a_sprayer_with_an_own_account_wins_nothing() {
        let lockout = lockout();
        for n in 0..4u8 {
            lockout.begin(&[n], b"sprayer", 0).unwrap();
            let own = lockout.begin(b"own", b"sprayer", 0);
            if let Ok(attempt) = own {
                lockout.succeeded(attempt, 0);
            }
        }
        lockout.begin(b"x", b"sprayer", 0).unwrap();
        assert!(lockout.begin(b"y", b"sprayer", 0).is_err());
    }

    #[test]
    fn the_owner_on_a_known_client_is_not_held_up_by_others() {
        let lockout = lockout();
        let attempt = lockout.begin(b"ada", b"laptop", 0).unwrap();
        lockout.succeeded(attempt, 0);
        for _ in 0..3 {
            lockout.begin(b"ada", b"attacker", 1).unwrap();
        }
        assert!(lockout.begin(b"ada", b"attacker", 1).is_err());
        let attempt = lockout.begin(b"ada", b"laptop", 1).unwrap();
        lockout.succeeded(attempt, 1);
        // A thief of the known client still has the free failures only.
        for _ in 0..3 {
            lockout.begin(b"ada", b"laptop", 2).unwrap();
        }
        assert!(lockout.begin(b"ada", b"laptop", 2).is_err());
    }

    #[test]
    fn failures_are_forgotten_in_time() {
        let lockout = lockout();
        for _ in 0..2 {
            lockout.begin(b"ada", b"c", 0).unwrap();
        }
        assert_eq!(lockout.begin(b"ada", b"c", 10_000).unwrap().failures, 1);
    }

    #[test]
    fn parallel_guesses_gain_nothing() {
        let lockout = lockout();
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n: u8| {
                    let lockout = &lockout;
                    scope.spawn(move || {
                        (0..50)
                            .filter(|_| lockout.begin(b"ada", &[n], 5).is_ok())
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(admitted, 3);
    }

    #[test]
    fn a_flood_does_not_lift_a_lock() {
        let lockout = Lockout::new(
            LockoutRule {
                account: 3,
                client: 1000,
                first: 100_000,
                longest: 400_000,
                forget: 1_000_000,
                known: 0,
            },
            100,
        )
        .unwrap();
        for _ in 0..3 {
            lockout.begin(b"ada", b"c", 0).unwrap();
        }
        for n in 0..2000u32 {
            let _ = lockout.begin(&n.to_be_bytes(), &n.to_le_bytes(), 1);
        }
        assert!(lockout.begin(b"ada", b"z", 2).is_err());
    }
}
