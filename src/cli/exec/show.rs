//! The way a run is shown, and what it wants to hear of it.

use std::collections::BTreeSet;

use protocol::api::More;
use protocol::job::TaskState;
use protocol::run::{AnswerView, OutputChunk, RunView, WhichOutput};
use serde_json::json;

use super::body::say_missing;
use super::fate::{not_reached, sentence};
use super::groups::Groups;
use super::json::Json;
use super::lines::Lines;
use super::options::{Layout, is_alone};
use super::program::Program;
use super::status::Status;
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::client::Client;

pub struct Show<'a> {
    how: How,
    status: Status,
    /// Of these it was said that they cannot be asked.
    said: BTreeSet<u32>,
    client: &'a Client,
    context: &'a Context,
}

enum How {
    /// One node, whose program we stand in for.
    Program(Program),
    Lines(Lines),
    Groups(Groups),
    /// A line an answer.
    Json(Json),
    /// A line a piece.
    Pieces,
}

impl<'a> Show<'a> {
    pub fn new(run: &RunView, layout: Layout, client: &'a Client, context: &'a Context) -> Self {
        let grouped = layout == Layout::Grouped || layout == Layout::Usual && context.look.terminal;
        let how = if context.json {
            if layout == Layout::Live { How::Pieces } else { How::Json(Json::default()) }
        } else if is_alone(&run.on) && run.answers.len() == 1 && layout == Layout::Usual {
            How::Program(Program::new(context))
        } else if grouped {
            How::Groups(Groups::default())
        } else {
            How::Lines(Lines::new(run, context))
        };
        let said = run.answers.iter().filter(|answer| not_reached(answer)).map(|answer| answer.index).collect();
        Self { how, status: Status::new(context), said, client, context }
    }

    pub fn output_wanted(&self) -> WhichOutput {
        match self.how {
            How::Program(_) | How::Lines(_) | How::Pieces => WhichOutput::Live,
            How::Groups(_) | How::Json(_) => WhichOutput::Ended,
        }
    }

    pub fn begin(&mut self, run: &RunView) -> Result<(), Failure> {
        match self.how {
            How::Pieces => self.context.print_json(&json!({ "run": run })),
            How::Groups(_) => {
                self.status.show(&run.answers);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub fn output(&mut self, chunk: OutputChunk, missing: u64, answers: &[AnswerView]) -> Result<(), Failure> {
        match &mut self.how {
            How::Groups(groups) => groups.output(&chunk, missing),
            How::Json(json) => json.output(&chunk, missing),
            How::Pieces => return self.context.print_json(&More::Output(chunk)),
            How::Program(program) => {
                say_missing(missing, None, self.context);
                return program.output(&chunk);
            }
            How::Lines(lines) => {
                let node = || answers.iter().find(|answer| answer.index == chunk.index).map(|a| a.node.to_string());
                if missing > 0 {
                    say_missing(missing, node().as_deref(), self.context);
                }
                return lines.output(&chunk);
            }
        }
        Ok(())
    }

    /// These are news; `run` has all answers as they are now.
    pub async fn answers(&mut self, news: &[AnswerView], run: &RunView) -> Result<(), Failure> {
        if let How::Pieces = self.how {
            return self.context.print_json(&More::Answers(news.to_vec()));
        }
        for answer in news.iter().filter(|answer| answer.state.ended()) {
            match &mut self.how {
                How::Program(program) => program.end()?,
                How::Lines(lines) => {
                    lines.ended(answer.index)?;
                    if answer.state != TaskState::Succeeded && !self.said.contains(&answer.index) {
                        self.context.note(sentence(answer));
                    }
                }
                How::Groups(groups) => groups.ended(answer),
                How::Json(json) => json.ended(answer, run, self.client, self.context).await?,
                How::Pieces => {}
            }
        }
        if let How::Groups(_) = self.how {
            self.status.show(&run.answers);
        }
        Ok(())
    }

    /// Somebody else is about to write to the terminal.
    pub fn make_way(&mut self) {
        self.status.clear();
    }

    pub async fn end(mut self, run: &RunView) -> Result<(), Failure> {
        self.status.clear();
        match self.how {
            How::Program(mut program) => program.end(),
            How::Groups(groups) => groups.tell(self.client, run, self.context).await,
            How::Lines(_) | How::Json(_) | How::Pieces => Ok(()),
        }
    }
}
