//! Everything that this crate asks of a host, as data.

/// One operation, and what is used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// `GET`, `POST`.
    pub method: &'static str,
    /// With its parameters in braces, as the host's document writes it.
    pub path: &'static str,
    /// Parameters of the query.
    pub query: &'static [&'static str],
    /// Fields of the body.
    pub sends: &'static [&'static str],
    /// Fields of the answer that it cannot do without.
    pub needs: &'static [&'static str],
    /// Fields of the answer that it can do without.
    pub reads: &'static [&'static str],
}

pub(super) struct Relied {
    pub(super) name: &'static str,
    pub(super) purpose: &'static str,
    pub(super) operations: &'static [Operation],
    /// Events by name, each with the properties that are needed.
    pub(super) events: &'static [(&'static str, &'static [&'static str])],
}

/// Every operation that is ever called.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    RELIED.iter().flat_map(|relied| relied.operations)
}

pub(super) fn capabilities() -> impl Iterator<Item = &'static Relied> {
    RELIED.iter()
}

const fn call(method: &'static str, path: &'static str) -> Operation {
    Operation { method, path, query: &["directory"], sends: &[], needs: &[], reads: &[] }
}

impl Operation {
    const fn query(mut self, query: &'static [&'static str]) -> Self {
        self.query = query;
        self
    }

    const fn sends(mut self, sends: &'static [&'static str]) -> Self {
        self.sends = sends;
        self
    }

    const fn needs(mut self, needs: &'static [&'static str]) -> Self {
        self.needs = needs;
        self
    }

    const fn reads(mut self, reads: &'static [&'static str]) -> Self {
        self.reads = reads;
        self
    }
}

const SESSION_NEEDS: &[&str] = &["id", "directory", "time.created", "time.updated"];
const SESSION_READS: &[&str] = &[
    "parentID",
    "title",
    "agent",
    "model.id",
    "model.providerID",
    "permission[].permission",
    "permission[].pattern",
    "permission[].action",
    "metadata",
    "cost",
    "tokens.input",
];
const SESSIONS_NEED: &[&str] = &["[].id", "[].directory", "[].time.created", "[].time.updated"];
const SESSIONS_READ: &[&str] = &["[].parentID", "[].title"];
const MESSAGE_NEEDS: &[&str] = &[
    "info.id",
    "info.sessionID",
    "info.role",
    "info.time.created",
    "info.parentID",
    "parts[].id",
    "parts[].type",
];
const MESSAGE_READS: &[&str] = &[
    "info.time.completed",
    "info.finish",
    "info.error.name",
    "info.error.data.message",
    "info.cost",
    "info.tokens.output",
    "info.tokens.cache.read",
    "info.agent",
    "info.modelID",
    "info.providerID",
    "info.summary",
    "parts[].text",
    "parts[].synthetic",
    "parts[].ignored",
    "parts[].callID",
    "parts[].tool",
    "parts[].state.status",
    "parts[].state.input",
    "parts[].state.output",
    "parts[].state.error",
    "parts[].mime",
    "parts[].url",
    "parts[].reason",
];

static RELIED: &[Relied] = &[
    Relied {
        name: "health",
        purpose: "to know that the host is there, and its version",
        operations: &[call("GET", "/global/health").query(&[]).needs(&["healthy", "version"])],
        events: &[],
    },
    Relied {
        name: "agents and models",
        purpose: "to refuse a run whose agent or model is not there before a token is spent",
        operations: &[
            call("GET", "/agent").needs(&["[].name", "[].mode"]).reads(&[
                "[].description",
                "[].hidden",
                "[].model.providerID",
                "[].model.modelID",
                "[].permission",
            ]),
            call("GET", "/config/providers")
                .needs(&["providers[].id", "providers[].models{}", "default"])
                .reads(&[
                    "providers[].name",
                    "providers[].source",
                    "providers[].models{}.name",
                    "providers[].models{}.capabilities.toolcall",
                    "providers[].models{}.capabilities.input.image",
                    "providers[].models{}.limit.context",
                    "providers[].models{}.cost.input",
                    "providers[].models{}.variants",
                ]),
            call("GET", "/config").reads(&["model", "small_model"]),
        ],
        events: &[],
    },
    Relied {
        name: "skills",
        purpose: "to refuse a run whose skills are not there",
        operations: &[
            call("GET", "/skill").needs(&["[].name", "[].location"]).reads(&["[].description"]),
            call("GET", "/path").needs(&["home", "config", "worktree", "directory"]),
        ],
        events: &[],
    },
    Relied {
        name: "sessions",
        purpose: "to give workers sessions of their own, as children where they are subagents",
        operations: &[
            call("POST", "/session")
                .sends(&[
                    "parentID",
                    "title",
                    "agent",
                    "model.id",
                    "model.providerID",
                    "metadata",
                    "permission",
                ])
                .needs(SESSION_NEEDS)
                .reads(SESSION_READS),
            call("GET", "/session")
                .query(&["directory", "roots", "search", "start", "limit"])
                .needs(SESSIONS_NEED)
                .reads(SESSIONS_READ),
            call("GET", "/session/{sessionID}").needs(SESSION_NEEDS).reads(SESSION_READS),
            call("GET", "/session/{sessionID}/children").needs(SESSIONS_NEED).reads(SESSIONS_READ),
            call("PATCH", "/session/{sessionID}")
                .sends(&["title", "metadata", "permission"])
                .needs(SESSION_NEEDS)
                .reads(SESSION_READS),
            call("DELETE", "/session/{sessionID}"),
        ],
        events: &[
            ("session.created", &["info.id"]),
            ("session.updated", &["info.id"]),
            ("session.deleted", &["info.id"]),
        ],
    },
    Relied {
        name: "prompts",
        purpose: "to give a worker its work, and to stop it",
        operations: &[
            call("POST", "/session/{sessionID}/prompt_async").sends(&[
                "messageID",
                "agent",
                "model.providerID",
                "model.modelID",
                "variant",
                "system",
                "noReply",
                "parts[].id",
                "parts[].type",
                "parts[].text",
                "parts[].synthetic",
                "parts[].ignored",
                "parts[].mime",
                "parts[].url",
                "parts[].filename",
            ]),
            call("POST", "/session/{sessionID}/abort"),
        ],
        events: &[],
    },
    Relied {
        name: "results",
        purpose: "to know when a prompt has really ended, and how",
        operations: &[
            call("GET", "/session/status").needs(&["{}.type"]).reads(&[
                "{}.attempt",
                "{}.message",
                "{}.next",
            ]),
            call("GET", "/session/{sessionID}/message/{messageID}").needs(MESSAGE_NEEDS).reads(MESSAGE_READS),
            call("GET", "/session/{sessionID}/message")
                .query(&["directory", "limit", "before"])
                .needs(&["[].info.id", "[].info.role", "[].info.parentID", "[].parts[].type"])
                .reads(&["[].info.error.name", "[].info.finish", "[].parts[].text"]),
            call("GET", "/global/event").query(&[]),
        ],
        events: &[
            ("message.updated", &["info.id", "info.sessionID"]),
            ("message.removed", &["sessionID", "messageID"]),
            ("message.part.updated", &["sessionID", "part.id", "part.messageID"]),
            ("message.part.delta", &["sessionID", "messageID", "partID", "delta"]),
            ("session.status", &["sessionID", "status.type"]),
            ("session.idle", &["sessionID"]),
            ("session.error", &["sessionID", "error.name"]),
        ],
    },
    Relied {
        name: "forks",
        purpose: "to give a worker a copy of another session's context",
        operations: &[call("POST", "/session/{sessionID}/fork").sends(&["messageID"]).needs(SESSION_NEEDS)],
        events: &[],
    },
    Relied {
        name: "forks as children",
        purpose: "to make such a copy a child; without it a child is told the transcript in a message",
        operations: &[call("POST", "/sync/replay").sends(&[
            "directory",
            "events[].id",
            "events[].aggregateID",
            "events[].seq",
            "events[].type",
            "events[].data",
        ])],
        events: &[],
    },
    Relied {
        name: "permissions",
        purpose: "to let people answer what a worker asks leave for",
        operations: &[
            call("GET", "/permission").needs(&["[].id", "[].sessionID", "[].permission"]).reads(&[
                "[].patterns",
                "[].always",
                "[].metadata",
                "[].tool.messageID",
                "[].tool.callID",
            ]),
            call("POST", "/permission/{requestID}/reply").sends(&["reply", "message"]),
        ],
        events: &[
            ("permission.asked", &["id", "sessionID", "permission"]),
            ("permission.replied", &["sessionID", "requestID"]),
        ],
    },
    Relied {
        name: "questions",
        purpose: "to let people answer what a worker wants to know",
        operations: &[
            call("GET", "/question").needs(&["[].id", "[].sessionID", "[].questions[].question"]).reads(&[
                "[].questions[].header",
                "[].questions[].options[].label",
                "[].questions[].multiple",
            ]),
            call("POST", "/question/{requestID}/reply").sends(&["answers"]),
            call("POST", "/question/{requestID}/reject"),
        ],
        events: &[
            ("question.asked", &["id", "sessionID", "questions[].question"]),
            ("question.replied", &["sessionID", "requestID"]),
            ("question.rejected", &["sessionID", "requestID"]),
        ],
    },
    Relied {
        name: "front end",
        purpose: "to show toasts and hints, and to switch what the terminal interface shows",
        operations: &[
            call("POST", "/tui/show-toast").sends(&["title", "message", "variant", "duration"]),
            call("POST", "/tui/append-prompt").sends(&["text"]),
            call("POST", "/tui/clear-prompt"),
            call("POST", "/tui/submit-prompt"),
            call("POST", "/tui/open-sessions"),
            call("POST", "/tui/select-session").sends(&["sessionID"]),
            call("POST", "/tui/publish").sends(&["type", "properties.command"]),
        ],
        events: &[],
    },
];
