//! Where a file is cut: near its so-manieth parts, at the next place where it may be. So however large it is, little of
//! it is read.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use memchr::memmem::Finder;

use super::By;

const PIECE: usize = 64 * 1024;

/// Parts of a file of this size, in order: each byte is in exactly one, none is empty, and where it is cut by lines or
/// separators each ends behind one. At most so many.
pub fn cut(file: &mut (impl Read + Seek), size: u64, by: &By, chunks: u32) -> io::Result<Vec<Range<u64>>> {
    let mut parts = vec![];
    let mut from = 0;
    for n in 1..=chunks {
        let near = (u128::from(size) * u128::from(n) / u128::from(chunks)) as u64;
        // What was passed over on the way to the last cut has none.
        if near <= from {
            continue;
        }
        let to = match by {
            _ if near == size => size,
            By::Bytes => near,
            By::Lines => behind(file, b"\n", from, near, size)?,
            By::Separator(separator) => behind(file, separator.as_bytes(), from, near, size)?,
        };
        parts.push(from..to);
        from = to;
    }
    Ok(parts)
}

/// The end of the first of these that ends at `near` or later, and begins at `from` or later; else that of the file.
fn behind(file: &mut (impl Read + Seek), separator: &[u8], from: u64, near: u64, size: u64) -> io::Result<u64> {
    let length = separator.len();
    let mut start = near.saturating_sub(length as u64).max(from);
    file.seek(SeekFrom::Start(start))?;
    let finder = Finder::new(separator);
    let mut looked = Vec::with_capacity(PIECE + length);
    loop {
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut looked)?;
        if let Some(at) = finder.find(&looked) {
            return Ok((start + (at + length) as u64).min(size));
        }
        if read == 0 {
            return Ok(size);
        }
        // One could begin at the end of this piece.
        let done = looked.len().saturating_sub(length - 1);
        looked.drain(..done);
        start += done as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use test_support::Dice;

    use super::*;

    fn parts(content: &[u8], by: &By, chunks: u32) -> Vec<Vec<u8>> {
        let ranges = cut(&mut Cursor::new(content), content.len() as u64, by, chunks).unwrap();
        let mut at = 0;
        let mut parts = vec![];
        for Range { start, end } in ranges {
            assert!(start == at && end > start, "{start}..{end} after {at}");
            parts.push(content[start as usize..end as usize].to_vec());
            at = end;
        }
        assert_eq!(at, content.len() as u64, "the rest is in no part");
        assert!(parts.len() <= chunks as usize);
        parts
    }

    fn said(content: &str, by: &By, chunks: u32) -> Vec<String> {
        parts(content.as_bytes(), by, chunks).into_iter().map(|part| String::from_utf8(part).unwrap()).collect()
    }

    fn separator(text: &str) -> By {
        By::Separator(text.into())
    }

    #[test]
    fn lines_are_never_cut_and_every_byte_is_in_one_part() {
        assert_eq!(said("a\nb\nc\nd\n", &By::Lines, 2), ["a\nb\n", "c\nd\n"]);
        assert_eq!(said("a\nb\nc", &By::Lines, 3), ["a\n", "b\n", "c"]);
        assert_eq!(said("a\nb\nc\n", &By::Lines, 900), ["a\n", "b\n", "c\n"]);
        assert_eq!(said("a long line and\nb\n", &By::Lines, 2), ["a long line and\n", "b\n"]);
        assert_eq!(said("one line", &By::Lines, 9), ["one line"]);
        assert_eq!(said("\n\n\n", &By::Lines, 2), ["\n", "\n\n"]);
        assert_eq!(said("", &By::Lines, 9), Vec::<String>::new());
        assert_eq!(said("a\nb\n", &By::Lines, 1), ["a\nb\n"]);
    }

    #[test]
    fn bytes_are_as_equal_as_can_be() {
        assert_eq!(said("abcdefghij", &By::Bytes, 3), ["abc", "def", "ghij"]);
        assert_eq!(said("ab", &By::Bytes, 900), ["a", "b"]);
        assert_eq!(said("", &By::Bytes, 3), Vec::<String>::new());
    }

    #[test]
    fn a_separator_stays_with_what_is_before_it_wherever_it_is() {
        let blank = separator("\n\n");
        assert_eq!(said("a\n\nb\n\nc", &blank, 3), ["a\n\n", "b\n\n", "c"]);
        assert_eq!(said("\n\na\n\n", &blank, 2), ["\n\n", "a\n\n"]);
        assert_eq!(said("a\nb\nc\nd", &blank, 3), ["a\nb\nc\nd"]);
        assert_eq!(said("END", &separator("END"), 3), ["END"]);
        assert_eq!(said("aaaa", &separator("aa"), 2), ["aa", "aa"]);
        assert_eq!(said("x--longer--y", &separator("--longer--"), 2), ["x--longer--", "y"]);
    }

    #[test]
    fn one_line_larger_than_what_is_read_at_once_stays_whole() {
        let line = "x".repeat(5 * PIECE + 17);
        assert_eq!(parts(line.as_bytes(), &By::Lines, 900).len(), 1);
        let content = format!("a\n{line}\nb\n");
        let lengths: Vec<usize> = parts(content.as_bytes(), &By::Lines, 900).iter().map(Vec::len).collect();
        assert_eq!(lengths, [2 + line.len() + 1, 2], "the first part ends where the large line does");
    }

    #[test]
    fn a_separator_across_two_pieces_is_found() {
        for shift in 0..4 {
            let content = format!("{}<==>{}", "x".repeat(3 * PIECE - shift), "y".repeat(3 * PIECE));
            let both = parts(content.as_bytes(), &separator("<==>"), 7);
            assert_eq!(both.len(), 2, "{shift}");
            assert!(both[0].ends_with(b"<==>") && both[1].starts_with(b"y"));
        }
    }

    #[test]
    fn whatever_a_file_holds() {
        for seed in 0..2000 {
            let dice = &mut Dice::new(seed);
            let alphabet = [b"a\n", b"ab", b"\n\n"][dice.within(0, 2)];
            let length = dice.within(0, 300);
            let content: Vec<u8> = (0..length).map(|_| alphabet[dice.within(0, 1)]).collect();
            let chunks = dice.within(1, 40) as u32;
            let lines = parts(&content, &By::Lines, chunks);
            let longest = content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
            let ideal = content.len() / chunks as usize;
            for (n, part) in lines.iter().enumerate() {
                assert!(n + 1 == lines.len() || part.ends_with(b"\n"), "seed {seed}: a line was cut");
                assert!(part.len() <= ideal + 1 + longest, "seed {seed}: {} of {ideal}", part.len());
            }
            let bytes = parts(&content, &By::Bytes, chunks);
            assert_eq!(bytes.len(), content.len().min(chunks as usize), "seed {seed}");
            let sizes = bytes.iter().map(Vec::len);
            assert!(sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0) <= 1, "seed {seed}");
            let by = separator(["ab", "\n\n", "aaa"][dice.within(0, 2)]);
            let By::Separator(end) = &by else { unreachable!() };
            let separated = parts(&content, &by, chunks);
            for part in separated.iter().rev().skip(1) {
                assert!(part.ends_with(end.as_bytes()), "seed {seed}: {part:?}");
            }
        }
    }
}
