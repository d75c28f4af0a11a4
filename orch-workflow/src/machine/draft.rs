//! A batch in the making: records are folded as they are written, so every decision sees the ones before it.

use std::sync::Arc;

use crate::{
    attempt::{DispatchId, Timestamp},
    machine::{Batch, effect::Effect, evolve::evolve, live::Follow, state::State},
    port::Dispatch,
    record::{Record, RecordBody},
};

pub(crate) struct Draft<'m> {
    pub(crate) now: Timestamp,
    pub(crate) state: Box<State>,
    follows: &'m [Follow],
    records: Vec<Record>,
    effects: Vec<Effect>,
}

impl<'m> Draft<'m> {
    pub(crate) fn new(now: Timestamp, state: &State, follows: &'m [Follow]) -> Self {
        Self { now, state: Box::new(state.clone()), follows, records: Vec::new(), effects: Vec::new() }
    }

    /// Writes a record down.
    pub(crate) fn record(&mut self, body: RecordBody) {
        let record = Record { seq: self.state.seq + 1, at: self.now, body };
        evolve(&mut self.state, &record);
        self.records.push(record);
    }

    /// Wants something done once the records are durable.
    pub(crate) fn want(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn follow(&self, dispatch: &DispatchId) -> Option<&'m Follow> {
        self.follows.iter().find(|follow| follow.dispatch == *dispatch)
    }

    /// Whether there is work in flight that nobody in this process follows, or will with this batch.
    pub(crate) fn has_unattended(&self) -> bool {
        let attended = |dispatch: &DispatchId| {
            self.follow(dispatch).is_some() || self.effects.iter().any(|effect| effect.dispatch() == dispatch)
        };
        self.state.live_steps().any(|(_, _, turn)| !attended(&turn.dispatch))
    }

    pub(crate) fn follows(&self) -> &'m [Follow] {
        self.follows
    }

    /// The time at work of a step's open attempt.
    pub(crate) fn active_ms(&self, step: usize) -> u64 {
        let Some(attempt) = self.state.steps[step].open_attempt() else { return 0 };
        let follow = attempt.turns.last().and_then(|turn| self.follow(&turn.dispatch));
        match follow {
            Some(follow) => follow.clock.active_ms(self.now),
            None => attempt.known_active_ms(),
        }
    }

    /// The live dispatch of a step as the port wants it.
    pub(crate) fn dispatch(&self, step: usize) -> Option<Box<Dispatch>> {
        let state = &self.state;
        let (attempt, turn) = state.steps[step].live()?;
        let planned = state.planned(step);
        // A further turn belongs to the session that the first one opened.
        let session = if turn.dispatch.turn == 1 { attempt.session } else { Default::default() };
        let before = attempt.turns.iter().rev().skip(1).find_map(|turn| turn.placed.as_ref());
        Some(Box::new(Dispatch {
            id: turn.dispatch.clone(),
            workflow: state.plan().workflow.clone(),
            title: planned.title.clone(),
            worker: planned.worker.clone(),
            kind: planned.kind,
            execution: planned.execution,
            prompt: Arc::clone(&turn.prompt),
            session,
            continues: before.map(|place| place.session.clone()),
            parent_session: state.parent_session.clone(),
            parent_title: Arc::clone(&state.parent_title),
            directory: state.started.directory.clone(),
            asks: state.started.asks,
            required_skills: planned.required_skills.clone(),
            attachments: match turn.dispatch.turn {
                1 if state.plan().comes_first(planned) => state.started.attachments.clone(),
                _ => Vec::new(),
            },
        }))
    }

    pub(crate) fn finish(mut self) -> Batch {
        // What was begun and given up in the same batch never happens.
        self.effects.retain(|effect| self.state.live(effect.dispatch()).is_some());
        let next = (!self.records.is_empty()).then_some(self.state);
        Batch { records: self.records, at: self.now, effects: self.effects, next }
    }
}
