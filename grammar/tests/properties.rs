//! What holds for every text and every tree.

mod common;

use aurora_grammar::source::Span;
use aurora_grammar::tree::*;
use aurora_grammar::{print, render};
use common::{RECIPES, read, sound};
use proptest::prelude::*;

fn name(text: String) -> Name {
    Name { text, span: Span::default() }
}

fn made(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["t", "refc", "u10", "srh3", "a_b", "x", "inflow", "atlas", "mae"])
        .prop_map(String::from)
}

fn units() -> impl Strategy<Value = Option<Name>> {
    prop::sample::select(vec![
        "",
        "",
        "K",
        "J/kg/K",
        "m^2/s^2",
        "%",
        "dBZ",
        "1/s",
        "s^-1",
        "°C",
        "grid_cells",
    ])
    .prop_map(|unit| (!unit.is_empty()).then(|| name(unit.to_string())))
}

fn numbers() -> impl Strategy<Value = f64> {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![
        POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO,
        (-999i32..999).prop_map(|n| f64::from(n) / 8.0)
    ]
    .prop_filter("finite", |number| number.is_finite())
}

fn leaves() -> impl Strategy<Value = Expr> {
    prop_oneof![
        (numbers(), units()).prop_map(|(value, unit)| made(ExprKind::Measure { value, unit })),
        names().prop_map(|text| made(ExprKind::Path(text))),
        Just(made(ExprKind::Path("hrrr.forecast".into()))),
        Just(made(ExprKind::Date("2019-01-01T06:00Z".into()))),
        "[^\"\r\n]{0,6}".prop_map(|text| made(ExprKind::Text(text))),
    ]
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    use Comparison::*;
    prop::sample::select(vec![LessEqual, GreaterEqual, Equal, Less, Greater])
}

fn operators() -> impl Strategy<Value = Operator> {
    prop::sample::select(vec![Operator::Add, Operator::Subtract, Operator::Multiply, Operator::Divide])
}

/// Any expression that the grammar can say.
fn expressions() -> impl Strategy<Value = Expr> {
    leaves().prop_recursive(6, 40, 4, |inner| {
        let two = || (inner.clone(), inner.clone()).prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        let label = prop::option::of(names().prop_map(name));
        let input = (label, inner.clone()).prop_map(|(label, value)| Input { label, value });
        let binding =
            || (names(), inner.clone()).prop_map(|(text, value)| Binding { name: name(text), value });
        let few = || prop::collection::vec(binding(), 0..3);
        let walk = || (few(), few(), few());
        let directions = prop::sample::select(vec!["upward", "downward", "sideways"]);
        prop_oneof![
            (names(), directions, prop::option::of(inner.clone()), walk()).prop_map(
                |(levels, direction, from, (states, bindings, steps))| made(ExprKind::Scan {
                    levels: name(levels),
                    direction: name(direction.into()),
                    from: from.map(Box::new),
                    states,
                    bindings,
                    steps
                })
            ),
            (inner.clone(), walk()).prop_map(|(count, (states, bindings, steps))| made(ExprKind::Iterate {
                count: Box::new(count),
                states,
                bindings,
                steps
            })),
            (operators(), two()).prop_map(|(operator, (left, right))| made(ExprKind::Binary {
                operator,
                left,
                right
            })),
            (comparisons(), two()).prop_map(|(comparison, (left, right))| made(ExprKind::Relation {
                left,
                comparison,
                right
            })),
            (any::<bool>(), two()).prop_map(|(towards, (start, end))| made(ExprKind::Range {
                start,
                end,
                towards
            })),
            two().prop_map(|(value, place)| made(ExprKind::At { value, place })),
            two().prop_map(|(value, quantity)| made(ExprKind::As { value, quantity })),
            two().prop_map(|(value, extent)| made(ExprKind::Over { value, extent })),
            (inner.clone(), numbers())
                .prop_map(|(base, exponent)| made(ExprKind::Power { base: Box::new(base), exponent })),
            inner.clone().prop_map(|value| match value.kind {
                ExprKind::Measure { .. } => value,
                _ => made(ExprKind::Negate(Box::new(value))),
            }),
            (prop::collection::vec(inner.clone(), 0..4), units())
                .prop_map(|(items, unit)| made(ExprKind::List { items, unit })),
            (names(), prop::collection::vec(input, 0..4))
                .prop_map(|(function, inputs)| made(ExprKind::Call { function: name(function), inputs })),
        ]
    })
}

/// Tokens of the language in any order: much of it nonsense, much of it nearly right.
fn soup() -> impl Strategy<Value = String> {
    let words = "t refc mae( f( ( ) [ ] 5 16 2.5 km K % , , = <= .. -> + - -3 * / ^ 2 at over of in by for when as \
                 \"text\" 2019-01-01 where where{ { } within always phase loss derive x : on from amend drop member scan iterate start step # ; \u{B0}";
    let walks = ["scan pl upward from x {\n", "iterate 5 {", "start x =", "\nstep x ="];
    let words: Vec<String> = words
        .split(' ')
        .chain(walks)
        .map(String::from)
        .chain(["\n".into(), "\n".into(), "\nloss x =".into()])
        .collect();
    prop::collection::vec((prop::sample::select(words), any::<bool>()), 0..40).prop_map(|words| {
        words.into_iter().map(|(word, blank)| if blank { word + " " } else { word }).collect::<String>()
    })
}

/// A recipe with a few of its bytes changed, doubled or cut.
fn damaged() -> impl Strategy<Value = String> {
    let cut = (any::<prop::sample::Index>(), 0usize..30, "[\\PC\n]{0,3}");
    (prop::sample::select(RECIPES), prop::collection::vec(cut, 1..4)).prop_map(|((_, text), cuts)| {
        let mut bytes = text.as_bytes().to_vec();
        for (place, length, new) in cuts {
            let start = place.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, new.into_bytes());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Reading never panics, every place lies in the text, and what is kept can be printed and read.
fn holds(text: &str) {
    let read = read(text);
    for diagnostic in &read.diagnostics {
        assert!(!diagnostic.labels.is_empty() && !diagnostic.message.is_empty());
        for label in &diagnostic.labels {
            assert!(
                read.sources.locate(label.span).is_some() && label.span.end as usize <= text.len(),
                "{diagnostic:?}"
            );
            assert!(label.span.start <= label.span.end);
        }
    }
    assert_eq!(read.human().is_empty(), read.diagnostics.is_empty());
    assert_eq!(render::json(&read.diagnostics, &read.sources).lines().count(), read.diagnostics.len());
    let mut whole = read.tree;
    whole.edition = Some(name("1.0".into()));
    let printed = print(&whole);
    assert_eq!(sound(&printed), whole, "{text}\n────\n{printed}");
    if let Ok(shown) = aurora_grammar::format(text) {
        assert_eq!(sound(&shown).items, whole.items, "{text}\n────\n{shown}");
        assert_eq!(aurora_grammar::format(&shown).expect("can be read"), shown, "{text}\n────\n{shown}");
    }
}

/// Texts that the tests below have found.
#[test]
fn what_was_kept_wrongly_once() {
    holds("phase x {\n score ;phase scan pl upward from x {\n\n}\n");
    holds("phase x {\n score where{}loss scan pl upward from x {\n\n}\n");
    holds("phase x { loss scan pl upward from x {\n\n}\n}\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn expressions_come_back_as_they_were(value in expressions()) {
        let file = sound(&format!("aurora 1.0\nloss x = {value}\n"));
        let ItemKind::Loss { value: again, .. } = &file.items[0].kind else { panic!("a loss") };
        prop_assert_eq!(again, &value, "{}", value);
    }

    #[test]
    fn expressions_are_laid_out_without_a_change(value in expressions()) {
        let text = format!("aurora 1.0\n\n\n\nderive   x=\n{value}\nphase y {{\nminimise\t2*({value})\n}}\n");
        let shown = aurora_grammar::format(&text).expect("can be read");
        prop_assert!(shown.starts_with("aurora 1.0\n\nderive x"), "{}", shown);
        prop_assert_eq!(sound(&shown), sound(&text), "{}", shown);
        prop_assert_eq!(aurora_grammar::format(&shown).expect("can be read"), shown);
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}") {
        holds(&text);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        holds(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn soup_is_survived_and_what_is_kept_comes_back(text in soup()) {
        holds(&text);
        holds(&format!("phase x {{\n score {text}\n}}\n"));
        holds(&format!("derive x = f(scan pl upward {{\n start {text}\n}})\n"));
    }

    #[test]
    fn damaged_recipes_are_survived(text in damaged()) {
        holds(&text);
    }
}
