//! Frames, on links and sockets alike: a u32 big-endian length and that many bytes of JSON.

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest JSON a frame may carry.
pub const LONGEST: usize = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {0} bytes was announced; at most {LONGEST} are allowed")]
    TooLong(usize),
    #[error("a frame is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

/// Well-formed, but not of this build's words: to be answered, not feared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message {name:?} is not understood here: {why}")]
pub struct Unknown {
    pub name: String,
    pub why: String,
    /// The number a request carried, so that it can be answered.
    pub id: Option<u64>,
}

/// Appends one frame.
pub fn encode<T: Serialize>(message: &T, out: &mut BytesMut) -> Result<(), FrameError> {
    use bytes::BufMut;
    let start = out.len();
    out.put_u32(0);
    if let Err(error) = serde_json::to_writer(out.writer(), message) {
        out.truncate(start);
        return Err(FrameError::NotJson(error));
    }
    let length = out.len() - start - 4;
    if length > LONGEST {
        out.truncate(start);
        return Err(FrameError::TooLong(length));
    }
    out[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(())
}

/// Takes one whole frame off the front, or nothing while it is not all there.
pub fn split(from: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    let Some(head) = from.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*head) as usize;
    if length > LONGEST {
        return Err(FrameError::TooLong(length));
    }
    if from.len() < 4 + length {
        // Reserve only in proportion to what has arrived: a length alone must not cost memory.
        from.reserve((4 + length - from.len()).min(64 * 1024));
        return Ok(None);
    }
    from.advance(4);
    Ok(Some(from.split_to(length).freeze()))
}

/// Reads the JSON of one frame.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(json).map_err(|error| match serde_json::from_slice::<serde_json::Value>(json) {
        Err(_) => FrameError::NotJson(error),
        Ok(value) => FrameError::Unknown(Unknown {
            name: name_of(&value),
            why: error.to_string(),
            id: value.get("id").and_then(serde_json::Value::as_u64),
        }),
    })
}

/// The tag of a message: `"tag"`, `{"tag": …}` or `{"id": …, "request": {"tag": …}}`.
fn name_of(value: &serde_json::Value) -> String {
    let value = value.get("request").unwrap_or(value);
    let name = match value {
        serde_json::Value::String(tag) => tag.as_str(),
        serde_json::Value::Object(map) => map.keys().next().map_or("", String::as_str),
        _ => "",
    };
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Hello { number: u32 },
    }

    #[test]
    fn frames_come_whole_however_they_are_cut() {
        let mut all = BytesMut::new();
        encode(&Word::Hello { number: 1 }, &mut all).unwrap();
        encode(&Word::Hello { number: 2 }, &mut all).unwrap();
        let mut arriving = BytesMut::new();
        let mut seen = vec![];
        for byte in all {
            arriving.extend_from_slice(&[byte]);
            while let Some(json) = split(&mut arriving).unwrap() {
                seen.push(parse::<Word>(&json).unwrap());
            }
        }
        assert_eq!(seen, [Word::Hello { number: 1 }, Word::Hello { number: 2 }]);
    }

    #[test]
    fn a_monstrous_length_is_refused_and_costs_no_memory() {
        let mut lie = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert!(matches!(split(&mut lie), Err(FrameError::TooLong(_))));
        let mut hungry = BytesMut::from(&[0, 0x3f, 0xff, 0xff, b'x'][..]);
        assert!(split(&mut hungry).unwrap().is_none());
        assert!(hungry.capacity() < 128 * 1024);
    }

    #[test]
    fn an_unknown_message_keeps_its_name_and_number_so_that_it_can_be_answered() {
        let Err(FrameError::Unknown(unknown)) = parse::<Word>(br#"{"dance":{"id":3}}"#) else { panic!() };
        assert_eq!(unknown.name, "dance");
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Call {
            id: u64,
            request: Word,
        }
        let Err(FrameError::Unknown(unknown)) = parse::<Call>(br#"{"id":7,"request":{"dance":{}}}"#) else { panic!() };
        assert_eq!((unknown.name.as_str(), unknown.id), ("dance", Some(7)));
        assert!(matches!(parse::<Word>(b"{"), Err(FrameError::NotJson(_))));
    }

    #[test]
    fn what_is_too_long_leaves_nothing_half_written() {
        let mut out = BytesMut::from(&b"before"[..]);
        assert!(matches!(encode(&"x".repeat(LONGEST + 1), &mut out), Err(FrameError::TooLong(_))));
        assert_eq!(&out[..], b"before");
    }
}
