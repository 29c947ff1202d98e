//! The clock. A Pi has none of its own: until the network told it the time, what it records is wrong.

use std::time::{Duration, SystemTime};

use super::Finding;

pub fn check() -> Option<Finding> {
    judge(SystemTime::now(), built(), synchronised())
}

fn judge(now: SystemTime, built: Option<SystemTime>, synchronised: Option<bool>) -> Option<Finding> {
    let remedy = "Have the time set by the network: sudo apt install chrony, or sudo timedatectl set-ntp true.";
    let early = built.and_then(|built| built.duration_since(now).ok());
    if let Some(by) = early.filter(|by| *by > Duration::from_secs(24 * 3600)) {
        let days = by.as_secs() / (24 * 3600);
        let problem = format!("The clock is wrong: it shows a time {days} days before this program was installed.");
        return Some(Finding::serious("clock-wrong", problem, remedy));
    }
    (synchronised == Some(false)).then(|| {
        Finding::minor("clock-not-synchronised", "The clock is not synchronised: recorded times may be wrong.", remedy)
    })
}

/// No later than now, if the clock is right.
fn built() -> Option<SystemTime> {
    std::fs::metadata("/proc/self/exe").and_then(|meta| meta.modified()).ok()
}

fn synchronised() -> Option<bool> {
    // SAFETY: all zeroes is a valid `timex`, and `modes` of 0 only asks.
    let (state, time) = unsafe {
        let mut time: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut time), time)
    };
    (state >= 0).then_some(time.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_lags_behind_the_program_is_serious() {
        let built = SystemTime::now();
        let past = built - Duration::from_secs(40 * 24 * 3600);
        let finding = judge(past, Some(built), Some(false)).unwrap();
        assert!(finding.serious && finding.problem.contains("40 days"), "{finding:?}");
        assert!(!judge(built, Some(built), Some(false)).unwrap().serious);
        assert_eq!(judge(built, Some(built), Some(true)), None);
        assert_eq!(judge(built, None, None), None);
    }
}
