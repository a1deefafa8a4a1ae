//! Scans: the states lie in scratch, from one level to the next, and the body is emitted once.

use std::collections::BTreeMap;

use cranelift_codegen::ir::InstBuilder;

use super::super::ir::{self, Body, Instruction};
use super::cut::Saved;
use super::emit::Emitter;
use super::frame::Held;
use super::lanes::Mask;
use super::missing::carried;

/// The body of a scan, as far as it has been emitted.
pub(super) struct BodyValues<'a> {
    /// The row of the first state.
    first: usize,
    captures: &'a [ir::Value],
    pub body: &'a Body,
    /// What has been computed in this segment.
    pub held: Vec<Option<Held>>,
    /// What has been computed in segments before and is wanted later.
    pub saved: BTreeMap<usize, Saved>,
    /// What the loop keeps of it: rows of kept columns.
    pub kept: BTreeMap<usize, usize>,
}

impl BodyValues<'_> {
    /// For each instruction the last that uses it; those that the states become are used at the end.
    fn last_uses(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.body.instructions.len()).collect();
        for (position, instruction) in self.body.instructions.iter().enumerate() {
            instruction.operands().iter().for_each(|operand| last[operand.index()] = position);
        }
        self.body.next.iter().for_each(|value| last[value.index()] = usize::MAX);
        last
    }

    /// Whether it is as well read again as kept.
    pub fn is_read(&self, position: usize) -> bool {
        matches!(
            self.body.instructions[position],
            Instruction::State(_) | Instruction::Here(_) | Instruction::Before(_) | Instruction::Constant(_)
        )
    }
}

impl Emitter<'_, '_, '_> {
    /// The states before the first level.
    pub fn begin_walk(&mut self, walk: usize) {
        let scan = self.frame.schedule.walks[walk].scans[0];
        let Instruction::Scan { starts, .. } = self.frame.instruction(scan) else { return };
        let first = self.rows(starts.len());
        self.frame.states.insert(walk, first);
        let kept = self.kept_states(walk);
        for (state, start) in starts.iter().enumerate().filter(|(state, _)| !kept.contains_key(state)) {
            let numbers = self.number(*start);
            self.store_row(self.scratch, first + state, &numbers);
        }
    }

    /// The states that the body does not read and that this loop keeps, with the rows of the columns: they are written there, and need
    /// no place of their own.
    fn kept_states(&self, walk: usize) -> BTreeMap<usize, usize> {
        let mut kept = BTreeMap::new();
        for scan in &self.frame.schedule.walks[walk].scans {
            if let Instruction::Scan { result, active: None, body, .. } = self.frame.instruction(*scan)
                && self.frame.filling.contains(scan)
                && !body.instructions.contains(&Instruction::State(*result))
            {
                kept.insert(*result, self.frame.kept[scan]);
            }
        }
        kept
    }

    /// One level of a walk. Where no cell is active there is nothing to do.
    pub fn walk(&mut self, walk: usize) {
        let schedule = self.frame.schedule;
        let scans = &schedule.walks[walk].scans;
        let Instruction::Scan { captures, active, body, .. } = self.frame.instruction(scans[0]) else {
            return;
        };
        let first = self.frame.states[&walk];
        let next = match active {
            None => Some(self.step(first, captures, body, None, &self.kept_states(walk))),
            Some(active) => {
                let held = self.held(*active);
                let masks = self.masks(&held);
                let taken: Vec<_> =
                    masks.iter().map(|mask| self.lanes.builder.ins().bor(mask.holds, mask.missing)).collect();
                let any = self.lanes.any(&taken);
                self.when(any, |emitter| {
                    emitter.step(first, captures, body, Some(&masks), &BTreeMap::new());
                });
                None
            }
        };
        let kept = self.kept_states(walk);
        for scan in scans {
            let Instruction::Scan { result, .. } = self.frame.instruction(*scan) else { continue };
            if kept.contains_key(result) {
                self.frame.kept_by_walks.insert(*scan);
            }
            match &next {
                Some(next) => self.set(*scan, next[*result].clone()),
                None => {
                    self.frame.slots.insert(*scan, first + result);
                }
            }
        }
    }

    /// The states after this level, also stored.
    fn step(
        &mut self,
        first: usize,
        captures: &[ir::Value],
        body: &Body,
        masks: Option<&[Mask]>,
        kept_states: &BTreeMap<usize, usize>,
    ) -> Vec<Held> {
        let kept = kept_states.iter().map(|(state, row)| (body.next[*state].index(), *row)).collect();
        let mut values = BodyValues { first, captures, body, held: Vec::new(), saved: BTreeMap::new(), kept };
        let last_use = values.last_uses();
        for (position, instruction) in body.instructions.iter().enumerate() {
            // A condition around the body holds for a group, so that the body must stay in one piece.
            if masks.is_none() && self.is_cut(instruction) {
                self.cut_body(&mut values, position, &last_use);
            }
            let value = self.body_value(&mut values, position);
            values.held.push(Some(value));
        }
        let mut next = Vec::with_capacity(body.next.len());
        for (state, value) in body.next.iter().enumerate() {
            let held = self.body_operand(&mut values, value.index());
            let numbers = self.numbers(&held);
            next.push(match masks {
                None => numbers,
                Some(masks) => {
                    let states = self.load_row(self.scratch, first + state);
                    let lanes = masks.iter().zip(numbers.into_iter().zip(states));
                    lanes.map(|(mask, (then, kept))| self.lanes.select(*mask, then, kept)).collect()
                }
            });
        }
        for (state, numbers) in next.iter().enumerate() {
            match kept_states.get(&state) {
                None => self.store_row(self.scratch, first + state, numbers),
                Some(row) => {
                    let saved = values.saved.get(&body.next[state].index());
                    if !matches!(saved, Some(Saved::Kept(known)) if known == row) {
                        self.keep_row(*row, numbers);
                    }
                }
            }
        }
        next.into_iter().map(Held::Number).collect()
    }

    /// The instruction of the body at that position, its operands computed before.
    pub fn body_value(&mut self, values: &mut BodyValues, position: usize) -> Held {
        let instruction = &values.body.instructions[position];
        match instruction {
            Instruction::State(state) => Held::Number(self.load_row(self.scratch, values.first + state)),
            Instruction::Here(capture) => self.held(values.captures[*capture]),
            Instruction::Before(capture) => match self.frame.before {
                Some(before) if self.frame.is_column(values.captures[*capture]) => {
                    Held::Number(self.at_level(values.captures[*capture], before))
                }
                _ => self.held(values.captures[*capture]),
            },
            _ => {
                let operands = instruction.operands();
                let operands: Vec<Held> =
                    operands.iter().map(|value| self.body_operand(values, value.index())).collect();
                let carried = carried(&values.body.instructions, position);
                self.elementwise(instruction, &operands, carried)
            }
        }
    }

    /// A value of the body: computed in this segment, saved in one before, or read again.
    pub fn body_operand(&mut self, values: &mut BodyValues, position: usize) -> Held {
        if let Some(held) = &values.held[position] {
            return held.clone();
        }
        let held = match values.saved.get(&position) {
            Some(saved) => self.load_saved(*saved),
            None => self.body_value(values, position),
        };
        values.held[position] = Some(held.clone());
        held
    }

    /// The row in which the result of a scan lies after its loop, as the walk has left it.
    pub fn final_state(&self, value: ir::Value) -> Option<usize> {
        let Instruction::Scan { result, .. } = self.frame.instruction(value.index()) else { return None };
        let walks = &self.frame.schedule.walks;
        let walk = walks.iter().position(|walk| walk.scans.contains(&value.index()))?;
        if self.frame.kept_by_walks.contains(&value.index()) {
            return None;
        }
        self.frame.states.get(&walk).map(|first| first + result)
    }
}
