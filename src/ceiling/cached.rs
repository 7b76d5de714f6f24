//! The ceiling with the client's cache: a hit has no demand on any limit.
//!
//! The number of hits follows Che's approximation (H. Che, Y. Tung and Z. Wang, "Hierarchical Web caching
//! systems", IEEE JSAC 20(7), 2002): an entry of an LRU cache is evicted a characteristic time C after its last use,
//! the same for all entries, namely the time in which distinct prompts fill the cache once. In addition it expires a time
//! to live (ttl) after it was stored. A prompt requested at rate λ and stored at time 0 has the expected number of hits
//!
//! ```text
//!  N = ∫₀^ttl λ · P(no gap was longer than C until t) dt,      and of 1 + N requests N are hits
//! ```
//!
//! in which the probability is 1 until C and then decays at the rate that gives e^(λC) − 1 hits in total if ttl is
//! infinite, which is exact for C alone. Rates are means over the run; the share of hits is taken to be the same at the
//! peaks, and the latency of replies is ignored. More load gives more hits, so the ceiling is a fixed point.

use super::peak::Peaks;
use super::{Class, all_constraints, allocation, classes};
use crate::scenario::{Arrivals, Cache, Scenario, Workload};

/// The ceiling with cache hits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cached {
    /// The share of jobs that are cache hits at the ceiling of the mean over the run, even if a peak lowers the ceiling.
    pub hit_share: f64,
    /// The maximum jobs per minute, including hits, as [`super::Ceiling::jobs_per_min`].
    pub jobs_per_min: f64,
    /// The same as a multiple of the offered load.
    pub multiple: f64,
}

/// The maximum number of fixed-point iterations, which converge geometrically if there is a fixed point.
const MAX_ITERATIONS: usize = 60;
/// The number of ranks with a rate of their own; the ranks after them form blocks with the rate of their middle rank.
const SINGLE_RANKS: u32 = 256;

/// Popular prompts that are requested at the same rate.
#[derive(Clone, Copy, Debug)]
struct Prompts {
    count: f64,
    /// Requests per second for each.
    rate: f64,
}

/// Returns the ceiling of `scenario` with its cache. `None` if there is no cache, no job repeats another, there is no
/// limit, or the misses of any load stay within the limits.
pub(super) fn of(scenario: &Scenario) -> Option<Cached> {
    if scenario.clients_in_use().all(|(_, client)| client.cache.is_none()) {
        return None;
    }
    let classes = classes(scenario);
    if classes.iter().all(|class| popular_share(&scenario.workloads[class.workload]) == 0.0) {
        return None;
    }
    let constraints = all_constraints(scenario, &classes);
    let servable: f64 = classes.iter().map(|class| class.rate).sum();
    let (mut multiple, _) = allocation::maximum_multiple(&classes, &constraints);
    let mut shares = vec![0.0; scenario.workloads.len()];
    let misses = |hit_shares: &[f64]| -> Vec<Class> {
        let missed =
            |class: &Class| Class { rate: class.rate * (1.0 - hit_shares[class.workload]), ..class.clone() };
        classes.iter().map(missed).collect()
    };
    for _ in 0..MAX_ITERATIONS {
        if !multiple.is_finite() {
            return None;
        }
        shares = hit_shares(scenario, &classes, multiple);
        let next = allocation::maximum_multiple(&misses(&shares), &constraints).0;
        let converged = (next - multiple).abs() <= 1e-9 * multiple;
        multiple = next;
        if converged {
            break;
        }
    }
    if let Some(at_peak) = Peaks::of(scenario, &misses(&shares), &constraints).lowest(&constraints) {
        multiple = multiple.min(at_peak.multiple);
    }
    let hits_per_second: f64 = classes.iter().map(|class| class.rate * shares[class.workload]).sum();
    Some(Cached { hit_share: hits_per_second / servable, jobs_per_min: multiple * servable * 60.0, multiple })
}

/// Returns the share of a workload's jobs with a popular prompt; 0 for a trace, whose prompts are all different.
fn popular_share(workload: &Workload) -> f64 {
    let traced = matches!(workload.arrivals, Arrivals::Trace { .. });
    workload.repeats.filter(|_| !traced).map_or(0.0, |repeats| repeats.share)
}

/// Returns the share of hits of each workload at `multiple` times its rate. A prompt is popular whatever its length.
fn hit_shares(scenario: &Scenario, classes: &[Class], multiple: f64) -> Vec<f64> {
    let mut rates = vec![0.0; scenario.workloads.len()];
    classes.iter().for_each(|class| rates[class.workload] += class.rate * multiple);
    let mut shares = vec![0.0; scenario.workloads.len()];
    for (id, client) in scenario.clients_in_use() {
        let Some(cache) = client.cache else { continue };
        let (workloads, rates): (Vec<usize>, Vec<f64>) = (0..)
            .zip(scenario.workloads.iter().zip(&rates))
            .filter(|(_, (workload, _))| workload.client == id)
            // Every process of a client has a cache of its own, and an equal part of the jobs.
            .map(|(index, (_, rate))| (index, rate / f64::from(client.processes)))
            .unzip();
        let of_client: Vec<&Workload> = workloads.iter().map(|index| &scenario.workloads[*index]).collect();
        for (index, share) in workloads.into_iter().zip(hit_shares_of(&of_client, &rates, cache)) {
            shares[index] = share;
        }
    }
    shares
}

/// Returns the share of hits of each of the workloads that share a cache, at these rates per second.
fn hit_shares_of(workloads: &[&Workload], rates: &[f64], cache: Cache) -> Vec<f64> {
    let popular: Vec<Vec<Prompts>> =
        workloads.iter().zip(rates).map(|(workload, rate)| self::popular(workload, *rate)).collect();
    let once: f64 =
        workloads.iter().zip(rates).map(|(workload, rate)| rate * (1.0 - popular_share(workload))).sum();
    let characteristic = characteristic_time(popular.iter().flatten(), once, f64::from(cache.entries));
    let ttl = cache.ttl.as_secs_f64();
    let share = |(prompts, rate): (&Vec<Prompts>, &f64)| {
        let hits_per_second: f64 = prompts
            .iter()
            .map(|prompt| {
                let hits = expected_hits(prompt.rate, characteristic, ttl);
                prompt.count * prompt.rate * hits / (1.0 + hits)
            })
            .sum();
        if *rate > 0.0 { (hits_per_second / rate).clamp(0.0, 1.0) } else { 0.0 }
    };
    popular.iter().zip(rates).map(share).collect()
}

/// Returns the popular prompts of a workload by Zipf's law; ranks after [`SINGLE_RANKS`] form blocks.
fn popular(workload: &Workload, rate: f64) -> Vec<Prompts> {
    let Some(repeats) = workload.repeats.filter(|_| popular_share(workload) > 0.0) else { return Vec::new() };
    let mut blocks = Vec::new();
    let mut first = 1u32;
    while first <= repeats.prompts {
        let width = if first <= SINGLE_RANKS { 1 } else { first / 64 };
        let last = first.saturating_add(width - 1).min(repeats.prompts);
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

/// Returns the time in which `entries` distinct prompts are requested, in seconds. `once` prompts per second are never
/// repeated. Infinite if there are fewer distinct prompts, or if it takes more than a year.
fn characteristic_time<'p>(
    popular: impl Iterator<Item = &'p Prompts> + Clone,
    once: f64,
    entries: f64,
) -> f64 {
    let distinct = |time: f64| {
        let popular: f64 = popular.clone().map(|p| -p.count * libm::expm1(-p.rate * time)).sum();
        popular + once * time
    };
    // Bisection; a time above one year counts as infinite.
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

/// Returns the expected hits on an entry until it expires or is evicted, for a prompt requested `rate` times per second.
fn expected_hits(rate: f64, characteristic: f64, ttl: f64) -> f64 {
    if ttl <= characteristic {
        return rate * ttl;
    }
    // The mean numbers of hits after the characteristic time: if ttl is infinite, and until it ends.
    let late_without_ttl = libm::expm1(rate * characteristic) - rate * characteristic;
    let late = if late_without_ttl > 0.0 {
        -late_without_ttl * libm::expm1(-rate * (ttl - characteristic) / late_without_ttl)
    } else {
        0.0
    };
    rate * characteristic + if late.is_finite() { late } else { rate * (ttl - characteristic) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::RandomStream;
    use provider::dist::Dist;

    /// Simulates one prompt at rate 1 in the cache. Returns the share of hits.
    fn measured(characteristic: f64, ttl: f64) -> f64 {
        let mut gaps = RandomStream::new(3, "gaps", 0);
        let (mut hits, mut now, mut stored) = (0u32, 0.0, f64::NEG_INFINITY);
        let requests = 400_000;
        for _ in 0..requests {
            let gap = Dist::Exponential(1.0).sample(&mut gaps);
            now += gap;
            if gap < characteristic && now - stored < ttl {
                hits += 1;
            } else {
                stored = now;
            }
        }
        f64::from(hits) / f64::from(requests)
    }

    #[test]
    fn expected_hits_agree_with_a_simulation() {
        let cases = [
            (f64::INFINITY, 0.5),
            (f64::INFINITY, 20.0),
            (0.5, 1e9),
            (2.0, 1e9),
            (1.0, 1.5),
            (1.0, 5.0),
            (3.0, 8.0),
        ];
        for (characteristic, ttl) in cases {
            let hits = expected_hits(1.0, characteristic, ttl);
            let (expected, actual) = (hits / (1.0 + hits), measured(characteristic, ttl));
            // Exact unless both bounds apply; then the approximation is within 0.02.
            let both = characteristic < ttl && ttl < 1e6;
            let allowed = if both { 0.02 } else { 0.003 };
            assert!((expected - actual).abs() < allowed, "C {characteristic} ttl {ttl}: {expected} {actual}");
        }
    }

    #[test]
    fn the_characteristic_time_fills_the_cache_once() {
        // One distinct prompt per second: ten entries last ten seconds.
        assert!((characteristic_time([].iter(), 1.0, 10.0) - 10.0).abs() < 1e-6);
        let few = [Prompts { count: 5.0, rate: 1.0 }];
        assert!(characteristic_time(few.iter(), 0.0, 5.0).is_infinite());
        // Ten equally popular prompts, five entries: each was requested within C with probability 0.5.
        let ten = [Prompts { count: 10.0, rate: 1.0 }];
        assert!((characteristic_time(ten.iter(), 0.0, 5.0) - core::f64::consts::LN_2).abs() < 1e-6);
    }

    #[test]
    fn extreme_parameters_give_finite_hits() {
        for rate in [0.0, 1e-12, 1.0, 1e9] {
            for characteristic in [0.0, 1e-9, 1.0, 1e12, f64::INFINITY] {
                for ttl in [1e-3, 1.0, 1e9] {
                    let hits = expected_hits(rate, characteristic, ttl);
                    assert!(hits >= 0.0 && hits.is_finite(), "{rate} {characteristic} {ttl}: {hits}");
                }
            }
        }
    }
}
