//! The arrows of DESIGN.md point one way; this holds them there.
//!
//! What a crate may depend on is read from its Cargo.toml, what a room of a crate may name from its sources.

#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod names;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use names::{Named, paths_in};

/// Our crates, and which of ours each may depend on. `xtask` may see everyone.
const CRATES: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("link", &["protocol"]),
    ("packing", &[]),
    ("worker-agent", &["protocol", "link", "packing"]),
    ("test-support", &[]),
    ("bramble", &["protocol", "link", "packing", "worker-agent"]),
];

/// The rooms of the root crate, and which of ours each may name: rooms, then crates. `main.rs`, `lib.rs` and
/// `demo` may see everyone.
const ROOMS: &[(&str, &[&str])] = &[
    ("cli", &["cli", "client", "document", "packing", "text", "protocol", "link"]),
    ("client", &["client", "protocol", "link"]),
    ("console", &["console", "client", "document", "text", "protocol", "link"]),
    ("document", &["document"]),
    ("install", &["install", "protocol"]),
    ("manager", &["manager", "text", "protocol", "link"]),
    ("text", &["text", "protocol"]),
];
const SEES_ALL: &[&str] = &["main", "lib", "demo"];

/// The pure core: it may name the standard library but for these, `protocol`, and itself.
const CORE: &str = "src/manager/cluster";
const NOT_IN_THE_CORE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "async",
    "await",
];

#[test]
fn crates_depend_only_on_what_their_arrows_allow() {
    let mut wrong = vec![];
    for (name, may) in CRATES {
        let folder = if *name == "bramble" { workspace() } else { workspace().join(name) };
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        wrong.extend(check_manifest(name, may, &manifest));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_link_names_russh() {
    let mut wrong = vec![];
    for folder in members() {
        if folder.ends_with("link") {
            continue;
        }
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        if depends_on(&manifest).iter().any(|name| name.starts_with("russh")) {
            wrong.push(format!("{} depends on russh", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rooms_name_only_what_their_arrows_allow() {
    let mut wrong = vec![];
    for file in sources(&workspace().join("src")) {
        let name = file.strip_prefix(workspace()).unwrap().to_owned();
        wrong.extend(check_room(&name, &fs::read_to_string(&file).unwrap()));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whoever draws asks the theme for a style. The painter's pen spells colours, and chooses none.
#[test]
fn only_the_theme_of_the_console_names_colours() {
    let mut wrong = vec![];
    for file in sources(&workspace().join("src/console")) {
        let name = file.strip_prefix(workspace().join("src/console")).unwrap();
        let is_a_test = name.iter().any(|part| part.to_string_lossy().trim_end_matches(".rs").ends_with("tests"));
        if name.starts_with("theme") || name == Path::new("terminal/pen.rs") || is_a_test {
            continue;
        }
        let paths = paths_in(&fs::read_to_string(&file).unwrap());
        let colors = paths.iter().filter(|named| named.path.iter().any(|part| part == "Color"));
        wrong.extend(colors.map(|named| format!("{} names {}", file.display(), named.path.join("::"))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_core_has_no_clock_no_files_no_network_and_no_async() {
    let crates: BTreeSet<String> = depends_on(&fs::read_to_string(workspace().join("Cargo.toml")).unwrap());
    let mut wrong = vec![];
    let mut core = sources(&workspace().join(CORE));
    // Its dice may be told their seed from outside.
    core.retain(|file| !file.starts_with(workspace().join(CORE).join("tests")));
    assert!(!core.is_empty(), "{CORE} has no sources: was it moved?");
    for file in core {
        let name = file.strip_prefix(workspace()).unwrap().to_owned();
        wrong.extend(check_core(&name, &fs::read_to_string(&file).unwrap(), &crates));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn check_manifest(name: &str, may: &[&str], manifest: &str) -> Vec<String> {
    let ours = CRATES.iter().map(|(name, _)| *name);
    let asked = depends_on(manifest);
    // Any test may use what only tests use.
    let wrong = ours.filter(|one| asked.contains(*one) && !may.contains(one) && *one != "test-support");
    wrong.map(|one| format!("{name} depends on {one}")).collect()
}

/// The names in every table of dependencies of a manifest, those of one target included.
fn depends_on(manifest: &str) -> BTreeSet<String> {
    fn collect(table: &toml::Table, into: &mut BTreeSet<String>) {
        for (key, value) in table {
            let Some(inner) = value.as_table() else { continue };
            match key.as_str() {
                "dependencies" | "dev-dependencies" | "build-dependencies" => into.extend(inner.keys().cloned()),
                "target" => inner.values().filter_map(toml::Value::as_table).for_each(|table| collect(table, into)),
                _ => {}
            }
        }
    }
    let mut all = BTreeSet::new();
    collect(&manifest.parse().unwrap(), &mut all);
    all
}

fn check_room(file: &Path, source: &str) -> Vec<String> {
    let module = module_of(file);
    let Some(room) = module.first() else { return vec![] };
    if SEES_ALL.contains(&room.as_str()) {
        return vec![];
    }
    let Some((_, may)) = ROOMS.iter().find(|(name, _)| name == room) else {
        return vec![format!("{}: the room {room} has no arrows; add it to ROOMS in tests/arrows", file.display())];
    };
    let is_ours =
        |name: &str| ROOMS.iter().any(|(room, _)| *room == name) || SEES_ALL.contains(&name) || name == "worker_agent";
    let mut wrong = vec![];
    for Named { path, depth } in paths_in(source) {
        let named = match absolute(&path, &module, depth) {
            Some(inside) => inside,
            None if path.len() > 1 && matches!(path[0].as_str(), "worker_agent" | "link" | "protocol" | "packing") => {
                path.clone()
            }
            None => continue,
        };
        let Some(first) = named.first() else { continue };
        if !may.contains(&first.as_str()) && (is_ours(first) || matches!(first.as_str(), "link" | "packing")) {
            wrong.push(format!("{}: {room} names {}", file.display(), path.join("::")));
        }
    }
    wrong
}

fn check_core(file: &Path, source: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let module = module_of(file);
    let mut wrong = vec![];
    for Named { path, depth } in paths_in(source) {
        let said = path.join("::");
        let forbidden = NOT_IN_THE_CORE.iter().any(|no| said == *no || said.starts_with(&format!("{no}::")));
        let foreign = path.len() > 1 && path[0] != "protocol" && crates.contains(&path[0].replace('_', "-"));
        let outside =
            absolute(&path, &module, depth).is_some_and(|inside| !inside.join("::").starts_with("manager::cluster"));
        if forbidden || foreign || outside {
            wrong.push(format!("{}: the core names {said}", file.display()));
        }
    }
    wrong
}

/// `src/manager/cluster/job.rs` is `[manager, cluster, job]`.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap_or(file).with_extension("");
    let mut module: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    module.pop_if(|last| last == "mod");
    module
}

/// A path of the root crate without `crate` and `super`; `None` for any other path. `depth`: how many modules
/// inside its file it stands in.
fn absolute(path: &[String], module: &[String], depth: usize) -> Option<Vec<String>> {
    if matches!(path[0].as_str(), "crate" | "bramble") {
        return Some(path[1..].to_vec());
    }
    let supers = path.iter().take_while(|part| *part == "super").count();
    if supers == 0 {
        return None;
    }
    let stem = module.len().saturating_sub(supers.saturating_sub(depth));
    Some(module[..stem].iter().chain(&path[supers..]).cloned().collect())
}

fn workspace() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn members() -> Vec<PathBuf> {
    let manifest: toml::Table = fs::read_to_string(workspace().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap().iter().map(|one| one.as_str().unwrap());
    std::iter::once(workspace()).chain(members.map(|one| workspace().join(one))).collect()
}

/// Every Rust file in a folder and below.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// What watches must be able to bark.
mod the_checks_themselves {
    use super::*;

    #[test]
    fn a_forbidden_dependency_is_found_wherever_it_is_declared() {
        let manifest = "[dependencies]\nlink = {}\n[target.'cfg(unix)'.dependencies]\nworker-agent = {}\n";
        assert_eq!(
            check_manifest("protocol", &[], manifest),
            ["protocol depends on link", "protocol depends on worker-agent"]
        );
        assert!(check_manifest("bramble", &["link", "worker-agent"], manifest).is_empty());
        assert!(check_manifest("link", &[], "[dev-dependencies]\ntest-support = {}\n").is_empty());
    }

    #[test]
    fn a_verb_that_reaches_into_the_manager_is_found_however_it_is_written() {
        for source in [
            "use crate::manager::config;",
            "use crate::{client, manager::{config, store}};",
            "fn f() { let x = crate::manager::config::Config::default(); }",
            "use super::super::manager;",
            "use bramble::manager;",
            "fn f() { worker_agent::main(); }",
        ] {
            let wrong = check_room(Path::new("src/cli/node.rs"), source);
            assert_eq!(wrong.len(), if source.contains('{') && source.starts_with("use") { 2 } else { 1 }, "{source}");
        }
        for source in
            ["use crate::client::Client;", "// crate::manager\n", "let x = \"crate::manager\";", "use super::manager;"]
        {
            assert!(check_room(Path::new("src/cli/node.rs"), source).is_empty(), "{source}");
        }
    }

    #[test]
    fn a_room_nobody_thought_of_is_asked_about() {
        assert_eq!(check_room(Path::new("src/attic/mod.rs"), "").len(), 1);
        assert!(check_room(Path::new("src/demo.rs"), "use crate::manager;").is_empty());
    }

    #[test]
    fn a_clock_or_a_file_in_the_core_is_found() {
        let crates = ["tokio".to_owned(), "protocol".to_owned(), "tokio-util".to_owned()].into();
        let file = Path::new("src/manager/cluster/job.rs");
        for source in [
            "use std::time::Instant;",
            "use std::{collections::BTreeMap, time::{Duration, SystemTime}};",
            "fn f() { std::fs::read(x); }",
            "use tokio::sync::mpsc;",
            "use tokio_util::codec;",
            "async fn f() {}",
            "use crate::manager::store;",
            "use super::super::store::Store;",
        ] {
            assert_eq!(check_core(file, source, &crates).len(), 1, "{source}");
        }
        for source in [
            "use std::time::Duration;",
            "use super::port::Now;",
            "mod tests { use super::super::port::Now; }",
            "use protocol::id::JobId;",
            "// tokio::sync",
        ] {
            assert!(check_core(file, source, &crates).is_empty(), "{source}");
        }
    }
}
