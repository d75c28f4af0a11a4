//! What every start of a real OpenCode would otherwise look up first.

use std::{path::Path, sync::LazyLock};

use orch_opencode::serve::Versions;
use serde_json::json;

/// The program is the same for all tests.
pub(crate) fn versions() -> Versions {
    static VERSIONS: LazyLock<Versions> = LazyLock::new(Versions::default);
    VERSIONS.clone()
}

/// Without it the host installs the package from the network before it answers.
pub(crate) fn seed_plugin_package(settings: &Path) {
    const PACKAGE: &str = "@opencode-ai/plugin";
    const VERSION: &str = "1.18.33";
    let module = settings.join("node_modules").join(PACKAGE);
    std::fs::create_dir_all(&module).unwrap();
    let wanted = json!({ "dependencies": { PACKAGE: VERSION } });
    let packages = json!({ "": wanted, format!("node_modules/{PACKAGE}"): { "version": VERSION } });
    let lock = json!({ "name": "opencode", "lockfileVersion": 3, "requires": true, "packages": packages });
    let own = json!({ "name": PACKAGE, "version": VERSION, "type": "module" });
    std::fs::write(module.join("package.json"), own.to_string()).unwrap();
    std::fs::write(settings.join("package.json"), wanted.to_string()).unwrap();
    std::fs::write(settings.join("package-lock.json"), lock.to_string()).unwrap();
}
