use proptest::prelude::*;

use super::*;

fn blocks(count: usize, chars: usize) -> Vec<Block> {
    (0..count).map(|number| Block::read(&format!("Step {number}"), &"x".repeat(chars))).collect()
}

#[test]
fn blocks_that_fit_are_put_together_as_they_are() {
    let blocks = [Block::read("Plan", "Risks: none\nNext: go"), Block::read("Build", "done")];
    let carry = assemble(&blocks, 24_000);
    let text = "### Plan\n#### Risks\nnone\n\n#### Next\ngo\n\n### Build\n#### Summary\ndone";
    assert_eq!(carry, Carry { text: text.to_owned(), trimmed: false });
    assert_eq!(assemble(&blocks, text.chars().count()), carry, "a carry of exactly the limit is whole");
    assert!(assemble(&blocks, text.chars().count() - 1).trimmed);
    assert_eq!(assemble(&[], 10), Carry::default());
}

#[test]
fn too_much_shrinks_every_block_and_drops_none() {
    let carry = assemble(&blocks(30, 880), 24_000);
    assert!(carry.trimmed);
    assert!(carry.text.chars().count() <= 24_000);
    for number in 0..30 {
        let title = format!("### Step {number}\n#### Summary\nxxx");
        assert!(carry.text.contains(&title), "{title} is gone");
    }
}

#[test]
fn a_small_block_keeps_its_share_beside_large_ones() {
    let mut blocks = blocks(10, 880);
    blocks.push(Block::read("Verdict", "approved"));
    let carry = assemble(&blocks, 4_000);
    assert!(carry.text.ends_with("### Verdict\n#### Summary\napproved"), "{}", carry.text);
}

#[test]
fn actions_are_carried_only_in_place_of_a_summary() {
    let with = Block::read("Step", "Summary: s\nActions: a\nWarnings: w").to_string();
    assert_eq!(with, "### Step\n#### Summary\ns");
    let without = Block::read("Step", "Actions: a\nNext: n").to_string();
    assert_eq!(without, "### Step\n#### Summary\na\n\n#### Next\nn");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_carry_never_exceeds_its_limit_whatever_it_holds(
        answers in prop::collection::vec("(Summary:|## Next\n|Risks:\n|\u{1F600}|ü|[a-z \n]){0,150}", 0..8),
        max in 0..3_000_usize,
    ) {
        let blocks: Vec<_> = answers.iter().enumerate().map(|(i, answer)| Block::read(&i.to_string(), answer)).collect();
        let carry = assemble(&blocks, max);
        prop_assert!(carry.text.chars().count() <= max);
        let whole: usize = blocks.iter().map(|block| block.to_string().chars().count() + 2).sum();
        prop_assert_eq!(carry.trimmed, whole.saturating_sub(2) > max);
    }
}
