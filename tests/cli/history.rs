//! `bramble node history`: rows for a person, samples for a pipe.

use protocol::api::{History, Reply, Request, Span};
use protocol::time::UnixMillis;
use protocol::unit::{Bytes, Celsius, Percent};

use crate::common::screen::Terminal;
use crate::fake::Fake;

/// 2023-11-14 22:13:20 UTC.
const END: UnixMillis = UnixMillis(1_700_000_000_000);

fn history(samples: usize) -> History {
    let step_ms = Span::Hour.step_ms();
    let cpu = |at: usize| if at.is_multiple_of(3) { None } else { Percent::new(at as f32) };
    History {
        node: "pi-1".parse().unwrap(),
        span: Span::Hour,
        step_ms,
        end: END,
        cpu: (0..samples).map(cpu).collect(),
        memory: vec![Some(Bytes(2048)); samples],
        net_in: vec![Some(Bytes(10)); samples],
        net_out: vec![None; samples],
        temperature: (0..samples).map(|at| Celsius::new(at as f32 + 0.5)).collect(),
    }
}

fn fake(samples: usize) -> Fake {
    Fake::replying(Reply::History(Box::new(history(samples))))
}

#[test]
fn a_pipe_gets_every_sample_in_plain_numbers() {
    let fake = fake(3);
    fake.run(&["node", "history", "pi-1"]).says(
        0,
        "\
FROM                      CPU  MEM   IN  OUT  TEMP
2023-11-14T22:13:05.000Z  -    2048  10  -    0.5
2023-11-14T22:13:10.000Z  1.0  2048  10  -    1.5
2023-11-14T22:13:15.000Z  2.0  2048  10  -    2.5
",
        "",
    );
    assert_eq!(fake.asked(), [Request::History { node: "pi-1".parse().unwrap(), span: Span::Hour }]);
    assert_eq!(fake.run(&["node", "history", "pi-1", "--day", "--json"]).json()["end"], END.0);
    assert_eq!(fake.asked()[1], Request::History { node: "pi-1".parse().unwrap(), span: Span::Day });
}

#[test]
fn a_terminal_gets_twenty_rows_at_most_and_a_line() {
    let fake = fake(65);
    let mut command = fake.command(&["node", "history", "pi-1"]);
    command.env("NO_COLOR", "1");
    let (shown, _) = Terminal::of(command, 120).ends();
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    // Four samples a row, the oldest row has what is left.
    assert_eq!(lines.len(), 1 + 17, "{shown}");
    assert!(lines[1].starts_with("22:07  -"), "{shown}");
    let last = lines[17];
    assert!(last.starts_with("22:13  62%  2.0 KiB  10 B/s  64°C"), "{shown}");
    assert!(last.ends_with("▅▅ ▆"), "{shown}");
}

#[test]
fn of_a_node_that_was_never_seen_there_is_nothing_to_show() {
    fake(0).run(&["node", "history", "pi-1"]).says(0, "FROM  CPU  MEM  IN  OUT  TEMP\n", "");
}
