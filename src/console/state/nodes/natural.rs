//! Names in the order in which people count: `pi-2` comes before `pi-10`.

use std::cmp::Ordering;

/// Runs of digits are compared as numbers, however long they are; names that count alike stay apart.
pub fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one.as_bytes(), other.as_bytes());
    loop {
        match (left, right) {
            ([l, ..], [r, ..]) if l.is_ascii_digit() && r.is_ascii_digit() => {
                let (l, r);
                (l, left) = number(left);
                (r, right) = number(right);
                let order = l.len().cmp(&r.len()).then_with(|| l.cmp(r));
                if order.is_ne() {
                    return order;
                }
            }
            ([l, left_rest @ ..], [r, right_rest @ ..]) => {
                if l != r {
                    return l.cmp(r);
                }
                (left, right) = (left_rest, right_rest);
            }
            _ => return left.len().cmp(&right.len()).then_with(|| one.cmp(other)),
        }
    }
}

/// The digits at the front without leading zeros, and what comes after them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_in_which_people_count() {
        let mut names = ["pi-10", "pi-2", "pi-02", "pi", "b9", "pi-2b", "rack-1-10", "rack-1-9", "pi-0"];
        names.sort_by(|one, other| natural(one, other));
        assert_eq!(names, ["b9", "pi", "pi-0", "pi-02", "pi-2", "pi-2b", "pi-10", "rack-1-9", "rack-1-10"]);
    }

    #[test]
    fn a_number_too_long_for_a_machine_word_is_a_number_still() {
        let (small, large) = ("n-99999999999999999999999", "n-100000000000000000000000");
        assert_eq!(natural(small, large), Ordering::Less);
        assert_eq!(natural(small, small), Ordering::Equal);
    }
}
