//! Scans: the states lie in scratch, from one level to the next, and the body is emitted once.

use cranelift_codegen::ir::InstBuilder;

use super::super::ir::{self, Body, Instruction};
use super::emit::{Emitter, Held};
use super::lanes::Mask;

impl Emitter<'_, '_, '_> {
    /// The states before the first level.
    pub fn begin_walk(&mut self, walk: usize) {
        let scan = self.frame.schedule.walks[walk].scans[0];
        let Instruction::Scan { starts, .. } = self.frame.instruction(scan) else { return };
        let first = self.rows(starts.len());
        self.frame.states.insert(walk, first);
        for (state, start) in starts.iter().enumerate() {
            let numbers = self.number(*start);
            self.store_row(self.scratch, first + state, &numbers);
        }
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
            None => Some(self.step(first, captures, body, None)),
            Some(active) => {
                let held = self.held(*active);
                let masks = self.masks(&held);
                let taken: Vec<_> =
                    masks.iter().map(|mask| self.lanes.builder.ins().bor(mask.holds, mask.missing)).collect();
                let any = self.lanes.any(&taken);
                self.when(any, |emitter| {
                    emitter.step(first, captures, body, Some(&masks));
                });
                None
            }
        };
        for scan in scans {
            let Instruction::Scan { result, .. } = self.frame.instruction(*scan) else { continue };
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
    ) -> Vec<Held> {
        let mut values: Vec<Held> = Vec::with_capacity(body.instructions.len());
        for instruction in &body.instructions {
            let value = match instruction {
                Instruction::State(state) => Held::Number(self.load_row(self.scratch, first + state)),
                Instruction::Here(capture) => self.held(captures[*capture]),
                Instruction::Before(capture) => match self.frame.before {
                    Some(before) if self.frame.is_column(captures[*capture]) => {
                        Held::Number(self.at_level(captures[*capture], before))
                    }
                    _ => self.held(captures[*capture]),
                },
                _ => {
                    let operands: Vec<Held> =
                        instruction.operands().iter().map(|value| values[value.index()].clone()).collect();
                    self.elementwise(instruction, &operands)
                }
            };
            values.push(value);
        }
        let mut next = Vec::with_capacity(body.next.len());
        for (state, value) in body.next.iter().enumerate() {
            let numbers = self.numbers(&values[value.index()]);
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
            self.store_row(self.scratch, first + state, numbers);
        }
        next.into_iter().map(Held::Number).collect()
    }

    /// The row in which the result of a scan lies after its loop, as the walk has left it.
    pub fn final_state(&self, value: ir::Value) -> Option<usize> {
        let Instruction::Scan { result, .. } = self.frame.instruction(value.index()) else { return None };
        let walks = &self.frame.schedule.walks;
        let walk = walks.iter().position(|walk| walk.scans.contains(&value.index()))?;
        self.frame.states.get(&walk).map(|first| first + result)
    }
}
