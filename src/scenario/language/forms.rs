//! Alternatives within a map: exactly one of its forms is given, with the words that go with it.

use super::Form;
use super::value::Fields;
use crate::problem::alternatives;
use crate::scenario::diagnostics::Diagnostics;

/// Reports words that contradict each other and words that are missing from the form that is given. The map is not sound
/// then.
pub(super) fn check(fields: &mut Fields, diagnostics: &Diagnostics) {
    let had_unknown = !fields.is_sound;
    if fields.table.forms.is_empty() {
        return;
    }
    let heads: Vec<&'static str> = given(fields, fields.table.forms.iter().flat_map(Form::head));
    let is_sound = match heads[..] {
        [] => {
            // An unknown word may be the misspelt form: it has been reported.
            fields.table.forms.iter().any(|form| form.requires.is_empty())
                || had_unknown
                || report_none(fields, diagnostics)
        }
        [head] => {
            let form = fields.table.forms.iter().find(|form| form.head().any(|word| word == head));
            complete(form.expect("invariant: a head belongs to a form"), head, fields, diagnostics)
        }
        [first, second, ..] => {
            let what = format!("`{first}` and `{second}` exclude each other");
            diagnostics.report_at(&fields.at, what, "keep one of the two");
            false
        }
    };
    fields.is_sound &= is_sound;
}

impl Form {
    /// The words that select this form.
    fn head(&self) -> impl Iterator<Item = &'static str> {
        self.requires.first().into_iter().flat_map(|group| group.iter().copied())
    }

    /// Every word of this form.
    pub(super) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.requires.iter().copied().flatten().chain(self.allows).copied()
    }
}

/// Those of `words` that are given, each once.
fn given(fields: &Fields, words: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut found = Vec::new();
    for word in words.filter(|word| fields.given(word)) {
        if !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

fn report_none(fields: &Fields, diagnostics: &Diagnostics) -> bool {
    let mut heads: Vec<&str> = Vec::new();
    for word in fields.table.forms.iter().flat_map(Form::head) {
        if !heads.contains(&word) {
            heads.push(word);
        }
    }
    let what = format!("`{}` has none of {}", fields.at.path, alternatives(&heads));
    diagnostics.report_at(&fields.at, what, format!("write one of them, such as `{}`", fields.table.example));
    false
}

/// Checks the other groups of the form that `head` selects, and that no word of another form is given.
fn complete(form: &Form, head: &str, fields: &Fields, diagnostics: &Diagnostics) -> bool {
    let mut is_complete = true;
    let mut report = |what: String, help: String| {
        diagnostics.report_at(&fields.at, what, help);
        is_complete = false;
    };
    for group in form.requires.iter().skip(1) {
        match given(fields, group.iter().copied())[..] {
            [] => {
                report(format!("`{head}` needs {}", alternatives(group)), format!("write `{}`", form.example))
            }
            [_] => {}
            [first, second, ..] => {
                report(
                    format!("`{first}` and `{second}` exclude each other"),
                    "keep one of the two".to_owned(),
                );
            }
        }
    }
    let others = fields.table.forms.iter().flat_map(Form::words);
    for word in given(fields, others).into_iter().filter(|word| form.words().all(|own| own != *word)) {
        let owners = fields.table.forms.iter().filter(|form| form.words().any(|own| own == word));
        let owners: Vec<&str> = owners.flat_map(Form::head).collect();
        let help = match owners[..] {
            [] => format!("keep `{head}` or `{word}`"),
            _ => format!("leave it out: it goes with {}", alternatives(&owners)),
        };
        report(format!("`{word}` does not go with `{head}`"), help);
    }
    is_complete
}
