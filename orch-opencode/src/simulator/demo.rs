//! What the model says in the demonstration: a small change, planned, made, reviewed, mended and approved.

use std::time::Duration;

use super::script::{Answer, Script, Usage, When};

/// The task that [`demo_script`] has answers for.
pub const DEMO_TASK: &str = "Add a --version flag to the greet command.";

/// A script for the built-in `build` workflow, for the [`Simulator`](super::Simulator) and, through the
/// [`ScriptedModel`](super::ScriptedModel), for a real OpenCode.
///
/// All five answers together take about a second. They are hand-offs in the form that the steps ask for. The first
/// review rejects with one finding and warns of a decision that only a person can take; every later one approves. A step
/// is recognised by how its prompt opens, so any other step that is tried again gets the same answer; prompts that open
/// otherwise are answered in the order of the workflow.
pub fn demo_script() -> Script {
    let review = "You review a change";
    let steps = [
        ("You plan a change", PLAN, PLAN_THOUGHT, Usage { reasoning: 64, ..Usage::new(2_140, 296) }),
        ("You carry out a plan", IMPLEMENT, IMPLEMENT_THOUGHT, tokens(3_480, 342, 48)),
        (review, REVIEW, REVIEW_THOUGHT, tokens(3_905, 318, 80)),
        ("You fix what a review found", FIX, FIX_THOUGHT, tokens(4_260, 265, 32)),
        (review, APPROVAL, APPROVAL_THOUGHT, tokens(4_410, 121, 24)),
    ];
    let answers = steps.map(|(opening, text, thought, usage)| (opening, answer(text, thought, usage)));
    let rejected = Script::new().on_first(1, When::prompt(review), answers[2].1.clone());
    let again = answers.iter().enumerate().filter(|(index, _)| *index != 2);
    let by_opening = again
        .fold(rejected, |script, (_, (opening, answer))| script.on(When::prompt(*opening), answer.clone()));
    let by_order = answers
        .iter()
        .enumerate()
        .fold(by_opening, |script, (index, (_, answer))| script.on(When::nth(index + 1), answer.clone()));
    by_order.title("A --version flag for greet").otherwise("Done.")
}

/// The later steps find the instructions that they share with the first one in the provider's cache.
fn tokens(input: u64, output: u64, reasoning: u64) -> Usage {
    Usage { input: input - 1_536, output, reasoning, cached: 1_536 }
}

/// About a quarter of a second: long enough to be seen, short enough to be watched.
fn answer(text: &str, thought: &str, usage: Usage) -> Answer {
    Answer::speaking()
        .after(Duration::from_millis(40))
        .reasoning(thought)
        .pause(Duration::from_millis(30))
        .say_slowly(text, 10, Duration::from_millis(20))
        .usage(usage)
}

const PLAN_THOUGHT: &str = "The arguments are parsed in one place, so the flag belongs there.";

const PLAN: &str = "\
## Summary
`greet` parses its arguments in `src/args.rs` and has no way to tell its version. A flag there, printed before anything else runs, is enough. Assumption: the version is the one in `Cargo.toml`.

## Actions
- Read `src/args.rs`, `src/main.rs` and `tests/cli.rs`; changed nothing.

## Artifacts
None

## Risks
- `-v` already means verbose, so the short form must be `-V`.
- Scripts read the greeting from stdout: without the flag not one byte of it may change.

## Next
1. `src/args.rs:12`: add `version: bool`, long `--version`, short `-V`. `greet --help` lists it.
2. `src/main.rs:8`: when it is set, print `greet <version>` and leave with status 0.
3. `tests/cli.rs`: a test for the output and the status of `greet --version`.
4. Prove it: `cargo test`, then `cargo run -- --version`.
";

const IMPLEMENT_THOUGHT: &str = "The plan matches the code. First the flag, then the test.";

const IMPLEMENT: &str = "\
## Summary
`greet --version` and `greet -V` print the version of `Cargo.toml` and leave with status 0. All three steps of the plan are done.

## Actions
- Added the flag to the arguments.
- Printed the version before the name is read.
- Added the test `version_is_printed`.
- Ran `cargo test`: 15 passed, 0 failed.

## Artifacts
- `src/args.rs`: the flag and its help line
- `src/main.rs`: the early exit
- `tests/cli.rs`: one new test

## Risks
- Together with a name, `--version` wins without a word.

## Next
Look at the early exit in `src/main.rs`: it now comes before the log is set up.
";

const REVIEW_THOUGHT: &str = "The flag works. What about the short form, and who decides on the number?";

const REVIEW: &str = "\
## Summary
rejected: the flag works as asked, but its short form is not tested, and that is the one that can collide with `-v`.

## Actions
- Read the diff: 3 files, 21 lines added, 1 removed.
- Ran `cargo test`: 15 passed, 0 failed.
- Ran `greet --version`, `greet -V` and `greet -v Ada`: all as the plan says.

## Artifacts
None

## Risks
- None known beyond the finding.

## Next
Test the short form, too.

## Warnings
- `Cargo.toml` says 0.3.0, the newest release is tagged v0.3.1. Which of the two `--version` should print is for a person to decide.

```json
{
  \"verdict\": \"rejected\",
  \"findings\": [
    {
      \"severity\": \"major\",
      \"place\": \"tests/cli.rs:41\",
      \"problem\": \"`-V` has no test, so a later change could turn it into `-v` unseen\",
      \"fix\": \"run the same assertion for both forms\"
    }
  ]
}
```
";

const FIX_THOUGHT: &str = "One finding, and it is right.";

const FIX: &str = "\
## Summary
Both forms of the flag are tested. The review's one finding is fixed, and the task is complete.

## Actions
- fixed: `tests/cli.rs:41` runs its assertion for `--version` and for `-V`.
- Ran `cargo test`: 16 passed, 0 failed.

## Artifacts
- `tests/cli.rs`: the test covers both forms

## Risks
- The printed version follows `Cargo.toml`; the tag v0.3.1 was left alone.

## Next
Look at the diff, then commit it.
";

const APPROVAL_THOUGHT: &str = "The finding is gone, and nothing else has moved.";

const APPROVAL: &str = "\
## Summary
approved: both forms of the flag work and are tested. The finding of the first review is gone.

## Actions
- Read what changed since: one file, 4 lines.
- Ran `cargo test`: 16 passed, 0 failed.

## Artifacts
None

## Risks
None known

## Next
Commit it.

```json
{ \"verdict\": \"approved\", \"findings\": [] }
```
";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulator::script::{ModelCall, Player};

    const STEPS: [(&str, &str); 5] = [
        ("You plan a change; somebody else will make it", PLAN),
        ("You carry out a plan that somebody else made", IMPLEMENT),
        ("You review a change that somebody else just made", REVIEW),
        ("You fix what a review found, and finish the task", FIX),
        ("You review a change that somebody else just made", APPROVAL),
    ];

    async fn said(player: &Player, session: &str, prompt: &str) -> String {
        let mut call = ModelCall::new(vec![json!({ "role": "user", "content": prompt })]);
        call.session = Some(session.to_owned());
        player.ask(call).0.all_text().await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_is_recognised_by_its_opening_and_only_the_first_review_rejects() {
        let player = Player::new(demo_script());
        for index in [3, 2, 1, 0, 4, 4, 0] {
            let (opening, expected) = STEPS[index];
            // The hand-offs of earlier steps are in the prompt as well and must not confuse.
            let prompt =
                format!("{opening}.\n\n<task>\n{DEMO_TASK}\n</task>\n\n{PLAN}\n{IMPLEMENT}\n{REVIEW}");
            assert_eq!(said(&player, &format!("ses_{index}"), &prompt).await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn prompts_in_other_words_are_answered_in_the_order_of_the_workflow() {
        let player = Player::new(demo_script());
        for (index, (_, expected)) in STEPS.into_iter().enumerate() {
            assert_eq!(said(&player, "ses_1", &format!("step {index}")).await, expected);
        }
        assert_eq!(said(&player, "ses_1", "one more").await, "Done.");
    }

    #[test]
    fn every_answer_is_a_hand_off_and_only_the_review_warns() {
        for (_, text) in STEPS {
            let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
            let mut expected = vec!["Summary", "Actions", "Artifacts", "Risks", "Next"];
            if text == REVIEW {
                expected.push("Warnings");
            }
            assert_eq!(headings, expected);
        }
        assert!(REVIEW.contains("## Summary\nrejected") && APPROVAL.contains("## Summary\napproved"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_five_answers_take_about_a_second() {
        let player = Player::new(demo_script());
        let started = tokio::time::Instant::now();
        for (opening, _) in STEPS {
            said(&player, opening, opening).await;
        }
        let taken = started.elapsed();
        assert!(taken > Duration::from_millis(800) && taken < Duration::from_millis(1_500), "{taken:?}");
    }
}
