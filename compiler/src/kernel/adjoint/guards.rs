//! Where a value matters: under which choices.
//!
//! What a choice does not take must not matter for the gradient either, but 0 times a slope that is no number (of a root
//! below zero, of a quotient by zero) is no number. So a gradient that flows into one side of a choice is
//! not made 0 where the other side is taken: everything that only this side needs is *under* the choice, may be
//! any number there, and is replaced by 0 where it leaves for what others need as well.
//!
//! Where levels are mixed a choice by level is at its end, and what it did not take has the gradient 0. Such a value
//! has a choice of its own: whether its gradient is 0.

use std::collections::BTreeMap;

use super::super::ir::{Domain, Value};
use super::tape::Tape;

/// The choices that a value is under, from the outermost in: a node of the tree, or its root, under none.
pub(super) type Chain = usize;

pub(super) const ROOT: Chain = 0;

/// One side of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Side {
    pub mask: Mask,
    /// The side taken where the mask is true.
    pub when: bool,
}

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mask {
    Value(Value),
    /// Whether the gradient of the value at that position is 0, which is known on the way back only.
    Zero(usize),
    /// Whether it is 0 on every level.
    ZeroEverywhere(usize),
}

impl Side {
    pub fn of(mask: Value, when: bool) -> Self {
        Self { mask: Mask::Value(mask), when }
    }

    /// Where the gradient of a value is not 0.
    pub fn not_zero(at: usize) -> Self {
        Self { mask: Mask::Zero(at), when: false }
    }
}

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: Chain,
    side: Side,
    depth: usize,
    /// Whether the mask is a column, so that levels must not be mixed under it.
    column: bool,
}

/// All chains that occur.
#[derive(Clone, Debug)]
pub(super) struct Guards {
    nodes: Vec<Node>,
    known: BTreeMap<(Chain, Side), Chain>,
    /// The masks of values that have a choice of their own.
    pub zero: BTreeMap<usize, Value>,
}

impl Guards {
    pub fn new() -> Self {
        let side = Side::not_zero(0);
        let root = Node { parent: ROOT, side, depth: 0, column: false };
        Self { nodes: vec![root], known: BTreeMap::new(), zero: BTreeMap::new() }
    }

    /// A chain with one more choice, innermost; the same if it is in it already.
    pub fn under(&mut self, chain: Chain, side: Side, tape: &Tape) -> Chain {
        let mut outer = chain;
        while outer != ROOT {
            if self.nodes[outer].side == side {
                return chain;
            }
            outer = self.nodes[outer].parent;
        }
        let node = Node {
            parent: chain,
            side,
            depth: self.nodes[chain].depth + 1,
            column: match side.mask {
                Mask::Value(mask) => tape.domain(mask) != Domain::Cell,
                Mask::Zero(at) => tape.domains[at] != Domain::Cell,
                Mask::ZeroEverywhere(_) => false,
            },
        };
        *self.known.entry((chain, side)).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// The part of two chains that they share.
    pub fn common(&self, mut one: Chain, mut other: Chain) -> Chain {
        while one != other {
            if self.nodes[one].depth >= self.nodes[other].depth {
                one = self.nodes[one].parent;
            } else {
                other = self.nodes[other].parent;
            }
        }
        one
    }

    /// The outer part of a chain under which levels may be mixed: up to its first choice by level.
    pub fn by_cell(&self, chain: Chain) -> Chain {
        let mut kept = chain;
        let mut outer = chain;
        while outer != ROOT {
            if self.nodes[outer].column {
                kept = self.nodes[outer].parent;
            }
            outer = self.nodes[outer].parent;
        }
        kept
    }

    /// What is under `chain` made fit for what is under its outer part `outer` only.
    pub fn leave(&self, tape: &mut Tape, mut value: Value, mut chain: Chain, outer: Chain) -> Value {
        while chain != outer && chain != ROOT {
            let Node { parent, side, .. } = self.nodes[chain];
            let mask = match side.mask {
                Mask::Value(mask) => Some(mask),
                Mask::Zero(at) | Mask::ZeroEverywhere(at) => self.zero.get(&at).copied(),
            };
            if let Some(mask) = mask {
                value = tape.only(mask, side.when, value);
            }
            chain = parent;
        }
        value
    }
}
