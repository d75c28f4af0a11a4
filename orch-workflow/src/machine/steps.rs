//! The steps of a run, and what can be said of all of them without looking at each.
//!
//! A run may have a thousand steps, and every input is first tried on a copy of the state. So copies share the steps,
//! a copy keeps what it changes beside them, and the questions that every input raises are answered by marks.

use std::{ops::Index, ops::Range, sync::Arc};

use crate::{machine::state::Step, view::StepStatus};

const WORD: usize = u64::BITS as usize;
/// A copy that changes more steps than this takes all of them along.
const MOST_ASIDE: usize = 16;

/// In plan order.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    shared: Arc<Vec<Arc<Step>>>,
    /// What is different here while others share the rest; few, in no order.
    aside: Vec<(usize, Arc<Step>)>,
    /// A bit for each step, one mark after the other.
    marks: Vec<u64>,
}

/// Equal when they say the same, wherever it is kept.
impl PartialEq for Steps {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.marks == other.marks && self.iter().eq(other.iter())
    }
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
        let mut steps = Self {
            shared: Arc::new(vec![Arc::clone(&pending); length]),
            aside: Vec::new(),
            marks: vec![0; length.div_ceil(WORD) * MARKS],
        };
        (0..length).for_each(|step| steps.set(Mark::Unfinished, step, true));
        steps
    }

    pub(crate) fn len(&self) -> usize {
        self.shared.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Step> {
        self.range(0..self.len())
    }

    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = &Step> {
        range.map(|step| &self[step])
    }

    /// Changes a step; there is no other way to. Whether it is ready is not known here.
    pub(crate) fn change<T>(&mut self, step: usize, change: impl FnOnce(&mut Step) -> T) -> T {
        let changed = Arc::make_mut(self.own(step));
        let result = change(changed);
        let (open, live) = (changed.open_attempt().is_some(), changed.live().is_some());
        let (over, backing_off) = (changed.is_over(), changed.status == StepStatus::Backoff);
        self.set(Mark::Unfinished, step, !over);
        self.set(Mark::Open, step, open);
        self.set(Mark::Live, step, live);
        self.set(Mark::BackingOff, step, backing_off);
        result
    }

    /// Once no copy shares the steps any more, what was kept beside them is one of them.
    pub(crate) fn unite(&mut self) {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            self.aside.drain(..).for_each(|(step, changed)| shared[step] = changed);
        }
    }

    /// A place for a step where changing it changes no copy.
    fn own(&mut self, step: usize) -> &mut Arc<Step> {
        if self.aside.len() >= MOST_ASIDE {
            Arc::make_mut(&mut self.shared);
        }
        self.unite();
        if Arc::get_mut(&mut self.shared).is_some() {
            return &mut Arc::make_mut(&mut self.shared)[step];
        }
        let position = self.aside.iter().position(|(number, _)| *number == step);
        let position = position.unwrap_or_else(|| {
            self.aside.push((step, Arc::clone(&self.shared[step])));
            self.aside.len() - 1
        });
        &mut self.aside[position].1
    }

    pub(crate) fn set(&mut self, mark: Mark, step: usize, holds: bool) {
        let bit = 1 << (step % WORD);
        let words = self.len().div_ceil(WORD);
        let word = &mut self.marks[mark as usize * words + step / WORD];
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
        let words = self.len().div_ceil(WORD);
        &self.marks[mark as usize * words..][..words]
    }
}

impl Index<usize> for Steps {
    type Output = Step;

    fn index(&self, step: usize) -> &Step {
        let aside = self.aside.iter().find(|(number, _)| *number == step);
        aside.map_or(&self.shared[step], |(_, changed)| changed)
    }
}
