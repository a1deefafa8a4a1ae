//! Straight-line work on a vector of cells, whatever its width.

use std::collections::HashSet;

use cranelift_codegen::ir::condcodes::FloatCC;

/// The result of the operation at that position.
pub(super) type Number = usize;

/// What one round of a segment does: operations in order, each on the results of earlier ones. A number is 32 bits in each lane: a
/// float, an integer, or all bits set or none where something holds or not.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub operations: Vec<Operation>,
}

/// Where numbers lie. An argument is an address, or a condition as all bits set or none, that is handed over when the work begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// From that argument on, and further by as much as the cells are: a number for each cell.
    Cells { argument: usize, offset: i32 },
    /// At that argument: one number for all cells.
    Fixed { argument: usize, offset: i32 },
    /// The argument itself.
    Argument(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Load(Place),
    /// The same from the kernel's arrays, whose next cells will be wanted soon.
    Read(Place),
    /// One number in all lanes.
    Splat(Place),
    Constant(u32),
    Store(Place, Number),
    /// The same for the rest of this level only.
    Pass(Place, Number),
    /// The same to the kernel's arrays, whose next cells will be written soon.
    Write(Place, Number),
    Sqrt(Number),
    /// From an integer.
    Float(Number),
    Shift(Shift, Number, u8),
    Binary(Binary, [Number; 2]),
    /// The product of the first two and the third, rounded once.
    MultiplyAdd([Number; 3]),
    /// All bits set where it holds.
    Compare(FloatCC, [Number; 2]),
    /// Bit by bit: the second where the first has one set, else the third.
    Select([Number; 3]),
    /// The first of the second pair where the comparison of the first pair holds, else the other.
    SelectIf(FloatCC, [Number; 2], [Number; 2]),
    /// All bits set where the comparison holds, else the number.
    SetIf(FloatCC, [Number; 2], Number),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shift {
    Left,
    /// Of a signed integer.
    Right,
    RightUnsigned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    /// The second unless the first is less.
    Min,
    /// The second unless the first is greater.
    Max,
    And,
    /// The bits of the second that the first has not.
    AndNot,
    Or,
    Xor,
    AddIntegers,
    SubIntegers,
}

impl Binary {
    pub fn commutes(self) -> bool {
        !matches!(self, Self::Sub | Self::Div | Self::Min | Self::Max | Self::AndNot | Self::SubIntegers)
    }
}

impl Operation {
    pub fn is_store(&self) -> bool {
        matches!(self, Self::Store(..) | Self::Pass(..) | Self::Write(..))
    }

    pub fn operands(&self) -> Vec<Number> {
        match self {
            Self::Load(_) | Self::Read(_) | Self::Splat(_) | Self::Constant(_) => Vec::new(),
            Self::Store(_, x)
            | Self::Pass(_, x)
            | Self::Write(_, x)
            | Self::Sqrt(x)
            | Self::Float(x)
            | Self::Shift(_, x, _) => {
                vec![*x]
            }
            Self::Binary(_, pair) | Self::Compare(_, pair) => pair.to_vec(),
            Self::MultiplyAdd(three) | Self::Select(three) => three.to_vec(),
            Self::SelectIf(_, [a, b], [x, y]) => vec![*a, *b, *x, *y],
            Self::SetIf(_, [a, b], x) => vec![*a, *b, *x],
        }
    }
}

impl Program {
    /// With what processors have instructions for: extremes, and comparisons that one operation asks for.
    pub fn simplify(&mut self) {
        let mut uses = vec![0_usize; self.operations.len()];
        for operand in self.operations.iter().flat_map(Operation::operands) {
            uses[operand] += 1;
        }
        for position in 0..self.operations.len() {
            self.operations[position] = match self.operations[position] {
                Operation::Select([mask, x, y]) => match self.asked_once(mask, &uses) {
                    Some((FloatCC::LessThan, [a, b])) if (a, b) == (x, y) => {
                        Operation::Binary(Binary::Min, [x, y])
                    }
                    Some((FloatCC::LessThan, [a, b])) if (a, b) == (y, x) => {
                        Operation::Binary(Binary::Max, [x, y])
                    }
                    Some((condition, pair)) => Operation::SelectIf(condition, pair, [x, y]),
                    None if self.operations[y] == Operation::Constant(0) => {
                        Operation::Binary(Binary::And, [mask, x])
                    }
                    None if self.operations[x] == Operation::Constant(0) => {
                        Operation::Binary(Binary::AndNot, [mask, y])
                    }
                    None => continue,
                },
                Operation::Binary(Binary::Or, [x, y]) => {
                    match (self.asked_once(y, &uses), self.asked_once(x, &uses)) {
                        (Some((condition, pair)), _) => Operation::SetIf(condition, pair, x),
                        (None, Some((condition, pair))) => Operation::SetIf(condition, pair, y),
                        (None, None) => continue,
                    }
                }
                _ => continue,
            };
        }
    }

    fn asked_once(&self, number: Number, uses: &[usize]) -> Option<(FloatCC, [Number; 2])> {
        match self.operations[number] {
            Operation::Compare(condition, pair) if uses[number] == 1 => Some((condition, pair)),
            _ => None,
        }
    }

    /// For each number where it is used, the last first. What nobody uses in the end is not asked for.
    pub fn uses(&self) -> Vec<Vec<usize>> {
        let mut uses: Vec<Vec<usize>> = vec![Vec::new(); self.operations.len()];
        for (position, operation) in self.operations.iter().enumerate().rev() {
            if operation.is_store() || !uses[position].is_empty() {
                for operand in operation.operands() {
                    if uses[operand].last() != Some(&position) {
                        uses[operand].push(position);
                    }
                }
            }
        }
        uses
    }
}

/// Takes out what one program passes on and no later one loads. After the last of them the level is done.
pub(super) fn drop_unloaded(programs: &mut [Program]) {
    let mut loaded: HashSet<Place> = HashSet::new();
    for operation in programs.iter_mut().rev().flat_map(|program| program.operations.iter_mut().rev()) {
        match *operation {
            Operation::Load(place) => drop(loaded.insert(place)),
            // A constant that nobody uses is nothing.
            Operation::Pass(place, _) if !loaded.remove(&place) => *operation = Operation::Constant(0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_once_is_not_kept() {
        let place = Place::Cells { argument: 0, offset: 0 };
        let mut program = Program {
            operations: vec![
                Operation::Load(place),
                Operation::Constant(0),
                Operation::Compare(FloatCC::LessThan, [0, 1]),
                Operation::Select([2, 0, 1]),
                Operation::Compare(FloatCC::Unordered, [0, 0]),
                Operation::Binary(Binary::Or, [3, 4]),
                Operation::Store(place, 5),
            ],
        };
        program.simplify();
        assert_eq!(program.operations[3], Operation::Binary(Binary::Min, [0, 1]));
        assert_eq!(program.operations[5], Operation::SetIf(FloatCC::Unordered, [0, 0], 3));
        assert!(program.uses()[2].is_empty(), "nobody wants the comparison itself");
        assert_eq!(program.uses()[0], [5, 3]);
    }
}
