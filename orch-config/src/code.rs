//! The stable names of everything that can be wrong. `docs/errors.md` explains each one.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = concat!("orch::config::", $code);)*

        /// Every code, in the order of this page.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

codes! {
    /// The file cannot be read.
    UNREADABLE = "unreadable";
    /// The file is larger than a configuration may be.
    TOO_LARGE = "too-large";
    /// The file is not UTF-8 text.
    NOT_UTF8 = "not-utf8";
    /// The text is not JSON, not even with comments and trailing commas.
    MALFORMED = "malformed";
    /// Objects and arrays are nested too deeply.
    TOO_DEEP = "too-deep";
    /// A key appears twice in one object.
    DUPLICATE_KEY = "duplicate-key";
    /// A key that is not known.
    UNKNOWN_KEY = "unknown-key";
    /// A key of the predecessor that has been replaced.
    RETIRED_KEY = "retired-key";
    /// A key that this version does not support.
    NOT_SUPPORTED = "not-supported";
    /// A key that belongs elsewhere.
    MISPLACED_KEY = "misplaced-key";
    /// A required key is missing.
    MISSING_KEY = "missing-key";
    /// A value has the wrong type.
    WRONG_TYPE = "wrong-type";
    /// A word is not one of the known ones.
    UNKNOWN_VALUE = "unknown-value";
    /// A number, a text or a list is too small or too large.
    OUT_OF_RANGE = "out-of-range";
    /// A text cannot be an id.
    INVALID_ID = "invalid-id";
    /// A value cannot be used for another reason.
    INVALID_VALUE = "invalid-value";
    /// Two things have the same id.
    DUPLICATE_ID = "duplicate-id";
    /// A name in `profiles` or `workers` that no profile has.
    UNKNOWN_PROFILE = "unknown-profile";
    /// A step's worker that no profile has.
    UNKNOWN_WORKER = "unknown-worker";
    /// A profile's model begins like a tag and is none.
    UNKNOWN_MODEL_TAG = "unknown-model-tag";
    /// `kind` and `backend` name different things.
    KIND_BACKEND_CONFLICT = "kind-backend-conflict";
    /// A person cannot take part in a session on a worker's own server.
    FOREGROUND_SERVER = "foreground-server";
    /// A workflow without steps.
    EMPTY_WORKFLOW = "empty-workflow";
    /// A workflow with more steps than the limits allow.
    TOO_MANY_STEPS = "too-many-steps";
    /// A group without steps.
    EMPTY_GROUP = "empty-group";
    /// `needs` names something that is not there, or not within reach.
    UNKNOWN_NEED = "unknown-need";
    /// Steps that need each other.
    CYCLE = "cycle";
    /// A step that can never start.
    UNREACHABLE = "unreachable";
    /// A prompt or a condition that refers to a step which is not over by then.
    UNKNOWN_STEP = "unknown-step";
    /// A prompt or a condition that refers to a part of a structured answer which is never there.
    UNKNOWN_OUTPUT = "unknown-output";
    /// A prompt with something that looks like a placeholder.
    UNKNOWN_PLACEHOLDER = "unknown-placeholder";
    /// A condition that is no CEL, or asks for what a condition cannot have.
    EXPRESSION = "expression";
    /// A step's `output` that is no JSON Schema, or none that can be used here.
    OUTPUT_SCHEMA = "output-schema";
    /// A prompt file that cannot be used.
    PROMPT_FILE = "prompt-file";
    /// A snippet that cannot be put into a prompt.
    SNIPPET = "snippet";
    /// A value above the cap that is in force.
    CAPPED = "capped";
    /// A key that has no effect here.
    NO_EFFECT = "no-effect";
    /// A second project file, which is not read.
    SECOND_FILE = "second-file";
    /// A project that is not trusted asks for something that only a trusted one may have.
    UNTRUSTED = "untrusted";
    /// The record of what a person trusts cannot be used.
    TRUST_RECORD = "trust-record";
}
