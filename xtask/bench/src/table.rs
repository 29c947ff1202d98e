//! The one table, for a person or for a program.

use serde_json::json;

use crate::machine::Machine;
use crate::row::{Better, Goal, Mark, Row, Rows};

pub fn text(machine: &Machine, rows: &Rows, runs: u32, quick: bool) -> String {
    let mut out = format!(
        "{} × {}, {} MiB, {}\nstate: {} on {}\n{}\n",
        machine.cores,
        machine.cpu,
        machine.memory_mib,
        machine.kernel,
        machine.state,
        machine.file_system,
        if runs == 1 { "one run".to_owned() } else { format!("medians of {runs} runs") },
    );
    if quick {
        out += "quick: a tenth of everything; the rows are called as if it were whole\n";
    }
    for doubt in doubts(machine, rows) {
        out += &format!("doubt: {doubt}\n");
    }
    out += &format!("\n{:<50} {:>10} {:<8} {:>9} {:>8}\n", "", "measured", "", "must", "aim");
    for row in rows.iter() {
        out += &line(row);
    }
    out
}

pub fn doubts(machine: &Machine, rows: &Rows) -> Vec<String> {
    machine.doubts().into_iter().chain(rows.doubt()).collect()
}

fn line(row: &Row) -> String {
    let goal = &row.goal;
    let wanted =
        |wanted: Option<f64>| wanted.map_or(String::new(), |wanted| format!("{} {}", than(goal), number(wanted)));
    let line = format!(
        "{:<50} {:>10} {:<8} {:>9} {:>8}  {}",
        goal.name,
        number(row.value()),
        goal.unit,
        wanted(goal.must),
        wanted(goal.aim),
        row.mark().word(),
    );
    format!("{}\n", line.trim_end())
}

/// Between a number and what it must be.
pub fn than(goal: &Goal) -> &'static str {
    match goal.better {
        Better::More => "≥",
        Better::Less => "≤",
    }
}

/// Three digits that mean something, thousands set apart.
pub fn number(value: f64) -> String {
    if value >= 1000.0 {
        let whole = format!("{value:.0}");
        let (head, tail) = whole.split_at(whole.len() - 3);
        return format!("{head},{tail}");
    }
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    if value < 0.1 && value > 0.0 { format!("{value:.3}") } else { text }
}

pub fn json(machine: &Machine, rows: &Rows, quick: bool) -> serde_json::Value {
    let doubts = doubts(machine, rows);
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "key": row.goal.key,
                "name": row.goal.name.trim_start(),
                "unit": row.goal.unit,
                "value": row.value(),
                "runs": row.runs,
                "must": row.goal.must,
                "aim": row.goal.aim,
                "mark": match row.mark() { Mark::None => None, mark => Some(mark) },
            })
        })
        .collect();
    json!({ "machine": machine, "doubts": doubts, "quick": quick, "rows": rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let shown = [1812.4, 250.0, 61.26, 1.234, 0.041, 0.0].map(number);
        assert_eq!(shown, ["1,812", "250", "61.3", "1.23", "0.041", "0.00"]);
    }

    #[test]
    fn a_row_says_what_was_measured_what_must_be_and_where_it_stands() {
        let mut rows = Rows::default();
        rows.add(row::TASKS_10K, 1200.0);
        rows.add(row::BARE, 3700.0);
        let lines: Vec<String> = rows.iter().map(line).collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&lines[0])[5..], ["1,200", "tasks/s", "≥", "1,600", "within", "1.5×"]);
        assert!(lines[1].ends_with("3,700 tasks/s\n"), "{}", lines[1]);
    }
}
