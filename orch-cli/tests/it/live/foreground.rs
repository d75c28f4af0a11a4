//! Steps in the foreground: a person talks to the worker in its own session, then it hands off to the parent.

use orch::opencode::{
    Message, OpenCode as _, SessionId,
    simulator::{Script, When},
};
use serde_json::{Value, json};

use super::{
    live_binary,
    person::{answered, say},
    tui::{Screen, tmux},
    world::World,
};

fn config(handoff: &str) -> Value {
    json!({
        "profiles": [{ "id": "guide", "kind": "subagent", "handoff": handoff }],
        "workflows": { "definitions": [{ "id": "flow", "steps": [
            { "id": "study", "workerId": "guide", "execution": "foreground", "prompt": "study {task}" },
        ] }] },
    })
}

fn script() -> Script {
    Script::new()
        .on(When::prompt("Summarise its outcome"), "## Summary\nThe store keeps a journal of heliotrope.")
        .on(When::prompt("Answer this question for the parent"), "4096 it is.")
        .on(When::prompt("remember the cobalt"), "I remember the cobalt.")
        .on(When::prompt("and what do you know"), "What I was told.")
        .otherwise("Ask me about it.")
}

/// How many messages hold this in any of their parts, those included that only people or only models see.
fn holding(messages: &[Message], text: &str) -> usize {
    messages.iter().filter(|message| format!("{:?}", message.parts).contains(text)).count()
}

fn sessions(run: &Value) -> (SessionId, SessionId) {
    let id = |value: &Value| SessionId::parse(value.as_str().unwrap()).unwrap();
    (id(&run["parent_session"]), id(&run["steps"][0]["session"]))
}

#[tokio::test]
async fn what_was_said_in_the_child_counts_and_its_hand_off_reaches_the_parent() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, script(), &config("summarize")).await;
    let host = world.host();

    let ended = world.orch(&["run", "flow", "<one>", "--no-input", "--json"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    let run = ended.run();
    let shown = world.show(&run).await;
    assert_eq!(shown["gate"]["reason"], "interactive");
    let (parent, child) = sessions(&shown);
    assert_eq!(host.session(&child).await.unwrap().parent.as_ref(), Some(&parent));
    say(&host, &child, "remember the cobalt").await;
    answered(&host, &child, "remember the cobalt").await;

    let ended = world.orch(&["continue", &run, "--no-input"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let calls = world.prompts("Summarise its outcome");
    assert_eq!(calls.len(), 1, "the worker was asked for the hand-off once");
    let conversation = format!("{:?}", calls[0].messages);
    assert!(conversation.contains("I remember the cobalt."), "the talk is what it sums up: {conversation}");
    let text = "## Summary\nThe store keeps a journal of heliotrope.";
    assert_eq!(world.show(&run).await["steps"][0]["text"], text);

    // Told to the parent, once, without asking its model.
    let told = host.messages(&parent).await.unwrap();
    assert_eq!(holding(&told, "heliotrope"), 1, "{told:?}");
    assert!(told.iter().all(|message| message.assistant().is_none()), "nobody was asked: {told:?}");
    assert!(host.statuses().await.unwrap().is_empty());

    // From then on the parent's model knows what the child has found out, and nothing else of their talk.
    say(&host, &parent, "and what do you know").await;
    answered(&host, &parent, "and what do you know").await;
    let seen = format!("{:?}", world.prompts("and what do you know")[0].messages);
    assert!(seen.contains("heliotrope") && !seen.contains("I remember the cobalt."), "{seen}");

    // The next run of the workflow goes on under the same parent, and in the session that was cultivated there.
    let ended = world.orch(&["run", "flow", "<two>", "--no-input", "--json"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!(sessions(&world.show(&ended.run()).await), (parent, child));
    world.stop().await;
}

#[tokio::test]
async fn the_hand_off_answers_the_question_that_the_parent_has() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, script(), &config("none")).await;
    let host = world.host();
    let ended = world.orch(&["run", "flow", "<task>", "--no-input", "--json"]).await;
    let (run, shown) = (ended.run(), world.show(&ended.run()).await);
    let (parent, _) = sessions(&shown);

    let ended = world.orch(&["continue", &run, "--question", "Which port?", "--no-input"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.show(&run).await["steps"][0]["text"], "4096 it is.");
    assert_eq!(world.prompts("who has seen none of it: Which port?").len(), 1);
    let told = host.messages(&parent).await.unwrap();
    assert_eq!(holding(&told, "4096 it is."), 1, "{told:?}");

    let refused = world.orch(&["continue", &run, "--question", "Why?", "--no-input", "--json"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    world.stop().await;
}

#[tokio::test]
async fn an_attached_tui_shows_the_worker_while_it_is_talked_to_and_the_parent_afterwards() {
    let Some(program) = live_binary() else { return };
    let Some(tmux) = tmux() else { return };
    let world = World::start(&program, script(), &config("summarize")).await;
    let screen = Screen::attach(&tmux, &program, &world).await;

    let ended = world.orch(&["run", "flow", "<task>", "--no-input", "--json"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    let shows_child = |text: &str| text.contains("study <task>") && text.contains("Ask me about it.");
    screen.wait("the worker's session", shows_child).await;

    let ended = world.orch(&["continue", &ended.run(), "--no-input"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let shows_parent = |text: &str| text.contains("hands off") && !text.contains("study <task>");
    screen.wait("the parent session with the hand-off", shows_parent).await;

    // A person goes there again, asks something, and comes back.
    let opened = world.orch(&["open", "guide"]).await;
    assert_eq!(opened.code, 0, "{opened:?}");
    screen.wait("the worker's session again", shows_child).await;
    let asked = world.orch(&["ask", "guide", "remember", "the", "cobalt"]).await;
    assert_eq!((asked.code, asked.stdout.as_str()), (0, "I remember the cobalt.\n"), "{asked:?}");
    screen.wait("the question and its answer", |text| text.contains("I remember the cobalt.")).await;
    let back = world.orch(&["open", "guide", "--back"]).await;
    assert_eq!(back.code, 0, "{back:?}");
    screen.wait("the parent session again", shows_parent).await;
    screen.close().await;
    world.stop().await;
}
