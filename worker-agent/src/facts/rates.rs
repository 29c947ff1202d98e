//! What changes from second to second: CPU, load, memory, network. Read raw, because once a second for ever adds up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::node::Metrics;
use protocol::unit::{Bytes, Percent};

use super::files::Again;
use super::machine::meminfo;

/// The kernel's counters, and what they were the last time.
#[derive(Debug)]
pub struct Rates {
    stat: Again,
    meminfo: Again,
    net: Again,
    cpu: Option<CpuTime>,
    traffic: Option<(Instant, Traffic)>,
}

impl Default for Rates {
    fn default() -> Self {
        let open = Again::open;
        Self {
            stat: open("/proc/stat"),
            meminfo: open("/proc/meminfo"),
            net: open("/proc/net/dev"),
            cpu: None,
            traffic: None,
        }
    }
}

impl Rates {
    /// All of [`Metrics`] but what the board and the disk say.
    pub fn sample(&mut self) -> Metrics {
        // The first line of /proc/stat is the sum of all CPUs; the rest is never copied.
        let cpu = self.stat.read(256).and_then(CpuTime::parse);
        let busy = cpu.zip(self.cpu).and_then(|(now, before)| now.busy_since(before));
        self.cpu = cpu;

        let traffic = self.net.read(16 * 1024).and_then(Traffic::parse).map(|traffic| (Instant::now(), traffic));
        let moved = traffic
            .as_ref()
            .zip(self.traffic.as_ref())
            .and_then(|((at, now), (then, before))| now.since(before, at.saturating_duration_since(*then)));
        self.traffic = traffic;

        let system = rustix::system::sysinfo();
        Metrics {
            cpu: busy,
            load_hundredths: load_hundredths(system.loads[0]),
            memory_used: self.meminfo.read(512).and_then(memory_used),
            net_in: moved.map(|(received, _)| received),
            net_out: moved.map(|(_, sent)| sent),
            uptime_minutes: u64::try_from(system.uptime).ok().and_then(|s| u32::try_from(s / 60).ok()),
            ..Metrics::default()
        }
    }
}

/// The steps in which a disk is told: a log that grows is not news.
pub fn disk_step(used: Bytes) -> Bytes {
    step(used, 16 << 20)
}

fn step(value: Bytes, size: u64) -> Bytes {
    Bytes(value.0.saturating_add(size / 2) / size * size)
}

/// The kernel's load has 16 binary digits after the point. Told in steps of 0.05.
fn load_hundredths(load: impl Into<u64>) -> Option<u32> {
    let hundredths = load.into().saturating_mul(100) >> 16;
    u32::try_from((hundredths + 2) / 5 * 5).ok()
}

/// What programs hold and cannot be had back by dropping caches.
fn memory_used(text: &str) -> Option<Bytes> {
    let used = meminfo(text, "MemTotal:")?.0.checked_sub(meminfo(text, "MemAvailable:")?.0)?;
    Some(step(Bytes(used), 1 << 20))
}

/// Ticks of all CPUs together since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CpuTime {
    total: u64,
    idle: u64,
}

impl CpuTime {
    fn parse(stat: &str) -> Option<Self> {
        let mut words = stat.lines().next()?.split_ascii_whitespace();
        if words.next() != Some("cpu") {
            return None;
        }
        // user nice system idle iowait irq softirq steal; guests are counted inside user already.
        let ticks: Vec<u64> = words.take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        let total = ticks.iter().try_fold(0u64, |sum, &n| sum.checked_add(n))?;
        Some(Self { total, idle: ticks.get(3)?.checked_add(*ticks.get(4)?)? })
    }

    /// To half a percent. `None` where the counters went backwards or stood still.
    fn busy_since(self, before: Self) -> Option<Percent> {
        let total = self.total.checked_sub(before.total).filter(|&n| n > 0)?;
        let idle = self.idle.checked_sub(before.idle)?;
        let busy = total.checked_sub(idle)?;
        Percent::new((busy as f32 * 200.0 / total as f32).round() / 2.0)
    }
}

/// Bytes received and sent by each interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Traffic(BTreeMap<String, (u64, u64)>);

impl Traffic {
    fn parse(dev: &str) -> Option<Self> {
        let mut all = BTreeMap::new();
        for line in dev.lines().skip(2) {
            let (name, counters) = line.split_once(':')?;
            let mut counters = counters.split_ascii_whitespace();
            let received = counters.next()?.parse().ok()?;
            let sent = counters.nth(7)?.parse().ok()?;
            if name.trim() != "lo" {
                all.insert(name.trim().to_owned(), (received, sent));
            }
        }
        Some(Self(all))
    }

    /// Bytes a second, in and out. An interface that is new counts from now on; one counter that was reset or
    /// wrapped makes the whole sample worthless.
    fn since(&self, before: &Self, time: Duration) -> Option<(Bytes, Bytes)> {
        let seconds = time.as_secs_f64();
        if seconds < 0.05 || self.0.is_empty() {
            return None;
        }
        let (mut received, mut sent) = (0u64, 0u64);
        for (name, now) in &self.0 {
            let Some(before) = before.0.get(name) else { continue };
            received = received.checked_add(now.0.checked_sub(before.0)?)?;
            sent = sent.checked_add(now.1.checked_sub(before.1)?)?;
        }
        let rate = |bytes: u64| two_digits((bytes as f64 / seconds).round() as u64);
        Some((rate(received), rate(sent)))
    }
}

/// Two significant digits, and nothing finer than 100 B: heartbeats are not news either.
fn two_digits(value: u64) -> Bytes {
    let mut size = 100;
    while value / size >= 100 {
        size *= 10;
    }
    step(Bytes(value), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_told_in_halves_of_a_percent_and_never_negative() {
        let at = |line: &str| CpuTime::parse(line).unwrap();
        let before = at("cpu  100 0 50 800 50 0 0 0 7 7\ncpu0 1 1 1 1\n");
        let after = at("cpu  131 0 50 868 51 0 0 0 7 7\n");
        assert_eq!(after.busy_since(before).unwrap().value(), 31.0);
        assert_eq!(before.busy_since(after), None);
        assert_eq!(after.busy_since(after), None);
        for garbage in ["", "cpu", "cpu 1 2 3", "cpu a b c d e", "cpu -1 0 0 0 0", "mem 1 2 3 4 5"] {
            assert_eq!(CpuTime::parse(garbage), None, "{garbage:?}");
        }
        assert_eq!(CpuTime::parse(&format!("cpu {0} {0} {0} {0} {0}", u64::MAX)), None);
    }

    const DEV: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  999999     10    0    0    0     0          0         0   999999      10    0    0    0     0       0          0
  eth0: 1000000    100    0    0    0     0          0         0  2000000     100    0    0    0     0       0          0
";

    #[test]
    fn traffic_is_that_of_all_interfaces_but_loopback() {
        let before = Traffic::parse(DEV).unwrap();
        let after = Traffic::parse(&DEV.replace("1000000", "1123456").replace("999999", "1999999")).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(after.since(&before, second), Some((Bytes(120_000), Bytes(0))));
        assert_eq!(before.since(&after, second), None, "a counter that was reset");
        assert_eq!(after.since(&before, Duration::ZERO), None);
    }

    #[test]
    fn an_interface_that_appears_is_no_burst_and_none_at_all_is_none() {
        let before = Traffic::parse(DEV).unwrap();
        let more = format!("{DEV}  tun0: 77777777 1 0 0 0 0 0 0 88888888 1 0 0 0 0 0 0\n");
        let after = Traffic::parse(&more).unwrap();
        assert_eq!(after.since(&before, Duration::from_secs(1)), Some((Bytes(0), Bytes(0))));
        assert_eq!(Traffic::default().since(&Traffic::default(), Duration::from_secs(1)), None);
        for garbage in ["a\nb\nc", "a\nb\neth0: x y z", "a\nb\neth0: 1 2"] {
            assert_eq!(Traffic::parse(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn noise_is_rounded_away() {
        assert_eq!(two_digits(0), Bytes(0));
        assert_eq!(two_digits(149), Bytes(100));
        assert_eq!(two_digits(9_949), Bytes(9_900));
        assert_eq!(two_digits(123_456_789), Bytes(120_000_000));
        assert_eq!(two_digits(u64::MAX).0 / 10u64.pow(18), 18);
        assert_eq!(disk_step(Bytes(20 << 20)), Bytes(16 << 20));
        assert_eq!(memory_used("MemTotal: 2048 kB\nMemFree: 1 kB\nMemAvailable: 1000 kB\n"), Some(Bytes(1 << 20)));
        assert_eq!(memory_used("MemTotal: 1 kB\nMemAvailable: 2 kB\n"), None);
        assert_eq!(load_hundredths(65536u64 + 6554), Some(110));
    }
}
