//! Loops over levels.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32X4, I64};
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value};

use super::emit::Emitter;
use super::frame::Held;
use super::schedule::{Item, Job, LevelLoop};

impl Emitter<'_, '_, '_> {
    /// A loop with its test at the end: its range is never empty. It carries its place and, but for tiles, the reductions
    /// so far.
    pub fn level_loop(&mut self, level_loop: &LevelLoop) {
        let tiled = self.in_tile() && level_loop.range.len() > 1;
        if !tiled {
            self.load_cells_before(level_loop);
        }
        self.frame.range = level_loop.range.clone();
        self.frame.filling.clone_from(&level_loop.fills);
        let mut reductions = Vec::new();
        for item in &level_loop.items {
            match item {
                Item::Job(Job::Reduce(position)) => reductions.push(*position),
                Item::Job(Job::Walk(walk)) => self.begin_walk(*walk),
                Item::Job(Job::Search(search)) => self.begin_search(*search),
                Item::Job(Job::Slab(slab)) => self.begin_slab(*slab),
                Item::Job(Job::Each(_) | Job::Keep { .. } | Job::Output(_)) | Item::Compute(_) => {}
            }
        }
        let mark = self.mark_values();
        let (first, last) = match level_loop.reverse {
            false => (level_loop.range.start, level_loop.range.end - 1),
            true => (level_loop.range.end - 1, level_loop.range.start),
        };
        let step = if level_loop.reverse { -1 } else { 1 };
        if tiled {
            for position in &reductions {
                let identity = super::reduce::identity(self.frame.instruction(*position));
                let identity = self.constant(identity);
                let row = self.rows(1);
                self.store_row(self.scratch, row, &identity);
                self.frame.slots.insert(*position, row);
            }
            self.close_segment();
        }
        let index = self.lanes.builder.ins().iconst(I64, first as i64);
        let mut carried = vec![index, index];
        for reduction in reductions.iter().filter(|_| !tiled) {
            let identity = super::reduce::identity(self.frame.instruction(*reduction));
            let identity = self.lanes.constant(identity);
            carried.extend(vec![identity; self.unroll]);
        }
        if level_loop.range.len() == 1 {
            self.level_body(level_loop, &reductions, &carried);
        } else {
            let body = self.lanes.builder.create_block();
            let arguments: Vec<BlockArg> = carried.iter().map(|value| BlockArg::from(*value)).collect();
            if tiled {
                self.call_wide(true);
            }
            self.lanes.builder.ins().jump(body, &arguments);
            self.lanes.builder.switch_to_block(body);
            let types = [I64, I64].into_iter().chain(carried[2..].iter().map(|_| F32X4));
            let parameters: Vec<Value> =
                types.map(|of| self.lanes.builder.append_block_param(body, of)).collect();
            let index = parameters[0];
            if tiled {
                self.open_segment();
                self.frame.cuts = super::cut::cuts(self.frame.schedule, level_loop);
            }
            self.level_body(level_loop, &reductions, &parameters);
            if tiled {
                self.end_cuts();
                self.close_segment();
                self.call_wide(true);
            }
            let next = self.lanes.builder.ins().iadd_imm_s(index, step);
            let more = self.lanes.builder.ins().icmp_imm_s(IntCC::NotEqual, index, last as i64);
            let sums =
                reductions.iter().filter_map(|position| self.frame.sums.get(position).cloned()).flatten();
            let again: Vec<BlockArg> = [next, index].into_iter().chain(sums).map(BlockArg::from).collect();
            let exit = self.lanes.builder.create_block();
            self.lanes.builder.ins().brif(more, body, &again, exit, &[]);
            self.lanes.builder.switch_to_block(exit);
            if tiled {
                self.open_segment();
            }
        }
        self.leave_loop(level_loop, mark);
    }

    /// Cell values that the loop reads are loaded once, outside. (Cell instructions have been computed already.)
    fn load_cells_before(&mut self, level_loop: &LevelLoop) {
        let schedule = self.frame.schedule;
        for item in &level_loop.items {
            let operands = match item {
                Item::Compute(position) | Item::Job(Job::Reduce(position) | Job::Each(position)) => {
                    self.frame.instruction(*position).operands()
                }
                Item::Job(Job::Walk(walk)) => {
                    self.frame.instruction(schedule.walks[*walk].scans[0]).operands()
                }
                Item::Job(Job::Search(search)) => vec![schedule.searches[*search].at],
                Item::Job(Job::Slab(_)) => Vec::new(),
                Item::Job(Job::Keep { value, .. }) => vec![*value],
                Item::Job(Job::Output(output)) => vec![schedule.kernel.outputs[*output].value],
            };
            for operand in operands {
                if !self.frame.is_column(operand) {
                    self.held(operand);
                }
            }
        }
    }

    /// What happens on one level; leaves the reductions with this level taken in.
    fn level_body(&mut self, level_loop: &LevelLoop, reductions: &[usize], carried: &[Value]) {
        self.place_levels(carried[0], level_loop.before.then_some(carried[1]));
        for (position, sums) in reductions.iter().zip(carried[2..].chunks(self.unroll)) {
            self.frame.sums.insert(*position, sums.to_vec());
        }
        for (number, item) in level_loop.items.iter().enumerate() {
            let Some(level) = self.frame.level else { return };
            if let Some(cuts) = &mut self.frame.cuts {
                cuts.item = number;
            }
            match item {
                Item::Compute(position) => {
                    if self.is_cut(self.frame.instruction(*position)) {
                        self.cut();
                    }
                    self.instruction(*position);
                }
                Item::Job(Job::Reduce(position)) => self.reduce(*position, level_loop.reverse),
                Item::Job(Job::Walk(walk)) => self.walk(*walk),
                Item::Job(Job::Search(search)) => self.search(*search),
                Item::Job(Job::Slab(slab)) => self.slab(*slab),
                Item::Job(Job::Each(position)) => self.each(*position),
                Item::Job(Job::Keep { value, into, .. })
                    if value.index() == *into && self.frame.kept_by_walks.contains(into) => {}
                Item::Job(Job::Keep { value, into, at }) => {
                    let numbers = self.number(*value);
                    self.store_row(level.row, self.frame.kept[into] + at, &numbers);
                    if let Some(cuts) = self.frame.cuts.as_mut().filter(|_| value.index() == *into) {
                        cuts.keeps.push(*into);
                    }
                }
                Item::Job(Job::Output(output)) => self.store(*output, level.array),
            }
        }
    }

    /// Where the numbers of a level, and of the one visited before, are for these cells.
    pub fn place_levels(&mut self, index: Value, before: Option<Value>) {
        let level = self.level(index);
        self.frame.level = Some(level);
        self.frame.displaced.clear();
        self.frame.before = Some(before.map_or(level, |before| self.level(before)));
    }

    /// Column values end with the loop; what its jobs have made become cell values.
    fn leave_loop(&mut self, level_loop: &LevelLoop, mark: usize) {
        self.forget_values(mark.min(self.mark_values()));
        (self.frame.level, self.frame.before) = (None, None);
        self.frame.filled.extend(self.frame.filling.drain(..));
        let schedule = self.frame.schedule;
        for item in &level_loop.items {
            match item {
                Item::Job(Job::Reduce(position)) => {
                    if let Some(sums) = self.frame.sums.remove(position) {
                        self.set(*position, Held::Number(sums));
                    }
                }
                Item::Job(Job::Walk(walk)) => {
                    for scan in &schedule.walks[*walk].scans {
                        self.frame.slots.remove(scan);
                    }
                }
                Item::Job(Job::Slab(slab)) => self.end_slab(*slab),
                _ => {}
            }
        }
    }
}
