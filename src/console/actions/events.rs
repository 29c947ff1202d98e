//! The events need nothing of their own: what holds in every list is enough.

use super::Action;

pub const ACTIONS: &[Action] = &[];
