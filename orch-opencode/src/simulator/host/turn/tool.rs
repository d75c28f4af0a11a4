//! Simulated tools: the host's checks and asks around a result that the script has chosen.

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Turn;
use super::open::OpenTool;
use crate::simulator::host::ask::Verdict;
use crate::simulator::host::permission::{Need, decide, needs, withheld};
use crate::simulator::host::wire::{Action, Info, PartBody, Permission, Question, Rule, ToolRef};
use crate::simulator::host::world::{NewSession, UserMessage, World};
use crate::simulator::script::{ToolCall, Wait};

/// The tools of a fresh OpenCode.
pub(super) const NAMES: [&str; 12] = [
    "bash",
    "edit",
    "glob",
    "grep",
    "invalid",
    "question",
    "read",
    "skill",
    "task",
    "todowrite",
    "webfetch",
    "write",
];

/// The permission that withholds a tool; `write` is a kind of `edit`.
pub(super) fn permission_of<'a>(tool: &&'a str) -> &'a str {
    if *tool == "write" { "edit" } else { tool }
}

/// What a step must know about how its tools ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToolEnd {
    /// With a result or an error; the model goes on with it.
    Told,
    /// Somebody refused without a word: the turn ends.
    Refused,
}

/// A started tool call.
pub(super) struct Running {
    tool: OpenTool,
    work: Work,
}

enum Work {
    Ended(Result<Output, String>),
    Script {
        /// The permissions still to be asked for; the first has been asked for already.
        asks: Vec<Need>,
        asked: Option<oneshot::Receiver<Verdict>>,
        takes: Vec<Wait>,
        result: Result<String, String>,
    },
    Question(oneshot::Receiver<Option<Value>>),
    Task {
        child: String,
        done: CancellationToken,
    },
}

struct Output {
    output: String,
    title: Value,
    metadata: Value,
}

impl Turn {
    /// Starts a call: everything that the host announces before it has to wait for anything.
    pub(super) fn start_tool(&self, message: &str, call: ToolCall) -> Running {
        self.host.with(|world| {
            let call_id = format!("call_{:x}", crate::simulator::id::unique());
            let pending = json!({ "status": "pending", "input": {}, "raw": "" });
            let body = PartBody::Tool { tool: call.name.clone(), call_id: call_id.clone(), state: pending };
            let part = world.put_part(&self.session, message, None, body);
            let start = world.now;
            let tool = |name: &str, input| OpenTool {
                part,
                call_id,
                name: name.to_owned(),
                input,
                start,
                asking: false,
                child: None,
            };
            let rules = self.tool_rules(world);
            let running = match check(&call, &rules) {
                Err(error) => {
                    let text = format!("The arguments provided to the tool are invalid: {error}");
                    let output = Output {
                        output: text,
                        title: json!("Invalid Tool"),
                        metadata: json!({ "truncated": false }),
                    };
                    let input = json!({ "tool": call.name, "error": error });
                    Running { tool: tool("invalid", input), work: Work::Ended(Ok(output)) }
                }
                Ok(input) => {
                    let tool = tool(&call.name, input);
                    self.begin(world, message, tool, call, &rules)
                }
            };
            self.announce(world, message, &running);
            self.open().tools.push(running.tool.clone());
            running
        })
    }

    fn begin(
        &self,
        world: &mut World,
        message: &str,
        mut tool: OpenTool,
        call: ToolCall,
        rules: &[Rule],
    ) -> Running {
        if let Some(key) = missing_key(&call.name, &tool.input) {
            let error = format!(
                "The {} tool was called with invalid arguments: SchemaError(Missing key\n  at [\"{key}\"]).\nPlease \
                 rewrite the input so it satisfies the expected schema.",
                call.name
            );
            return Running { tool, work: Work::Ended(Err(error)) };
        }
        let directory = world.thread(&self.session).map(|thread| thread.session.directory.clone());
        let mut asks = Vec::new();
        for need in needs(&call.name, &tool.input, directory.as_deref().unwrap_or_default()) {
            match decide(rules, need.permission, &need.pattern) {
                Action::Allow => {}
                Action::Deny => {
                    let relevant: Vec<_> = rules.iter().filter(|rule| rule.action == Action::Deny).collect();
                    let error = format!(
                        "The user has specified a rule which prevents you from using this specific tool call. Here \
                         are some of the relevant rules {}",
                        json!(relevant)
                    );
                    return Running { tool, work: Work::Ended(Err(error)) };
                }
                Action::Ask if world.is_approved(need.permission, &need.pattern) => {}
                Action::Ask => asks.push(need),
            }
        }
        let work = match call.name.as_str() {
            "question" => {
                let id = world.id("que");
                let question = Question {
                    id,
                    session_id: self.session.clone(),
                    questions: tool.input["questions"].clone(),
                    tool: reference(message, &tool),
                };
                tool.asking = true;
                Work::Question(world.ask_question(question))
            }
            "task" => self.begin_task(world, &mut tool),
            "todowrite" => {
                let todos = tool.input["todos"].clone();
                if let Some(thread) = world.thread_mut(&self.session) {
                    thread.todos = todos.clone();
                }
                world.emit(&self.session, "todo.updated", json!({ "todos": todos }));
                let output = serde_json::to_string_pretty(&todos).unwrap_or_default();
                let title = json!(format!("{} todos", todos.as_array().map_or(0, Vec::len)));
                Work::Ended(Ok(Output {
                    output,
                    title,
                    metadata: json!({ "todos": todos, "truncated": false }),
                }))
            }
            _ => {
                let asked = asks.first().map(|need| self.ask(world, message, &tool, need));
                tool.asking = asked.is_some();
                Work::Script { asks, asked, takes: call.takes, result: call.result }
            }
        };
        Running { tool, work }
    }

    /// A child session for another agent, with the same model, that may not delegate further.
    fn begin_task(&self, world: &mut World, tool: &mut OpenTool) -> Work {
        let text = |key: &str| tool.input[key].as_str().unwrap_or_default().to_owned();
        let (description, prompt, agent) = (text("description"), text("prompt"), text("subagent_type"));
        if self.host.options.find_agent(&agent).is_none() {
            return Work::Ended(Err(format!("Unknown agent type: {agent} is not a valid agent type")));
        }
        let model = world.thread(&self.session).and_then(|thread| {
            thread.messages.iter().rev().find_map(|message| match &message.info {
                Info::User(user) => Some(user.model.clone()),
                Info::Assistant(_) => None,
            })
        });
        let Some(model) = model else { return Work::Ended(Err("no message to answer".to_owned())) };
        let directory = world.thread(&self.session).map(|thread| thread.session.directory.clone());
        let deny = Rule { permission: "task".into(), pattern: "*".into(), action: Action::Deny };
        let child = world.create_session(NewSession {
            directory: directory.unwrap_or_default(),
            parent_id: Some(self.session.clone()),
            title: Some(format!("{description} (@{agent} subagent)")),
            agent: Some(agent.clone()),
            permission: vec![deny],
            ..NewSession::default()
        });
        let parts = vec![(None, PartBody::text(prompt))];
        let message = UserMessage { id: None, agent, model, system: None, parts };
        world.put_user_message(&child.id, message);
        tool.child = Some(child.id.clone());
        match super::ensure_running(&self.host, world, &child.id) {
            Some(turn) => Work::Task { child: child.id, done: turn.done },
            None => Work::Ended(Err("the child session is gone".to_owned())),
        }
    }

    fn ask(
        &self,
        world: &mut World,
        message: &str,
        tool: &OpenTool,
        need: &Need,
    ) -> oneshot::Receiver<Verdict> {
        let id = world.id("per");
        world.ask_permission(Permission {
            id,
            session_id: self.session.clone(),
            permission: need.permission.to_owned(),
            patterns: vec![need.pattern.clone()],
            metadata: need.metadata.clone(),
            always: need.always.clone(),
            tool: reference(message, tool),
        })
    }

    /// Says that the call runs.
    fn announce(&self, world: &mut World, message: &str, running: &Running) {
        let tool = &running.tool;
        let mut state = json!({ "status": "running", "input": tool.input, "time": { "start": tool.start } });
        if let Some(child) = &tool.child {
            state["title"] = tool.input["description"].clone();
            state["metadata"] = self.task_metadata(child);
        }
        self.put_tool(world, message, &tool.part, &tool.name, &tool.call_id, state);
    }

    fn task_metadata(&self, child: &str) -> Value {
        json!({ "parentSessionId": self.session, "sessionId": child })
    }

    /// Runs a started call to its end.
    pub(super) async fn run_tool(&self, message: &str, running: Running) -> ToolEnd {
        let Running { tool, work } = running;
        let (result, end) = match work {
            Work::Ended(result) => (result, ToolEnd::Told),
            Work::Script { asks, asked, takes, result } => {
                self.run_script(message, &tool, asks, asked, takes, result).await
            }
            Work::Question(answer) => match answer.await {
                Ok(Some(answers)) => (Ok(answered(&tool.input, &answers)), ToolEnd::Told),
                Ok(None) | Err(_) => (Err("The user dismissed this question".to_owned()), ToolEnd::Refused),
            },
            Work::Task { child, done } => {
                done.cancelled().await;
                (self.task_result(&tool, &child), ToolEnd::Told)
            }
        };
        self.host.with(|world| {
            let time = json!({ "start": tool.start, "end": world.now });
            let state = match result {
                Ok(Output { output, title, metadata }) => json!({
                    "status": "completed", "input": tool.input, "output": output, "metadata": metadata,
                    "title": title, "time": time,
                }),
                Err(error) => json!({ "status": "error", "input": tool.input, "error": error, "time": time }),
            };
            self.open().tools.retain(|open| open.part != tool.part);
            self.put_tool(world, message, &tool.part, &tool.name, &tool.call_id, state);
        });
        end
    }

    async fn run_script(
        &self,
        message: &str,
        tool: &OpenTool,
        asks: Vec<Need>,
        mut asked: Option<oneshot::Receiver<Verdict>>,
        takes: Vec<Wait>,
        result: Result<String, String>,
    ) -> (Result<Output, String>, ToolEnd) {
        for need in &asks {
            let verdict = asked
                .take()
                .unwrap_or_else(|| self.host.with(|world| self.ask(world, message, tool, need)))
                .await;
            match verdict {
                Ok(Verdict::Granted) => {}
                Ok(Verdict::Rejected(Some(feedback))) => {
                    let error = format!(
                        "The user rejected permission to use this specific tool call with the following feedback: \
                         {feedback}"
                    );
                    return (Err(error), ToolEnd::Told);
                }
                Ok(Verdict::Rejected(None)) | Err(_) => {
                    let error = "The user rejected permission to use this specific tool call.".to_owned();
                    return (Err(error), ToolEnd::Refused);
                }
            }
        }
        if let Some(open) = self.open().tools.iter_mut().find(|open| open.part == tool.part) {
            open.asking = false;
        }
        if tool.name == "bash" {
            self.progress(message, tool, "");
        }
        for wait in &takes {
            wait.pass().await;
        }
        let output = match result {
            Ok(output) if tool.name == "bash" => {
                if !output.is_empty() {
                    self.progress(message, tool, &output);
                }
                bash_output(&tool.input, &output)
            }
            Ok(output) => Output { output, title: json!(""), metadata: json!({ "truncated": false }) },
            Err(error) => return (Err(error), ToolEnd::Told),
        };
        (Ok(output), ToolEnd::Told)
    }

    /// The shell's output so far.
    fn progress(&self, message: &str, tool: &OpenTool, output: &str) {
        let state = json!({
            "metadata": { "output": output }, "status": "running", "input": tool.input,
            "time": { "start": tool.start },
        });
        self.host.with(|world| self.put_tool(world, message, &tool.part, &tool.name, &tool.call_id, state));
    }

    /// What the child session said last, or that it was cancelled.
    fn task_result(&self, tool: &OpenTool, child: &str) -> Result<Output, String> {
        let last =
            self.host.with(|world| world.thread(child).and_then(|thread| thread.messages.last().cloned()));
        let failed = last.as_ref().is_none_or(|message| match &message.info {
            Info::Assistant(info) => info.error.is_some(),
            Info::User(_) => true,
        });
        if failed {
            return Err("Task cancelled".to_owned());
        }
        let text = last.map(|message| message.text()).unwrap_or_default();
        let mut metadata = self.task_metadata(child);
        metadata["truncated"] = json!(false);
        Ok(Output {
            output: format!(
                "<task id=\"{child}\" state=\"completed\">\n<task_result>\n{text}\n</task_result>\n</task>"
            ),
            title: tool.input["description"].clone(),
            metadata,
        })
    }

    fn tool_rules(&self, world: &World) -> Vec<Rule> {
        let agent = world.thread(&self.session).and_then(|thread| thread.session.agent.clone());
        let agent = agent.and_then(|name| self.host.options.find_agent(&name));
        world.rules(&self.session, agent.map(|agent| agent.rules()).unwrap_or_default())
    }
}

/// The parsed arguments, or why the host takes the call for one of its `invalid` tool.
fn check(call: &ToolCall, rules: &[Rule]) -> Result<Value, String> {
    let offered = |tool: &&&str| !withheld(rules, permission_of(tool));
    if !NAMES.iter().filter(offered).any(|tool| *tool == call.name) {
        let offered: Vec<_> = NAMES.iter().filter(offered).copied().collect();
        return Err(format!(
            "Model tried to call unavailable tool '{}'. Available tools: {}.",
            call.name,
            offered.join(", ")
        ));
    }
    serde_json::from_str(&call.arguments).map_err(|error| {
        let arguments = &call.arguments;
        format!(
            "Invalid input for tool {}: JSON parsing failed: Text: {arguments}.\nError message: {error}",
            call.name
        )
    })
}

fn missing_key(tool: &str, input: &Value) -> Option<&'static str> {
    let keys: &[&str] = match tool {
        "bash" => &["command"],
        "read" => &["filePath"],
        "write" => &["filePath", "content"],
        "edit" => &["filePath", "oldString", "newString"],
        "glob" | "grep" => &["pattern"],
        "question" => &["questions"],
        "task" => &["description", "prompt", "subagent_type"],
        "todowrite" => &["todos"],
        "webfetch" => &["url"],
        "skill" => &["name"],
        _ => &[],
    };
    keys.iter().find(|key| input.get(**key).is_none()).copied()
}

fn reference(message: &str, tool: &OpenTool) -> ToolRef {
    ToolRef { message_id: message.to_owned(), call_id: tool.call_id.clone() }
}

fn bash_output(input: &Value, output: &str) -> Output {
    let output = if output.is_empty() { "(no output)" } else { output };
    Output {
        output: output.to_owned(),
        title: input["command"].clone(),
        metadata: json!({ "output": output, "exit": 0, "truncated": false }),
    }
}

/// `answers` holds, for each question, the labels that were chosen.
fn answered(input: &Value, answers: &Value) -> Output {
    let questions = input["questions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pairs: Vec<_> = questions
        .iter()
        .enumerate()
        .map(|(index, question)| {
            let labels = answers[index].as_array().map(Vec::as_slice).unwrap_or_default();
            let labels: Vec<_> = labels.iter().filter_map(Value::as_str).collect();
            let chosen = if labels.is_empty() { "Unanswered".to_owned() } else { labels.join(", ") };
            format!("\"{}\"=\"{chosen}\"", question["question"].as_str().unwrap_or_default())
        })
        .collect();
    let plural = if questions.len() == 1 { "" } else { "s" };
    Output {
        output: format!(
            "User has answered your questions: {}. You can now continue with the user's answers in mind.",
            pairs.join(", ")
        ),
        title: json!(format!("Asked {} question{plural}", questions.len())),
        metadata: json!({ "answers": answers, "truncated": false }),
    }
}
