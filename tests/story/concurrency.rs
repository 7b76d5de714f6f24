//! The concurrency limit that adapts itself.

use super::run;

#[test]
fn an_adaptive_limit_finds_the_concurrency_of_a_provider() {
    let story = run("
providers: {p: {models: {m: {limits: {concurrency: 8}, latency: {total: 1s}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 1m
client: {deadline: 1m, concurrency: {initial: 4}, cool_down: off, retry: {attempts: 1}}
workload: [{name: w, route: r, arrivals: {burst: 200, every: 1h}, prompt: 1, completion: 1, max_tokens: 1}]");
    let sends = |second: f64| story.sends().iter().filter(|(at, _)| *at == second).count();
    // Each answer raises the limit by one: 4 at 0 s, 8 at 1 s, 16 at 2 s, of which 8 are refused. The first refusal lowers the limit
    // to 70 % of 16, 11, which admits 3 more; the first refusal of these lowers it to 70 % of 11, 7.
    assert_eq!([0.0, 1.0, 2.0].map(sends), [4, 8, 16 + 3]);
    // Now it rises by one for as many answers as itself. At 3 s eight jobs are answered, the seventh raises it to 8. At 4 s it becomes
    // 9, of which one is refused: 70 % of 9 are 6.
    assert_eq!([3.0, 4.0].map(sends), [8, 9]);
    let in_all = story.sends().len();
    assert_eq!(in_all, 200);
    assert!(story.refused_by_a_limit() < in_all / 6, "{} of {in_all} refused", story.refused_by_a_limit());
}
