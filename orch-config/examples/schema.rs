//! Prints the JSON Schema of `orchestrator.json`, as it is committed at `schema/orchestrator.schema.json`.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

fn main() {
    print!("{}", orch_config::schema::json());
}
