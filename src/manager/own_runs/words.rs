//! What is said to the bash of a machine, on its standard input, so that it becomes whoever is meant and runs what is
//! meant. Nothing is copied there.
//!
//! It is said in two parts. After the first it prints a line that nobody can know beforehand, on both streams: all that
//! came before it was printed by the log-in, not by what is run. Only then the second part is sent, with which the
//! program begins. So what has not answered the first has run nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::manager::cluster::OwnRun;

/// What a log-in is asked to run, in its place: whatever shell it has, it says then how that ended.
pub const LOG_IN: &str = "exec bash --norc --noprofile -s";
const SHELL: &str = "bash --norc --noprofile -s";
/// As agents give it to tasks.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One word for bash that stands for exactly this text, whatever is in it but a zero byte.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What cannot be said to a shell at all.
pub fn unsayable(run: &OwnRun) -> Option<String> {
    let script = run.run.script.as_ref();
    let zero = run.command.iter().map(String::as_str).chain(run.env.values().map(String::as_str));
    if zero.chain(script.map(|script| script.text.as_str())).any(|text| text.contains('\0')) {
        return Some("a zero byte cannot be in a command, a parameter or a script".into());
    }
    if script.is_none() && run.command.first().is_none_or(String::is_empty) {
        return Some("there is no program with an empty name".into());
    }
    let wrong = run.env.keys().find(|name| !is_variable(name))?;
    Some(format!("{wrong:?} cannot be the name of a variable"))
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The program that begins.
pub fn program(run: &OwnRun) -> &str {
    match &run.run.script {
        Some(script) => script.language.program(),
        None => run.command.first().map_or("", String::as_str),
    }
}

/// The first part: who it becomes, whether the program is there, and the line that ends what the log-in printed.
pub fn opening(run: &OwnRun, mark: &str) -> String {
    let become_root = format!(
        "if [ \"$EUID\" -ne 0 ]; then command -v sudo >/dev/null 2>&1 || {{ printf '%s\\n' '{mark} no-sudo'; exit 125; }}; \
         LC_ALL=C exec sudo -n -- {SHELL}; fi\n"
    );
    let environment = format!("PATH={PATH} LANG=C.UTF-8 PYTHONUNBUFFERED=1");
    let become_whom = if run.run.root {
        format!(
            "h=~root; cd \"$h\" 2>/dev/null || cd /; \
             exec env -i {environment} HOME=\"$h\" USER=root LOGNAME=root SHELL=/bin/bash {SHELL}\n"
        )
    } else {
        let uid = run.uid;
        format!(
            "command -v setpriv >/dev/null 2>&1 || {{ printf '%s\\n' '{mark} no-setpriv'; exit 125; }}; \
             cd /; exec setpriv --reuid {uid} --regid {uid} --clear-groups --no-new-privs \
             env -i {environment} HOME=/ {SHELL}\n"
        )
    };
    let name = program(run);
    let (program, missing) = (quote(name), if name.contains('/') { "not-executable" } else { "not-found" });
    let find = format!(
        "if type -P -- {program} >/dev/null 2>&1; then \
         read -r _ _ _ _ g _ </proc/$$/stat; printf '%s\\n' \"{mark} ok $g\"; printf '%s\\n' '{mark} ok' >&2; \
         elif [ -e {program} ]; then printf '%s\\n' '{mark} {missing}'; exit 126; \
         else printf '%s\\n' '{mark} not-found'; exit 127; fi\n"
    );
    [become_root, become_whom, find].concat()
}

/// What is run here can be found again by it, in whatever it leaves behind.
pub const MARK: &str = "BRAMBLE_MARK";

/// The second part: the program itself. What comes after it is the program's own standard input. `mark`: to find it by.
pub fn program_itself(run: &OwnRun, delimiter: &str, mark: Option<&str>) -> String {
    let mut said = String::new();
    let node = run.way.as_ref().map_or("manager", |(name, _)| name.as_str());
    // As agents say it.
    let own = [("BRAMBLE_RUN", run.attempt.task.job.to_string()), ("BRAMBLE_NODE", node.to_owned())];
    let mut env: BTreeMap<&str, &str> = run.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    env.extend(mark.map(|mark| (MARK, mark)));
    env.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
    for (name, value) in env {
        // Writing to a text cannot fail.
        let _ = writeln!(said, "export {name}={}", quote(value));
    }
    let words: String = run.command.iter().map(|word| format!(" {}", quote(word))).collect();
    match &run.run.script {
        None => {
            let _ = writeln!(said, "exec --{words}");
        }
        Some(script) => {
            let end = if script.text.ends_with('\n') { "" } else { "\n" };
            let (program, text) = (script.language.program(), &script.text);
            let _ = writeln!(said, "exec -- {program} /dev/fd/3{words} 3<<'{delimiter}'\n{text}{end}{delimiter}");
        }
    }
    said
}

/// Ends a process group, as whoever may do that there.
pub fn ending(group: u32, signal: &str) -> String {
    format!(
        "if [ \"$EUID\" -ne 0 ]; then exec sudo -n -- kill -s {signal} -- -{group}; fi\nkill -s {signal} -- -{group}\n"
    )
}
