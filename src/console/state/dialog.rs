//! A question before something that cannot be brought back. The harmless answer has the focus.

use super::deed::Deed;
use crate::text;

/// Letters of a paragraph that others wrote.
const LONGEST: usize = 2000;

#[derive(Debug)]
pub struct Dialog {
    pub title: String,
    /// What is about to happen, a paragraph each.
    pub text: Vec<String>,
    /// Below that, a line each.
    pub list: Vec<String>,
    pub danger: bool,
    pub buttons: Vec<Button>,
    pub focus: usize,
}

#[derive(Debug)]
pub struct Button {
    pub label: String,
    pub press: Press,
}

#[derive(Debug)]
pub enum Press {
    Nothing,
    Do(Box<Deed>),
    Copy(String),
}

impl Dialog {
    /// Asks whether to do it. Cancel is first.
    pub fn ask(title: impl Into<String>, text: Vec<String>, label: impl Into<String>, deed: Deed) -> Dialog {
        let cancel = Button { label: "Cancel".into(), press: Press::Nothing };
        let act = Button { label: label.into(), press: Press::Do(Box::new(deed)) };
        Dialog { title: title.into(), text, list: vec![], danger: true, buttons: vec![cancel, act], focus: 0 }
    }

    /// Something to read, and to copy.
    pub fn tell(title: impl Into<String>, text: Vec<String>, copy: Option<String>) -> Dialog {
        let mut buttons = vec![Button { label: "Close".into(), press: Press::Nothing }];
        buttons.extend(copy.map(|copy| Button { label: "Copy".into(), press: Press::Copy(copy) }));
        let text = text.into_iter().map(|said| text::shortened(said, LONGEST)).collect();
        Dialog { title: title.into(), text, list: vec![], danger: false, buttons, focus: 0 }
    }

    pub fn step(&mut self, forward: bool) {
        let count = self.buttons.len().max(1);
        self.focus = if forward { self.focus + 1 } else { self.focus + count - 1 } % count;
    }
}
