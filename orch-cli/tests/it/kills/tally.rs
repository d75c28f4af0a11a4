//! What all tellings came to.

use std::collections::{BTreeMap, BTreeSet};

use orch::workflow::failpoint;

use super::Told;

/// Kills, places, and what they did to the runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: usize,
    pub(crate) twice: usize,
    pub(crate) covered: BTreeSet<String>,
    pub(crate) missed: Vec<String>,
    /// Gates that asked whether a step had run, and were not in the story.
    pub(crate) doubts: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    /// What went wrong, in words.
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    /// Adds a telling that was disturbed, next to the same story undisturbed.
    pub(crate) fn add(&mut self, task: &str, told: &Told, undisturbed: &Told) {
        self.kills += told.kills.len();
        self.twice += usize::from(told.kills.len() > 1);
        self.covered.extend(told.kills.iter().map(|kill| place(kill)));
        self.missed.extend(told.missed.iter().map(|missed| format!("{task} {missed}")));
        let doubts = told.doubts.saturating_sub(undisturbed.doubts);
        self.doubts += doubts;
        if told.end != undisturbed.end {
            self.lost += 1;
            self.wrong.push(format!("{task} after {:?}: {:#}", told.kills, told.end));
        }
        let (asked, expected) = (counted(&told.prompts), counted(&undisturbed.prompts));
        let more =
            asked.iter().map(|(prompt, times)| times.saturating_sub(*expected.get(prompt).unwrap_or(&0)));
        // What a person had asked again because nobody could know is not behind anybody's back.
        let doubled = more.sum::<usize>().saturating_sub(doubts);
        if doubled > 0 {
            self.doubled += doubled;
            self.wrong.push(format!("{task} after {:?} asked {asked:#?}", told.kills));
        }
    }

    /// Prints the sums and says what is wrong with them.
    #[expect(clippy::print_stdout, reason = "the sums are what this test is for")]
    pub(crate) fn report(&self, on: &str) {
        let all = failpoint::points().count();
        println!(
            "{on}: kills {}, of them {} runs killed twice, barriers {} of {all}, in doubt {}, lost {}, doubled {}",
            self.kills,
            self.twice,
            self.covered.len(),
            self.doubts,
            self.lost,
            self.doubled
        );
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert_eq!((self.lost, self.doubled), (0, 0));
    }
}

/// A failpoint without the time that counts.
fn place(failpoint: &str) -> String {
    failpoint.splitn(3, ':').take(2).collect::<Vec<_>>().join(":")
}

fn counted(prompts: &[String]) -> BTreeMap<&String, usize> {
    prompts.iter().fold(BTreeMap::new(), |mut counted, prompt| {
        *counted.entry(prompt).or_default() += 1;
        counted
    })
}

/// What is counted can be found.
#[test]
fn a_lost_result_and_a_second_prompt_are_counted() {
    let told = |status: &str, prompts: &[&str], kill: &str| Told {
        end: serde_json::json!({ "status": status }),
        prompts: prompts.iter().map(|prompt| (*prompt).to_owned()).collect(),
        kills: vec![kill.to_owned()],
        ..Told::default()
    };
    let undisturbed = told("success", &["one", "two"], "");
    let mut tally = Tally::default();
    tally.add("well", &told("success", &["one", "two"], "before:send:2"), &undisturbed);
    assert_eq!((tally.kills, tally.lost, tally.doubled, tally.wrong.len()), (1, 0, 0, 0));
    assert!(tally.covered.contains("before:send"));
    tally.add("doubled", &told("success", &["one", "one", "two"], "after:send:1"), &undisturbed);
    assert_eq!((tally.kills, tally.lost, tally.doubled, tally.wrong.len()), (2, 0, 1, 1));
    tally.add("lost", &told("error", &["one"], "appended:settled:1"), &undisturbed);
    assert_eq!((tally.kills, tally.lost, tally.doubled, tally.wrong.len()), (3, 1, 1, 2));
    let mut doubted = told("success", &["one", "one", "two"], "after:send:1");
    doubted.doubts = 1;
    tally.add("asked a person", &doubted, &undisturbed);
    assert_eq!((tally.doubts, tally.doubled), (1, 1));
}
