//! Where what a log-in prints of itself ends, and what is run begins.

/// What a log-in prints before is kept up to here, for whoever wonders what it was.
const MOST: usize = 16 * 1024;

/// One stream until its line has come.
#[derive(Debug)]
pub struct Gate {
    mark: Vec<u8>,
    before: Vec<u8>,
    /// Dropped from the front of it.
    forgotten: bool,
}

/// The rest of the line, and what came after it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opened {
    pub word: String,
    pub rest: Vec<u8>,
}

impl Gate {
    pub fn new(mark: &str) -> Self {
        Self { mark: format!("{mark} ").into_bytes(), before: vec![], forgotten: false }
    }

    pub fn put(&mut self, bytes: &[u8]) -> Option<Opened> {
        self.before.extend_from_slice(bytes);
        if let Some(at) = memchr::memmem::find(&self.before, &self.mark) {
            let line = &self.before[at + self.mark.len()..];
            let end = memchr::memchr(b'\n', line)?;
            return Some(Opened {
                word: String::from_utf8_lossy(&line[..end]).into_owned(),
                rest: line[end + 1..].to_vec(),
            });
        }
        if self.before.len() > 2 * MOST {
            self.before.drain(..self.before.len() - MOST);
            self.forgotten = true;
        }
        None
    }

    /// The last line that is not empty of what came instead.
    pub fn last_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.before);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
    }

    pub fn has_said(&self, words: &str) -> bool {
        memchr::memmem::find(&self.before, words.as_bytes()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_in_prints_is_cut_off_wherever_it_is_split() {
        let all = b"Welcome to pi-9!\nno newline here: mark-1 ok 4711\noutput mark-1 ok\nmore";
        for at in 0..all.len() {
            let mut gate = Gate::new("mark-1");
            let (first, second) = all.split_at(at);
            let opened = match gate.put(first) {
                Some(mut opened) => {
                    opened.rest.extend_from_slice(second);
                    opened
                }
                None => gate.put(second).unwrap(),
            };
            assert_eq!(opened, Opened { word: "ok 4711".into(), rest: b"output mark-1 ok\nmore".to_vec() }, "{at}");
        }
    }

    #[test]
    fn a_log_in_that_prints_without_end_is_not_kept_without_end() {
        let mut gate = Gate::new("mark-1");
        for _ in 0..1000 {
            assert_eq!(gate.put(&[b'x'; 1000]), None);
        }
        assert!(gate.before.len() <= 2 * MOST + 1000 && gate.forgotten);
        assert_eq!(gate.put(b"\nmark-1 ok\n").unwrap().word, "ok");
    }
}
