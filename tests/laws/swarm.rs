//! Random scenarios from a tape of numbers: each number makes one choice, and every choice after the end of the tape is
//! the simplest. A shorter tape therefore is a simpler scenario, and every tape is a valid one.

use std::fmt::Write as _;

/// Makes one choice after the other from a tape.
struct Tape<'a>(std::slice::Iter<'a, u32>);

impl Tape<'_> {
    /// Returns one of the options; the first is the simplest.
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let choice = self.0.next().copied().unwrap_or(0) as usize;
        of[choice % of.len()]
    }
}

/// Returns the scenario of a tape, as YAML.
pub(super) fn scenario(tape: &[u32]) -> String {
    let mut tape = Tape(tape.iter());
    let mut out = String::from("name: swarm\n");
    let seed = tape.pick(&[1, 2, 3, 5, 8, 13, 21]);
    let duration = tape.pick(&["30s", "2m", "10m", "1s"]);
    let _ = writeln!(out, "seed: {seed}\nduration: {duration}\nproviders:");
    let providers = tape.pick(&[1, 2]);
    let mut targets = Vec::new();
    for provider in 0..providers {
        let accounts = tape.pick(&[1, 2]);
        let models = tape.pick(&[1, 2]);
        self::provider(&mut tape, &mut out, provider, accounts, models);
        for account in 0..accounts {
            targets.extend((0..models).map(|model| format!("p{provider}/a{account}/m{model}")));
        }
    }
    routes(&mut tape, &mut out, &targets);
    let _ = writeln!(out, "client: {}", client(&mut tape));
    let workloads: Vec<String> =
        (0..tape.pick(&[1, 1, 2])).map(|number| workload(&mut tape, number)).collect();
    let start = tape.pick(&["sustained", "full"]);
    let rules: Vec<&str> = (0..tape.pick(&[0, 1, 3])).map(|_| rule(&mut tape)).collect();
    let rules: Vec<String> = rules.iter().map(|rule| format!("\"{rule}\"")).collect();
    let _ = writeln!(out, "start: {start}\nexpect: [{}]", rules.join(", "));
    clients(&mut tape, &mut out, &workloads);
    let budget = tape.pick(&["", "", "usd_per_hour: 0.01", "usd_per_hour: 0.002", "usd_per_day: 0.0005"]);
    match budget {
        "" => out,
        budget => out.replace(", fair: ", &format!(", budget: {{ {budget} }}, fair: ")),
    }
}

fn provider(tape: &mut Tape<'_>, out: &mut String, number: u32, accounts: u32, models: u32) {
    let law = tape.pick(&[
        "bucket",
        "bucket",
        "fixed",
        "first_request",
        "sliding_log",
        "sliding_counter",
        "calendar",
        "adaptive",
    ]);
    let reserve = tape.pick(&[
        "prompt+max_tokens",
        "prompt",
        "prompt+recent",
        "nothing",
        "{ default: 300, cap: 500, settle: nothing }",
        "{ estimate: prompt, settle: after, charge_refused: true }",
        "{ cached: counted }",
        "{ estimate: prompt, cached: free }",
        "{ output_weight: 5 }",
    ]);
    let _ = writeln!(out, "  p{number}:\n    law: {law}\n    reserve: {reserve}\n    accounts:");
    for account in 0..accounts {
        let keys = tape.pick(&["one", "one, two"]).replace("one", &format!("k{number}{account}"));
        let _ = writeln!(
            out,
            "      a{account}: {{ keys: [{}] }}",
            keys.replace("two", &format!("l{number}{account}"))
        );
    }
    let _ = writeln!(out, "    models:");
    let family = tape.pick(&["", "", "        family: f\n"]);
    for model in 0..models {
        let _ = write!(out, "      m{model}:\n{family}");
        if model == 0 || family.is_empty() {
            let _ = writeln!(out, "        limits: {{ {} }}", limits(tape));
        }
        let lengths =
            tape.pick(&["", "", "context: 700", "max_output: 500", "context: 1500, max_output: 64"]);
        for length in lengths.split(", ").filter(|length| !length.is_empty()) {
            let _ = writeln!(out, "        {length}");
        }
        let service = tape.pick(&[
            "total: 300ms",
            "total: { mean: 1s }",
            "first_token: { p50: 200ms, p99: 2s }, prefill: 20k tok/s, output: 200 tok/s",
            "total: 0s",
        ]);
        let network = tape.pick(&["0s", "40ms", "{ mean: 100ms }"]);
        let slots = tape.pick(&["", ", slots: 1", ", slots: 7"]);
        let _ = writeln!(out, "        latency: {{ {service}, network: {network}{slots} }}");
        let _ = writeln!(out, "        price: {{ input: 0.1, output: 0.3 }}");
    }
    let incidents: Vec<String> = (0..tape.pick(&[0, 1, 1, 2])).map(|_| incident(tape)).collect();
    let _ = writeln!(out, "    incidents: [{}]", incidents.join(", "));
}

fn limits(tape: &mut Tape<'_>) -> String {
    let of_axis = [
        (
            "rpm",
            [
                "none",
                "60",
                "20",
                "300",
                "1",
                "{ limit: 60, law: bucket, burst: 1 }",
                "{ limit: 30, law: adaptive, growth: 1.5x, most: 3x }",
            ],
        ),
        (
            "rpd",
            [
                "none",
                "none",
                "none",
                "50",
                "1000",
                "{ limit: 40, law: calendar, zone: pacific }",
                "{ limit: 100, law: sliding_log }",
            ],
        ),
        (
            "tpm",
            [
                "none",
                "20k",
                "3k",
                "200k",
                "{ limit: 6k, law: bucket, burst: 1500 }",
                "{ limit: 5k, law: bucket, burst: 9k }",
                "1",
            ],
        ),
        ("tpd", ["none", "none", "none", "none", "30k", "500k", "{ limit: 100k, law: sliding_log }"]),
        (
            "requests",
            [
                "none",
                "none",
                "none",
                "none",
                "{ limit: 20, per: 10s }",
                "{ limit: 40, per: 90s, law: first_request }",
                "{ limit: 100, per: 5h, law: first_request }",
            ],
        ),
        ("rps", ["none", "none", "none", "none", "2", "5", "{ limit: 1, law: first_request }"]),
        ("tph", ["none", "none", "none", "none", "none", "20k", "{ limit: 30k, law: first_request }"]),
        ("uitpm", ["none", "none", "none", "none", "none", "5k", "500"]),
        ("itpm", ["none", "none", "none", "none", "none", "5k", "500"]),
        ("otpm", ["none", "none", "none", "none", "none", "5k", "500"]),
        ("concurrency", ["none", "none", "none", "1", "4", "20", "2"]),
    ];
    of_axis.map(|(axis, limits)| format!("{axis}: {}", tape.pick(&limits))).join(", ")
}

fn incident(tape: &mut Tape<'_>) -> String {
    let fault = tape.pick(&[
        "503",
        "reset",
        "cut_stream",
        "429",
        "garbage",
        "498",
        "401",
        "400",
        "timeout",
        "{ slow: 4x }",
        "reset",
        "cut_stream",
        "garbage",
        "no_retry_after",
        "overload",
        "billing",
        "not_in_tier",
        "{ retry_after: 3600s }",
        "{ retry_after: 0s }",
        "{ throttle: 5s }",
        "{ drip: 3x }",
        "{ late_first_token: 2s }",
        "{ clock_ahead: 1m }",
        "error_inside",
        "truncated",
        "wrong_type",
        "reset_after_head",
        "cut_before_token",
        "no_headers",
        "fractional_wait",
        "absurd_wait",
    ]);
    let at = tape.pick(&["0s", "5s", "40s"]);
    let lasts = tape.pick(&["10s", "1m", "1ms"]);
    let share = tape.pick(&["100%", "30%", "0%"]);
    format!("{{ at: {at}, for: {lasts}, fault: {fault}, share: {share} }}")
}

fn routes(tape: &mut Tape<'_>, out: &mut String, targets: &[String]) {
    let _ = writeln!(out, "routes:");
    for route in 0..2 {
        let _ = writeln!(out, "  r{route}:");
        let mut left = targets.to_vec();
        for _ in 0..tape.pick(&[1, 2, 3]) {
            let count = tape.pick(&[1, 2, 4]).min(left.len());
            if count == 0 {
                break;
            }
            let pick = tape.pick(&[
                "in_order",
                "round_robin",
                "most_room",
                "weighted",
                "random",
                "least_busy",
                "fastest",
                "cheapest",
            ]);
            let of: Vec<String> = left.drain(..count).collect();
            let weights = match pick {
                "weighted" => format!("weights: {:?}, ", [3, 1, 1, 10].get(..count).expect("four at most")),
                _ => String::new(),
            };
            let _ = writeln!(out, "    - {{ pick: {pick}, {weights}of: [{}] }}", of.join(", "));
        }
    }
}

fn rule(tape: &mut Tape<'_>) -> &'static str {
    tape.pick(&[
        "success >= 50%",
        "success >= 90% in every 10s",
        "w0: p95 latency <= 8s in every 1m",
        "p99 queue <= 1s",
        "cut share <= 10%",
        "cost <= 1 USD",
        "headroom >= 0.5",
        "limited share <= 50%",
        "fallback share <= 90%",
        "goodput >= 1/min",
        "attempts per job <= 3",
    ])
}

/// Writes the workloads and, perhaps, further clients that some of them name.
fn clients(tape: &mut Tape<'_>, out: &mut String, workloads: &[String]) {
    let processes = tape.pick(&[0, 0, 1, 3, 16]);
    let _ = writeln!(out, "workload:");
    for workload in workloads {
        let client = if processes > 0 { tape.pick(&["client: other, ", ""]) } else { "" };
        let _ = writeln!(out, "  - {{ {client}{workload} }}");
    }
    if processes > 0 {
        let client = client(tape);
        let _ = writeln!(
            out,
            "clients:\n  other: {}, processes: {processes} }}",
            client.strip_suffix(" }").expect("a map")
        );
    }
}

/// Returns a client as a YAML map on one line.
fn client(tape: &mut Tape<'_>) -> String {
    let deadline = tape.pick(&["60s", "5s", "500ms", "10m", "1ms"]);
    let attempts = tape.pick(&[3, 1, 2, 10]);
    let jitter = tape.pick(&[
        "full",
        "none",
        "equal",
        "decorrelated",
        "{ shorten: 25% }",
        "{ add: 750ms }",
        "{ around: 20% }",
    ]);
    let backoff = tape.pick(&["base: 500ms, cap: 8s", "base: 1ms, cap: 1ms", "base: 2s, cap: 1m"]);
    let obey = tape.pick(&[true, false]);
    let budget = tape.pick(&["none", "20%", "0%"]);
    let concurrency = tape.pick(&["none", "20", "3", "1", "adaptive", "{ initial: 2, max: 5 }"]);
    let queue = tape.pick(&[10_000, 5, 0]);
    let pace = tape.pick(&["off", "{ gap: 100ms }", "requests", "tokens"]);
    let cache = tape.pick(&["off", "{ entries: 10, ttl: 1m }"]);
    let join = tape.pick(&[false, true]);
    let estimate = tape.pick(&["exact", "exact", "{ bias: -20%, spread: 30% }", "{ bias: 50% }"]);
    let attempt_timeout = tape.pick(&["none", "none", "2s", "100ms"]);
    let eject = tape.pick(&["{ after: 5, for: 30s }", "off", "{ after: 1, for: 2s }"]);
    let cool_down = tape.pick(&["per_target", "per_job", "off"]);
    let stated_wait = tape.pick(&[
        "{}",
        "{ from: headers, longest: 60s, jitter: none }",
        "{ longest: 1s, jitter: 500ms }",
        "{ from: headers }",
    ]);
    let fair = tape.pick(&["off", "off", "requests", "tokens"]);
    let hedge = tape.pick(&[
        "off",
        "{ after: 300ms, spare: 0% }",
        "{ after: 5ms }",
        "{ after: 2s, spare: 20% }",
        "off",
    ]);
    let like = tape.pick(&["", "", "", "like: article, ", "like: openai-python, ", "like: litellm, "]);
    format!(
        "{{ {like}deadline: {deadline}, retry: {{ attempts: {attempts}, backoff: {{ {backoff}, jitter: {jitter} }}, \
         obey_retry_after: {obey}, stated_wait: {stated_wait}, budget: {budget} }}, cool_down: {cool_down}, \
         concurrency: {concurrency}, queue: {queue}, pace: {pace}, cache: {cache}, join: {join}, estimate: {estimate}, \
         attempt_timeout: {attempt_timeout}, eject: {eject}, fair: {fair}, hedge: {hedge} }}"
    )
}

/// Returns a workload of sessions as the words of a YAML map. `begin` is the map of their beginnings.
fn sessions(tape: &mut Tape<'_>, number: u32, begin: &str) -> String {
    let turns = tape.pick(&["1", "{ mean: 2 }"]);
    let calls = tape.pick(&["2", "{ min: 1, max: 9 }", "1"]);
    let fan_out = tape.pick(&["1", "{ values: [1, 4] }"]);
    let tool_time = tape.pick(&["0s", "{ mean: 300ms }"]);
    let context = tape.pick(&["{ first: 100 }", "{ first: { min: 1, max: 300 }, growth: { mean: 80 } }"]);
    let cached = tape.pick(&["0%", "60%", "100%"]);
    let max_tokens = tape.pick(&["", ", max_tokens: 64"]);
    let begin = begin.trim_end_matches(" }");
    format!(
        "name: w{number}, route: r{}, completion: {{ mean: 60 }}{max_tokens}, sessions: {begin}, turns: {turns}, think: 1s, \
         calls: {calls}, fan_out: {fan_out}, tool_time: {tool_time}, context: {context}, cached: {cached} }}",
        number % 2
    )
}

/// Returns a workload as the words of a YAML map.
fn workload(tape: &mut Tape<'_>, number: u32) -> String {
    let begin = tape.pick(&[
        "",
        "",
        "{ rate: 2/s, deadline: 5s }",
        "{ arrivals: { users: 3, think: 1s }, leave: 40% }",
    ]);
    if !begin.is_empty() {
        return sessions(tape, number, begin);
    }
    let arrivals = tape.pick(&[
        "{ poisson: 2/s }",
        "{ constant: 5/s }",
        "{ poisson: 30/s }",
        "{ ramp: [0/s, 8/s] }",
        "{ steps: [{ at: 0s, rate: 1/s }, { at: 10s, rate: 20/s }] }",
        "{ burst: 40, every: 15s }",
        "{ users: 6, think: { mean: 1s } }",
        "{ poisson: 10/s, shape: daily }",
        "{ gamma: 5/s, cv: 4 }",
        "{ weibull: 5/s, cv: 2 }",
        "{ burst: 40, at: 7s, every: 12s }",
        "{ steps: [{ at: 2s, rate: 1/s }, { at: 5s, rate: 20/s }], every: 9s }",
    ]);
    let arrivals =
        match tape.pick(&["", "", "", "{ jobs: 300, from: 200ms, workers: 7 }", "{ jobs: 5, workers: 9 }"]) {
            "" => format!("arrivals: {arrivals}"),
            batch => format!("batch: {batch}"),
        };
    let prompt = tape.pick(&["100", "{ p50: 200, p95: 900 }", "{ min: 1, max: 2000 }", "0"]);
    let completion = tape.pick(&["50", "{ mean: 100 }", "{ p50: 100, p99: 3000 }", "0"]);
    let max_tokens = tape.pick(&["", ", max_tokens: 64", ", max_tokens: 1024"]);
    let repeats = tape.pick(&[
        "",
        ", repeats: { share: 50%, of: 20 }",
        ", repeats: { share: 90%, zipf: 1.1, of: 1000 }",
    ]);
    let cached = tape.pick(&["", "", ", cached_prompt: 50%", ", cached_prompt: { min: 0, max: 500 }"]);
    let stream = tape.pick(&[true, false]);
    format!(
        "name: w{number}, route: r{}, {arrivals}, prompt: {prompt}, completion: {completion}{max_tokens}{repeats}{cached}, \
         stream: {stream}",
        number % 2
    )
}
