//! Charts and pages: well-formed, offline, small, and deaf to code in names.

use super::{launch_day, launch_plan, odd_runs, run, xml};
use quotalab::record::Summary;
use quotalab::report::{charts, compare, html};

/// What a page weighs at most, in bytes.
const HEAVIEST: usize = 400_000;

fn runs() -> Vec<Summary> {
    let mut runs = odd_runs();
    runs.push(launch_day());
    runs
}

#[test]
fn every_chart_is_well_formed_alone_and_in_a_page() {
    for summary in runs() {
        for chart in charts(&summary) {
            for svg in [chart.standalone(), chart.inline()] {
                assert_eq!(xml::fault(&svg), None, "{} of {}", chart.name, summary.scenario);
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
    assert_eq!(names(&launch_day()), ["traffic", "limits", "latency", "time"]);
    assert_eq!(names(&odd_runs()[0]), ["limits"]);
}

#[test]
fn a_chart_alone_knows_the_dark() {
    let chart = charts(&launch_day()).remove(0);
    assert!(chart.standalone().contains("@media(prefers-color-scheme:dark)"));
    assert!(chart.inline().contains("stroke=\"#0072B2\""), "the line of answered jobs");
    assert!(chart.standalone().contains("[stroke=\"#0072B2\"]{stroke:#4FAEE8}"), "and what it becomes");
}

/// Law: a page loads nothing and runs nothing, whatever the names in it; and it is small.
#[test]
fn a_page_works_offline_and_is_small() {
    for summary in runs() {
        let page = html::render(&summary);
        assert!(page.len() < HEAVIEST, "{} weighs {}", summary.scenario, page.len());
        for loads in
            ["http:", "https:", "src=", "href=", "url(", "@import", "<link", "<img", "<iframe", " on"]
        {
            let content =
                page.replace(" on ", "").replace(" only", "").replace(" once", "").replace(" one", "");
            assert!(!content.contains(loads), "{loads} in {}", summary.scenario);
        }
        assert!(page.matches("<script").count() <= 1);
        assert!(page.contains("name=\"viewport\""));
    }
}

#[test]
fn the_page_opens_with_the_verdict_and_carries_the_result() {
    let summary = launch_day();
    let page = html::render(&summary);
    let heading = page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0;
    assert_eq!(heading, summary.verdict[0]);
    let json = page.split_once("id=\"result\">").unwrap().1.split_once("</script>").unwrap().0;
    assert_eq!(Summary::from_json(json).unwrap(), summary);
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
    let (light, heavy) = (run(&launch_plan(14.0), 14.0), launch_day());
    let page = compare::html(&[("light", &light), ("heavy", &heavy)]);
    assert!(page.contains("<h1>light answers the most"), "{page}");
    assert!(page.contains("(+"));
    assert!(page.len() < HEAVIEST && !page.contains("<script"));
    assert!(compare::html(&[]).contains("nothing to compare"));
}
