//! Gives each job its loop: as early as its operands allow, together with as many others as registers allow.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::ir::{Domain, Instruction, Kernel, Reduce, Value};
use super::super::passes::is_same_walk;
use super::keep::{Draft, Drafts};
use super::schedule::{Job, Schedule, Search, Slab, Step, Walk, cost, is_leaf};

/// States that walks may have together in one loop.
const STATES: usize = 32;
/// A body of this cost shares its loop with no other such walk.
const HEAVY: usize = 60;

/// Plans a verified kernel without dead code and without differences.
pub(super) fn plan(kernel: &Kernel, domains: Vec<Domain>) -> Schedule<'_> {
    let mut planner = Planner {
        kernel,
        domains: &domains,
        ready: Vec::with_capacity(kernel.instructions.len()),
        loops: Vec::new(),
        cells: Vec::new(),
        walks: Vec::new(),
        searches: Vec::new(),
        slabs: Vec::new(),
        made_by: BTreeMap::new(),
        keepers: BTreeMap::new(),
        kept_after: BTreeMap::new(),
    };
    for position in 0..kernel.instructions.len() {
        let ready = planner.instruction(position);
        planner.ready.push(ready);
    }
    planner.outputs();
    let Planner { ready, loops, cells, walks, searches, slabs, made_by, keepers, .. } = planner;

    // Loops in the order in which they run.
    let mut order: Vec<usize> = (0..loops.len()).collect();
    order.sort_by_key(|number| loops[*number].draft.stage);
    let mut moved = vec![0; loops.len()];
    order.iter().enumerate().for_each(|(to, from)| moved[*from] = to);
    let mut loops: Vec<_> = loops.into_iter().map(|planned| Some(planned.draft)).collect();
    let loops: Vec<Draft> = order.iter().filter_map(|number| loops[*number].take()).collect();
    let stages: Vec<usize> = loops.iter().map(|draft| draft.stage).collect();
    let made_by = made_by.into_iter().map(|(value, by)| (value, moved[by])).collect();
    let keepers = keepers
        .into_iter()
        .map(|(value, by)| (value, by.into_iter().map(|by: usize| moved[by]).collect()))
        .collect();
    let drafts = Drafts {
        kernel,
        domains: &domains,
        loops,
        walks: &walks,
        searches: &searches,
        slabs: &slabs,
        made_by,
        homes: ready.iter().map(|ready| ready.home.map(|home| moved[home])).collect(),
        keepers,
    };
    let (loops, kept) = drafts.finish();

    let mut steps = Vec::new();
    let mut loops = stages.into_iter().zip(loops).peekable();
    let mut cells = cells.into_iter();
    let mut stage = 0;
    loop {
        let cells_of_stage = cells.next();
        let done = cells_of_stage.is_none() && loops.peek().is_none();
        if done {
            break;
        }
        steps.extend(cells_of_stage.into_iter().flatten());
        while let Some((_, level_loop)) = loops.next_if(|(of, _)| *of == stage) {
            steps.push(Step::Loop(level_loop));
        }
        stage += 1;
    }
    let bodies =
        kernel.instructions.iter().enumerate().filter_map(|(position, instruction)| match instruction {
            // The verifier has judged the body with the kernel.
            Instruction::Each { body, .. } => {
                Some((position, plan(body, super::super::verify::domains(body).ok()?)))
            }
            _ => None,
        });
    let bodies = bodies.collect();
    Schedule { kernel, domains, steps, walks, searches, slabs, kept, bodies }
}

/// When a value can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ready {
    /// The first stage in whose cells or loops it can be used.
    stage: usize,
    /// For a column that a loop of this stage makes: in that loop; in others not before the next stage.
    home: Option<usize>,
}

struct Planned {
    draft: Draft,
    /// Whether the loop's direction is settled.
    settled: bool,
    states: usize,
    heavy: bool,
}

/// What a job asks of its loop.
#[derive(Clone)]
struct Wish {
    /// Levels of the loop's columns.
    levels: usize,
    /// The levels that the job takes part on.
    range: Range<usize>,
    reverse: Option<bool>,
    states: usize,
    heavy: bool,
}

impl Wish {
    fn all(levels: usize, reverse: Option<bool>) -> Self {
        Self { levels, range: 0..levels, reverse, states: 0, heavy: false }
    }
}

struct Planner<'a> {
    kernel: &'a Kernel,
    domains: &'a [Domain],
    ready: Vec<Ready>,
    loops: Vec<Planned>,
    /// Steps outside of loops, by stage.
    cells: Vec<Vec<Step>>,
    walks: Vec<Walk>,
    searches: Vec<Search>,
    slabs: Vec<Slab>,
    made_by: BTreeMap<usize, usize>,
    keepers: BTreeMap<usize, Vec<usize>>,
    /// The stage from which on a column can be read on any level.
    kept_after: BTreeMap<usize, usize>,
}

impl Planner<'_> {
    fn instruction(&mut self, position: usize) -> Ready {
        let kernel = self.kernel;
        let instruction = &kernel.instructions[position];
        match instruction {
            Instruction::Reduce { value, levels, .. } => {
                let stage = self.reduce(position, *value, levels.clone());
                Ready { stage, home: None }
            }
            Instruction::Shift { value, by } => self.shift(*value, *by),
            Instruction::Slice { value, .. } => Ready { stage: self.on_any_level(*value), home: None },
            Instruction::Concat { parts } => self.concat(position, parts),
            Instruction::Interpolate { value, coordinate, at } => {
                self.interpolate(position, *value, *coordinate, *at)
            }
            Instruction::Layer { value, coordinate, from, to, .. } => {
                self.layer(position, *value, *coordinate, *from, *to)
            }
            Instruction::Scan { .. } => self.scan(position),
            Instruction::Each { captures, here, active, body } => {
                let mut operands = here.clone();
                operands.extend(active);
                operands.extend(captures.iter().filter(|value| !self.is_column(**value)));
                let mut ready = self.all(&operands);
                for column in captures {
                    if !self.is_column(*column) {
                        continue;
                    }
                    let stage = self.on_any_level(*column);
                    ready = self.both(ready, Ready { stage, home: None });
                }
                // Alone with what comes of it.
                let heavy = body.instructions.len() > 1;
                let wish = Wish { states: STATES, heavy, ..Wish::all(self.levels(position), None) };
                let number = self.place(ready, wish);
                self.loops[number].draft.jobs.push(Job::Each(position));
                self.made(position, number)
            }
            _ => {
                let ready = self.all(&instruction.operands());
                if self.domains[position] == Domain::Cell && !is_leaf(instruction) {
                    self.cell(ready.stage, Step::Cell(position));
                }
                ready
            }
        }
    }

    fn outputs(&mut self) {
        for (number, output) in self.kernel.outputs.iter().enumerate() {
            let ready = self.ready[output.value.index()];
            match self.domains[output.value.index()] {
                Domain::Cell => self.cell(ready.stage, Step::Output(number)),
                Domain::Column(levels) => {
                    let place = self.place(ready, Wish::all(levels, None));
                    self.loops[place].draft.jobs.push(Job::Output(number));
                }
            }
        }
    }

    /// A reduction rides in a loop over its column; one level of a column is read where it is there, and computed outside of
    /// loops. Extremes are the same from either end.
    fn reduce(&mut self, position: usize, value: Value, levels: Option<Range<usize>>) -> usize {
        let ready = self.ready[value.index()];
        let count = self.domains[value.index()].levels();
        let range = levels.unwrap_or(0..count);
        let instruction = &self.kernel.instructions[position];
        if range.len() == 1 {
            if self.is_last_visited(value, range.start) {
                let stage = self.after(ready);
                self.cell(stage, Step::Cell(position));
                return stage;
            }
            if is_leaf(&self.kernel.instructions[value.index()]) {
                self.cell(ready.stage, Step::Cell(position));
                return ready.stage;
            }
        }
        let sum = matches!(instruction, Instruction::Reduce { op: Reduce::Sum, .. }) && range.len() > 1;
        let wish = Wish { range, ..Wish::all(count, sum.then_some(false)) };
        let number = self.place(ready, wish);
        self.loops[number].draft.jobs.push(Job::Reduce(position));
        self.loops[number].draft.stage + 1
    }

    /// Whether it is the level that a walk visits last, so that its states are what they are after the loop.
    fn is_last_visited(&self, value: Value, level: usize) -> bool {
        match &self.kernel.instructions[value.index()] {
            Instruction::Scan { reverse, .. } => {
                level == if *reverse { 0 } else { self.domains[value.index()].levels() - 1 }
            }
            _ => false,
        }
    }

    /// What the loop that makes a column has made on the level before is there in that loop; other levels are there when it is done.
    fn shift(&mut self, value: Value, by: i32) -> Ready {
        let ready = self.ready[value.index()];
        if let Some(home) = ready.home
            && let Planned { draft, settled: true, .. } = &self.loops[home]
            && by == if draft.reverse { 1 } else { -1 }
            && draft.range == (0..draft.levels)
        {
            self.with_before(home, &[value]);
            return ready;
        }
        Ready { stage: self.on_any_level(value), home: None }
    }

    fn concat(&mut self, position: usize, parts: &[Value]) -> Ready {
        let (mut stage, mut at) = (0, 0);
        self.keepers.entry(position).or_default();
        for part in parts {
            let ready = self.ready[part.index()];
            match self.domains[part.index()] {
                Domain::Cell => {
                    self.cell(ready.stage, Step::Part { value: *part, into: position, at });
                    stage = stage.max(ready.stage);
                    at += 1;
                }
                Domain::Column(levels) => {
                    let number = self.place(ready, Wish::all(levels, None));
                    self.loops[number].draft.jobs.push(Job::Keep { value: *part, into: position, at });
                    self.keepers.entry(position).or_default().push(number);
                    stage = stage.max(self.loops[number].draft.stage + 1);
                    at += levels;
                }
            }
        }
        self.kept_after.insert(position, stage);
        Ready { stage, home: None }
    }

    fn interpolate(&mut self, position: usize, value: Value, coordinate: Value, at: Value) -> Ready {
        if let Domain::Column(levels) = self.domains[at.index()] {
            let stage = self.on_any_level(value).max(self.on_any_level(coordinate));
            let ready = self.both(self.ready[at.index()], Ready { stage, home: None });
            let number = self.place(ready, Wish::all(levels, None));
            self.search(number, Search { coordinate, at, positions: vec![position] });
            return self.made(position, number);
        }
        let ready = self.all(&[value, coordinate, at]);
        let levels = self.domains[value.index()].levels();
        let number = self.place(ready, Wish::all(levels, Some(false)));
        self.with_before(number, &[value, coordinate]);
        self.search(number, Search { coordinate, at, positions: vec![position] });
        Ready { stage: self.loops[number].draft.stage + 1, home: None }
    }

    fn search(&mut self, place: usize, new: Search) {
        for job in &self.loops[place].draft.jobs {
            if let Job::Search(number) = job {
                let search = &mut self.searches[*number];
                if search.coordinate == new.coordinate && search.at == new.at {
                    search.positions.extend(new.positions);
                    return;
                }
            }
        }
        self.loops[place].draft.jobs.push(Job::Search(self.searches.len()));
        self.searches.push(new);
    }

    fn layer(&mut self, position: usize, value: Value, coordinate: Value, from: Value, to: Value) -> Ready {
        let ready = self.all(&[value, coordinate, from, to]);
        let levels = self.domains[value.index()].levels();
        let place = self.place(ready, Wish::all(levels, Some(false)));
        self.with_before(place, &[value, coordinate]);
        let after = Ready { stage: self.loops[place].draft.stage + 1, home: None };
        for job in &self.loops[place].draft.jobs {
            if let Job::Slab(number) = job {
                let slab = &mut self.slabs[*number];
                if (slab.coordinate, slab.from, slab.to) == (coordinate, from, to) {
                    slab.positions.push(position);
                    return after;
                }
            }
        }
        self.loops[place].draft.jobs.push(Job::Slab(self.slabs.len()));
        self.slabs.push(Slab { coordinate, from, to, positions: vec![position] });
        after
    }

    fn scan(&mut self, position: usize) -> Ready {
        let kernel = self.kernel;
        let Instruction::Scan { reverse, starts, captures, active, body, .. } =
            &kernel.instructions[position]
        else {
            return Ready { stage: 0, home: None };
        };
        if let Some(walk) = self
            .walks
            .iter_mut()
            .find(|walk| is_same_walk(&kernel.instructions[walk.scans[0]], &kernel.instructions[position]))
        {
            let home = self.made_by[&walk.scans[0]];
            walk.scans.push(position);
            return self.made(position, home);
        }
        let operands: Vec<Value> = starts.iter().chain(captures).chain(active).copied().collect();
        let ready = self.all(&operands);
        let heavy = body.instructions.iter().map(cost).sum::<usize>() >= HEAVY;
        let states = starts.len();
        let wish = Wish { states, heavy, ..Wish::all(self.levels(position), Some(*reverse)) };
        let place = self.place(ready, wish);
        let before = body.instructions.iter().filter_map(|instruction| match instruction {
            Instruction::Before(capture) => Some(captures[*capture]),
            _ => None,
        });
        let before: Vec<Value> = before.collect();
        self.with_before(place, &before);
        self.loops[place].draft.jobs.push(Job::Walk(self.walks.len()));
        self.walks.push(Walk { scans: vec![position] });
        self.made(position, place)
    }

    /// The loop also wants these values on the level visited before.
    fn with_before(&mut self, place: usize, values: &[Value]) {
        for value in values {
            if !self.is_column(*value) {
                continue;
            }
            self.loops[place].draft.before = true;
            let position = value.index();
            let stage = self.loops[place].draft.stage;
            let kept = self.kept_after.get(&position).is_some_and(|after| *after <= stage);
            if kept || is_leaf(&self.kernel.instructions[position]) {
                continue;
            }
            let keepers = self.keepers.entry(position).or_default();
            if !keepers.contains(&place) {
                keepers.push(place);
                self.loops[place].draft.jobs.push(Job::Keep { value: *value, into: position, at: 0 });
                self.kept_after.entry(position).or_insert(stage + 1);
            }
        }
    }

    /// The stage from which on the column can be read on any level; it is kept if need be.
    fn on_any_level(&mut self, value: Value) -> usize {
        let position = value.index();
        if is_leaf(&self.kernel.instructions[position]) {
            return 0;
        }
        if let Some(stage) = self.kept_after.get(&position) {
            return *stage;
        }
        let place = self.place(self.ready[position], Wish::all(self.levels(position), None));
        self.loops[place].draft.jobs.push(Job::Keep { value, into: position, at: 0 });
        self.keepers.entry(position).or_default().push(place);
        let stage = self.loops[place].draft.stage + 1;
        self.kept_after.insert(position, stage);
        stage
    }

    fn made(&mut self, position: usize, place: usize) -> Ready {
        self.made_by.insert(position, place);
        Ready { stage: self.loops[place].draft.stage, home: Some(place) }
    }

    fn cell(&mut self, stage: usize, step: Step) {
        if self.cells.len() <= stage {
            self.cells.resize_with(stage + 1, Vec::new);
        }
        self.cells[stage].push(step);
    }

    /// When all of these can be used together.
    fn all(&self, values: &[Value]) -> Ready {
        let each = values.iter().map(|value| self.ready[value.index()]);
        each.fold(Ready { stage: 0, home: None }, |before, next| self.both(before, next))
    }

    fn both(&self, one: Ready, other: Ready) -> Ready {
        let (first, last) = if one.stage <= other.stage { (one, other) } else { (other, one) };
        match (first.home, last.home) {
            _ if first.stage < last.stage || first.home == last.home => last,
            (None, _) => last,
            (_, None) => first,
            // Made in two loops of one stage.
            _ => Ready { stage: self.after(first), home: None },
        }
    }

    /// The stage in which it can be used anywhere.
    fn after(&self, ready: Ready) -> usize {
        ready.stage + usize::from(ready.home.is_some())
    }

    /// A loop for a job: the one that makes its operands, another of the same stage, or a new one.
    fn place(&mut self, ready: Ready, wish: Wish) -> usize {
        let stage = match ready.home {
            Some(home) if self.has_room(home, &wish) => return self.join(home, &wish),
            _ => self.after(ready),
        };
        let fitting = (0..self.loops.len())
            .find(|number| self.loops[*number].draft.stage == stage && self.fits(*number, &wish));
        if let Some(number) = fitting {
            return self.join(number, &wish);
        }
        let Wish { range, reverse, states, heavy, levels } = wish;
        let draft = Draft {
            stage,
            levels,
            range,
            reverse: reverse.unwrap_or(false),
            before: false,
            jobs: Vec::new(),
        };
        self.loops.push(Planned { draft, settled: reverse.is_some(), states, heavy });
        self.loops.len() - 1
    }

    fn has_room(&self, number: usize, wish: &Wish) -> bool {
        let Planned { draft, settled, states, heavy } = &self.loops[number];
        let direction = !settled || wish.reverse.is_none_or(|reverse| reverse == draft.reverse);
        let room = wish.states == 0 || (states + wish.states <= STATES && !(*heavy && wish.heavy));
        draft.levels == wish.levels && direction && room
    }

    /// Whether the job may ride in that loop. One level alone is not worth a loop over all, nor is a loop over all worth a
    /// test on each.
    fn fits(&self, number: usize, wish: &Wish) -> bool {
        let range = &self.loops[number].draft.range;
        let alike = if wish.range.len() == 1 { wish.range == *range } else { range.len() > 1 };
        alike && self.has_room(number, wish)
    }

    fn join(&mut self, number: usize, wish: &Wish) -> usize {
        let Planned { draft, settled, states, heavy } = &mut self.loops[number];
        if let Some(reverse) = wish.reverse
            && !*settled
        {
            (draft.reverse, *settled) = (reverse, true);
        }
        draft.range = draft.range.start.min(wish.range.start)..draft.range.end.max(wish.range.end);
        *states += wish.states;
        *heavy |= wish.heavy;
        number
    }

    fn is_column(&self, value: Value) -> bool {
        self.domains[value.index()] != Domain::Cell
    }

    fn levels(&self, position: usize) -> usize {
        self.domains[position].levels()
    }
}
