//! What a worker is told of the repository it works in (`injectRepoContext`): names, so that it need not look first.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;

/// Deep enough to see what there is, and where.
const DEPTH: usize = 2;
/// More names cost more than they tell.
const MOST: usize = 200;

/// The first two levels of a directory, without what its `.gitignore` leaves out. None if nothing can be seen of it,
/// as when the host works on another machine.
///
/// Files are named, never read.
pub(super) async fn describe(directory: String) -> Option<String> {
    // A walk that panics tells nothing, and costs the worker no more than that.
    tokio::task::spawn_blocking(move || list(Path::new(&directory))).await.ok().flatten()
}

fn list(directory: &Path) -> Option<String> {
    let walk = WalkBuilder::new(directory)
        .max_depth(Some(DEPTH))
        .require_git(false)
        .git_global(false)
        .git_exclude(false)
        .parents(false)
        .sort_by_file_name(Ord::cmp)
        .build();
    let mut names = walk.flatten().filter(|entry| entry.depth() > 0).map(|entry| {
        let slash = if entry.file_type().is_some_and(|kind| kind.is_dir()) { "/" } else { "" };
        let path = entry.path().strip_prefix(directory).map_or_else(|_| PathBuf::new(), Path::to_owned);
        // A name may hold line ends, too.
        format!("{}{slash}", path.to_string_lossy().escape_debug())
    });
    let shown: Vec<_> = names.by_ref().take(MOST).collect();
    if shown.is_empty() {
        return None;
    }
    let mut text =
        format!("The repository you work in, its first {DEPTH} levels without ignored and hidden files:\n");
    for name in shown {
        let _ = writeln!(text, "- {name}");
    }
    if names.next().is_some() {
        let _ = writeln!(text, "and more, not listed: these are its first {MOST} names.");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn two_levels_are_named_and_what_is_ignored_is_not() {
        let root = tempfile::tempdir().unwrap();
        for name in ["src/main.rs", "src/deep/er.rs", "target/x", ".secret", "a\nb"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::write(root.path().join(".gitignore"), "target\n").unwrap();
        let told = describe(root.path().display().to_string()).await.unwrap();
        let names: Vec<_> = told.lines().skip(1).collect();
        assert_eq!(names, ["- a\\nb", "- src/", "- src/deep/", "- src/main.rs"]);
    }

    #[tokio::test]
    async fn a_long_list_says_that_it_is_cut() {
        let root = tempfile::tempdir().unwrap();
        let fill = |count| {
            (0..count).for_each(|name| fs::write(root.path().join(format!("{name:03}")), "").unwrap())
        };
        fill(MOST);
        let told = describe(root.path().display().to_string()).await.unwrap();
        assert!(told.ends_with("- 199\n"), "{told}");
        fill(MOST + 1);
        let told = describe(root.path().display().to_string()).await.unwrap();
        assert!(told.ends_with("- 199\nand more, not listed: these are its first 200 names.\n"), "{told}");
    }

    #[tokio::test]
    async fn nothing_is_told_of_what_cannot_be_seen() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(describe(root.path().display().to_string()).await, None);
        assert_eq!(describe(root.path().join("nowhere").display().to_string()).await, None);
    }
}
