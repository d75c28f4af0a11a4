//! Keys, as OpenCode's terminal interface writes them.

/// What may be held with a key.
const MODIFIERS: [&str; 8] = ["ctrl", "control", "shift", "meta", "alt", "option", "super", "hyper"];

/// Whether this is a key, a sequence of keys, or several of them with commas between.
///
/// To the interface a misspelt modifier is a sequence of its letters, and a key with an unknown token is none; it tells
/// neither.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn check(keys: &str) -> Result<(), String> {
    if keys.contains(char::is_whitespace) {
        return Err(format!("`{keys}` is no key; a sequence is written without a space, such as <leader>v"));
    }
    keys.split(',').try_for_each(check_sequence)
}

fn check_sequence(sequence: &str) -> Result<(), String> {
    if sequence.is_empty() {
        return Err(
            "a key is missing; several are written with a comma between, such as f4,<leader>g".to_owned()
        );
    }
    let mut rest = sequence;
    // Without its other half `<` is a key like any other.
    while let Some((before, (name, after))) =
        rest.split_once('<').and_then(|(before, after)| Some((before, after.split_once('>')?)))
    {
        if !name.eq_ignore_ascii_case("leader") {
            return Err(format!("`<{name}>` in `{sequence}` stands for nothing; there is <leader>"));
        }
        check_chords(before)?;
        rest = after;
    }
    check_chords(rest)
}

fn check_chords(keys: &str) -> Result<(), String> {
    let mut rest = keys;
    while let Some((before, after)) = rest.split_once('+') {
        let held = before.to_ascii_lowercase();
        if before.is_empty() {
            // The key of that name.
            rest = after;
        } else if !MODIFIERS.iter().any(|modifier| held.ends_with(modifier)) {
            return Err(format!(
                "`{before}` in `{keys}` is no modifier; there are ctrl, shift, alt, super and hyper"
            ));
        } else if after.is_empty() {
            return Err(format!("`{keys}` lacks the key that is pressed with `{before}`"));
        } else {
            rest = after.strip_prefix('+').unwrap_or(after);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sequences_and_alternatives_are_told_from_what_is_none() {
        let keys = [
            "f4",
            "<leader>v",
            "<leader>+",
            "<leader>vd",
            "ctrl+x",
            "Ctrl+Alt+x",
            "ctrl++",
            "+",
            "<",
            "f4,<leader>g",
            "<leader>ctrl+x",
            "ctrl+xctrl+s",
        ];
        for key in keys {
            assert_eq!(check(key), Ok(()), "{key}");
        }
        let rows = [
            ("", "a key is missing"),
            ("f4,", "a key is missing"),
            (",f4", "a key is missing"),
            ("a b", "without a space"),
            ("<leadr>v", "`<leadr>` in `<leadr>v` stands for nothing"),
            ("ctlr+x", "`ctlr` in `ctlr+x` is no modifier"),
            ("f4,ctlr+x", "`ctlr` in `ctlr+x` is no modifier"),
            ("ctrl+", "lacks the key"),
            ("ctrl+alt+", "lacks the key"),
        ];
        for (key, told) in rows {
            let found = check(key).expect_err(key);
            assert!(found.contains(told), "{key}: {found}");
        }
    }
}
