//! "Did you mean …?"

/// The candidate that `word` was probably meant to be, if any is near enough: the same but for case,
/// or else within a Damerau–Levenshtein distance of a third of the word's length (at least one).
/// Of equally near candidates the alphabetically first wins, so the order given never matters.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| !candidate.is_empty() && *candidate != word)
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&folded, &other);
            // A word of one or two letters is near to every other such word.
            let near = distance == 0 || distance <= allowed && word.chars().count() > 2;
            near.then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(nearest("storm", ["weather", "storms", "hail"]), Some("storms"));
        assert_eq!(nearest("pahse", ["phase", "data"]), Some("phase"));
        assert_eq!(nearest("REFC", ["ref", "refc"]), Some("refc"));
        assert_eq!(nearest("sbcap", ["mucape", "sbcape"]), Some("sbcape"));
    }

    #[test]
    fn leaves_what_is_too_far() {
        assert_eq!(nearest("storm", ["weather", "hail"]), None);
        assert_eq!(nearest("t", ["q", "u", "v"]), None);
        assert_eq!(nearest("", ["a"]), None);
    }

    #[test]
    fn ties_do_not_depend_on_order() {
        assert_eq!(nearest("srh2", ["srh3", "srh1"]), Some("srh1"));
        assert_eq!(nearest("srh2", ["srh1", "srh3"]), Some("srh1"));
    }
}
