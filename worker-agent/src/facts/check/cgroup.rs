//! Control groups: by them a task and all its children are ended at once, and its memory is bounded.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::facts::files;
use crate::keeper::client;
use crate::layout::Layout;

/// The kernel's command line on a Raspberry Pi.
const PI_LINE: &str = "/boot/firmware/cmdline.txt";
const OLD_PI_LINE: &str = "/boot/cmdline.txt";

pub fn check(layout: &Layout) -> Vec<Finding> {
    let mounts = files::text(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    let own = files::text(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let model = files::line(Path::new("/proc/device-tree/model")).unwrap_or_default();
    let mut found = Vec::new();
    let Some(top) = unified(&mounts) else {
        found.push(Finding::minor(
            "no-cgroup-v2",
            "Control groups of version 2 are not mounted: what escapes a task is found by its environment instead.",
            boot_with(&model, "systemd.unified_cgroup_hierarchy=1"),
        ));
        return found;
    };
    let controllers = files::text(&top.join("cgroup.controllers")).unwrap_or_default();
    if !controllers.split_whitespace().any(|word| word == "memory") {
        found.push(no_memory(&model));
    }
    if own_group(&top, &own).is_none_or(|group| !can_make_groups(&group)) {
        found.push(Finding::minor(
            "cgroup-not-writable",
            "No control group can be made here: what escapes a task is found by its environment instead.",
            "Start the worker by its systemd unit with Delegate=yes, as `bramble install worker` writes it.",
        ));
    }
    // Only the worker that runs knows in which group it is.
    if let Some(why) = client::barren_cgroup(layout) {
        found.push(Finding::minor(
            "cgroup-barren",
            format!("What escapes a task of the worker here is found by its environment instead: {why}."),
            "Stop the worker and start it again, so that it is in a new control group: systemctl stop and then start \
             of its unit, or a reboot.",
        ));
    }
    found
}

fn no_memory(model: &str) -> Finding {
    let problem = "The memory control group is off: the memory of a task cannot be bounded.";
    let remedy = if is_pi(model) {
        boot_with(model, "cgroup_enable=memory cgroup_memory=1")
    } else {
        boot_with(model, "cgroup_enable=memory systemd.unified_cgroup_hierarchy=1")
    };
    Finding::minor("no-memory-cgroup", problem, remedy)
}

/// Where the kernel's command line is written differs from machine to machine.
fn boot_with(model: &str, words: &str) -> String {
    if !is_pi(model) {
        return format!(
            "Add {words} to the kernel's command line and reboot; on a Raspberry Pi that is the one line in \
             {PI_LINE} (older systems: {OLD_PI_LINE}), elsewhere usually GRUB_CMDLINE_LINUX in /etc/default/grub, \
             followed by update-grub."
        );
    }
    let at = match [PI_LINE, OLD_PI_LINE].into_iter().find(|at| Path::new(at).exists()) {
        Some(at) => at.to_owned(),
        None => format!("{PI_LINE} (older systems: {OLD_PI_LINE})"),
    };
    format!("Add {words} to the end of the one line in {at} and reboot.")
}

fn is_pi(model: &str) -> bool {
    model.starts_with("Raspberry Pi")
}

/// Where version 2 is mounted, from /proc/self/mountinfo.
fn unified(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4).map(PathBuf::from)).flatten()
    })
}

/// This process's own group, from /proc/self/cgroup.
fn own_group(top: &Path, own: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(top.join(path))
}

fn can_make_groups(group: &Path) -> bool {
    let probe = group.join(format!("bramble-check-{}", std::process::id()));
    let made = std::fs::create_dir(&probe).is_ok();
    made && std::fs::remove_dir(&probe).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_is_found_beside_version_1() {
        let mounts = "30 20 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 30 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        let top = unified(mounts).unwrap();
        assert_eq!(top, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(
            own_group(&top, "9:name=systemd:/\n0::/system.slice/x.service\n").unwrap(),
            Path::new("/sys/fs/cgroup/unified/system.slice/x.service")
        );
        assert_eq!(unified("garbage\n - \n"), None);
    }

    #[test]
    fn on_a_pi_the_remedy_is_its_command_line() {
        let pi = no_memory("Raspberry Pi 4 Model B Rev 1.4").remedy;
        assert!(pi.contains("cgroup_memory=1") && pi.contains("cmdline.txt") && !pi.contains("grub"), "{pi}");
    }

    #[test]
    fn elsewhere_the_remedy_says_where_the_command_line_is_written() {
        for model in ["LENOVO", ""] {
            for remedy in [no_memory(model).remedy, boot_with(model, "x=1")] {
                for place in [PI_LINE, OLD_PI_LINE, "/etc/default/grub"] {
                    assert!(remedy.contains(place), "{remedy}");
                }
            }
        }
    }
}
