//! What can be said about a file before it is parsed.

use super::{Flaw, MAX_BYTES, MAX_DEPTH};
use crate::code;

/// The byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of a file, without its byte order mark.
pub(super) fn decode(mut bytes: Vec<u8>) -> Result<String, Flaw> {
    if bytes.len() > MAX_BYTES {
        let (message, help) = too_large();
        return Err(Flaw {
            code: code::TOO_LARGE,
            message,
            help: Some(help),
            span: None,
            text: String::new(),
        });
    }
    if is_utf16(&bytes) {
        return Err(Flaw {
            code: code::NOT_UTF8,
            message: "the file is UTF-16".to_owned(),
            help: Some("save it as UTF-8"),
            span: Some(0..0),
            text: String::new(),
        });
    }
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Flaw {
            code: code::NOT_UTF8,
            message: "the file is not UTF-8".to_owned(),
            help: Some("save it as UTF-8"),
            span: Some(offset..offset + char::REPLACEMENT_CHARACTER.len_utf8()),
            text,
        }
    })
}

/// What is said about a file that is over the cap, and the way out.
pub(crate) fn too_large() -> (String, &'static str) {
    (format!("the file has more than {MAX_BYTES} bytes"), "move long prompts into prompt files")
}

/// A mark says so, or every other of the first bytes is zero: JSON starts with ASCII.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

/// The offset of the bracket that goes too deep. Brackets in strings and comments do not count.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => at = find(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = find(bytes, at + 2, b"*/"),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at,
            _ => at += 1,
        }
    }
    at
}

fn find(bytes: &[u8], start: usize, needle: &[u8]) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    rest.windows(needle.len())
        .position(|window| window == needle)
        .map_or(bytes.len(), |at| start + at + needle.len() - 1)
}
