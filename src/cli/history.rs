//! `node history`.

use clap::Args;
use protocol::api::{History, Reply, Request, Span};
use protocol::name::NodeName;
use protocol::time::UnixMillis;
use protocol::unit::{Bytes, Celsius, Percent};

use super::context::{Context, ask};
use super::exit::{Exit, Failure};
use super::table::{Cell, Grid};
use super::text::{local, stamp};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble node history pi-3                    the last hour, a few minutes a row
  bramble node history pi-3 --day | tail -60   in a pipe every sample: percent, bytes, bytes a second, degrees")]
pub struct HistoryArgs {
    /// Which node
    name: NodeName,
    /// The last day, sampled by the minute, instead of the last hour
    #[arg(long)]
    day: bool,
}

/// Rows on a terminal at most: all of it is to be seen at once.
const ROWS: usize = 20;
/// Letters a row's line is drawn with at most.
const LINE: usize = 12;

pub async fn history(args: HistoryArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let (node, span) = (args.name, if args.day { Span::Day } else { Span::Hour });
    let history = ask!(client, Request::History { node, span }, Reply::History(history) => history)?;
    if context.json {
        context.print_json(&history)?;
        return Ok(Exit::OK);
    }
    if history.cpu.is_empty() {
        context.hint(format_args!("nothing is known yet of how {} has been doing", history.node));
    }
    let grid = if context.look.terminal { overview(&history) } else { samples(&history) };
    context.print(grid.render(context.look))?;
    Ok(Exit::OK)
}

/// When the sample at this place began.
fn from(history: &History, at: usize) -> UnixMillis {
    let steps = history.cpu.len().saturating_sub(at) as u64;
    UnixMillis(history.end.0.saturating_sub(steps * u64::from(history.step_ms)))
}

/// Numbers without units, a sample a row.
fn samples(history: &History) -> Grid {
    let mut grid = Grid::new(&["FROM", "CPU", "MEM", "IN", "OUT", "TEMP"]);
    let bytes = |series: &[Option<Bytes>], at: usize| Cell::maybe(series.get(at).copied().flatten().map(|b| b.0));
    for (at, cpu) in history.cpu.iter().enumerate() {
        grid.row(vec![
            stamp(from(history, at)).into(),
            Cell::maybe(cpu.map(|cpu| format!("{:.1}", cpu.value()))),
            bytes(&history.memory, at),
            bytes(&history.net_in, at),
            bytes(&history.net_out, at),
            Cell::maybe(history.temperature.get(at).copied().flatten().map(|t| format!("{:.1}", t.value()))),
        ]);
    }
    grid
}

/// Several samples a row: their means, the highest temperature, and the CPU as a line.
fn overview(history: &History) -> Grid {
    let mut grid = Grid::new(&["FROM", "CPU", "MEM", "IN", "OUT", "TEMP", "CPU 0-100%"]).spare(&["OUT", "IN", "MEM"]);
    let each = history.cpu.len().div_ceil(ROWS).max(1);
    // The newest row is full, the oldest need not be.
    let first = history.cpu.len() % each;
    let starts = (first > 0).then_some(0).into_iter().chain((first..history.cpu.len()).step_by(each));
    for start in starts {
        let end = if start < first { first } else { start + each };
        let cpu = part(&history.cpu, start, end);
        let rate = |series| Cell::maybe(mean_bytes(part(series, start, end)).map(|bytes| format!("{bytes}/s")));
        let warmest = part(&history.temperature, start, end).iter().flatten().map(|t| t.value()).reduce(f32::max);
        grid.row(vec![
            clock(from(history, start)).into(),
            Cell::maybe(mean(cpu).map(|cpu| format!("{cpu:.0}%"))),
            Cell::maybe(mean_bytes(part(&history.memory, start, end))),
            rate(&history.net_in),
            rate(&history.net_out),
            Cell::maybe(warmest.and_then(Celsius::new).map(|t| format!("{:.0}°C", t.value()))),
            line(cpu).into(),
        ]);
    }
    grid
}

/// Empty where an older manager tells less.
fn part<T>(series: &[T], start: usize, end: usize) -> &[T] {
    series.get(start..end.min(series.len())).unwrap_or_default()
}

/// `14:03`.
fn clock(at: UnixMillis) -> String {
    local(at).get(11..16).unwrap_or("-").to_owned()
}

fn mean(cpu: &[Option<Percent>]) -> Option<f32> {
    let known: Vec<f32> = cpu.iter().flatten().map(|cpu| cpu.value()).collect();
    (!known.is_empty()).then(|| known.iter().sum::<f32>() / known.len() as f32)
}

fn mean_bytes(series: &[Option<Bytes>]) -> Option<Bytes> {
    let known: Vec<u64> = series.iter().flatten().map(|bytes| bytes.0).collect();
    let sum: u128 = known.iter().map(|bytes| u128::from(*bytes)).sum();
    (!known.is_empty()).then(|| Bytes((sum / known.len() as u128) as u64))
}

/// A letter for some samples each, a blank where there are none.
fn line(cpu: &[Option<Percent>]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let height = |cpu: f32| HEIGHTS[((cpu / 100.0 * 8.0) as usize).min(7)];
    cpu.chunks(cpu.len().div_ceil(LINE).max(1)).map(|some| mean(some).map_or(' ', height)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_height_for_each_and_a_gap_for_none() {
        let cpu = |values: &[f32]| values.iter().map(|value| Percent::new(*value)).collect::<Vec<_>>();
        assert_eq!(line(&cpu(&[0.0, 12.4, 50.0, f32::NAN, 99.0, 100.0])), "▁▁▅ ██");
        assert_eq!(line(&cpu(&[100.0; 72])).chars().count(), 12);
        assert_eq!(line(&[]), "");
    }

    #[test]
    fn means_are_of_what_is_known() {
        assert_eq!(mean(&[Percent::new(10.0), None, Percent::new(20.0)]), Some(15.0));
        assert_eq!(mean(&[None]), None);
        assert_eq!(mean_bytes(&[Some(Bytes(u64::MAX)), Some(Bytes(u64::MAX)), None]), Some(Bytes(u64::MAX)));
    }
}
