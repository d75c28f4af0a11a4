//! The steps of a run, and what can be said of all of them without looking at each.
//!
//! A run may have a thousand steps, and every input is first tried on a copy of the state. So the steps stand in blocks
//! that copies share, and the questions that every input raises are answered by marks.

use std::{
    ops::{Index, Range},
    sync::Arc,
};

use crate::{machine::state::Step, view::StepStatus};

/// The steps of a block; a change copies the pointers to so many.
const BLOCK: usize = 16;
const WORD: usize = u64::BITS as usize;

/// In plan order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Steps {
    blocks: Vec<Arc<Vec<Arc<Step>>>>,
    length: usize,
    /// A bit for each step, one mark after the other.
    marks: Vec<u64>,
}

/// Something that is true of some of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Something of it is still due.
    Unfinished,
    /// It has an attempt that has not ended.
    Open,
    /// It has a dispatch without a result.
    Live,
    /// It waits for the time of its next attempt.
    BackingOff,
    /// It waits for nothing but its turn.
    Ready,
}

const MARKS: usize = 5;

impl Steps {
    /// So many, of which nothing has begun.
    pub(crate) fn pending(length: usize) -> Self {
        let pending = Arc::new(Step::pending());
        let block = |first: usize| Arc::new(vec![Arc::clone(&pending); BLOCK.min(length - first)]);
        let words = length.div_ceil(WORD);
        let mut steps = Self {
            blocks: (0..length).step_by(BLOCK).map(block).collect(),
            length,
            marks: vec![0; words * MARKS],
        };
        (0..length).for_each(|step| steps.set(Mark::Unfinished, step, true));
        steps
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Step> {
        self.blocks.iter().flat_map(|block| block.iter().map(AsRef::as_ref))
    }

    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = &Step> {
        range.map(|step| &self[step])
    }

    /// Changes a step; there is no other way to. Whether it is ready is not known here.
    pub(crate) fn change<T>(&mut self, step: usize, change: impl FnOnce(&mut Step) -> T) -> T {
        let block = Arc::make_mut(&mut self.blocks[step / BLOCK]);
        let changed = Arc::make_mut(&mut block[step % BLOCK]);
        let result = change(changed);
        let (open, live) = (changed.open_attempt().is_some(), changed.live().is_some());
        let (over, backing_off) = (changed.is_over(), changed.status == StepStatus::Backoff);
        self.set(Mark::Unfinished, step, !over);
        self.set(Mark::Open, step, open);
        self.set(Mark::Live, step, live);
        self.set(Mark::BackingOff, step, backing_off);
        result
    }

    pub(crate) fn set(&mut self, mark: Mark, step: usize, holds: bool) {
        let bit = 1 << (step % WORD);
        let word = &mut self.marks[mark as usize * self.length.div_ceil(WORD) + step / WORD];
        if holds { *word |= bit } else { *word &= !bit }
    }

    pub(crate) fn is(&self, mark: Mark, step: usize) -> bool {
        self.words(mark)[step / WORD] >> (step % WORD) & 1 == 1
    }

    pub(crate) fn count(&self, mark: Mark) -> usize {
        self.words(mark).iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The steps with a mark, in plan order.
    pub(crate) fn with(&self, mark: Mark) -> impl Iterator<Item = usize> {
        self.words(mark).iter().enumerate().flat_map(|(number, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(number * WORD + bit)
            })
        })
    }

    fn words(&self, mark: Mark) -> &[u64] {
        let words = self.length.div_ceil(WORD);
        &self.marks[mark as usize * words..][..words]
    }
}

impl Index<usize> for Steps {
    type Output = Step;

    fn index(&self, step: usize) -> &Step {
        &self.blocks[step / BLOCK][step % BLOCK]
    }
}
