//! The script library, by the real program: scripts are written, changed, granted and removed, and nothing typed is lost.
#![allow(clippy::unwrap_used)]

mod common;
#[allow(dead_code, reason = "made for bad days, of which the library has none")]
#[path = "bad_days/kit.rs"]
mod kit;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{folder, said, until, verb};
use kit::Manager;
use serde_json::Value;

const PEOPLE: &str = "[people]\nuid-70001 = \"operator\"\nuid-70002 = \"operator\"\n";
const TIDY: &str = "#!/usr/bin/env bash\n# /// bramble\n# about = \"Say how old\"\n# [params.days]\n# about = \"how many\"\n\
    # type = \"number\"\n# default = 30\n# [params.who]\n# about = \"of whom\"\n# ///\nprintf '%s,%s,%s\\n' \"$days\" \"$who\" \"$(id -u)\"\n";

struct Desk {
    here: tempfile::TempDir,
    manager: Manager,
}

impl Desk {
    fn new() -> Self {
        let here = folder();
        let manager = Manager::with(here.path(), PEOPLE, |_| {});
        let desk = Self { here, manager };
        // Where drafts lie, also those of others.
        std::fs::create_dir(desk.drafts()).unwrap();
        std::fs::set_permissions(desk.drafts(), PermissionsExt::from_mode(0o1777)).unwrap();
        desk
    }

    fn drafts(&self) -> PathBuf {
        self.here.path().join("drafts")
    }

    /// Of the admin who began the test.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = verb(&self.manager.socket, words);
        command.current_dir("/").env("TMPDIR", self.drafts()).env_remove("VISUAL").env("EDITOR", "false");
        command
    }

    fn does(&self, words: &[&str]) -> Output {
        let done = self.command(words).output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        done
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.does(&["script", "show", name, "--text"]).stdout).unwrap()
    }

    fn view(&self, name: &str) -> Value {
        serde_json::from_slice(&self.does(&["script", "show", name, "--json"]).stdout).unwrap()
    }

    fn as_uid(&self, uid: u32, words: &[&str]) -> Output {
        self.command(words).uid(uid).gid(uid).output().unwrap()
    }

    /// With an editor that does this to the file, its `$1`.
    fn edited(&self, words: &[&str], editor: &str) -> Output {
        let path = self.here.path().join("editor");
        std::fs::write(&path, format!("#!/bin/sh\n{editor}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        self.command(words).env("EDITOR", path).output().unwrap()
    }

    fn fed(&self, uid: Option<u32>, name: &str, text: &str) -> Output {
        let mut command = self.command(&["script", "new", name, "--from", "-"]);
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn drafts_left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.drafts()).unwrap().flatten();
        entries.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect()
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn what_is_written_in_an_editor_is_kept_shown_changed_and_removed() {
    let desk = Desk::new();
    let written = desk.here.path().join("tidy.sh");
    std::fs::write(&written, TIDY).unwrap();
    let copy = |from: &Path| format!("cp '{}' \"$1\"", from.display());

    let unchanged = desk.edited(&["script", "new", "tidy"], "true");
    assert!(unchanged.status.success() && errors(&unchanged).contains("nothing was changed"), "{}", said(&unchanged));
    let new = desk.edited(&["script", "new", "tidy"], &copy(&written));
    assert!(new.status.success(), "{}", said(&new));
    assert_eq!(desk.text("tidy"), TIDY);
    let page = String::from_utf8(desk.does(&["script", "show", "tidy"]).stdout).unwrap();
    assert!(page.contains("Say how old") && page.contains("days") && page.contains("30"), "{page}");
    let again = desk.edited(&["script", "new", "tidy"], &copy(&written));
    assert!(errors(&again).contains("bramble script edit tidy"), "{}", said(&again));

    let edited = desk.edited(&["script", "edit", "tidy"], "echo 'echo more' >> \"$1\"");
    assert!(edited.status.success(), "{}", said(&edited));
    assert_eq!(desk.text("tidy"), format!("{TIDY}echo more\n"));
    assert_eq!(desk.view("tidy")["versions"], 1, "no run refers to the older one");
    assert_eq!(desk.drafts_left(), Vec::<String>::new());

    // One that comes with the program becomes one's own, until that is removed.
    let shipped = desk.text("node-report");
    let own = desk.edited(&["script", "edit", "node-report"], "echo '# mine' >> \"$1\"");
    assert!(own.status.success() && errors(&own).contains("your own"), "{}", said(&own));
    assert_eq!(desk.text("node-report"), format!("{shipped}# mine\n"));
    desk.does(&["script", "rm", "node-report", "tidy"]);
    assert_eq!(desk.text("node-report"), shipped);
    assert_eq!(desk.command(&["script", "show", "tidy"]).output().unwrap().status.code(), Some(5));
}

#[test]
fn nothing_that_was_typed_is_lost() {
    let mut desk = Desk::new();
    let kept = desk.fed(None, "tidy", TIDY);
    assert!(kept.status.success(), "{}", said(&kept));
    let left = |desk: &Desk, done: &Output, mark: &str, why: &str| {
        assert!(!done.status.success() && errors(done).contains(why), "{}", said(done));
        let drafts = desk.drafts_left();
        assert_eq!(drafts.iter().filter(|text| text.contains(mark)).count(), 1, "{drafts:?}");
        assert!(errors(done).contains(desk.drafts().to_str().unwrap()), "where it is: {}", said(done));
        assert!(!desk.text("tidy").contains(mark));
    };

    let done = desk.edited(&["script", "edit", "tidy"], "echo 'if first' >> \"$1\"");
    left(&desk, &done, "if first", "bash does not understand");
    let done = desk.edited(&["script", "edit", "tidy"], "sed -i 's/# about = \"Say/# colour = \"second/' \"$1\"");
    left(&desk, &done, "second", "line 3");
    let done = desk.edited(&["script", "edit", "tidy"], "echo 'echo third' >> \"$1\"; exit 1");
    left(&desk, &done, "third", "editor");

    // Somebody was faster.
    let faster = format!(
        "'{}' --manager 'unix://{}' script new tidy --from - <<'END'\necho faster\nEND\necho 'echo fourth' >> \"$1\"",
        common::BRAMBLE,
        desk.manager.socket.display()
    );
    let done = desk.edited(&["script", "edit", "tidy"], &faster);
    left(&desk, &done, "fourth", "was changed since");
    assert_eq!(desk.text("tidy"), "echo faster\n");

    // The manager dies meanwhile.
    let kill = format!("echo 'echo fifth' >> \"$1\"; kill -9 {}", desk.manager.child.id());
    let done = desk.edited(&["script", "edit", "tidy"], &kill);
    desk.manager.child.wait().unwrap();
    assert!(!done.status.success(), "{}", said(&done));
    assert!(desk.drafts_left().iter().any(|text| text.contains("fifth")), "{}", said(&done));
}

#[test]
fn what_cannot_be_a_script_is_refused_with_a_sentence() {
    let desk = Desk::new();
    for (text, why) in [
        ("", "empty"),
        ("if true; then\n", "bash does not understand"),
        ("#!/usr/bin/env python3\ndef broken(:\n", "python3 does not understand"),
        ("#!/usr/bin/env python3\nprint(1)\r\n", "Windows"),
        ("#!/bin/bash\n# /// bramble\n# about = \"x\"\necho hi\n", "line 4"),
        (
            "#!/bin/bash\n# /// bramble\n# about = \"x\"\n# [params.n]\n# type = \"number\"\n# default = \"many\"\n# ///\n",
            "whole number",
        ),
    ] {
        let done = desk.fed(None, "bad", text);
        assert_eq!(done.status.code(), Some(2), "{text:?}: {}", said(&done));
        assert!(errors(&done).contains(why), "{text:?}: {}", said(&done));
    }
    assert_eq!(desk.command(&["script", "show", "bad"]).output().unwrap().status.code(), Some(5));
}

#[test]
fn an_operator_runs_as_root_what_an_admin_has_granted_and_nothing_else() {
    if !is_root() {
        test_support::leave_out!("being several people needs root");
    }
    let desk = Desk::new();
    let _worker = desk.manager.worker("pi-1", &desk.here.path().join("pi-1"));
    until("pi-1 is up", || desk.manager.is_up("pi-1").then_some(()));
    let kept = desk.fed(Some(70_001), "tidy", TIDY);
    assert!(kept.status.success(), "{}", said(&kept));
    let run = |uid, as_whom: &str, script: &str, params: &[&str]| {
        desk.as_uid(uid, &[&["script", "run", "--on", "pi-1", "--as", as_whom, script], params].concat())
    };
    let printed = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();

    // Somebody else's is nobody's business, and one's own runs as root for nobody who was not granted it.
    assert_eq!(desk.as_uid(70_002, &["script", "show", "uid-70001/tidy"]).status.code(), Some(5));
    let own = run(70_001, "root", "tidy", &["who=x"]);
    assert!(!own.status.success() && printed(&own).is_empty(), "{}", said(&own));
    let granted = desk.as_uid(70_001, &["script", "grant", "tidy", "uid-70001"]);
    assert!(!granted.status.success(), "only admins grant: {}", said(&granted));
    let removed = desk.as_uid(70_002, &["script", "rm", "uid-70001/tidy"]);
    assert!(!removed.status.success(), "{}", said(&removed));

    desk.does(&["script", "grant", "uid-70001/tidy", "uid-70002"]);
    let hostile = "a'; rm -rf \"$HOME\" $(id) -x\n%s";
    let ran = run(70_002, "root", "uid-70001/tidy", &["days=7", &format!("who={hostile}")]);
    assert_eq!(printed(&ran), format!("7,{hostile},0\n"), "{}", said(&ran));
    let needs = run(70_002, "root", "uid-70001/tidy", &[]);
    assert!(errors(&needs).contains("needs who"), "{}", said(&needs));
    let own = run(70_001, "root", "tidy", &["who=x"]);
    assert!(!own.status.success() && printed(&own).is_empty(), "another was granted it: {}", said(&own));

    // A newer version is not granted.
    let newer = desk.fed(Some(70_001), "tidy", &format!("{TIDY}id\n"));
    assert!(newer.status.success(), "{}", said(&newer));
    let ran = run(70_002, "root", "uid-70001/tidy", &["who=x"]);
    assert!(!ran.status.success() && printed(&ran).is_empty(), "{}", said(&ran));
    assert_eq!(desk.view("uid-70001/tidy")["granted"], serde_json::json!([]));

    desk.does(&["script", "grant", "uid-70001/tidy", "uid-70002"]);
    assert!(run(70_002, "root", "uid-70001/tidy", &["who=x"]).status.success());
    desk.does(&["script", "grant", "uid-70001/tidy", "uid-70002", "--revoke"]);
    assert!(!run(70_002, "root", "uid-70001/tidy", &["who=x"]).status.success());
    // Nor does the right come back with a version that was granted before.
    let again = desk.fed(Some(70_001), "tidy", TIDY);
    assert!(again.status.success(), "{}", said(&again));
    let ran = run(70_002, "root", "uid-70001/tidy", &["who=x"]);
    assert!(!ran.status.success() && printed(&ran).is_empty(), "{}", said(&ran));
}
