//! A kernel for each level: the body's loops run inside the loop over the levels it is wanted for.

use cranelift_codegen::ir::InstBuilder;

use super::super::ir::{self, Instruction};
use super::emit::Emitter;
use super::frame::{Frame, Held, Source};
use super::lanes::Mask;

impl Emitter<'_, '_, '_> {
    /// This level of the result. Where no cell is active the body does not run.
    pub fn each(&mut self, position: usize) {
        let Instruction::Each { captures, here, active, .. } = self.frame.instruction(position) else {
            return;
        };
        let row = self.rows(1);
        match active {
            None => self.body_of_each(position, row, captures, here, None),
            Some(active) => {
                let held = self.held(*active);
                let masks = self.masks(&held);
                let missing = self.constant(f32::NAN);
                self.store_row(self.scratch, row, &missing);
                let holds: Vec<_> = masks
                    .iter()
                    .map(|mask| self.lanes.builder.ins().band_not(mask.holds, mask.missing))
                    .collect();
                let any = self.lanes.any(&holds);
                self.when(any, |emitter| emitter.body_of_each(position, row, captures, here, Some(&masks)));
            }
        }
        let numbers = self.load_row(self.scratch, row);
        self.set(position, Held::Number(numbers));
    }

    fn body_of_each(
        &mut self,
        position: usize,
        row: usize,
        captures: &[ir::Value],
        here: &[ir::Value],
        masks: Option<&[Mask]>,
    ) {
        let Some(schedule) = self.frame.schedule.bodies.get(&position) else { return };
        let mut inputs = Vec::with_capacity(captures.len() + here.len());
        for capture in captures {
            inputs.push(match self.frame.is_column(*capture) {
                true => self.source(*capture),
                false => Source::Cell(self.held(*capture)),
            });
        }
        for value in here {
            inputs.push(Source::Cell(self.held(*value)));
        }
        let mut inner = Frame::new(schedule, inputs);
        inner.inner = true;
        let outer = std::mem::replace(&mut self.frame, inner);
        self.steps();
        let mut numbers = match schedule.kernel.outputs.first() {
            Some(output) => self.number(output.value),
            None => self.constant(f32::NAN),
        };
        self.frame = outer;
        if let Some(masks) = masks {
            let nan = self.lanes.constant(f32::NAN);
            for (number, mask) in numbers.iter_mut().zip(masks) {
                *number = self.lanes.select(*mask, *number, nan);
            }
        }
        self.store_row(self.scratch, row, &numbers);
    }
}
