//! Rewriting by the table of [`rules`](super::rules).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::super::interpret::{Number, missing};
use super::super::ir::{Instruction, Kernel, Value};
use super::forward::{Code, Tree, forward};
use super::rules::RULES;
use super::term::{Head, Term, term};

/// Replaces what a rule of the table matches, until none does.
#[must_use]
pub fn rewrite<T: Number>(kernel: &Kernel) -> Kernel {
    forward::<T>(kernel, &|instruction, code| {
        let rules = TABLE.get(&Head::of(instruction)?)?;
        rules.iter().find_map(|rule| rule.apply(instruction, code))
    })
}

/// The rules by what their patterns begin with. A rule that cannot be read would be missing; a test sees that none is.
static TABLE: LazyLock<BTreeMap<Head, Vec<Rule>>> = LazyLock::new(|| {
    let mut table: BTreeMap<Head, Vec<Rule>> = BTreeMap::new();
    for rule in RULES.iter().filter_map(|(pattern, replacement)| Rule::read(pattern, replacement)) {
        if let Term::Call(head, _) = &rule.pattern {
            table.entry(*head).or_default().push(rule);
        }
    }
    table
});

#[derive(Clone, Debug)]
struct Rule {
    pattern: Term,
    replacement: Term,
}

/// What the letters of a pattern stand for.
type Bound = Vec<(char, Value)>;

impl Rule {
    fn read(pattern: &str, replacement: &str) -> Option<Self> {
        Some(Self { pattern: term(pattern)?, replacement: term(replacement)? })
    }

    fn apply<T: Number>(&self, instruction: &Instruction, code: &Code<'_, T>) -> Option<Tree> {
        let Term::Call(_, patterns) = &self.pattern else { return None };
        let mut bound = Bound::new();
        operands_match(patterns, instruction, code, &mut bound)
            .then(|| grown(&self.replacement, &bound, code))?
    }
}

fn operands_match<T: Number>(
    patterns: &[Term],
    instruction: &Instruction,
    code: &Code<'_, T>,
    bound: &mut Bound,
) -> bool {
    let mut operands = instruction.operands();
    let before = bound.len();
    let all = |operands: &[Value], bound: &mut Bound| {
        bound.truncate(before);
        patterns.iter().zip(operands).all(|(pattern, operand)| matches(pattern, *operand, code, bound))
    };
    if all(&operands, bound) {
        return true;
    }
    operands.reverse();
    Head::of(instruction).is_some_and(Head::commutes) && all(&operands, bound)
}

fn matches<T: Number>(pattern: &Term, value: Value, code: &Code<'_, T>, bound: &mut Bound) -> bool {
    match pattern {
        Term::Mask(_) if !code.facts[value.index()].mask => false,
        Term::Any(letter) | Term::Mask(letter) => match bound.iter().find(|(own, _)| own == letter) {
            Some((_, before)) => *before == value,
            None => {
                bound.push((*letter, value));
                true
            }
        },
        Term::Number(number) => {
            code.number(value).is_some_and(|found| found.to_f64().to_bits() == number.to_bits())
        }
        Term::True => code.number(value).is_some_and(|found| !missing(found) && found != T::ZERO),
        Term::PowerOfTwo => {
            let found = code.number(value).filter(|number| exact_reciprocal(*number).is_some());
            bound.extend(found.map(|_| ('P', value)));
            found.is_some()
        }
        Term::Reciprocal => false,
        Term::Call(head, patterns) => {
            let instruction = &code.instructions[value.index()];
            Head::of(instruction) == Some(*head) && operands_match(patterns, instruction, code, bound)
        }
    }
}

/// One divided by a power of two, if that is a power of two in this precision.
fn exact_reciprocal<T: Number>(number: T) -> Option<T> {
    const FRACTION: u64 = (1 << 52) - 1;
    let power = |number: T| {
        let wide = number.to_f64();
        // Where f64 has it as a normal number with nothing behind the leading bit.
        wide.is_normal() && wide.to_bits() & FRACTION == 0
    };
    let reciprocal = T::ONE / number;
    (power(number) && power(reciprocal)).then_some(reciprocal)
}

fn grown<T: Number>(term: &Term, bound: &Bound, code: &Code<'_, T>) -> Option<Tree> {
    let of = |letter: char| bound.iter().find(|(own, _)| *own == letter).map(|(_, value)| *value);
    Some(match term {
        Term::Any(letter) | Term::Mask(letter) => Tree::Old(of(*letter)?),
        Term::Number(number) => Tree::Number(*number),
        Term::Reciprocal => Tree::Number(exact_reciprocal(code.number(of('P')?)?)?.to_f64()),
        Term::PowerOfTwo | Term::True => return None,
        Term::Call(head, operands) => Tree::New(
            head.template(),
            operands.iter().map(|operand| grown(operand, bound, code)).collect::<Option<_>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::super::interpret::interpret;
    use super::super::super::ir::{Binary, Builder, Compare, Domain, Module};
    use super::super::super::optimise::tests::after;
    use super::super::super::verify::verify;
    use super::*;

    const SPECIAL: [f64; 18] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        2.0,
        -3.0,
        0.1,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f32::MAX as f64,
        f64::MIN_POSITIVE,
        -5e-324,
        1e-45,
        -1.1e-38,
    ];
    const MASKS: [f64; 3] = [0.0, 1.0, f64::NAN];

    /// A kernel of the pattern, its letters as inputs, and what constants stand in it.
    fn kernel(pattern: &Term, constant: f64) -> (Kernel, Vec<char>) {
        let mut builder = Builder::new("rule");
        let mut letters = Vec::new();
        collect(pattern, &mut letters);
        let mut values: BTreeMap<char, Value> = BTreeMap::new();
        for letter in &letters {
            let mut value = builder.input(&letter.to_string(), Domain::Cell);
            if matches!(letter, 'm' | 'n') {
                // What compares is a mask; NaN stays NaN.
                let zero = builder.constant(0.0);
                value = builder.compare(Compare::Gt, value, zero);
            }
            values.insert(*letter, value);
        }
        let value = build(pattern, constant, &values, &mut builder);
        builder.output("x", value);
        (builder.finish(), letters)
    }

    fn collect(term: &Term, letters: &mut Vec<char>) {
        match term {
            Term::Any(letter) | Term::Mask(letter) if !letters.contains(letter) => letters.push(*letter),
            Term::Call(_, operands) => operands.iter().for_each(|operand| collect(operand, letters)),
            _ => {}
        }
    }

    fn build(term: &Term, constant: f64, values: &BTreeMap<char, Value>, builder: &mut Builder) -> Value {
        match term {
            Term::Any(letter) | Term::Mask(letter) => values[letter],
            Term::Number(number) => builder.constant(*number),
            Term::PowerOfTwo | Term::True => builder.constant(constant),
            Term::Reciprocal => builder.constant(1.0 / constant),
            Term::Call(head, operands) => {
                let operands: Vec<Value> =
                    operands.iter().map(|operand| build(operand, constant, values, builder)).collect();
                let mut operands = operands.into_iter();
                builder.push(head.template().map_operands(|old| operands.next().unwrap_or(old)))
            }
        }
    }

    /// Every combination of special numbers for the letters, and the results by bits, NaN being one.
    fn results<T: Number + Copy>(kernel: &Kernel, letters: &[char]) -> Vec<u64> {
        let numbers = |letter: &char| if matches!(letter, 'm' | 'n') { &MASKS[..] } else { &SPECIAL[..] };
        let cells: usize = letters.iter().map(|letter| numbers(letter).len()).product();
        let mut stride = 1;
        let mut arrays: Vec<Array2<T>> = Vec::new();
        for letter in letters {
            let own = numbers(letter);
            arrays.push(Array2::from_shape_fn((1, cells), |(_, cell)| {
                T::from_f64(own[cell / stride % own.len()])
            }));
            stride *= own.len();
        }
        let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
        let bits = |number: &T| {
            let wide = number.to_f64();
            if wide.is_nan() { f64::NAN.to_bits() } else { wide.to_bits() }
        };
        interpret(kernel, &views, cells).unwrap()[0].iter().map(bits).collect()
    }

    fn check<T: Number>(pattern: &Term, text: &str, constant: f64) {
        let (before, letters) = kernel(pattern, constant);
        let after = rewrite::<T>(&before);
        verify(&Module { kernels: vec![after.clone()] }).unwrap();
        assert_ne!(before, after, "`{text}` is never used");
        assert_eq!(
            results::<T>(&before, &letters),
            results::<T>(&after, &letters),
            "`{text}` {constant}:\n{after}"
        );
    }

    /// The table read by itself, so that the first of two rules that match does not hide the other.
    #[test]
    fn no_rule_changes_a_bit() {
        for (text, replacement) in RULES {
            let rule = Rule::read(text, replacement).unwrap_or_else(|| panic!("`{text}` cannot be read"));
            let constants: &[f64] = match text.contains('P') {
                true => {
                    &[2.0, -2.0, 0.25, 8_388_608.0, 2.0_f64.powi(127), 2.0_f64.powi(-126), 2.0_f64.powi(-127)]
                }
                false if text.contains('T') => &[1.0, -7.5, f64::INFINITY, 1e-30],
                false => &[1.0],
            };
            for constant in constants {
                check::<f32>(&rule.pattern, text, *constant);
                check::<f64>(&rule.pattern, text, *constant);
                // What the rule itself says, whatever rule was used above.
                let (before, letters) = kernel(&rule.pattern, *constant);
                let mut swapped = before.clone();
                let values = (0..letters.len()).map(|k| (letters[k], input_of(&before, k))).collect();
                let mut builder = Builder::new("rule");
                for input in &before.inputs {
                    builder.input(&input.name, input.domain);
                }
                let kept = Kernel { outputs: Vec::new(), ..before.clone() };
                let mut whole = kept.clone();
                whole.instructions = before.instructions.clone();
                let value = append(&rule.replacement, *constant, &values, &mut whole);
                swapped.instructions = whole.instructions;
                swapped.outputs[0].value = value;
                let both = [results::<f32>(&before, &letters), results::<f32>(&swapped, &letters)];
                assert_eq!(both[0], both[1], "`{text}` to `{replacement}`");
                let both = [results::<f64>(&before, &letters), results::<f64>(&swapped, &letters)];
                assert_eq!(both[0], both[1], "`{text}` to `{replacement}`");
            }
        }
    }

    /// The value that stands for letter number `k`: of a mask, the comparison.
    fn input_of(kernel: &Kernel, k: usize) -> Value {
        let place = kernel.instructions.iter().position(|i| *i == Instruction::Input(k)).unwrap();
        let mask = matches!(kernel.inputs[k].name.as_str(), "m" | "n");
        Value::new(if mask { place + 2 } else { place })
    }

    fn append(term: &Term, constant: f64, values: &BTreeMap<char, Value>, kernel: &mut Kernel) -> Value {
        let instruction = match term {
            Term::Any(letter) | Term::Mask(letter) => return values[letter],
            Term::Number(number) => Instruction::Constant(*number),
            Term::Reciprocal => Instruction::Constant(1.0 / constant),
            Term::PowerOfTwo | Term::True => Instruction::Constant(constant),
            Term::Call(head, operands) => {
                let operands: Vec<Value> =
                    operands.iter().map(|operand| append(operand, constant, values, kernel)).collect();
                let mut operands = operands.into_iter();
                head.template().map_operands(|old| operands.next().unwrap_or(old))
            }
        };
        kernel.instructions.push(instruction);
        Value::new(kernel.instructions.len() - 1)
    }

    /// Whatever it is used on, a rule leaves less to do, so that rewriting ends.
    #[test]
    fn every_rule_makes_less_of_it() {
        fn cost(term: &Term) -> usize {
            let Term::Call(head, operands) = term else { return 0 };
            let own = match head {
                Head::Binary(Binary::Div | Binary::Pow) => 5,
                Head::Select | Head::Binary(Binary::Mul) | Head::Compare(_) => 3,
                Head::Binary(_) => 2,
                Head::Unary(_) => 1,
            };
            own + operands.iter().map(cost).sum::<usize>()
        }
        for (text, replacement) in RULES {
            let rule = Rule::read(text, replacement).unwrap();
            assert!(cost(&rule.pattern) > cost(&rule.replacement), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_rule_stays() {
        let stays = [
            "%1 = constant 0\n%2 = add %0 %1",
            "%1 = constant -0.0\n%2 = sub %0 %1",
            "%1 = constant 3\n%2 = div %0 %1",
            "%1 = constant 1.0000000001\n%2 = mul %0 %1",
            "%1 = constant 2.938735877055719e-39\n%2 = select %0 %1 %0",
            "%1 = constant 1\n%2 = select %0 %1 %0",
        ];
        for body in stays {
            let text = after(rewrite::<f64>, &format!("%0 = input a\n{body}\noutput x = %2"));
            assert!(text.contains("%2 ="), "{text}");
        }
        // In f32 this constant is 1.
        let text =
            after(rewrite::<f32>, "%0 = input a\n%1 = constant 1.0000000001\n%2 = mul %0 %1\noutput x = %2");
        assert!(text.ends_with("output x = %0"), "{text}");
    }

    #[test]
    fn a_cell_does_not_take_the_place_of_a_column() {
        let body = "%0 = input a\n%1 = input b\n%2 = constant 1\n%3 = select %2 %0 %1\n%4 = select %2 %1 %0\noutput x = %3\noutput y = %4";
        let text = after(rewrite::<f32>, body);
        assert!(text.contains("output x = %3; output y = %1"), "{text}");
    }

    #[test]
    fn bodies_are_rewritten_too() {
        let body = "%0 = input a\n%1 = input b\n%2 = scan starts [%0] captures [%1] result 0 {
            %0 = state 0\n%1 = here 0\n%2 = neg %1\n%3 = add %0 %2\nnext [%3]\n}\noutput x = %2";
        assert!(after(rewrite::<f32>, body).contains("= sub %0 %1"));
    }
}
