//! Token bucket and sliding window over a bounded table of keys.

use std::sync::Mutex;

use super::table::Table;
use super::{KeyHasher, lock};
use crate::{Error, Result};

/// Parts into which a sliding window is cut. More parts, later refusals; never a request over the limit.
pub const SEGMENTS: u64 = 16;

const SHARDS: usize = 16;

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Bursts up to `capacity`, refilled evenly with `capacity` per `period` milliseconds.
    Bucket {
        /// Largest burst.
        capacity: u32,
        /// Milliseconds that refill an empty bucket.
        period: u64,
    },
    /// At most `limit` in any `period` milliseconds. Counted in [`SEGMENTS`] parts, each forgotten only when all of it
    /// is older than the period: no interval ever sees more than `limit`; room comes back up to a part late.
    Window {
        /// Most requests in a period.
        limit: u32,
        /// Milliseconds of the period.
        period: u64,
    },
}

impl Rule {
    /// A token bucket.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a zero capacity or period.
    pub fn bucket(capacity: u32, period: u64) -> Result<Self> {
        valid(capacity, period)?;
        Ok(Self::Bucket { capacity, period })
    }

    /// A sliding window.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a zero limit or period.
    pub fn window(limit: u32, period: u64) -> Result<Self> {
        valid(limit, period)?;
        Ok(Self::Window { limit, period })
    }
}

fn valid(limit: u32, period: u64) -> Result<()> {
    // A year: enough for any limit, small enough that no sum below overflows.
    if limit == 0 || period == 0 || period > 366 * 86_400_000 {
        return Err(Error::InvalidInput(
            "a limit needs at least one request and a period of 1 ms to 366 days".into(),
        ));
    }
    Ok(())
}

/// The answer to one check.
#[must_use = "the request may go on only when `allowed` says so"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// What is left right now.
    pub remaining: u32,
    /// Milliseconds after which the same request would be allowed; 0 when it was. `u64::MAX` for one that never will.
    pub retry_after: u64,
    /// Milliseconds after which everything is available again.
    pub reset_after: u64,
}

#[derive(Debug, Clone)]
enum State {
    /// Fill level in units of 1/period of a token, and when it was computed.
    Bucket { level: u128, at: u64 },
    /// Counts by segment number, oldest first.
    Window { counts: Vec<(u64, u32)> },
}

impl State {
    /// The moment at which the state says nothing any more.
    fn idle_at(&self, rule: Rule) -> u64 {
        match (self, rule) {
            (Self::Bucket { level, at }, Rule::Bucket { capacity, period }) => {
                let full = u128::from(capacity) * u128::from(period);
                at.saturating_add(
                    u64::try_from((full - level.min(&full)).div_ceil(u128::from(capacity)))
                        .unwrap_or(u64::MAX),
                )
            }
            (Self::Window { counts }, Rule::Window { period, .. }) => counts
                .last()
                .map_or(0, |(segment, _)| forgotten_at(*segment, period)),
            _ => 0,
        }
    }

    /// How much would be given away by forgetting the state: nothing at rest, then the less the less is used up.
    fn weight(&self, rule: Rule, now: u64) -> (bool, u32, u64) {
        let idle_at = self.idle_at(rule);
        let used = match (self, rule) {
            (Self::Window { counts }, Rule::Window { period, .. }) => counts
                .iter()
                .filter(|(segment, _)| forgotten_at(*segment, period) > now)
                .fold(0, |sum: u32, (_, count)| sum.saturating_add(*count)),
            // A bucket comes to rest the later the emptier it is.
            _ => 0,
        };
        (idle_at > now, used, idle_at)
    }

    fn check(&mut self, rule: Rule, cost: u32, now: u64) -> Decision {
        match (self, rule) {
            (Self::Bucket { level, at }, Rule::Bucket { capacity, period }) => {
                let (full, unit, rate) = (
                    u128::from(capacity) * u128::from(period),
                    u128::from(period),
                    u128::from(capacity),
                );
                *level = full.min(*level + u128::from(now.saturating_sub(*at)) * rate);
                *at = now.max(*at);
                let price = u128::from(cost) * unit;
                let allowed = *level >= price;
                if allowed {
                    *level -= price;
                }
                let wait =
                    |missing: u128| u64::try_from(missing.div_ceil(rate)).unwrap_or(u64::MAX);
                Decision {
                    allowed,
                    remaining: u32::try_from(*level / unit).unwrap_or(u32::MAX),
                    retry_after: if allowed {
                        0
                    } else if price > full {
                        u64::MAX
                    } else {
                        wait(price - *level)
                    },
                    reset_after: wait(full - *level),
                }
            }
            (Self::Window { counts }, Rule::Window { limit, period }) => {
                let segment = segment_of(now, period);
                counts.retain(|(old, _)| forgotten_at(*old, period) > now);
                let used: u32 = counts
                    .iter()
                    .fold(0, |sum, (_, count)| sum.saturating_add(*count));
                let allowed = used.checked_add(cost).is_some_and(|sum| sum <= limit);
                let mut left = limit.saturating_sub(used);
                if allowed && cost > 0 {
                    left -= cost;
                    match counts.last_mut() {
                        // A clock that stepped back keeps counting in the newest part.
                        Some((last, count)) if *last >= segment => *count += cost,
                        _ => counts.push((segment, cost)),
                    }
                }
                let mut retry_after = 0;
                if !allowed {
                    let mut free = left;
                    retry_after = u64::MAX;
                    for (old, count) in counts.iter() {
                        free += count;
                        if free >= cost {
                            retry_after = forgotten_at(*old, period).saturating_sub(now);
                            break;
                        }
                    }
                }
                let reset_after = counts.last().map_or(0, |(last, _)| {
                    forgotten_at(*last, period).saturating_sub(now)
                });
                Decision {
                    allowed,
                    remaining: left,
                    retry_after,
                    reset_after,
                }
            }
            _ => Decision {
                allowed: false,
                remaining: 0,
                retry_after: u64::MAX,
                reset_after: u64::MAX,
            },
        }
    }
}

/// Parts are `ceil(period / SEGMENTS)` long.
fn segment_of(now: u64, period: u64) -> u64 {
    now / period.div_ceil(SEGMENTS)
}

/// A request at the very end of the segment is a period old then.
fn forgotten_at(segment: u64, period: u64) -> u64 {
    (segment + 1)
        .saturating_mul(period.div_ceil(SEGMENTS))
        .saturating_add(period)
}

/// One rule over many keys, safe to share between threads.
pub struct Limiter {
    rule: Rule,
    hasher: KeyHasher,
    shards: Vec<Mutex<Table<State>>>,
    per_shard: usize,
}

impl Limiter {
    /// A limiter that remembers at most `max_keys` keys. When it is full it forgets keys at rest first, then the one
    /// among a sample that has used up least: a flood of new keys does not free a key that is at its limit.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when `max_keys` is 0.
    pub fn new(rule: Rule, max_keys: usize) -> Result<Self> {
        if max_keys == 0 {
            return Err(Error::InvalidInput(
                "a limiter needs room for at least one key".into(),
            ));
        }
        Ok(Self {
            rule,
            hasher: KeyHasher::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            per_shard: max_keys.div_ceil(SHARDS),
        })
    }

    /// The rule of this limiter.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }

    fn fresh(&self, now: u64) -> State {
        match self.rule {
            Rule::Bucket { capacity, period } => State::Bucket {
                level: u128::from(capacity) * u128::from(period),
                at: now,
            },
            Rule::Window { .. } => State::Window { counts: Vec::new() },
        }
    }

    /// Takes `cost` from the key's allowance if there is that much; a refused request costs nothing. A cost of 0 looks only.
    pub fn check(&self, key: &[u8], cost: u32, now: u64) -> Decision {
        let hash = self.hasher.hash(key);
        let mut shard = lock(&self.shards[(hash as usize) % SHARDS]);
        if let Some(state) = shard.get_mut(hash) {
            return state.check(self.rule, cost, now);
        }
        let mut state = self.fresh(now);
        let decision = state.check(self.rule, cost, now);
        if cost > 0 && decision.allowed {
            if shard.len() >= self.per_shard {
                shard.give_up(|state| state.weight(self.rule, now));
            }
            shard.entry(hash, || state);
        }
        decision
    }

    /// Forgets a key.
    pub fn reset(&self, key: &[u8]) {
        let hash = self.hasher.hash(key);
        lock(&self.shards[(hash as usize) % SHARDS]).remove(hash);
    }

    /// Forgets every key at rest and says how many are left.
    #[allow(
        clippy::must_use_candidate,
        reason = "the count is for whom it may concern"
    )]
    pub fn purge(&self, now: u64) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                let mut shard = lock(shard);
                shard.retain(|state| state.idle_at(self.rule) > now);
                shard.len()
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bucket_bursts_and_refills_evenly() {
        let limiter = Limiter::new(Rule::bucket(4, 1000).unwrap(), 100).unwrap();
        for left in [3, 2, 1, 0] {
            let decision = limiter.check(b"k", 1, 0);
            assert!(decision.allowed);
            assert_eq!(decision.remaining, left);
        }
        let refused = limiter.check(b"k", 1, 0);
        assert_eq!(
            (refused.allowed, refused.retry_after, refused.reset_after),
            (false, 250, 1000)
        );
        assert!(!limiter.check(b"k", 1, 249).allowed);
        assert!(limiter.check(b"k", 1, 250).allowed);
        assert!(limiter.check(b"other", 4, 250).allowed);
        assert_eq!(limiter.check(b"k", 5, 100_000).retry_after, u64::MAX);
    }

    #[test]
    fn a_reset_key_starts_afresh_and_rest_is_purged() {
        let limiter = Limiter::new(Rule::window(1, 1600).unwrap(), 100).unwrap();
        assert!(limiter.check(b"k", 1, 0).allowed);
        assert!(!limiter.check(b"k", 1, 1).allowed);
        limiter.reset(b"k");
        assert!(limiter.check(b"k", 1, 2).allowed);
        assert_eq!(limiter.purge(1699), 1);
        assert_eq!(limiter.purge(1700), 0);
    }

    #[test]
    fn a_flood_of_keys_does_not_free_a_key_at_its_limit() {
        let limiter = Limiter::new(Rule::window(3, 60_000).unwrap(), 160).unwrap();
        for now in 0..3 {
            assert!(limiter.check(b"victim", 1, 10_000 + now).allowed);
        }
        // Before and after: when a key comes to rest does not matter, how much it has used does.
        for n in 0..5000u32 {
            let _ = limiter.check(&n.to_be_bytes(), 1, 9_000 + u64::from(n));
        }
        assert!(!limiter.check(b"victim", 1, 14_010).allowed);
        assert!(limiter.purge(0) <= 160);
    }

    proptest! {
        #[test]
        fn no_interval_sees_more_than_the_window_allows(limit in 1u32..9, period in 1u64..500, steps in proptest::collection::vec(0u64..60, 1..200)) {
            let limiter = Limiter::new(Rule::window(limit, period).unwrap(), 10).unwrap();
            let (mut now, mut admitted) = (0, Vec::new());
            for step in steps {
                now += step;
                let decision = limiter.check(b"k", 1, now);
                if decision.allowed {
                    admitted.push(now);
                } else {
                    prop_assert!(decision.retry_after > 0);
                    prop_assert!(limiter.check(b"k", 0, now + decision.retry_after).remaining > 0);
                    now += decision.retry_after;
                }
            }
            for (index, start) in admitted.iter().enumerate() {
                let inside = admitted[index..].iter().take_while(|time| **time < start + period).count();
                prop_assert!(inside <= limit as usize);
            }
        }

        #[test]
        fn a_bucket_never_gives_more_than_burst_and_rate(capacity in 1u32..9, period in 1u64..500, steps in proptest::collection::vec(0u64..60, 1..200)) {
            let limiter = Limiter::new(Rule::bucket(capacity, period).unwrap(), 10).unwrap();
            let (mut now, mut admitted) = (0u64, 0u128);
            for step in steps {
                now += step;
                let decision = limiter.check(b"k", 1, now);
                admitted += u128::from(decision.allowed);
                if !decision.allowed {
                    prop_assert!(!limiter.check(b"k", 1, now + decision.retry_after - 1).allowed || decision.retry_after == 0);
                }
                prop_assert!(admitted * u128::from(period) <= u128::from(capacity) * u128::from(period + now));
            }
        }
    }
}
