//! The editors' grammar: its words are the compiler's, and it colours a recipe as it should.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurora_compiler::editor_words::words;
use regex::Regex;
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../grammar/editors").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_default()
}

/// The grammar with the words in place of `@items` and the like.
fn generated() -> String {
    let mut made = text("aurora.tmLanguage.template.json");
    for (kind, words) in words() {
        assert!(made.contains(&format!("@{kind}")), "no rule for {kind}");
        assert!(words.iter().all(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')));
        made = made.replace(&format!("@{kind}"), &words.join("|"));
    }
    made
}

#[test]
fn the_words_are_those_of_the_compiler() {
    let made = generated();
    if std::env::var_os("AURORAC_WRITE").is_some() {
        std::fs::write(path("aurora.tmLanguage.json"), &made).expect("written");
    }
    assert_eq!(
        text("aurora.tmLanguage.json"),
        made,
        "the words have changed: run `AURORAC_WRITE=1 cargo test -p aurora-compiler --test editors`"
    );
}

#[test]
fn a_recipe_is_coloured_as_it_should_be() {
    let coloured = |line: &str| Colours::new().line(line);
    let is = |line: &str, wanted: &[(&str, &str)]| {
        let found = coloured(line);
        let shown: Vec<_> = found.iter().map(|(text, scope)| (text.as_str(), scope.as_str())).collect();
        assert_eq!(shown, wanted, "{line}");
    };
    is(
        "amend phase adapt {  # why",
        &[
            ("amend", "keyword.control.vary"),
            ("phase", "keyword.declaration"),
            ("adapt", "entity.name.definition"),
            ("# why", "comment.line.number-sign"),
        ],
    );
    is(
        "    score       csi, ets of refc at [20, 30] dBZ within 24 km",
        &[
            ("score", "keyword.other.clause"),
            ("csi", "support.constant.score"),
            ("ets", "support.constant.score"),
            ("of", "keyword.operator.word"),
            ("at", "keyword.operator.word"),
            ("20", "constant.numeric"),
            ("30", "constant.numeric"),
            ("dBZ", "keyword.other.unit"),
            ("within", "keyword.operator.word"),
            ("24", "constant.numeric"),
            ("km", "keyword.other.unit"),
        ],
    );
    is(
        "    train       2019-01-01 .. 2022-12-24",
        &[
            ("train", "keyword.other.clause"),
            ("2019-01-01", "constant.numeric.date"),
            ("..", "keyword.operator"),
            ("2022-12-24", "constant.numeric.date"),
        ],
    );
    is(
        "    favour      truth(refc) >= 35 dBZ in 70 % of samples",
        &[
            ("favour", "keyword.other.clause"),
            ("truth", "support.function"),
            (">=", "keyword.operator"),
            ("35", "constant.numeric"),
            ("dBZ", "keyword.other.unit"),
            ("in", "keyword.operator.word"),
            ("70", "constant.numeric"),
            ("%", "keyword.other.unit"),
            ("of", "keyword.operator.word"),
        ],
    );
    is(
        "        step   tp = tp + 1e-3 m²/s² in here",
        &[
            ("step", "keyword.control.walk"),
            ("tp", "variable.other.state"),
            ("=", "keyword.operator"),
            ("+", "keyword.operator"),
            ("1e-3", "constant.numeric"),
            ("m²/s²", "keyword.other.unit"),
            ("in", "keyword.operator.word"),
        ],
    );
    is(
        "loss weather = mae(prognostic) \"a # title\"",
        &[
            ("loss", "keyword.declaration"),
            ("weather", "entity.name.definition"),
            ("=", "keyword.operator"),
            ("mae", "support.function"),
            ("\"a # title\"", "string.quoted.double"),
        ],
    );
    is(
        "  = scan pl upward from p0 {",
        &[
            ("=", "keyword.operator"),
            ("scan", "keyword.control"),
            ("upward", "keyword.control"),
            ("from", "keyword.operator.word"),
        ],
    );
    is(
        "    step        1 h",
        &[("step", "keyword.other.clause"), ("1", "constant.numeric"), ("h", "keyword.other.unit")],
    );
    is("    centred     5", &[("5", "constant.numeric")]);
}

/// Every item and clause of the language begins a line of its own colour.
#[test]
fn every_word_has_its_colour() {
    for (kind, scope) in [("items", "keyword.declaration"), ("clauses", "keyword.other.clause")] {
        for word in &words()[kind] {
            // A word that is both is an item where a block begins its line.
            let found = Colours::new().line(&format!("    {word} x"));
            let first = found.first().map(|(text, scope)| (text.as_str(), scope.as_str()));
            let both = words()["items"].contains(word) && kind == "clauses";
            let wanted = if both { "keyword.declaration" } else { scope };
            assert_eq!(first, Some((*word, wanted)), "{word}");
        }
    }
}

/// Where the groups of a match are.
type Groups = Vec<Option<(usize, usize)>>;

/// As much of a TextMate engine as the grammar needs: the rule that matches first wins, the earlier one of two
/// that match at one place; a rule with `begin` holds to the end of its line.
struct Colours {
    grammar: Value,
    compiled: BTreeMap<String, Regex>,
}

impl Colours {
    fn new() -> Self {
        let grammar = serde_json::from_str(&generated()).expect("is JSON");
        Colours { grammar, compiled: BTreeMap::new() }
    }

    fn line(&mut self, line: &str) -> Vec<(String, String)> {
        let mut rules = self.rules(&self.grammar["patterns"].clone());
        let mut found = Vec::new();
        let mut at = 0;
        while at < line.len() {
            let mut best: Option<(usize, usize, Value, Groups)> = None;
            for rule in &rules {
                let pattern =
                    rule["match"].as_str().or(rule["begin"].as_str()).expect("a pattern").to_string();
                let regex = self
                    .compiled
                    .entry(pattern.clone())
                    .or_insert_with(|| Regex::new(&pattern).expect("a pattern without looking around"));
                let Some(captures) = regex.captures_at(line, at) else { continue };
                let whole = captures.get(0).expect("the whole");
                if !whole.is_empty() && best.as_ref().is_none_or(|(start, ..)| whole.start() < *start) {
                    let groups = captures.iter().map(|group| group.map(|g| (g.start(), g.end()))).collect();
                    best = Some((whole.start(), whole.end(), rule.clone(), groups));
                }
            }
            let Some((start, end, rule, groups)) = best else { break };
            let scope =
                |value: &Value| value.as_str().map(|name| name.trim_end_matches(".aurora").to_string());
            if let Some(name) = scope(&rule["name"]) {
                found.push((line[start..end].to_string(), name));
            }
            let captures = if rule["begin"].is_string() { &rule["beginCaptures"] } else { &rule["captures"] };
            for (number, group) in groups.iter().enumerate().skip(1) {
                if let (Some((start, end)), Some(name)) =
                    (group, scope(&captures[number.to_string()]["name"]))
                {
                    found.push((line[*start..*end].to_string(), name));
                }
            }
            if rule["begin"].is_string() {
                assert_eq!(rule["end"], "$");
                rules = self.rules(&rule["patterns"].clone());
            }
            at = end;
        }
        found
    }

    fn rules(&self, patterns: &Value) -> Vec<Value> {
        let includes = patterns.as_array().into_iter().flatten();
        includes
            .map(|pattern| {
                let name = pattern["include"].as_str().expect("an include").trim_start_matches('#');
                let rule = self.grammar["repository"][name].clone();
                assert!(rule.is_object(), "no rule `{name}`");
                rule
            })
            .collect()
    }
}
