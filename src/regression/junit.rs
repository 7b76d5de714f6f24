//! The outcome as JUnit XML, which CI servers show: a suite per scenario, a test case per rule, per measure and per note.

use super::compare::{MeasureChange, Verdict};
use super::outcome::{Outcome, RuleOutcome, ScenarioOutcome};
use crate::xml::escape;
use quick_xml::Writer;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::name::QName;
use std::io;

/// Returns the outcome as an XML document, ending in a line feed.
///
/// # Panics
/// Does not panic: writing to memory does not fail.
#[must_use]
pub fn junit(outcome: &Outcome) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    document(&mut xml, outcome).expect("invariant: writing to memory does not fail");
    let mut document = xml.into_inner();
    document.push(b'\n');
    String::from_utf8(document).expect("invariant: the writer is given UTF-8 only")
}

type Xml = Writer<Vec<u8>>;

fn document(xml: &mut Xml, outcome: &Outcome) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let totals = outcome.scenarios.iter().map(Totals::of).fold(Totals::default(), Totals::plus);
    xml.create_element("testsuites")
        .with_attributes(totals.attributes("quotalab test"))
        .write_inner_content(|xml| outcome.scenarios.iter().try_for_each(|scenario| suite(xml, scenario)))?;
    Ok(())
}

fn suite(xml: &mut Xml, scenario: &ScenarioOutcome) -> io::Result<()> {
    xml.create_element("testsuite")
        .with_attributes(Totals::of(scenario).attributes(&scenario.name))
        .write_inner_content(|xml| {
            for rule in &scenario.expect {
                test_case(xml, scenario, &rule.rule, |xml| rule_result(xml, rule))?;
            }
            for change in &scenario.compared {
                let name = format!("{} against the baseline", change.measure);
                test_case(xml, scenario, &name, |xml| change_result(xml, change))?;
            }
            for note in &scenario.notes {
                test_case(xml, scenario, note, |xml| skipped(xml, note))?;
            }
            Ok(())
        })?;
    Ok(())
}

/// The numbers of test cases in a suite, or in the whole document.
#[derive(Clone, Copy, Default)]
struct Totals {
    tests: usize,
    failures: usize,
    skipped: usize,
}

impl Totals {
    fn of(scenario: &ScenarioOutcome) -> Self {
        let skipped = scenario.notes.len();
        Self {
            tests: scenario.expect.len() + scenario.compared.len() + skipped,
            failures: scenario.failing_rules().count() + scenario.with_verdict(Verdict::Worse).count(),
            skipped,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            failures: self.failures + other.failures,
            skipped: self.skipped + other.skipped,
        }
    }

    fn attributes(self, name: &str) -> [Attribute<'_>; 5] {
        let count = |name, count: usize| Attribute { key: QName(name), value: count.to_string().into() };
        [
            attribute("name", name),
            count("tests", self.tests),
            count("failures", self.failures),
            count("skipped", self.skipped),
            count("errors", 0),
        ]
    }
}

fn attribute<'a>(name: &'a str, value: &'a str) -> Attribute<'a> {
    Attribute { key: QName(name), value: escape(value) }
}

fn content(text: &str) -> BytesText<'_> {
    BytesText::from_escaped(escape(text))
}

fn test_case(
    xml: &mut Xml,
    scenario: &ScenarioOutcome,
    name: &str,
    result: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    let file = attribute("file", &scenario.file);
    xml.create_element("testcase")
        .with_attributes([attribute("classname", &scenario.name), attribute("name", name), file])
        .write_inner_content(result)?;
    Ok(())
}

fn rule_result(xml: &mut Xml, rule: &RuleOutcome) -> io::Result<()> {
    if rule.pass {
        system_out(xml, &rule.actual_text())
    } else {
        failure(xml, &rule.sentence(), &rule.reproduce)
    }
}

fn change_result(xml: &mut Xml, change: &MeasureChange) -> io::Result<()> {
    if change.verdict != Verdict::Worse {
        return system_out(xml, &change.sentence());
    }
    let command = change.shown_by.as_ref().map_or("", |example| &example.reproduce);
    failure(xml, &change.sentence(), command)
}

fn system_out(xml: &mut Xml, text: &str) -> io::Result<()> {
    xml.create_element("system-out").write_text_content(content(text))?;
    Ok(())
}

fn failure(xml: &mut Xml, message: &str, command: &str) -> io::Result<()> {
    let element = xml.create_element("failure").with_attribute(attribute("message", message));
    element.write_text_content(content(&format!("reproduce: {command}")))?;
    Ok(())
}

fn skipped(xml: &mut Xml, reason: &str) -> io::Result<()> {
    xml.create_element("skipped").with_attribute(attribute("message", reason)).write_empty()?;
    Ok(())
}
