//! What is done to each number by itself, and how an operation keeps a gradient that is no number to itself.

use aurora_compiler::kernel::ir::{Binary, Compare, Instruction, Unary, Value};

use super::Field;

/// How careful a kernel has to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Care {
    /// It chooses between values and is differentiated: operations without a finite slope pass no gradient.
    pub guards: bool,
    /// It may make missing values of whole ones: comparisons and choices carry them on.
    pub misses: bool,
}

/// An elementwise instruction, given its operands' values and whether they have a gradient. `None` for others.
pub(super) fn elementwise(
    instruction: &Instruction,
    care: Care,
    value_of: impl Fn(&Value) -> Field,
    varies: impl Fn(&Value) -> bool,
) -> Option<Field> {
    Some(match instruction {
        Instruction::Unary { op, value } if care.guards => guarded_unary(*op, value_of(value)),
        Instruction::Unary { op, value } => unary(*op, value_of(value)),
        Instruction::Binary {
            op: op @ (Binary::Mul | Binary::Div | Binary::Pow | Binary::Atan2),
            left,
            right,
        } if care.guards => guarded_binary(*op, [value_of(left), value_of(right)], varies(right)),
        Instruction::Binary { op, left, right } => binary(*op, value_of(left), value_of(right)),
        Instruction::Compare { op, left, right } => compare(*op, [value_of(left), value_of(right)], care),
        Instruction::Select { mask, then, otherwise } => {
            select(value_of(mask), value_of(then), value_of(otherwise), care)
        }
        _ => return None,
    })
}

/// `then` where the mask is not zero.
pub(super) fn select(mask: Field, then: Field, otherwise: Field, care: Care) -> Field {
    let shape = common_shape([&mask, &then, &otherwise]);
    let mask = mask.expand(shape);
    let value = otherwise.expand(shape).mask_where(mask.clone().not_equal_elem(0.0), then.expand(shape));
    if care.misses { value.mask_fill(mask.is_nan(), f32::NAN) } else { value }
}

/// The shape to which all of them can be expanded.
pub(super) fn common_shape<'a>(fields: impl IntoIterator<Item = &'a Field> + Clone) -> [usize; 5] {
    std::array::from_fn(|axis| fields.clone().into_iter().map(|field| field.dims()[axis]).max().unwrap_or(1))
}

/// As [`unary`], but without a gradient where the slope is not finite.
fn guarded_unary(op: Unary, value: Field) -> Field {
    let bare = value.clone().detach();
    let odd = match op {
        Unary::Neg => return unary(op, value),
        Unary::Abs => bare.clone().is_finite().bool_not(),
        Unary::Sqrt | Unary::Log => {
            bare.clone().is_finite().bool_not().bool_or(bare.clone().lower_equal_elem(0.0))
        }
        Unary::Exp => unary(op, bare.clone()).is_finite().bool_not(),
        Unary::Sin | Unary::Cos => bare.clone().is_finite().bool_not(),
    };
    unary(op, value.mask_fill(odd.clone(), 1.0)).mask_where(odd, unary(op, bare))
}

/// As [`binary`], but without a gradient where a slope is not finite. `varies`: whether the right operand
/// has a gradient, which for a power of a constant exponent it has not.
fn guarded_binary(op: Binary, [left, right]: [Field; 2], varies: bool) -> Field {
    let wide = common_shape([&left, &right]);
    let (left, right) = (left.expand(wide), right.expand(wide));
    let (bare_left, bare_right) = (left.clone().detach(), right.clone().detach());
    let bare = binary(op, bare_left.clone(), bare_right.clone());
    let square = || bare_left.clone().powi_scalar(2) + bare_right.clone().powi_scalar(2);
    let slope_left = match op {
        Binary::Atan2 => bare_right.clone() / square(),
        Binary::Div => bare_right.clone().recip(),
        Binary::Pow => bare_left.clone().powf(bare_right.clone() - 1.0) * bare_right.clone(),
        _ => bare_right.clone(),
    };
    let slope_right = match op {
        Binary::Atan2 => bare_left.clone() / square(),
        Binary::Div => bare.clone() / bare_right,
        Binary::Pow if varies => bare.clone() * bare_left.log(),
        Binary::Pow => bare.clone(),
        _ => bare_left,
    };
    let fine = bare.clone().is_finite().bool_and(slope_left.is_finite()).bool_and(slope_right.is_finite());
    let odd = fine.bool_not();
    binary(op, left.mask_fill(odd.clone(), 1.0), right.mask_fill(odd.clone(), 1.0)).mask_where(odd, bare)
}

fn unary(op: Unary, value: Field) -> Field {
    match op {
        Unary::Neg => value.neg(),
        Unary::Abs => value.abs(),
        Unary::Sqrt => value.sqrt(),
        Unary::Exp => value.exp(),
        Unary::Log => value.log(),
        Unary::Sin => value.sin(),
        Unary::Cos => value.cos(),
    }
}

fn binary(op: Binary, left: Field, right: Field) -> Field {
    match op {
        Binary::Add => left + right,
        Binary::Sub => left - right,
        Binary::Mul => left * right,
        Binary::Div => left / right,
        Binary::Min | Binary::Max => {
            let wide = common_shape([&left, &right]);
            let (left, right) = (left.expand(wide), right.expand(wide));
            if op == Binary::Min { left.min_pair(right) } else { left.max_pair(right) }
        }
        Binary::Pow => left.powf(right),
        Binary::Atan2 => left.atan2(right),
    }
}

fn compare(op: Compare, [left, right]: [Field; 2], care: Care) -> Field {
    let wide = common_shape([&left, &right]);
    let (left, right) = (left.expand(wide), right.expand(wide));
    let missing = care.misses.then(|| left.clone().is_nan().bool_or(right.clone().is_nan()));
    let mask = match op {
        Compare::Lt => left.lower(right),
        Compare::Le => left.lower_equal(right),
        Compare::Gt => left.greater(right),
        Compare::Ge => left.greater_equal(right),
        Compare::Eq => left.equal(right),
    };
    match missing {
        Some(missing) => mask.float().mask_fill(missing, f32::NAN),
        None => mask.float(),
    }
}
