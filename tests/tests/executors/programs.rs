//! Random programs: every instruction, in any order that makes sense.

#![allow(dead_code, reason = "each test target uses a part")]

use aurora_compiler::kernel::ir::*;

use super::Random;

/// One more instruction; the domain of its value.
pub type Step = fn(&mut Random, &mut Builder, &[Domain]) -> Domain;

const COLUMN: Domain = Domain::Column(3);

/// A random program over a cell and a column of 3, of `size` instructions; its last value is its output.
pub fn program(random: &mut Random, size: usize, step: Step) -> Kernel {
    let mut builder = Builder::new("random");
    let mut domains = vec![Domain::Cell, COLUMN];
    builder.input("a", Domain::Cell);
    builder.input("b", COLUMN);
    for _ in 0..size {
        let domain = step(random, &mut builder, &domains);
        domains.push(domain);
    }
    builder.output("o", Value::new(domains.len() - 1));
    builder.finish()
}

/// What one level can do by itself, and reductions.
pub fn plain_step(random: &mut Random, builder: &mut Builder, domains: &[Domain]) -> Domain {
    let any = |random: &mut Random| whole(random, domains);
    let (left, right, mask) = (any(random), any(random), any(random));
    let of = |values: &[Value]| values.iter().map(|v| domains[v.index()]).max().unwrap_or(Domain::Cell);
    match random.below(14) {
        0 => {
            builder.constant(0.25 + 2.0 * random.unit());
            Domain::Cell
        }
        1 => {
            builder.levels((0..3).map(|_| random.unit() - 0.5).collect());
            COLUMN
        }
        kind @ 2..=3 => {
            let all = [Unary::Neg, Unary::Abs, Unary::Sqrt, Unary::Exp, Unary::Log];
            builder.unary(all[(random.below(3) + kind - 2) % 5], left);
            of(&[left])
        }
        4..=8 => {
            let all =
                [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Min, Binary::Max, Binary::Pow];
            builder.binary(all[random.below(7)], left, right);
            of(&[left, right])
        }
        9 => {
            let all = [Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge, Compare::Eq];
            builder.compare(all[random.below(5)], left, right);
            of(&[left, right])
        }
        10..=11 => {
            builder.select(mask, left, right);
            of(&[mask, left, right])
        }
        _ => {
            let columns: Vec<usize> = (0..domains.len()).filter(|k| domains[*k] == COLUMN).collect();
            let value = Value::new(columns[random.below(columns.len())]);
            let op = [Reduce::Sum, Reduce::Min, Reduce::Max][random.below(3)];
            let weights = (op == Reduce::Sum && random.below(2) == 0).then(|| vec![0.5, -1.5, 2.0]);
            let part = (random.below(2) == 0).then_some(1..3);
            builder.reduce(op, value, weights, part);
            Domain::Cell
        }
    }
}

/// Half of them what looks along a column, walks along it, or turns angles.
pub fn along_step(random: &mut Random, builder: &mut Builder, domains: &[Domain]) -> Domain {
    let of =
        |domain: Domain| (0..domains.len()).filter(move |k| domains[*k] == domain).collect::<Vec<usize>>();
    let (columns, cells) = (of(COLUMN), of(Domain::Cell));
    let column = |random: &mut Random| Value::new(columns[random.below(columns.len())]);
    let cell = |random: &mut Random| Value::new(cells[random.below(cells.len())]);
    let any = whole(random, domains);
    match random.below(16) {
        0 => {
            builder.unary([Unary::Sin, Unary::Cos][random.below(2)], any);
            domains[any.index()]
        }
        1 => {
            let other = column(random);
            builder.binary(Binary::Atan2, any, other);
            COLUMN
        }
        2 => {
            let value = column(random);
            builder.shift(value, random.below(7) as i32 - 3);
            COLUMN
        }
        3 => {
            let (value, coordinate) = (column(random), column(random));
            builder.interpolate(value, coordinate, any);
            domains[any.index()]
        }
        4 => {
            let (value, coordinate) = (column(random), column(random));
            let (from, to) = (cell(random), cell(random));
            let all = [LayerOp::Integral, LayerOp::Mean, LayerOp::Max, LayerOp::Min];
            builder.layer(all[random.below(4)], value, coordinate, from, to);
            Domain::Cell
        }
        5 => {
            let body = body(random);
            let (starts, captures) = (vec![cell(random), cell(random)], vec![column(random), any]);
            let active = (random.below(2) == 0).then(|| column(random));
            builder.scan(random.below(2) == 0, starts, captures, active, body, random.below(2));
            COLUMN
        }
        6 => {
            let value = column(random);
            builder.slice(value, 1..3);
            Domain::Column(2)
        }
        7 => {
            let parts = (0..domains.len()).rfind(|k| domains[*k] == Domain::Column(2));
            match parts {
                Some(part) => builder.concat(vec![cell(random), Value::new(part)]),
                None => builder.concat(vec![cell(random), cell(random), cell(random)]),
            };
            COLUMN
        }
        8 => {
            let (captures, here) = (vec![column(random), cell(random)], vec![column(random)]);
            let active = (random.below(3) == 0).then(|| column(random));
            builder.each(captures, here, active, each_body());
            COLUMN
        }
        _ => plain_step(random, builder, domains),
    }
}

/// A value with a number for every level of the program's column, or one for all.
fn whole(random: &mut Random, domains: &[Domain]) -> Value {
    let fitting: Vec<usize> = (0..domains.len()).filter(|k| domains[*k] != Domain::Column(2)).collect();
    Value::new(fitting[random.below(fitting.len())])
}

/// How many numbers of a column are above a level's own, times one of two numbers: flat, as a choice is.
fn each_body() -> Kernel {
    let mut body = Builder::new("above");
    let (all, factor) = (body.input("all", COLUMN), body.input("factor", Domain::Cell));
    let own = body.input("own", Domain::Cell);
    let above = body.compare(Compare::Gt, all, own);
    let count = body.reduce(Reduce::Sum, above, None, None);
    let (half, limit) = (body.constant(0.5), body.constant(1.25));
    let factor = body.compare(Compare::Gt, factor, limit);
    let factor = body.binary(Binary::Add, factor, half);
    let product = body.binary(Binary::Mul, count, factor);
    body.output("product", product);
    body.finish()
}

/// That, and differences between grid points.
pub fn any_step(random: &mut Random, builder: &mut Builder, domains: &[Domain]) -> Domain {
    if random.below(10) > 0 {
        return along_step(random, builder, domains);
    }
    let value = whole(random, domains);
    builder.difference(value, [Axis::X, Axis::Y][random.below(2)]);
    domains[value.index()]
}

/// A step over two captured values that no error grows in.
fn body(random: &mut Random) -> Body {
    let mut body = BodyBuilder::new();
    let states = [body.state(0), body.state(1)];
    let seen = [body.here(0), body.before(0), body.here(1), body.before(1)];
    let mut next = Vec::new();
    for state in states {
        let (one, other) = (seen[random.below(4)], seen[random.below(4)]);
        next.push(match random.below(4) {
            0 => {
                let half = body.constant(0.5);
                let part = body.binary(Binary::Mul, one, half);
                body.binary(Binary::Add, state, part)
            }
            1 => body.binary(Binary::Max, state, one),
            2 => {
                let mask = body.compare(Compare::Lt, one, other);
                body.select(mask, state, one)
            }
            _ => {
                let part = body.binary(Binary::Sub, one, other);
                body.binary(Binary::Add, states[random.below(2)], part)
            }
        });
    }
    body.finish(next)
}
