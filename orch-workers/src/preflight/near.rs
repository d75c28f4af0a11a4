//! What a name was probably meant to be.

/// More names than this help nobody.
const SUGGESTIONS: usize = 3;
/// So few names are said all, if none of them is near.
const FEW: usize = 5;
/// Below this similarity a near match is a guess.
const SIMILAR: f64 = 0.6;

/// Names like `wanted`, nearest first; failing that, all of a few; failing that, where to look.
pub(super) fn hint(wanted: &str, candidates: Vec<String>, otherwise: &str) -> String {
    let score = |name: &str| {
        if same_model(name, wanted) { 1.0 } else { strsim::normalized_damerau_levenshtein(name, wanted) }
    };
    let mut near: Vec<(f64, &String)> = candidates.iter().map(|name| (score(name), name)).collect();
    near.retain(|(score, _)| *score >= SIMILAR);
    near.sort_by(|(a, name_a), (b, name_b)| b.total_cmp(a).then_with(|| name_a.cmp(name_b)));
    near.truncate(SUGGESTIONS);
    if !near.is_empty() {
        return format!("did you mean {}?", quoted(near.into_iter().map(|(_, name)| name), " or "));
    }
    match candidates.len() {
        1..=FEW => format!("known are {}", quoted(&candidates, ", ")),
        _ => otherwise.to_owned(),
    }
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a String>, between: &str) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
}

/// The same model, of another provider or of none.
fn same_model(name: &str, wanted: &str) -> bool {
    let model = |text: &str| text.split_once('/').map_or(text, |(_, model)| model).to_owned();
    name.contains('/') && model(name) == model(wanted)
}
