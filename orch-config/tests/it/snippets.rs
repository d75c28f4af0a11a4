//! `{{snippet:name}}`: put in when a file is read, in the template itself and nowhere else.

use orch_config::{
    Config, StepDefinition, Trust, WorkflowDefinition, code, load::MAX_PROMPT_TOTAL_BYTES, parse,
};

use crate::support::{Project, lines, loaded};

fn workflow(prompt: &str) -> String {
    let step = serde_json::json!({ "id": "s", "workerId": "coder", "prompt": prompt });
    serde_json::json!({ "workflows": { "definitions": [{ "id": "w", "steps": [step] }] } }).to_string()
}

fn prompt(config: &Config) -> &str {
    &config.workflow("w").unwrap().steps().next().unwrap().prompt
}

#[test]
fn a_shipped_snippet_is_put_in_wherever_a_template_names_it() {
    for name in ["handoff", "vision-protocol", "worker-output-contract"] {
        for written in [format!("{{{{snippet:{name}}}}}"), format!("{{{{  snippet: {name}.md }}}}")] {
            let config = loaded(&workflow(&format!("A {written} {written} Z {{task}}"))).config;
            let text = prompt(&config);
            assert!(
                text.starts_with("A ") && text.ends_with(" Z {task}") && text.len() > 400,
                "{written}: {text}"
            );
            assert!(!text.contains("snippet"), "{text}");
        }
    }
    let system = r#"{"profiles": [{"id": "w", "systemPrompt": "{{snippet:handoff}}"}]}"#;
    assert!(
        loaded(system).config.profile("w").unwrap().system_prompt.as_ref().unwrap().contains("## Summary")
    );
    let boomerang =
        r#"{"workflows": {"roocodeBoomerang": {"steps": [{"id": "x", "prompt": "{{snippet:handoff}}"}]}}}"#;
    let config = loaded(boomerang).config;
    assert!(
        config.workflow("roocode-boomerang").unwrap().steps().next().unwrap().prompt.contains("## Summary")
    );
}

#[test]
fn a_projects_snippet_comes_before_the_shipped_one_and_may_have_placeholders() {
    let project = Project::new()
        .project(&workflow("{{snippet:handoff}}|{{snippet:team/rules}}"))
        .file("project/.opencode/orch/prompts/snippets/handoff.md", "ours: {task}\n")
        .file("project/.opencode/orch/prompts/snippets/team/rules.md", "rules");
    let loaded = project.load().unwrap();
    assert_eq!(prompt(&loaded.config), "ours: {task}|rules");
    let read: Vec<_> = loaded.prompt_files.iter().map(|file| file.path.clone()).collect();
    let folder = project.path("project/.opencode/orch/prompts/snippets");
    assert_eq!(read, [folder.join("handoff.md"), folder.join("team/rules.md")]);
}

#[test]
fn a_prompt_file_may_name_snippets() {
    let project = Project::new()
        .project(r#"{"profiles": [{"id": "w", "promptFile": "mine.md"}]}"#)
        .file("project/.opencode/orch/prompts/mine.md", "<{{snippet:s}}>")
        .file("project/.opencode/orch/prompts/snippets/s.md", "s");
    let loaded = project.load().unwrap();
    assert_eq!(loaded.config.profile("w").unwrap().system_prompt.as_deref(), Some("<s>"));
    assert_eq!(loaded.prompt_files.len(), 2);
    let broken = project.file("project/.opencode/orch/prompts/snippets/s.md", "{{snippet:handoff}}");
    assert_eq!(broken.refused(), ["1:41 error snippet $.profiles[0].promptFile"]);
}

/// Trusted or not: a snippet never leads out of its folder.
#[test]
fn no_snippet_leads_out_of_its_folder() {
    for name in ["../workers/coder", "/etc/hostname", "a/../../handoff", "", "gone", "..\\x", "link"] {
        let project = Project::new()
            .project(&workflow(&format!("{{{{snippet:{name}}}}}")))
            .file("outside/secret.md", "secret")
            .file("project/.opencode/orch/prompts/workers/coder.md", "not a snippet")
            .file("project/.opencode/orch/prompts/snippets/x.md", "")
            .trusted();
        let folder = project.path("project/.opencode/orch/prompts/snippets");
        std::os::unix::fs::symlink(project.path("outside/secret.md"), folder.join("link.md")).unwrap();
        let place = "error snippet $.workflows.definitions[0].steps[0].prompt";
        let refused = project.refused();
        assert!(refused.len() == 1 && refused[0].ends_with(place), "{name}: {refused:?}");
    }
}

#[test]
fn what_is_no_snippet_stays_as_it_is() {
    for text in [
        r"\{{snippet:handoff}}",
        "{{snippets:x}}",
        "{{x}}",
        "{{snippet:a\nb}}",
        "{{snippet:a",
        "{ {snippet:x}}",
    ] {
        let loaded = loaded(&workflow(text));
        assert_eq!((prompt(&loaded.config), loaded.warnings.len()), (text, 0), "{text}");
    }
}

/// A configuration that is shown has its snippets in place, so it loads to the same one anywhere.
#[test]
fn a_shown_configuration_names_no_snippet() {
    let config = loaded(&workflow("{{snippet:handoff}}")).config;
    let shown = serde_json::to_vec(&config).unwrap();
    assert_eq!(parse(&shown, None, Trust::Trusted).unwrap().config, config);
}

/// Thousands of references to one file do not fill the memory.
#[test]
fn what_prompt_files_add_is_bounded() {
    let name = "{{snippet:big}}";
    let project = Project::new()
        .project(&workflow(&name.repeat(10_000)))
        .file("project/.opencode/orch/prompts/snippets/big.md", "x".repeat(200_000));
    let error = project.load().expect_err("10,000 × 200 kB");
    assert_eq!(error.diagnostics.len(), 1, "a problem is said once");
    let expected = format!("prompt files may add {MAX_PROMPT_TOTAL_BYTES} bytes in all");
    assert!(error.diagnostics.to_string().contains(&expected), "{error}");
}

#[test]
fn a_configuration_built_in_code_has_no_snippets() {
    let mut config = Config::builtin();
    let step = StepDefinition::new("s".parse().unwrap(), "coder".parse().unwrap(), "{{snippet:handoff}}");
    config.insert_workflow(WorkflowDefinition::new("mine".parse().unwrap(), vec![step]));
    let problems = config.check();
    assert_eq!(lines(&problems), ["- error snippet $.workflows.definitions[\"mine\"].steps[0].prompt"]);
    assert_eq!(problems.0[0].code, code::SNIPPET);
}
