//! All that can happen to the console, and all that it can ask for: the loop in `app.rs` brings the one and carries
//! out the other. What lies between is pure.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};
use protocol::api::{Away, Changes, Hello, LogChunk, LogQuery, Picture, Reply, Request};
use protocol::id::JobId;

use super::keymap::Keymap;
use super::state::settings::Settings;
use super::theme::Theme;
use crate::client::{ClientError, ManagerAddress};

#[derive(Debug)]
pub enum Event {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(u16, u16),
    /// What the manager tells by itself.
    Told(Told),
    /// An answer to an [`Effect::Ask`].
    Answered(Purpose, Result<Reply, ClientError>),
    /// A piece of what an [`Effect::Follow`] of this number asked for.
    Printed(u64, Printed),
    Theme(Result<Arc<Theme>, String>),
    Keymap(Result<Arc<Keymap>, String>),
    /// Nothing but time has passed.
    Time,
}

#[derive(Debug)]
pub enum Told {
    /// Where the manager is, unless it is the one that is asked where none is named.
    Named(Option<ManagerAddress>),
    Hello(Hello),
    Picture(Box<Picture>),
    Changes(Box<Changes>),
    /// What has ended while no console of this person's was open.
    Away(Away),
    /// From before the console was opened.
    Past(Vec<protocol::event::Event>),
    /// The link is gone; it is tried again after the pause.
    Lost {
        why: String,
        pause: Duration,
    },
}

#[derive(Debug)]
pub enum Printed {
    Piece(LogChunk),
    Note(String),
    /// The task has ended and all it printed was told.
    End,
    Broken(ClientError),
}

/// What an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A step of the deed of this number.
    Deed(u64),
    /// Trends of all nodes.
    Trends,
    /// A page of the list of tasks of this number.
    Tasks {
        list: u64,
        page: u32,
    },
    /// The task whose page this is.
    Task {
        page: u64,
    },
    Why {
        page: u64,
    },
    /// The task of a job that is asked why it waits.
    WhyOf(JobId),
    /// To be told in a dialog.
    WhyTold,
    History {
        page: u64,
    },
    JoinToken,
}

#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there are few at a time, and most of them ask")]
pub enum Effect {
    Ask(Purpose, Request),
    /// Pieces come as [`Event::Printed`] with this number; there is one at a time.
    Follow(u64, LogQuery),
    Unfollow,
    Copy(String),
    Mouse(bool),
    LoadTheme(String),
    LoadKeymap(String),
    /// To be kept for the next time.
    Keep(Settings),
    /// The whole screen anew, whatever is believed to be on it.
    Repaint,
    Suspend,
    /// Another manager from now on.
    Connect(ManagerAddress),
    Leave(Left),
}

/// What a person left the console for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Nothing,
    /// To try it all on this machine.
    Demo,
    /// To make this machine a manager.
    Install,
}
