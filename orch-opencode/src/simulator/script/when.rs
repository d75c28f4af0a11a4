use super::ModelCall;

/// Which prompts a rule of a [`Script`](super::Script) answers. All stated conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct When {
    text: Vec<String>,
    system: Option<String>,
    agent: Option<String>,
    session: Option<String>,
    nth: Option<usize>,
    lineage: Option<Lineage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lineage {
    Root,
    Child,
}

impl When {
    /// Every prompt.
    pub fn any() -> Self {
        Self::default()
    }

    /// The prompt contains `text`. Stated twice, both must be there.
    pub fn prompt(text: impl Into<String>) -> Self {
        Self::default().and_prompt(text)
    }

    /// The `n`-th prompt that this model is given, counted from 1 over all sessions. Title requests, tool
    /// results and repeated calls for one prompt do not count.
    pub fn nth(n: usize) -> Self {
        Self { nth: Some(n), ..Self::default() }
    }

    /// Also: the prompt contains `text`.
    pub fn and_prompt(mut self, text: impl Into<String>) -> Self {
        self.text.push(text.into());
        self
    }

    /// Also: the system prompt contains `text`.
    pub fn and_system(mut self, text: impl Into<String>) -> Self {
        self.system = Some(text.into());
        self
    }

    /// Also: the turn runs under this agent. Only the simulator knows the agent; a real host does not tell it
    /// to the model, so there this never matches: use [`When::and_system`].
    pub fn and_agent(mut self, name: impl Into<String>) -> Self {
        self.agent = Some(name.into());
        self
    }

    /// Also: the prompt belongs to this session.
    pub fn and_session(mut self, id: impl Into<String>) -> Self {
        self.session = Some(id.into());
        self
    }

    /// Also: the session has a parent.
    pub fn and_child(mut self) -> Self {
        self.lineage = Some(Lineage::Child);
        self
    }

    /// Also: the session has no parent.
    pub fn and_root(mut self) -> Self {
        self.lineage = Some(Lineage::Root);
        self
    }

    pub(super) fn matches(&self, call: &ModelCall) -> bool {
        let lineage = if call.parent_session.is_some() { Lineage::Child } else { Lineage::Root };
        self.text.iter().all(|text| call.text.contains(text))
            && self.system.as_ref().is_none_or(|text| call.system.contains(text))
            && self.agent.as_ref().is_none_or(|name| call.agent.as_ref() == Some(name))
            && self.session.as_ref().is_none_or(|id| call.session.as_ref() == Some(id))
            && self.nth.is_none_or(|n| call.prompt == Some(n))
            && self.lineage.is_none_or(|wanted| wanted == lineage)
    }
}
