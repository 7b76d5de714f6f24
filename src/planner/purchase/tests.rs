//! The search against brute force: if any set of a few kinds of change holds, the search finds one, and nothing in it can be
//! left out.

use super::*;
use crate::ceiling::Ceiling;
use crate::planner::catalogue;
use crate::planner::rules::Rules;
use crate::planner::run_count::RunCount;
use crate::scenario::{self, Overrides, Scenario};
use proptest::prelude::*;

fn parse(yaml: &str) -> Scenario {
    scenario::parse("buy", yaml, &Overrides::default(), None)
        .unwrap_or_else(|wrong| panic!("{wrong}\n{yaml}"))
}

/// Calls `with` with a search for `target` times the load of a scenario.
fn searching<T>(yaml: &str, target: f64, with: impl FnOnce(&mut Search<'_>) -> T) -> T {
    let scenario = parse(yaml);
    let (analytic, rules, count) = (Ceiling::of(&scenario), Rules::of(&scenario), RunCount::new(&()));
    let runner = Runner::new(&rules, &count);
    let ceiling_search = crate::planner::found::search(&scenario, &analytic, &rules);
    let present = runner.run(&scenario, 1.0, 0).expect("nothing ends the measurements");
    let estimate = ceiling_search.run(&runner, &scenario).expect("nothing ends the measurements");
    let unchanged = Unchanged {
        runner,
        scenario: &scenario,
        estimate: &estimate,
        present: &present,
        present_cost_per_day: present.cost_per_day(),
        with_cost_rules: None,
        analytic: analytic.multiple,
        min_multiple: ceiling_search.min_multiple,
        max_multiple: ceiling_search.max_multiple,
        spread: 0.0,
    };
    let measured = unchanged.measure_all(catalogue::changes(&scenario));
    let candidates = Candidates::new(&unchanged, &measured, target);
    let search_seeds = SCREENING_SEEDS;
    with(&mut Search {
        candidates,
        runner,
        target,
        until: None,
        search_seeds,
        was_cut: AtomicBool::new(false),
    })
}

/// Returns all valid sets of the candidates whose names contain one of `kinds`, with up to three accounts of each provider.
fn all_sets(search: &Search<'_>, kinds: &[&str]) -> Vec<Vec<usize>> {
    let name = |index: usize| search.candidates.names(&[index]).remove(0);
    let is_kind = |index: &usize| kinds.iter().any(|kind| name(*index).contains(kind));
    let mut sets = vec![Vec::new()];
    for index in (0..search.candidates.len()).filter(is_kind) {
        let most = if search.candidates.is_account(index) { 3 } else { 1 };
        let with = |set: &Vec<usize>| {
            (0..=most).map(|copies| [set.clone(), vec![index; copies]].concat()).collect::<Vec<_>>()
        };
        sets = sets.iter().flat_map(with).collect();
    }
    sets.retain(|set| search.candidates.is_valid(set));
    sets
}

/// Returns `true` if a set holds on many more seeds than a proof has.
fn holds_on_many_seeds(search: &mut Search<'_>, set: Vec<usize>) -> bool {
    let search_seeds = std::mem::replace(&mut search.search_seeds, 300);
    let judged = search.judged(set);
    let holds = search.passes(&judged);
    search.search_seeds = search_seeds;
    holds
}

/// Returns what a search found, and whether it is proved.
fn found(search: &mut Search<'_>) -> (Tried, bool) {
    let (found, needed) = search.run();
    let is_proved = found.serves() && found.runs.len() == needed as usize;
    (found, is_proved)
}

/// Searches, and compares the answer with every set of `kinds`. Returns whether a set of them holds, and the names bought.
#[track_caller]
fn compare(yaml: &str, target: f64, kinds: &[&str]) -> (bool, Vec<String>) {
    searching(yaml, target, |search| {
        let (found, is_proved) = found(search);
        let names = search.candidates.names(&found.chosen);
        let mut sets = all_sets(search, kinds).into_iter();
        let by_brute_force = sets.find(|set| holds_on_many_seeds(search, set.clone()));
        if let Some(set) = &by_brute_force {
            let set = search.candidates.names(set);
            assert!(
                is_proved,
                "{set:?} holds {target} times the load, the search ended with {names:?}\n{yaml}"
            );
        }
        for &change in found.chosen.iter().filter(|_| is_proved) {
            let fewer = without(&found.chosen, change, 1);
            let is_needed = !search.candidates.is_valid(&fewer) || !holds_on_many_seeds(search, fewer);
            assert!(
                is_needed,
                "`{}` of {names:?} is not needed\n{yaml}",
                search.candidates.names(&[change])[0]
            );
        }
        (by_brute_force.is_some(), names)
    })
}

/// A scenario with a provider in front and one behind it. `front` and `behind` are limits, `more` is added to the provider
/// in front.
fn two_providers(front: &str, more: &str, behind: &str, client: &str, expect: &str) -> String {
    let model = |limits: &str, latency: &str, price: u32| {
        format!(
            "{{ m: {{ limits: {{ {limits} }}, latency: {{ total: {latency} }}, price: {{ input: {price}, output: {price} }} }} }}"
        )
    };
    format!(
        "name: two providers
duration: 10m
providers:
  front: {{ {more}models: {} }}
  behind: {{ models: {} }}
routes: {{ r: [{{ of: [front/default/m] }}, {{ of: [behind/default/m] }}] }}
client: {{ {client} }}
workload: [{{ name: w, route: r, arrivals: {{ poisson: 20/min }}, prompt: 100, completion: 100, max_tokens: 100 }}]
expect: [{expect}]",
        model(front, "500ms", 1),
        model(behind, "900ms", 2)
    )
}

const ACCOUNTS: [&str; 2] = ["account at front", "account at behind"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_set_is_found_if_brute_force_finds_one_and_every_bought_change_is_needed(
        limits in (10u32..40, 10u32..40),
        axes in (0usize..3, 0usize..2),
        has_incident: bool,
        attempts in 1u8..5,
        deadline in 4u32..20,
        expect in 0usize..4,
        target in 1.2..4.0f64,
    ) {
        let limit = |axis: usize, number: u32| match axis {
            0 => format!("rpm: {number}"),
            1 => format!("tpm: {}", number * 200),
            _ => "concurrency: 1".to_owned(),
        };
        let incident = "incidents: [{ at: 3m, for: 2m, fault: 503 }], ";
        let expect = [
            "success >= 98%",
            "success >= 90%, p95 latency <= 3s",
            "success >= 95%, fallback share <= 30%",
            "success >= 97%, limited share <= 15%",
        ][expect];
        let yaml = two_providers(
            &limit(axes.0, limits.0),
            if has_incident { incident } else { "" },
            &limit(axes.1, limits.1),
            &format!("deadline: {deadline}s, retry: {{ attempts: {attempts} }}"),
            expect,
        );
        compare(&yaml, target, &[ACCOUNTS[0], ACCOUNTS[1], "pace by tokens"]);
    }
}

/// Only accounts of the provider behind help while the one in front fails, and no limit in front refuses anything.
#[test]
fn accounts_of_the_fallback_are_bought_for_an_incident() {
    let incident = "incidents: [{ at: 3m, for: 3m, fault: 503 }], ";
    let yaml = two_providers("rpm: 6000", incident, "rpm: 12", "retry: { attempts: 4 }", "success >= 99%");
    let (holds, names) = compare(&yaml, 2.0, &ACCOUNTS);
    assert!(holds, "three more accounts behind hold it");
    assert!(names.iter().all(|name| !name.contains("fall back to")), "the same model holds it: {names:?}");
    assert!(names.iter().any(|name| name.contains(ACCOUNTS[1])), "{names:?}");
}

/// A client that does not retry loses what one account refuses, however many others there are.
#[test]
fn accounts_that_only_help_together_with_another_change_are_bought() {
    let yaml = two_providers(
        "rpm: { limit: 20, burst: 1 }",
        "",
        "rpm: { limit: 20, burst: 1 }",
        "deadline: 12s, retry: { attempts: 1 }",
        "success >= 98%",
    );
    let (holds, _) = compare(&yaml, 3.0, &[ACCOUNTS[0], ACCOUNTS[1], "attempts per job"]);
    assert!(holds, "three accounts and several attempts hold it");
}

/// The client's own bound on attempts in flight limits the load, and no provider does.
#[test]
fn a_larger_concurrency_is_bought_if_the_client_itself_is_the_bound() {
    let client = "deadline: 15s, concurrency: 1, queue: 10";
    let yaml = two_providers("rpm: 6000", "", "rpm: 6000", client, "success >= 98%").replace("500ms", "2s");
    let (holds, names) = compare(&yaml, 3.0, &["a concurrency of"]);
    assert!(holds && names == ["a concurrency of 3"], "{names:?}");
}

/// At most two further accounts of a free tier are proposed. A target beyond them is met by the paid tier, with further
/// accounts of it if needed.
#[test]
fn free_accounts_are_bounded_and_the_paid_tier_is_bought_beyond() {
    let yaml = "name: free
duration: 10m
providers: { groq: { preset: groq-free } }
routes: { r: [{ of: [groq/default/openai/gpt-oss-120b] }] }
client: { deadline: 30s, retry: { attempts: 3 } }
workload: [{ name: w, route: r, arrivals: { poisson: 6/min }, prompt: 500, completion: 100, max_tokens: 200 }]
expect: [success >= 99%]";
    for target in [30.0, 150.0] {
        searching(yaml, target, |search| {
            let (found, is_proved) = found(search);
            let names = search.candidates.names(&found.chosen);
            assert!(is_proved, "{names:?}");
            let bought = names.iter().filter(|name| name.contains("account at groq")).count();
            let is_paid = names.iter().any(|name| name.contains("groq on groq-developer"));
            assert!(bought <= MAX_FREE_ACCOUNTS || is_paid, "{names:?}");
            let free = search.candidates.free_accounts(&found.chosen);
            assert_eq!(free.is_empty(), bought == 0 || is_paid, "{names:?}");
            // The paid tier has the same model; the fallback would answer with another one.
            assert!(is_paid && search.candidates.other_models(&found.chosen).is_empty(), "{names:?}");
            assert!(target > 30.0 || names == ["groq on groq-developer"], "{names:?}");
            assert!(found.runs[0].1.summary.charged_usd() > 0.0, "{names:?}");
        });
    }
    searching(yaml, 150.0, |search| {
        let index = |name: &str| {
            let named = |index: &usize| search.candidates.names(&[*index])[0].contains(name);
            (0..search.candidates.len()).find(named).unwrap_or_else(|| panic!("{name}"))
        };
        let (account, tier) = (index("account at groq"), index("groq on groq-developer"));
        assert!(search.candidates.is_valid(&[account; MAX_FREE_ACCOUNTS]));
        assert!(!search.candidates.is_valid(&[account; MAX_FREE_ACCOUNTS + 1]));
        assert!(search.candidates.is_valid(&[vec![account; 10], vec![tier]].concat()));
    });
}

#[test]
fn the_proofs_of_a_search_err_together_with_ten_percent_at_most() {
    let seed_counts: Vec<u32> = (0..MAX_PROOFS).map(seeds_of_proof).collect();
    assert_eq!(seed_counts, [50, 81, 112]);
    let errors = seed_counts.iter().map(|count| libm::pow(COVERAGE, f64::from(*count)));
    assert!(errors.sum::<f64>() <= 1.0 - COVERAGE_CONFIDENCE + 1e-12);
}

/// If the run without changes does not end, no cost is known: no candidate with a price counts as free.
#[test]
fn without_a_run_to_compare_with_no_priced_change_is_free() {
    let yaml = two_providers("rpm: 20", "", "rpm: 12", "retry: { attempts: 4 }", "success >= 99%");
    searching(&yaml, 2.0, |search| {
        search.until = Some(Nanos(0));
        search.rank();
        let priced = search.candidates.priced();
        let costs: Vec<f64> = priced.iter().map(|index| search.candidates.cost(*index)).collect();
        assert!(!costs.is_empty() && costs.iter().all(|cost| cost.is_infinite()), "{costs:?}");
    });
}
