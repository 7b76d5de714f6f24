//! What the client's cache does to the ceiling: a hit needs nothing of any limit.
//!
//! How many hits to expect is Che's approximation (H. Che, Y. Tung and Z. Wang, "Hierarchical Web caching
//! systems", IEEE JSAC 20(7), 2002): an entry of a cache that drops the least recently used lives for a
//! characteristic time after its last use, the same for all, namely the time in which the cache is filled
//! once by distinct prompts. To that comes the time to live, counted from the store. A prompt asked at rate λ that
//! is stored at 0 answers the expected number of hits
//!
//! ```text
//!  N = ∫₀^ttl λ · P(no gap was longer than C until t) dt,      and of 1 + N requests N are hits
//! ```
//!
//! where the probability is 1 until C and falls from there at the one rate that gives e^(λC) − 1 hits in
//! all where the time to live is endless, which is exact for C alone. Rates are means over the run: the
//! shape of the day is left out, and so is the time that an answer takes to come. More load means more
//! hits, so the ceiling is the fixed point of the two.

use super::{Class, caps, spread};
use crate::scenario::{Arrivals, Cache, Scenario, Workload};

/// The ceiling with the cache counted in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cached {
    /// The share of jobs that the cache answers at that load.
    pub hit_share: f64,
    /// The most jobs per minute, hits included.
    pub jobs_per_min: f64,
    /// The same as a multiple of the offered load.
    pub multiple: f64,
}

/// Rounds of the fixed point; it converges geometrically.
const ROUNDS: usize = 60;
/// Ranks told apart one by one; behind them, blocks of ranks count as so many of their middle.
const RANKS: u32 = 256;

/// Prompts that are asked equally often.
#[derive(Clone, Copy, Debug)]
struct Prompts {
    count: f64,
    /// Requests per second for each.
    rate: f64,
}

/// The ceiling of `scenario` with its cache; `None` where it has none, nothing is repeated, or nothing limits.
pub(super) fn of(scenario: &Scenario) -> Option<Cached> {
    let cache = scenario.client.cache?;
    let (workloads, classes): (Vec<&Workload>, Vec<Class>) = scenario
        .workloads
        .iter()
        .filter_map(|workload| Some((workload, Class::of(scenario, workload)?)))
        .unzip();
    if workloads.iter().all(|workload| repeated(workload) == 0.0) {
        return None;
    }
    let caps = caps(scenario);
    let offered: f64 = classes.iter().map(|class| class.rate).sum();
    let (mut multiple, _) = spread::tightest(&classes, &caps);
    let mut hits = vec![0.0; classes.len()];
    for _ in 0..ROUNDS {
        if !multiple.is_finite() {
            return None;
        }
        hits = hit_shares(&workloads, &classes, cache, multiple);
        let missing: Vec<Class> = classes
            .iter()
            .zip(&hits)
            .map(|(class, hit)| Class {
                rate: class.rate * (1.0 - hit),
                targets: class.targets.clone(),
                sizes: class.sizes.clone(),
            })
            .collect();
        let next = spread::tightest(&missing, &caps).0;
        let settled = (next - multiple).abs() <= 1e-9 * multiple;
        multiple = next;
        if settled {
            break;
        }
    }
    let hit: f64 = classes.iter().zip(&hits).map(|(class, hit)| class.rate * hit).sum();
    Some(Cached { hit_share: hit / offered, jobs_per_min: multiple * offered * 60.0, multiple })
}

/// The share of a workload's jobs that ask for a popular prompt.
fn repeated(workload: &Workload) -> f64 {
    let traced = matches!(workload.arrivals, Arrivals::Trace { .. });
    workload.repeats.filter(|_| !traced).map_or(0.0, |repeats| repeats.share)
}

/// The share of hits of each workload at `multiple` times its rate.
fn hit_shares(workloads: &[&Workload], classes: &[Class], cache: Cache, multiple: f64) -> Vec<f64> {
    let rates: Vec<f64> = classes.iter().map(|class| class.rate * multiple).collect();
    let popular: Vec<Vec<Prompts>> =
        workloads.iter().zip(&rates).map(|(workload, rate)| self::popular(workload, *rate)).collect();
    let once: f64 =
        workloads.iter().zip(&rates).map(|(workload, rate)| rate * (1.0 - repeated(workload))).sum();
    let kept = characteristic_time(popular.iter().flatten(), once, f64::from(cache.entries));
    let ttl = cache.ttl.as_secs_f64();
    let share = |(prompts, rate): (&Vec<Prompts>, &f64)| {
        let hits: f64 = prompts
            .iter()
            .map(|prompt| {
                let answered = hits(prompt.rate, kept, ttl);
                prompt.count * prompt.rate * answered / (1.0 + answered)
            })
            .sum();
        if *rate > 0.0 { (hits / rate).clamp(0.0, 1.0) } else { 0.0 }
    };
    popular.iter().zip(&rates).map(share).collect()
}

/// The popular prompts of a workload by Zipf's law, the far ones in blocks.
fn popular(workload: &Workload, rate: f64) -> Vec<Prompts> {
    let Some(repeats) = workload.repeats.filter(|_| repeated(workload) > 0.0) else { return Vec::new() };
    let mut blocks = Vec::new();
    let mut first = 1u32;
    while first <= repeats.of {
        let width = if first <= RANKS { 1 } else { first / 64 };
        let last = first.saturating_add(width - 1).min(repeats.of);
        let middle = f64::midpoint(f64::from(first), f64::from(last));
        let weight = libm::exp(-repeats.zipf * libm::log(middle));
        blocks.push(Prompts { count: f64::from(last - first) + 1.0, rate: weight });
        let Some(next) = last.checked_add(1) else { break };
        first = next;
    }
    let total: f64 = blocks.iter().map(|block| block.count * block.rate).sum();
    blocks.iter_mut().for_each(|block| block.rate *= rate * repeats.share / total);
    blocks
}

/// The time in which `entries` distinct prompts are asked, `once` of them per second never again; endless
/// where there are not so many.
fn characteristic_time<'p>(
    popular: impl Iterator<Item = &'p Prompts> + Clone,
    once: f64,
    entries: f64,
) -> f64 {
    let distinct = |time: f64| {
        let popular: f64 = popular.clone().map(|p| -p.count * libm::expm1(-p.rate * time)).sum();
        popular + once * time
    };
    // A year is as good as for ever; from there, halving.
    let (mut low, mut high) = (0.0, 366.0 * 86_400.0);
    if distinct(high) <= entries {
        return f64::INFINITY;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if distinct(middle) < entries { low = middle } else { high = middle }
    }
    low
}

/// The expected hits of one store, for a prompt asked `rate` times a second.
fn hits(rate: f64, kept: f64, ttl: f64) -> f64 {
    if ttl <= kept {
        return rate * ttl;
    }
    // The mean number of further hits once the first C is over, were the time to live endless.
    let further = libm::expm1(rate * kept) - rate * kept;
    let beyond = if further > 0.0 { -further * libm::expm1(-rate * (ttl - kept) / further) } else { 0.0 };
    rate * kept + if beyond.is_finite() { beyond } else { rate * (ttl - kept) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::Stream;
    use provider::dist::Dist;

    /// One prompt, asked at rate 1: stored, hit and dropped as the cache does it.
    fn measured(kept: f64, ttl: f64) -> f64 {
        let mut gaps = Stream::new(3, "gaps", 0);
        let (mut hits, mut now, mut stored) = (0u32, 0.0, f64::NEG_INFINITY);
        let requests = 400_000;
        for _ in 0..requests {
            let gap = Dist::Exponential(1.0).sample(&mut gaps);
            now += gap;
            if gap < kept && now - stored < ttl {
                hits += 1;
            } else {
                stored = now;
            }
        }
        f64::from(hits) / f64::from(requests)
    }

    #[test]
    fn hits_of_one_prompt_agree_with_asking_for_it() {
        let cases = [
            (f64::INFINITY, 0.5),
            (f64::INFINITY, 20.0),
            (0.5, 1e9),
            (2.0, 1e9),
            (1.0, 1.5),
            (1.0, 5.0),
            (3.0, 8.0),
        ];
        for (kept, ttl) in cases {
            let answered = hits(1.0, kept, ttl);
            let (expected, actual) = (answered / (1.0 + answered), measured(kept, ttl));
            // Exact but where both bounds are at work, which is an approximation of two hundredths.
            let both = kept < ttl && ttl < 1e6;
            let allowed = if both { 0.02 } else { 0.003 };
            assert!((expected - actual).abs() < allowed, "C {kept} ttl {ttl}: {expected} {actual}");
        }
    }

    #[test]
    fn the_characteristic_time_fills_the_cache_once() {
        // A prompt a second, never the same: ten entries last ten seconds.
        assert!((characteristic_time([].iter(), 1.0, 10.0) - 10.0).abs() < 1e-6);
        let few = [Prompts { count: 5.0, rate: 1.0 }];
        assert!(characteristic_time(few.iter(), 0.0, 5.0).is_infinite());
        // Ten equally popular prompts of which five are kept: each was asked within C with chance a half.
        let ten = [Prompts { count: 10.0, rate: 1.0 }];
        assert!((characteristic_time(ten.iter(), 0.0, 5.0) - core::f64::consts::LN_2).abs() < 1e-6);
    }

    #[test]
    fn absurd_numbers_stay_numbers() {
        for rate in [0.0, 1e-12, 1.0, 1e9] {
            for kept in [0.0, 1e-9, 1.0, 1e12, f64::INFINITY] {
                for ttl in [1e-3, 1.0, 1e9] {
                    let answered = hits(rate, kept, ttl);
                    assert!(answered >= 0.0 && answered.is_finite(), "{rate} {kept} {ttl}: {answered}");
                }
            }
        }
    }
}
