//! A node's part of a run: a person's command or script that starts at once, perhaps as root.

use std::collections::BTreeMap;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use protocol::agent::{Order, RunOrder, RunScript};
use protocol::keeper::{Limit, Spawn, ToKeeper};
use protocol::name::NodeName;
use protocol::script::Language;
use serde_json::json;

use super::folder;
use super::life::Agent;
use crate::facts::interpreters::PATH;

/// Where root finds what only root uses.
const ROOTS_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const ROOTS_HOME: &str = "/root";

impl Agent {
    /// Hands it to the keeper.
    pub(super) fn begin_run(&mut self, order: &Order, run: &RunOrder) {
        if let Err(why) = self.spawn_run(order, run) {
            self.not_started(order.attempt, &why);
        }
    }

    fn spawn_run(&mut self, order: &Order, run: &RunOrder) -> Result<(), String> {
        let (attempt, layout) = (order.attempt, &self.config.layout);
        if run.root && !self.root {
            return Err("its agent is not root, so nothing can be run as root here".into());
        }
        if self.root && !run.root && order.uid == 0 {
            return Err("it was to run as root without being asked to".into());
        }
        let uid = (self.root && !run.root).then_some(order.uid);
        let cannot = |what: &str, error: io::Error| format!("its {what} cannot be made: {error}");
        let home = folder::make(layout, attempt, uid).map_err(|error| cannot("folder", error))?;
        let mut command = order.command.to_vec();
        if let Some(script) = &run.script {
            let path = put_script(&home, script).map_err(|error| cannot("script", error))?;
            command.splice(0..0, [script.language.program().to_owned(), path.display().to_string()]);
        }
        let stdin = layout.stdin(attempt);
        let stdin = if run.stdin.is_empty() {
            None
        } else {
            put(&stdin, &run.stdin.0, 0o600).map_err(|error| cannot("standard input", error))?;
            Some(stdin.display().to_string())
        };
        let own_home = if !run.root {
            home
        } else if Path::new(ROOTS_HOME).is_dir() {
            ROOTS_HOME.into()
        } else {
            "/".into()
        };
        let spawn = Spawn {
            attempt,
            uid,
            command,
            env: environment(order, run.root, &own_home, &self.control.home().name),
            cwd: run.root.then(|| own_home.display().to_string()),
            stdin,
            root: run.root,
            limit: run.timeout_ms.map(|ms| Limit { ms, grace_ms: self.stop_grace_ms }),
            note: json!({ "run": true }),
        };
        self.tell_keeper(&ToKeeper::Spawn(spawn)).map_err(|error| error.to_string())
    }
}

/// Read by whoever runs it, written by nobody.
fn put_script(home: &Path, script: &RunScript) -> io::Result<PathBuf> {
    let ending = match script.language {
        Language::Bash => "sh",
        Language::Python => "py",
    };
    let path = home.join(format!("{}.{ending}", script.name));
    put(&path, script.text.as_bytes(), 0o644)?;
    Ok(path)
}

fn put(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))
}

/// `KEY=VALUE` words, each key once: nothing inherited, a sane beginning, then what was asked for. What Bramble says of
/// the run itself cannot be overridden.
fn environment(order: &Order, root: bool, home: &Path, node: &NodeName) -> Vec<String> {
    let home = home.display().to_string();
    let mut all: BTreeMap<&str, &str> =
        [("PATH", PATH), ("HOME", &home), ("LANG", "C.UTF-8"), ("PYTHONUNBUFFERED", "1")].into();
    if root {
        all.extend([("PATH", ROOTS_PATH), ("USER", "root"), ("LOGNAME", "root"), ("SHELL", "/bin/bash")]);
    }
    all.extend(order.env.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    all.retain(|key, value| !key.starts_with("BRAMBLE_") && !key.is_empty() && !value.contains('\0'));
    let mut words: Vec<String> = all.iter().map(|(key, value)| format!("{key}={value}")).collect();
    words.push(format!("BRAMBLE_RUN={}", order.attempt.task.job));
    words.push(format!("BRAMBLE_NODE={node}"));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(env: &[(&str, &str)]) -> Order {
        Order {
            attempt: "17.3#1".parse().unwrap(),
            uid: 1000,
            cpus: 0,
            command: ["true".to_owned()].into(),
            env: env
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
                .into(),
            files: Default::default(),
            secrets: Default::default(),
            run: None,
        }
    }

    #[test]
    fn a_run_sees_what_it_is_its_parameters_and_nothing_of_ours() {
        let asked = order(&[("range", "a b'$(x)"), ("BRAMBLE_RUN", "99"), ("LANG", "de_DE.UTF-8"), ("bad", "a\0b")]);
        let node: NodeName = "pi-3".parse().unwrap();
        let me = environment(&asked, false, Path::new("/state/work/17.3#1"), &node);
        for word in
            ["HOME=/state/work/17.3#1", "range=a b'$(x)", "BRAMBLE_RUN=17", "BRAMBLE_NODE=pi-3", "LANG=de_DE.UTF-8"]
        {
            assert!(me.iter().any(|w| w == word), "{word} in {me:?}");
        }
        assert!(!me.iter().any(|word| word.starts_with("USER=") || word.starts_with("bad=")), "{me:?}");
        let root = environment(&asked, true, Path::new("/root"), &node);
        assert!(
            root.iter().any(|word| word == "HOME=/root") && root.iter().any(|word| word == "USER=root"),
            "{root:?}"
        );
        assert!(root.iter().any(|word| word.starts_with("PATH=") && word.contains("/sbin")), "{root:?}");
        let keys: Vec<&str> = root.iter().filter_map(|word| word.split('=').next()).collect();
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), keys.len(), "each once: {root:?}");
    }

    #[test]
    fn a_script_is_read_by_whoever_runs_it_and_written_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let script = RunScript { name: "out".parse().unwrap(), language: Language::Bash, text: "echo hi\n".into() };
        std::fs::create_dir(folder.path().join("out")).unwrap();
        let path = put_script(folder.path(), &script).unwrap();
        assert_eq!(path, folder.path().join("out.sh"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "echo hi\n");
        assert!(put_script(folder.path(), &script).is_err(), "what is there is not followed or replaced");
    }
}
