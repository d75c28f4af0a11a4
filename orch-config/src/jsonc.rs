//! JSON as files of settings have it, ours and OpenCode's: with comments and trailing commas, and no other liberties.

use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

pub(crate) const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Whether a text is such JSON, or empty but for comments.
///
/// # Errors
/// What is wrong with it first, in words and with its line and column.
pub fn check(text: &str) -> Result<(), String> {
    parse_to_ast(text, &CollectOptions::default(), &OPTIONS).map(drop).map_err(|error| error.to_string())
}
