//! Charts and pages are well-formed, work offline, are small, and show code in names as text.

use super::{launch_day, launch_scenario, odd_runs, run, xml};
use quotalab::record::Summary;
use quotalab::report::{charts, compare, html, verdict};

/// The maximum size of any page, in bytes.
const MAX_PAGE_BYTES: usize = 1_000_000;
/// The maximum size of the page of the launch day, in bytes.
const MAX_DAY_PAGE_BYTES: usize = 400_000;

fn runs() -> Vec<Summary> {
    let mut runs = odd_runs();
    runs.extend([super::series::bursts(), super::series::incidents()]);
    runs.push(launch_day());
    runs
}

#[test]
fn every_chart_is_well_formed_alone_and_in_a_page() {
    for summary in runs() {
        for chart in charts(&summary) {
            for svg in [chart.standalone(), chart.inline()] {
                assert_eq!(xml::first_error(&svg), None, "{} of {}", chart.name, summary.scenario);
                assert!(
                    !svg.contains("NaN") && !svg.contains("inf"),
                    "{} of {}",
                    chart.name,
                    summary.scenario
                );
            }
            assert!(!chart.title.is_empty() && !chart.note.is_empty());
        }
    }
}

#[test]
fn a_full_run_has_every_chart_and_an_empty_one_only_its_limits() {
    let names = |summary: &Summary| charts(summary).iter().map(|chart| chart.name).collect::<Vec<_>>();
    assert_eq!(names(&launch_day()), ["traffic", "limits", "heat", "fallback", "latency", "cost", "time"]);
    assert_eq!(names(&odd_runs()[0]), ["limits"]);
}

#[test]
fn a_standalone_chart_has_colours_for_dark_mode() {
    let chart = charts(&launch_day()).remove(0);
    assert!(chart.standalone().contains("@media(prefers-color-scheme:dark)"));
    assert!(chart.inline().contains("stroke=\"#0072B2\""), "the line of answered jobs");
    assert!(
        chart.standalone().contains("[stroke=\"#0072B2\"]{stroke:#4FAEE8}"),
        "and its colour in dark mode"
    );
}

/// Returns the page without the charting library, which is third-party text that contains the address of its project.
fn without_library(page: &str) -> String {
    let Some((before, rest)) = page.split_once("<script>\n/*\nThe MIT License") else {
        return page.to_owned();
    };
    let (vendored, after) = rest.split_once("</script>").expect("a script ends");
    assert!(vendored.contains("Leon Sorokin") && vendored.contains("uPlot"), "with its licence");
    assert!(
        !vendored.contains("fetch(") && !vendored.contains("XMLHttpRequest") && !vendored.contains("import(")
    );
    format!("{before}{after}")
}

/// Asserts that the page loads nothing and that its content security policy forbids it.
fn assert_offline(page: &str) {
    for loads in ["http:", "https:", "src=", "href=", "url(", "@import", "<link", "<img", "<iframe", "fetch("]
    {
        assert!(!without_library(page).contains(loads), "{loads}");
    }
    assert!(
        page.contains(
            "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\""
        )
    );
    assert!(page.contains("name=\"viewport\""));
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count(), "no name ends a script");
}

/// A page loads nothing, whatever names it contains, and it is small.
#[test]
fn a_page_works_offline_and_is_small() {
    for summary in runs() {
        let page = html::render(&summary);
        assert!(page.len() < MAX_PAGE_BYTES, "{} has {} bytes", summary.scenario, page.len());
        assert_offline(&page);
    }
    assert!(html::render(&launch_day()).len() < MAX_DAY_PAGE_BYTES);
}

/// A page contains every chart without a script, and the numbers from which a script draws it again.
#[test]
fn a_page_has_every_chart_without_a_script() {
    for summary in runs() {
        let page = html::render(&summary);
        let drawings = page.matches("<svg").count();
        assert_eq!(drawings, charts(&summary).len());
        let numbers: Vec<_> = page.split("class=\"numbers\">").skip(1).collect();
        assert!(numbers.len() <= drawings);
        for text in numbers {
            let json: serde_json::Value =
                serde_json::from_str(text.split_once("</script>").unwrap().0).unwrap();
            let places = json["x"].as_array().unwrap().len();
            let lines = json["panels"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|panel| panel["lines"].as_array().unwrap());
            assert!(lines.into_iter().all(|line| line["values"].as_array().unwrap().len() == places));
        }
    }
}

#[test]
fn charts_over_time_end_with_the_arrivals() {
    let mut scenario = launch_scenario(600.0);
    scenario.duration = provider::Nanos::from_secs(600);
    let summary = run(&scenario, 600.0);
    assert!(summary.ended_s > summary.duration_s, "jobs were in flight when arrivals ended");
    let page = html::render(&summary);
    let numbers: Vec<&str> = page.split("class=\"numbers\">").skip(1).collect();
    assert!(!numbers.is_empty());
    for text in numbers {
        let json: serde_json::Value = serde_json::from_str(text.split_once("</script>").unwrap().0).unwrap();
        assert_eq!(json["length"], 600.0);
        let last = json["x"].as_array().unwrap().last().unwrap().as_f64().unwrap();
        assert!((560.0..600.0).contains(&last), "{last}");
    }
}

#[test]
fn the_table_by_hour_states_what_was_charged_and_refused() {
    let page = html::render(&launch_day());
    let table = page.split_once("The same in numbers").unwrap().1.split_once("</details>").unwrap().0;
    assert_eq!(table.matches("<tr><td>").count(), 24, "an hour a line");
    assert!(table.contains(" refused</small>"));
}

#[test]
fn the_page_opens_with_the_verdict_and_carries_the_result() {
    let summary = launch_day();
    let page = html::render(&summary);
    let heading = page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0;
    assert_eq!(heading, verdict::sentences(&summary)[0]);
    let json = page.split_once("id=\"result\">").unwrap().1.split_once("</script>").unwrap().0;
    assert_eq!(Summary::from_json(json).unwrap(), summary.without_distributions());
}

#[test]
fn code_in_names_stays_text() {
    let runs = odd_runs();
    let coded = runs.iter().find(|run| run.scenario.starts_with("<script>")).unwrap();
    let named = [("<img>", coded), ("other", coded)];
    for page in [html::render(coded), compare::html(&named)] {
        assert!(!page.contains("<script>alert") && !page.contains("<img>"));
        assert!(page.contains("&lt;script&gt;alert"));
    }
}

#[test]
fn runs_side_by_side_make_a_page() {
    let (light, heavy) = (run(&launch_scenario(14.0), 14.0), launch_day());
    let page = compare::html(&[("light", &light), ("heavy", &heavy)]);
    assert!(page.contains("<h1>light has the highest success share"), "{page}");
    assert!(page.contains("(+"));
    assert!(page.len() < MAX_PAGE_BYTES);
    assert_offline(&page);
    let names: Vec<_> =
        compare::charts(&[("light", &light), ("heavy", &heavy)]).iter().map(|c| c.name).collect();
    assert_eq!(names, ["answered", "latency-p95", "bars"]);
    assert!(compare::html(&[]).contains("nothing to compare"));
}

#[test]
fn comparisons_of_any_runs_are_well_formed_and_offline() {
    let runs = runs();
    let named: Vec<_> = runs.iter().map(|run| (run.scenario.as_str(), run)).collect();
    for shown in [&named[..], &named[..1], &named[7..8], &[]] {
        for chart in compare::charts(shown) {
            for svg in [chart.standalone(), chart.inline()] {
                assert_eq!(xml::first_error(&svg), None, "{}", chart.name);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", chart.name);
            }
        }
        assert_offline(&compare::html(shown));
    }
}

mod plans {
    use super::*;
    use quotalab::planner::{self, Finding, Plan, PlanNote, PlanOptions};
    use quotalab::report::plan;
    use quotalab::scenario::Note;

    fn planned() -> Plan {
        let mut small = launch_scenario(6.0);
        small.duration = provider::Nanos::HOUR;
        let options = PlanOptions { incident: true, replicas: Some(4), ..PlanOptions::default() };
        planner::plan(&small, &options, &()).expect("jobs are offered")
    }

    /// Edge cases of plans: no curve, no ceiling, no latency, one point, huge counts, and names that are code.
    fn odd(base: &Plan) -> Vec<Plan> {
        let empty = Plan { curve: Vec::new(), what_if: Vec::new(), targets: Vec::new(), ..base.clone() };
        let mut without_ceiling = base.clone();
        let simulated = &mut without_ceiling.ceiling.simulated;
        (simulated.jobs_per_min, simulated.multiple, simulated.low, simulated.high) =
            (None, None, None, None);
        simulated.first_violation = None;
        without_ceiling.ceiling.analytic.jobs_per_min = None;
        without_ceiling.planning_multiple = None;
        without_ceiling.what_if.iter_mut().for_each(|change| change.ceiling_jobs_per_min = None);
        let mut without_latency = base.clone();
        without_latency
            .curve
            .iter_mut()
            .for_each(|point| (point.p50_s, point.p95_s, point.succeeded) = (None, None, 0));
        let mut one = base.clone();
        one.curve.truncate(1);
        let mut refused = base.clone();
        refused.curve.iter_mut().for_each(|point| point.limited = u64::MAX / 4);
        let mut coded = base.clone();
        let code = "<script>alert('&\"\u{1}')</script>";
        coded.scenario = code.to_owned();
        for finding in &mut coded.findings {
            if let Finding::FirstViolation(violation) = finding {
                violation.rule = code.to_owned();
            }
        }
        let note = Note::Unservable {
            workload: code.to_owned(),
            route: code.to_owned(),
            share: 0.5,
            max_tokens: None,
            of_tasks: false,
        };
        coded.notes.push(PlanNote::Scenario { note });
        coded.what_if.iter_mut().for_each(|change| change.change = code.to_owned());
        coded.targets.iter_mut().for_each(|target| target.name = code.to_owned());
        vec![empty, without_ceiling, without_latency, one, refused, coded]
    }

    #[test]
    fn a_plan_has_charts_and_a_page() {
        let plan = planned();
        let names: Vec<_> = plan::charts(&plan).iter().map(|chart| chart.name).collect();
        assert_eq!(names, ["curve", "what-if"]);
        let page = plan::html(&plan);
        let heading = page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0;
        assert!(heading.starts_with("The window of rpd "), "{heading}");
        assert!(page.contains("The present load of "));
        let json = page.split_once("id=\"plan\">").unwrap().1.split_once("</script>").unwrap().0;
        assert_eq!(Plan::from_json(json).unwrap(), plan);
        // On a narrow screen: cards that name their values, and a curve that is drawn to its width.
        for label in ["USD/day", "lift", "rate-limited"] {
            assert!(page.contains(&format!("data-label=\"{label}\"")), "{label}");
        }
        assert!(page.contains("\"across\":\"per_minute\""));
    }

    #[test]
    fn plans_of_all_kinds_are_well_formed_and_offline() {
        let plan = planned();
        for plan in odd(&plan).into_iter().chain([plan]) {
            for chart in plan::charts(&plan) {
                for svg in [chart.standalone(), chart.inline()] {
                    assert_eq!(xml::first_error(&svg), None, "{} of {}", chart.name, plan.scenario);
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", chart.name);
                }
            }
            let page = plan::html(&plan);
            assert_offline(&page);
            assert!(page.len() < MAX_PAGE_BYTES && !page.contains("<script>alert"));
        }
    }
}
