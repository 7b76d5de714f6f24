//! Alternatives within a map: exactly one of its forms is given, with the words that belong to it.

use super::Form;
use super::value::Fields;
use crate::problem::alternatives;
use crate::scenario::diagnostics::Diagnostics;

/// Reports a map without a form, words that exclude each other, and words that are missing from the form that is given. A
/// map with such a problem is marked as not sound.
pub(super) fn check(fields: &mut Fields, diagnostics: &Diagnostics) {
    let had_unknown = !fields.is_sound;
    if fields.table.forms.is_empty() {
        return;
    }
    let selectors: Vec<&'static str> =
        given_words(fields, fields.table.forms.iter().flat_map(Form::selectors));
    let is_sound = match selectors[..] {
        [] => {
            // An unknown word has been reported; it may be a misspelt word that selects a form.
            fields.table.forms.iter().any(|form| form.requires.is_empty())
                || had_unknown
                || report_none(fields, diagnostics)
        }
        [selector] => {
            let form = fields.table.forms.iter().find(|form| form.selectors().any(|word| word == selector));
            check_form(
                form.expect("invariant: a selecting word belongs to a form"),
                selector,
                fields,
                diagnostics,
            )
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
    /// Iterates over the words that select this form.
    fn selectors(&self) -> impl Iterator<Item = &'static str> {
        self.requires.first().into_iter().flat_map(|group| group.iter().copied())
    }

    /// Iterates over every word of this form.
    pub(super) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.requires.iter().copied().flatten().chain(self.allows).copied()
    }
}

/// Returns those of `words` that are given, each once.
fn given_words(fields: &Fields, words: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut found = Vec::new();
    for word in words.filter(|word| fields.is_given(word)) {
        if !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// Reports that no form is given. Returns `false`: the map is not sound.
fn report_none(fields: &Fields, diagnostics: &Diagnostics) -> bool {
    let mut selectors: Vec<&str> = Vec::new();
    for word in fields.table.forms.iter().flat_map(Form::selectors) {
        if !selectors.contains(&word) {
            selectors.push(word);
        }
    }
    let what = format!("`{}` has none of {}", fields.at.path, alternatives(&selectors));
    diagnostics.report_at(&fields.at, what, format!("write one of them, such as `{}`", fields.table.example));
    false
}

/// Reports words that are missing from the form that `selector` selects, words of it that exclude each other, and words of
/// other forms. Returns `true` if there are none.
fn check_form(form: &Form, selector: &str, fields: &Fields, diagnostics: &Diagnostics) -> bool {
    let mut is_sound = true;
    let mut report = |what: String, help: String| {
        diagnostics.report_at(&fields.at, what, help);
        is_sound = false;
    };
    for group in form.requires.iter().skip(1) {
        match given_words(fields, group.iter().copied())[..] {
            [] => report(
                format!("`{selector}` needs {}", alternatives(group)),
                format!("write `{}`", form.example),
            ),
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
    for word in given_words(fields, others).into_iter().filter(|word| form.words().all(|own| own != *word)) {
        let owners = fields.table.forms.iter().filter(|form| form.words().any(|own| own == word));
        let owners: Vec<&str> = owners.flat_map(Form::selectors).collect();
        let help = match owners[..] {
            [] => format!("keep `{selector}` or `{word}`"),
            _ => format!("leave it out: it goes with {}", alternatives(&owners)),
        };
        report(format!("`{word}` does not go with `{selector}`"), help);
    }
    is_sound
}
