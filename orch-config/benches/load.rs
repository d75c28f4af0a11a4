//! Loading a large configuration, as a multiple of what `serde_json` alone takes for the same types.
//!
//! Budget: 1.5. Both are measured in turn within one run, because absolute times say nothing on a shared machine.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and fails by panicking"
)]

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use orch_config::{LoadOptions, load, measure};

const ROUNDS: usize = 300;
const BUDGET: f64 = 1.5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let text = large_file();
    fs::write(folder.path().join("orchestrator.json"), &text).unwrap();
    let options = LoadOptions::new(folder.path());
    let loaded = load(&options).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert!(measure::bare(text.as_bytes()).is_some(), "plain JSON goes straight into the types");
    assert_eq!((loaded.config.profiles.len(), loaded.config.workflows.len()), (507, 53));

    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(time(|| measure::bare(black_box(text.as_bytes()))));
        whole.push(time(|| load(black_box(&options))));
    }
    let (whole, bare) = (median(whole), median(bare));
    let ratio = whole.as_secs_f64() / bare.as_secs_f64();
    let verdict = if ratio <= BUDGET { "within" } else { "ABOVE" };
    println!(
        "load {} kB, 500 profiles, 50 workflows: {whole:?}; serde_json alone: {bare:?}; ratio {ratio:.2}, {verdict} {BUDGET}",
        text.len() / 1000
    );
}

/// Without disposing of the result, and without tidying up what the result before left behind: the allocator puts that
/// off until a large piece is asked for.
fn time<T>(work: impl FnOnce() -> T) -> Duration {
    drop(black_box(Vec::<u8>::with_capacity(1 << 20)));
    let start = Instant::now();
    let result = black_box(work());
    let elapsed = start.elapsed();
    drop(result);
    elapsed
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// What a large team might write: profiles with permissions and tools, workflows of six steps.
fn large_file() -> String {
    let mut text = "{\n  \"profiles\": [".to_owned();
    for index in 0..500 {
        let comma = if index == 0 { "" } else { "," };
        write!(
            text,
            "{comma}\n    {{ \"id\": \"worker-{index}\", \"name\": \"Worker {index}\", \"kind\": \"subagent\", \"model\": \"provider/model-{index}\",\n      \
             \"purpose\": \"Does what worker {index} is for\", \"whenToUse\": \"Whenever worker {index} is needed\",\n      \
             \"tools\": {{ \"bash\": false, \"read\": true }}, \"permission\": {{ \"webfetch\": \"deny\" }},\n      \
             \"tags\": [\"team\", \"number-{index}\"], \"maxConcurrency\": 2 }}"
        )
        .unwrap();
    }
    text.push_str("\n  ],\n  \"workflows\": { \"definitions\": [");
    for index in 0..50 {
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}\n    {{ \"id\": \"flow-{index}\", \"name\": \"Flow {index}\", \"steps\": [")
            .unwrap();
        for step in 0..6 {
            let comma = if step == 0 { "" } else { "," };
            let worker = (index * 6 + step) % 500;
            write!(
                text,
                "{comma}\n      {{ \"id\": \"step-{step}\", \"workerId\": \"worker-{worker}\", \"carry\": true, \"timeoutMs\": 600000,\n        \
                 \"prompt\": \"Step {step} of the work on the task:\\n{{task}}\\n\\nWhat came before:\\n{{carry}}\\n\\n\
                 Read the code first, make the change whole, run the tests, and report what you did.\\n\
                 Leave alone what is not part of the task, and say what you chose where it leaves something open.\" }}"
            )
            .unwrap();
        }
        text.push_str("\n    ] }");
    }
    text.push_str("\n  ] }\n}\n");
    text
}
