//! A word that opens what listens for us. It stays out of logs, arguments and the terminal; one file of its owner has it.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serializer};
use subtle::ConstantTimeEq as _;

use crate::exit::{Exit, Failure};

const BYTES: usize = 32;

/// A random word of 64 hexadecimal digits.
#[derive(Clone)]
pub(crate) struct Token(SecretString);

impl Token {
    /// # Errors
    /// The system gives no randomness.
    pub(crate) fn random() -> Result<Self, Failure> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new(Exit::Error, "orch::cli::randomness", format!("make a token: {error}"))
        })?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(digits.into()))
    }

    /// Whether this is the word. How long the answer takes does not depend on where the two differ.
    pub(crate) fn is(&self, given: &str) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// As a client has to say it.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0.expose_secret())
    }

    /// The word itself, for whoever has to say it.
    pub(crate) fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// For a file that its owner alone can read, and nothing else.
    pub(crate) fn expose<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }

    pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?.into()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_itself_opens() {
        let token = Token::random().unwrap();
        let word = token.header().strip_prefix("Bearer ").unwrap().to_owned();
        assert_eq!(word.len(), 2 * BYTES);
        assert!(token.is(&word));
        for other in ["", &word[1..], &format!("{word}0"), &word.to_uppercase().replace('0', "1")] {
            assert!(!token.is(other), "{other}");
        }
    }

    #[test]
    fn no_two_are_equal_and_none_is_shown() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one.header(), other.header());
        assert_eq!(format!("{one:?}"), "Token(…)");
    }
}
