//! The manual's pages about diagnostics: one for each code, in markdown.
//!
//! A page says what is wrong, why it matters, and shows it wrong and right. The checks that know the science
//! keep theirs as the doc comment at the head of their file, so that rule and page cannot part.

/// Ordinary codes, whose pages are files of their own.
macro_rules! pages {
    ($($code:literal)*) => {
        &[$(($code, include_str!(concat!("manual/", $code, ".md")))),*]
    };
}

/// Codes of the science, whose pages are the doc comments of `check/science/FILE.rs`.
macro_rules! science {
    ($($code:literal in $file:literal)*) => {
        &[$(($code, include_str!(concat!("check/science/", $file, ".rs")))),*]
    };
}

const PAGES: &[(&str, &str)] = pages! {
    "affine-arithmetic"
    "affine-sum"
    "already-defined"
    "base-mismatch"
    "beyond-archive"
    "claimed-twice"
    "does-not-fit"
    "empty-range"
    "extends-cycle"
    "fresh-levels"
    "impossible-architecture"
    "internal"
    "level-mismatch"
    "library-as-recipe"
    "logarithmic-arithmetic"
    "logarithmic-sum"
    "loss-has-units"
    "loss-not-linear"
    "misplaced-item"
    "misplaced-loss"
    "misplaced-over"
    "missing-argument"
    "missing-block"
    "missing-clause"
    "missing-edition"
    "missing-header"
    "missing-name"
    "missing-recipe"
    "missing-split"
    "missing-support"
    "missing-threshold"
    "missing-type"
    "no-distribution"
    "no-ensemble"
    "no-tolerance"
    "not-a-date"
    "not-a-field"
    "not-a-function"
    "not-a-grid"
    "not-a-list"
    "not-a-loss"
    "not-a-number"
    "not-a-relation"
    "not-constant"
    "not-predicted"
    "nothing-to-amend"
    "outside-grid"
    "outside-levels"
    "quantity-mismatch"
    "recursion"
    "repeated-clause"
    "repeated-level"
    "repeated-name"
    "shared-group"
    "step-not-multiple"
    "surface-in-perceiver"
    "syntax"
    "too-deep"
    "two-states"
    "unclosed-brace"
    "uneven-grid"
    "unfinished-walk"
    "unit-mismatch"
    "unknown-archive"
    "unknown-argument"
    "unknown-base"
    "unknown-clause"
    "unknown-library"
    "unknown-name"
    "unknown-quantity"
    "unknown-unit"
    "unnamed-field"
    "unreadable-base"
    "wrong-argument"
    "wrong-role"
};

const SCIENCE: &[(&str, &str)] = science! {
    "cell-mismatch" in "cell_mismatch"
    "field-appears-late" in "field_appears_late"
    "frame-mismatch" in "frame_mismatch"
    "lead-beyond-data" in "lead_beyond_data"
    "never-minimised" in "never_minimised"
    "never-trained" in "never_trained"
    "no-baseline" in "no_baseline"
    "no-projection" in "no_projection"
    "period-at-start" in "period_at_start"
    "range-escape" in "range_escape"
    "rare-event" in "rare_event"
    "scale-not-multiple" in "scale_not_multiple"
    "split-gap" in "split_gap"
    "split-overlap" in "split_overlap"
    "stats-leak" in "stats_leak"
    "tile-not-multiple" in "tile_not_multiple"
    "unknown-field" in "unknown_field"
    "unused-loss" in "unused_loss"
    "zero-gradient" in "zero_gradient"
};

/// Every code, in alphabetical order.
pub fn codes() -> Vec<&'static str> {
    let mut codes: Vec<&str> = PAGES.iter().chain(SCIENCE).map(|(code, _)| *code).collect();
    codes.sort_unstable();
    codes
}

/// The page of a code in markdown.
pub fn page(code: &str) -> Option<&'static str> {
    let of = |table: &'static [(&str, &'static str)]| {
        table.iter().find(|(c, _)| *c == code).map(|(_, text)| *text)
    };
    of(PAGES).or_else(|| science_page(code))
}

/// The doc comment of a science check, without its marks.
fn science_page(code: &str) -> Option<&'static str> {
    use std::collections::BTreeMap;
    use std::sync::OnceLock;
    static READ: OnceLock<BTreeMap<&'static str, String>> = OnceLock::new();
    let read =
        READ.get_or_init(|| SCIENCE.iter().map(|(code, source)| (*code, doc_comment(source))).collect());
    read.get(code).map(String::as_str)
}

/// The leading `//!` lines of a source file.
fn doc_comment(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with("//!"));
    lines
        .map(|line| format!("{}\n", line.trim_start_matches("//!").strip_prefix(' ').unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_order_and_once() {
        for table in [PAGES, SCIENCE] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0), "not in order");
        }
        let codes = codes();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "a code with two pages");
    }

    #[test]
    fn a_doc_comment_is_a_page() {
        assert_eq!(doc_comment("//! # a\n//!\n//!  b\n\nuse x;\n//! no"), "# a\n\n b\n");
    }
}
