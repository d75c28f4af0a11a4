//! Making text fit for a toast, a prompt box or a terminal.

use orch_config::text::is_invisible;
use serde::Serialize;

/// One clean line of at most `max_chars` Unicode scalar values: the form in which a worker's own words may
/// enter a toast, a hint or a notice.
///
/// Terminal escape sequences, control characters, bidirectional controls and invisible characters are dropped,
/// every run of white space becomes one space, and what is too long ends in `…`.
#[must_use]
pub fn plain(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    for char in Visible::of(text) {
        if char.is_whitespace() {
            gap = length > 0;
            continue;
        }
        if gap {
            line.push(' ');
            length += 1;
            gap = false;
        }
        line.push(char);
        length += 1;
        if length > max_chars {
            return shortened(&line, max_chars);
        }
    }
    line
}

/// The whole text with its line breaks and tabs, without anything that could steer a terminal or hide in it.
#[must_use]
pub fn printable(text: &str) -> String {
    Visible::of(text)
        .filter_map(|char| match char {
            '\n' | '\t' => Some(char),
            '\u{2028}' | '\u{2029}' => Some('\n'),
            _ if char.is_control() => None,
            _ => Some(char),
        })
        .collect()
}

/// A span of time as people say it: `850 ms`, `12.3 s`, `3 min 12 s`, `2 h 5 min`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A pass of a group as people say it: `1st pass`, `2nd pass`, `11th pass`.
#[must_use]
pub fn pass(iteration: u32) -> String {
    let ending = match (iteration % 10, iteration % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{iteration}{ending} pass")
}

/// The one word that a value has in the JSON contract, so that no text spells it a second way.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// `count` and the noun, in the plural where it has to be: `1 step`, `4 steps`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

fn shortened(line: &str, max_chars: usize) -> String {
    let kept: String = line.chars().take(max_chars.saturating_sub(1)).collect();
    match max_chars {
        0 => String::new(),
        _ => format!("{}…", kept.trim_end()),
    }
}

/// The characters of a text that a person can see, white space included.
struct Visible<'a> {
    chars: std::str::Chars<'a>,
}

impl<'a> Visible<'a> {
    fn of(text: &'a str) -> Self {
        Self { chars: text.chars() }
    }

    /// Steps over `[31m` and its like. An unfinished sequence is left in place: showing it is harmless once
    /// the escape character is gone, and losing the text behind it would not be.
    fn skip_control_sequence(&mut self) {
        let mut ahead = self.chars.clone();
        if ahead.next() != Some('[') {
            return;
        }
        while let Some(char) = ahead.next() {
            match char {
                '\u{20}'..='\u{3f}' => {}
                '\u{40}'..='\u{7e}' => {
                    self.chars = ahead;
                    return;
                }
                _ => return,
            }
        }
    }
}

impl Iterator for Visible<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let char = self.chars.next()?;
            match char {
                '\u{1b}' => self.skip_control_sequence(),
                _ if char.is_whitespace() => return Some(char),
                _ if char.is_control() || is_invisible(char) => {}
                _ => return Some(char),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_makes_one_clean_line() {
        for (given, expected) in [
            ("all good", "all good"),
            ("  two\r\n\tlines  ", "two lines"),
            ("\u{1b}[31mred\u{1b}[0m alert", "red alert"),
            ("\u{1b}]0;title\u{7}text", "]0;titletext"),
            ("\u{1b}[31 no end", "o end"),
            ("\u{1b}[31\u{e9}", "[31\u{e9}"),
            ("\u{9b}31mC1", "31mC1"),
            ("abc\u{202e}fed\u{2066}x\u{2069}", "abcfedx"),
            ("in\u{200b}vis\u{feff}ible\u{e0041}", "invisible"),
            ("par\u{2028}agraph\u{85}s", "par agraph s"),
            ("\u{1f469}\u{200d}\u{1f4bb} 日本", "\u{1f469}\u{200d}\u{1f4bb} 日本"),
            ("\0\u{8}\u{7f}", ""),
        ] {
            assert_eq!(plain(given, 80), expected, "{given:?}");
        }
    }

    #[test]
    fn plain_shortens_without_splitting_a_character() {
        for (max, expected) in [
            (0, ""),
            (1, "…"),
            (3, "日本…"),
            (4, "日本…"),
            (5, "日本 語…"),
            (6, "日本 語 x"),
            (9, "日本 語 x"),
        ] {
            assert_eq!(plain("日本 語 x", max), expected, "{max}");
        }
    }

    #[test]
    fn plain_reads_no_further_than_it_must() {
        let endless = "x".repeat(50_000_000);
        assert_eq!(plain(&endless, 4), "xxx…");
    }

    #[test]
    fn printable_keeps_the_text_and_its_lines() {
        let given = "# Plan\r\n\t1. \u{1b}[1mdo\u{1b}[0m\u{7}\n\u{202e}2. undo\u{2028}3.\u{1b}]0;";
        assert_eq!(printable(given), "# Plan\n\t1. do\n2. undo\n3.]0;");
    }

    #[test]
    fn passes_read_as_people_say_them() {
        let said = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(pass);
        let words = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"];
        assert_eq!(said, words.map(|word| format!("{word} pass")));
    }

    #[test]
    fn durations_read_as_people_say_them() {
        for (ms, expected) in [
            (0, "0 ms"),
            (850, "850 ms"),
            (1_000, "1.0 s"),
            (12_345, "12.3 s"),
            (59_999, "59.9 s"),
            (60_000, "1 min 0 s"),
            (192_000, "3 min 12 s"),
            (3_600_000, "1 h 0 min"),
            (7_530_000, "2 h 5 min"),
        ] {
            assert_eq!(duration(ms), expected);
        }
    }
}
