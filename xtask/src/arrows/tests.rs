use super::*;

/// A graph with all crates of the table and the edges given.
fn graph(edges: Vec<Edge>) -> Graph {
    Graph { crates: ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect(), edges }
}

fn edge(from: &str, to: &str) -> Edge {
    Edge { from: from.to_owned(), to: to.to_owned(), dev: false, default_features: false, features: vec![] }
}

fn dev(from: &str, to: &str) -> Edge {
    Edge { dev: true, default_features: true, features: vec!["any".to_owned()], ..edge(from, to) }
}

fn complaints(edges: Vec<Edge>) -> Vec<String> {
    graph(edges).violations().iter().map(ToString::to_string).collect()
}

#[test]
fn the_workspace_points_where_the_architecture_says() {
    check(&crate::workspace::Workspace::load().unwrap().metadata).unwrap();
}

#[test]
fn every_arrow_of_the_table_is_allowed() {
    let all =
        ALLOWED.iter().flat_map(|(from, arrows)| arrows.iter().map(|arrow| edge(from, arrow.to))).collect();
    assert_eq!(complaints(all), [""; 0]);
}

#[test]
fn no_other_arrow_is_allowed() {
    let names = || ALLOWED.iter().map(|(name, _)| *name);
    for from in names() {
        for to in
            names().filter(|to| *to != from && allowed(from).unwrap().iter().all(|arrow| arrow.to != *to))
        {
            assert_eq!(complaints(vec![edge(from, to)]), [format!("{from} → {to} is not allowed")]);
        }
    }
}

#[test]
fn the_table_has_no_cycle() {
    for (name, _) in ALLOWED {
        assert!(!below(name).contains(name), "{name} reaches itself");
    }
}

#[test]
fn workers_take_the_engine_without_its_features() {
    let bare = "orch-workers → orch-workflow must have default features off and none turned on";
    let with_default = Edge { default_features: true, ..edge("orch-workers", "orch-workflow") };
    let with_runtime = Edge { features: vec!["runtime".to_owned()], ..edge("orch-workers", "orch-workflow") };
    assert_eq!(complaints(vec![edge("orch-workers", "orch-workflow")]), [""; 0]);
    assert_eq!(complaints(vec![with_default]), [bare]);
    assert_eq!(complaints(vec![with_runtime]), [bare]);
}

#[test]
fn a_test_may_look_below_its_crate_only() {
    assert_eq!(complaints(vec![dev("orch-cli", "orch-opencode")]), [""; 0], "through orch");
    assert_eq!(complaints(vec![dev("orch-workers", "orch-workflow")]), [""; 0], "with any features");
    assert_eq!(complaints(vec![dev("orch-opencode", "orch-opencode")]), [""; 0], "itself, for its features");
    assert_eq!(
        complaints(vec![dev("orch-workflow", "orch-workers"), dev("orch-opencode", "orch-config")]),
        [
            "orch-workflow → orch-workers in tests is not allowed: a test may only look at what is below its crate",
            "orch-opencode → orch-config in tests is not allowed: a test may only look at what is below its crate",
        ]
    );
}

#[test]
fn the_table_and_the_workspace_name_the_same_crates() {
    let mut graph = graph(vec![]);
    graph.crates.remove("orch-ux");
    graph.crates.insert("orch-extra".to_owned());
    assert_eq!(
        graph.violations(),
        [Violation::Unlisted { name: "orch-extra".to_owned() }, Violation::Gone { name: "orch-ux" }]
    );
}
