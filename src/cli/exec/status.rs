//! One line on the terminal while answers are waited for: how many are there, and who is missing. It is gone before anything
//! else is written, and at the end.

use std::io::Write;

use protocol::run::AnswerView;

use super::fate::names;
use crate::cli::context::Context;
use crate::cli::text::{clean, shortened};

/// Where the width is not known.
const USUAL_WIDTH: u16 = 80;

pub struct Status {
    /// `None`: nobody watches.
    width: Option<usize>,
    shown: String,
}

impl Status {
    pub fn new(context: &Context) -> Self {
        let watched = context.errors().terminal && context.look.terminal && !context.json;
        let width = || usize::from(context.look.width().unwrap_or(USUAL_WIDTH));
        Self { width: watched.then(width), shown: String::new() }
    }

    pub fn show(&mut self, answers: &[AnswerView]) {
        let Some(width) = self.width else { return };
        // One column stays free: at the edge some terminals begin another line.
        let line = shortened(clean(&sentence(answers)).into_owned(), width.saturating_sub(2));
        if line != self.shown {
            self.write(&format!("\r{line}\x1b[K"));
            self.shown = line;
        }
    }

    pub fn clear(&mut self) {
        if !self.shown.is_empty() {
            self.write("\r\x1b[K");
            self.shown.clear();
        }
    }

    fn write(&self, text: &str) {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

fn sentence(answers: &[AnswerView]) -> String {
    let missing = || answers.iter().filter(|answer| !answer.state.ended());
    let (total, left) = (answers.len(), missing().count());
    if left == 0 {
        return String::new();
    }
    let away: Vec<&AnswerView> = missing().filter(|answer| answer.away).collect();
    let away = if away.is_empty() { String::new() } else { format!(" (away: {})", names(away)) };
    format!("{} of {total} answered, waiting for {}{away}", total - left, names(missing()))
}

#[cfg(test)]
mod tests {
    use protocol::job::TaskState;

    use super::*;
    use crate::cli::exec::tests::answer;

    #[test]
    fn who_is_missing_is_named() {
        let mut answers = vec![
            answer(0, "pi-1", TaskState::Succeeded),
            answer(1, "pi-2", TaskState::Running),
            answer(2, "pi-3", TaskState::Running),
        ];
        assert_eq!(sentence(&answers), "1 of 3 answered, waiting for pi-[2,3]");
        answers[2].away = true;
        assert_eq!(sentence(&answers), "1 of 3 answered, waiting for pi-[2,3] (away: pi-3)");
        assert_eq!(sentence(&answers[..1]), "");
    }
}
