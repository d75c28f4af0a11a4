//! The nearest known name to one that is not known.

/// How many candidates are looked at, and how long a name may be: files are read that have ten thousands of names, or one
/// of a megabyte.
const MOST: usize = 100;
const LONGEST: usize = 100;

/// The candidate that `name` was most likely meant to be, if any is near.
///
/// Case, hyphens and underscores do not count; of the rest about one character in three may differ. Only the first hundred
/// candidates are looked at, and no name of more than a hundred bytes.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let wanted = fold(name);
    candidates
        .into_iter()
        .take(MOST)
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance(&wanted, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The candidates in one line, as many as somebody would read.
pub(crate) fn listed<'a>(candidates: impl IntoIterator<Item = &'a str>) -> String {
    let mut candidates = candidates.into_iter();
    let mut listed = candidates.by_ref().take(MOST).collect::<Vec<_>>().join(", ");
    if candidates.next().is_some() {
        listed.push_str(", …");
    }
    listed
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

fn tolerance(wanted: &str, candidate: &str) -> usize {
    (wanted.chars().count().max(candidate.chars().count()) + 1) / 3
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            ("onerror", &["never", "on-warning", "on-error", "always"], Some("on-error")),
            ("Coder", &["coder", "docs"], Some("coder")),
            ("workerid", &["workerId", "prompt"], Some("workerId")),
            ("arcitect", &["architect", "coder"], Some("architect")),
            ("biuld", &["build", "docs"], Some("build")),
            ("colour", &["model", "tools", "tags"], None),
            ("x", &["coder"], None),
            ("", &["a"], None),
        ];
        for (name, candidates, expected) in cases {
            assert_eq!(suggest(name, candidates.iter().copied()), *expected, "{name}");
        }
    }
}
