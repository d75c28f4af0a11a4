//! What several files come to.

use orch_config::{
    Trust,
    kind::WorkerKind,
    load::Layer,
    parse,
    permission::{PermissionAction, PermissionRule},
    policy::{Execution, Intervene},
};

use crate::support::{Project, lines, loaded};

#[test]
fn a_project_adds_to_a_persons_profiles_and_changes_them_by_id() {
    let project = Project::new()
        .global(r#"{"profiles": [{"id": "mine", "name": "Mine", "model": "a/b"}, {"id": "both", "name": "Both", "purpose": "P"}]}"#)
        .project(r#"{"profiles": [{"id": "both", "purpose": "Q"}, {"id": "theirs"}]}"#);
    let config = project.load().unwrap().config;
    let ids: Vec<_> = config.profiles.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids[7..], ["mine", "both", "theirs"]);
    let both = config.profile("both").unwrap();
    assert_eq!((both.name.as_str(), both.purpose.as_str()), ("Both", "Q"));
}

#[test]
fn objects_merge_by_key_and_lists_are_replaced() {
    let project = Project::new()
        .global(r#"{"ui": {"toasts": false, "debug": true}, "workers": ["coder", "docs"], "workflows": {"ui": {"execution": "step"}}}"#)
        .project(r#"{"ui": {"toasts": true}, "workers": ["docs"], "workflows": {"ui": {"intervene": "always"}}}"#);
    let config = project.load().unwrap().config;
    assert_eq!((config.ui.toasts, config.ui.debug), (true, true));
    assert_eq!(config.spawn.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["docs"]);
    assert_eq!((config.policy.execution, config.policy.intervene), (Execution::Step, Intervene::Always));
}

/// A profile that `workers` declares outlives a project that starts other workers.
#[test]
fn a_worker_declared_by_a_person_stays_a_profile() {
    let project = Project::new()
        .global(r#"{"workers": [{"id": "mine", "name": "Mine"}]}"#)
        .project(r#"{"workers": ["coder"]}"#);
    let config = project.load().unwrap().config;
    assert_eq!(config.profile("mine").unwrap().name, "Mine");
    assert_eq!(config.spawn.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["coder"]);
}

#[test]
fn a_later_kind_replaces_an_earlier_backend() {
    let project = Project::new()
        .global(r#"{"profiles": [{"id": "w", "backend": "server"}]}"#)
        .project(r#"{"profiles": [{"id": "w", "kind": "subagent"}]}"#);
    assert_eq!(project.load().unwrap().config.profile("w").unwrap().kind, WorkerKind::Subagent);
}

#[test]
fn workflows_merge_by_id_and_their_steps_are_replaced() {
    let step = |id: &str| format!(r#"{{"id": "{id}", "workerId": "coder", "prompt": "{{task}}"}}"#);
    let project = Project::new()
        .global(&format!(r#"{{"workflows": {{"definitions": [{{"id": "w", "name": "W", "steps": [{}, {}]}}]}}}}"#, step("a"), step("b")))
        .project(&format!(r#"{{"workflows": {{"definitions": [{{"id": "w", "steps": [{}]}}, {{"id": "build", "ui": {{"execution": "step"}}}}]}}}}"#, step("c")));
    let config = project.load().unwrap().config;
    let workflow = config.workflow("w").unwrap();
    assert_eq!(
        (workflow.name.as_str(), workflow.steps().count(), workflow.step("c").unwrap().id.as_str()),
        ("W", 1, "c")
    );
    let build = config.workflow("build").unwrap();
    assert_eq!((build.ui.execution, build.steps().count()), (Some(Execution::Step), 4));
}

#[test]
fn overrides_go_over_all_files() {
    let mut project = Project::new().global(r#"{"basePort": 1}"#).project(r#"{"basePort": 2}"#);
    project.options.overrides = Some(r#"{"basePort": 3}"#.to_owned());
    let loaded = project.load().unwrap();
    assert_eq!(loaded.config.base_port, 3);
    let layers: Vec<_> = loaded.files.iter().map(|file| file.layer).collect();
    assert_eq!(layers, [Layer::Global, Layer::Project, Layer::Overrides]);
}

/// A problem that only shows in the merged whole is placed in the file that is to blame.
#[test]
fn a_problem_of_the_whole_is_placed_in_the_file_that_says_it() {
    let project = Project::new()
        .global("{\n\"workflows\": {\"definitions\": [{\"id\": \"w\", \"steps\": [{\"id\": \"s\", \"workerId\": \"gone\", \"prompt\": \"p\"}]}]}}")
        .project(r#"{"workflows": {"definitions": [{"id": "w", "name": "W"}]}}"#);
    let error = project.load().expect_err("an unknown worker");
    assert_eq!(
        lines(&error.diagnostics),
        ["2:77 error unknown-worker $.workflows.definitions[0].steps[0].workerId"]
    );
    assert_eq!(error.diagnostics.0[0].file, project.options.global_file);
}

#[test]
fn limits_are_raised_under_security_and_lowered_anywhere() {
    let config = loaded(
        r#"{"security": {"workflows": {"perStepTimeoutMs": 3600000, "maxTaskChars": 50000}},
            "workflows": {"limits": {"maxTaskChars": 20000, "maxSteps": 2000, "idleWarningMs": 1000}, "definitions": [
              {"id": "w", "limits": {"maxTaskChars": 30000, "idleWarningMs": 2000}, "steps": [
                {"id": "a", "workerId": "coder", "prompt": "{task}"},
                {"id": "b", "workerId": "coder", "prompt": "{task}", "timeoutMs": 10, "idleWarningMs": 3000}]}]}}"#,
    )
    .config;
    let workflow = config.workflow("w").unwrap();
    assert_eq!((workflow.limits.max_task_chars, workflow.limits.max_steps), (20_000, 1_000));
    let times: Vec<_> = workflow.steps().map(|step| (step.timeout_ms, step.idle_warning_ms)).collect();
    assert_eq!(times, [(3_600_000, 2_000), (10, 3_000)]);
    let build = config.workflow("build").unwrap();
    let plan = build.step("plan").unwrap();
    assert_eq!((plan.timeout_ms, plan.idle_warning_ms), (3_600_000, 1_000));
}

#[test]
fn gate_timeouts_come_from_the_workflow_else_from_all_workflows() {
    let config = loaded(
        r#"{"workflows": {"gateTimeoutMs": 1000, "gateDefault": "abort", "definitions": [
              {"id": "w", "gateTimeoutMs": 5, "steps": [{"id": "a", "workerId": "coder", "prompt": "{task}"}]}]}}"#,
    )
    .config;
    assert_eq!(config.workflow("w").unwrap().gate_timeout_ms, Some(5));
    assert_eq!(config.workflow("w").unwrap().gate_default, config.workflow("build").unwrap().gate_default);
    assert_eq!(config.workflow("build").unwrap().gate_timeout_ms, Some(1_000));
}

#[test]
fn boomerang_steps_replace_or_extend_the_built_in_ones() {
    let config = loaded(
        r#"{"workflows": {"roocodeBoomerang": {"steps": [{"id": "plan", "title": "Denk"}, {"id": "x"}]}}}"#,
    )
    .config;
    let steps: Vec<_> = config.workflow("roocode-boomerang").unwrap().steps().collect();
    assert_eq!(
        (steps[0].title.as_str(), steps[0].worker.as_str(), steps[0].carry),
        ("Denk", "architect", true)
    );
    assert_eq!((steps[1].title.as_str(), steps[1].worker.as_str(), steps[1].carry), ("x", "coder", true));
    let off = loaded(r#"{"workflows": {"roocodeBoomerang": {"enabled": false}}}"#).config;
    assert_eq!(off.workflow("roocode-boomerang"), None);
}

#[test]
fn tools_and_permissions_become_rules_in_the_hosts_shape() {
    let config = loaded(
        r#"{"profiles": [
            {"id": "w", "tools": {"Bash": false, "write": false, "patch": false, "read": true},
             "permission": {"webfetch": "deny", "bash": {"*": "ask", "git status": "allow"}}},
            {"id": "docs", "tools": {"write": true, "edit": true}}]}"#,
    )
    .config;
    use PermissionAction::{Allow, Ask, Deny};
    assert_eq!(
        config.profile("w").unwrap().permission,
        [
            PermissionRule::new("edit", "*", Deny),
            PermissionRule::new("webfetch", "*", Deny),
            PermissionRule::new("bash", "*", Ask),
            PermissionRule::new("bash", "git status", Allow),
        ]
    );
    assert_eq!(config.profile("docs").unwrap().permission, []);
}

/// Environment values may be secrets.
#[test]
fn debug_shows_no_environment_values() {
    let text = r#"{"profiles": [{"id": "w", "env": {"API_KEY": "canary"}}]}"#;
    let whole = loaded(text);
    let refused = parse(text.as_bytes(), None, Trust::Untrusted).unwrap_err();
    assert!(format!("{:?}", whole.config).contains("API_KEY"));
    // The texts that were read are part of what is loaded, and of what is refused.
    assert!(whole.files[0].text.contains("canary") && refused.files[0].text.contains("canary"));
    for debug in
        [format!("{whole:?}"), format!("{:#?}", whole.evidence), format!("{refused:?}"), refused.to_string()]
    {
        assert!(!debug.contains("canary"), "{debug}");
    }
}
