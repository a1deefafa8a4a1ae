//! What the compiler knows, told to people: a plan, a name, a code, a library.

pub mod code;
mod judged;
pub mod kernel;
mod learning;
pub mod library;
pub mod name;
mod page;
pub mod plan;

pub(crate) use page::paint as page_paint;
pub use page::{Line, Page, Section, Tone};
pub use plan::{page, plan};

/// Words of a list, joined for a sentence.
fn listed<T: AsRef<str>>(words: &[T]) -> String {
    words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// `1 256 300 176`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `12.9 M`, `1.26 B`: three digits are enough to compare by.
pub fn rough(number: u64) -> String {
    let value = number as f64;
    let (scaled, letter) = match number {
        0..10_000 => return grouped(number),
        10_000..1_000_000 => (value / 1e3, "k"),
        1_000_000..1_000_000_000 => (value / 1e6, "M"),
        1_000_000_000..1_000_000_000_000 => (value / 1e9, "B"),
        _ => (value / 1e12, "T"),
    };
    let places = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.places$} {letter}")
}

/// `45.4 MiB`.
pub fn bytes(number: u64) -> String {
    let value = number as f64;
    let (scaled, unit) = match number {
        0..1024 => return format!("{number} B"),
        1024..1_048_576 => (value / 1024.0, "KiB"),
        1_048_576..1_073_741_824 => (value / 1_048_576.0, "MiB"),
        1_073_741_824..1_099_511_627_776 => (value / 1_073_741_824.0, "GiB"),
        _ => (value / 1_099_511_627_776.0, "TiB"),
    };
    let places = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.places$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(grouped(1_256_300_176), "1 256 300 176");
        assert_eq!(rough(1_256_300_176), "1.26 B");
        assert_eq!(rough(12_940_000), "12.9 M");
        assert_eq!(rough(4_100), "4 100");
        assert_eq!(rough(113_000_000), "113 M");
        assert_eq!(bytes(5_025_200_704), "4.68 GiB");
    }
}
