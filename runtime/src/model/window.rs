//! Windows of the backbone's attention: which token stands where, and who may see whom.
//!
//! The grid of tokens is rolled by the shift, padded to whole windows on both sides and cut into windows. All
//! of it is one list of token numbers, so that attention can read tokens where they lie.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Group of padding tokens, which only see each other in shifted blocks.
const PADDING: u16 = 27;

/// One partition of a grid of (levels, rows, columns) into windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowLayout {
    /// Tokens in the grid; also the number that stands for padding in `tokens`.
    pub count: usize,
    pub windows: usize,
    /// Tokens in a window.
    pub size: usize,
    /// Window by window, the number of the token in each place.
    pub tokens: Vec<u32>,
    /// For each token, its place in `tokens`.
    pub places: Vec<u32>,
    /// For each place, its group; tokens of different groups are masked from each other. Absent if none are.
    pub groups: Option<Vec<u16>>,
}

impl WindowLayout {
    /// Lays windows over a grid, shifted by half a window or not. An axis no longer than the window is one
    /// window and is not shifted. With `wrap`, the left and right edges see each other in shifted windows.
    pub fn new(resolution: [usize; 3], window: [usize; 3], shifted: bool, wrap: bool) -> WindowLayout {
        let axes: Vec<Axis> = (0..3)
            .map(|axis| Axis::new(resolution[axis], window[axis], shifted, wrap && axis == 2))
            .collect();
        let masked = axes.iter().any(|axis| axis.shift != 0);
        let count = resolution.iter().product::<usize>();
        let cuts = [&axes[0], &axes[1], &axes[2]].map(|axis| axis.places.len() / axis.window);
        let (mut tokens, mut groups) = (Vec::new(), Vec::new());
        let mut places = vec![0; count];
        for_each(cuts, |cut| {
            for_each([axes[0].window, axes[1].window, axes[2].window], |inner| {
                let place = |axis: usize| axes[axis].places[cut[axis] * axes[axis].window + inner[axis]];
                let (token, group) = match (place(0), place(1), place(2)) {
                    (Some(level), Some(row), Some(column)) => {
                        let token = (level.0 * resolution[1] + row.0) * resolution[2] + column.0;
                        places[token] = tokens.len() as u32;
                        (token, 9 * level.1 + 3 * row.1 + column.1)
                    }
                    _ => (count, PADDING),
                };
                tokens.push(token as u32);
                groups.push(group);
            });
        });
        WindowLayout {
            count,
            windows: cuts.iter().product(),
            size: axes.iter().map(|axis| axis.window).product(),
            tokens,
            places,
            groups: masked.then_some(groups),
        }
    }

    /// The additive mask (windows, size, size): 0 within a group, −100 between groups.
    pub fn mask(&self) -> Option<Vec<f32>> {
        let groups = self.groups.as_ref()?;
        let mut mask = Vec::with_capacity(self.windows * self.size * self.size);
        for window in groups.chunks(self.size) {
            for one in window {
                mask.extend(window.iter().map(|two| if one == two { 0.0 } else { -100.0 }));
            }
        }
        Some(mask)
    }
}

/// One axis of the grid, rolled and padded.
struct Axis {
    window: usize,
    shift: usize,
    /// Place by place, position in the grid and group; `None` for padding.
    places: Vec<Option<(usize, u16)>>,
}

impl Axis {
    fn new(length: usize, window: usize, shifted: bool, wrap: bool) -> Axis {
        let (window, shift) = match () {
            () if length <= window => (length, 0),
            () if shifted => (window, window / 2),
            () => (window, 0),
        };
        let padding = (window - length % window) % window;
        let mut places = vec![None; padding / 2];
        places.extend((0..length).map(|rolled| {
            let group = match () {
                () if shift == 0 || rolled >= length - shift => 2,
                () if rolled >= length - window => 1,
                () => 0,
            };
            Some(((rolled + shift) % length, if wrap && group == 1 { 2 } else { group }))
        }));
        places.resize(length + padding, None);
        Axis { window, shift, places }
    }
}

fn for_each(sizes: [usize; 3], mut action: impl FnMut([usize; 3])) {
    for i in 0..sizes[0] {
        for j in 0..sizes[1] {
            for k in 0..sizes[2] {
                action([i, j, k]);
            }
        }
    }
}

/// The layouts in use, each computed once: by resolution, shifted or not.
#[derive(Clone, Debug, Default)]
pub struct Layouts(Arc<Mutex<Known>>);

type Known = BTreeMap<([usize; 3], bool), Arc<WindowLayout>>;

impl Layouts {
    pub fn get(
        &self,
        resolution: [usize; 3],
        window: [usize; 3],
        shifted: bool,
        wrap: bool,
    ) -> Arc<WindowLayout> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let layout = known
            .entry((resolution, shifted))
            .or_insert_with(|| Arc::new(WindowLayout::new(resolution, window, shifted, wrap)));
        Arc::clone(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_one_place() {
        for (resolution, window) in
            [([4, 16, 16], [2, 4, 4]), ([4, 7, 9], [2, 3, 4]), ([6, 13, 18], [3, 5, 3])]
        {
            for shifted in [false, true] {
                let layout = WindowLayout::new(resolution, window, shifted, true);
                assert_eq!(layout.tokens.len(), layout.windows * layout.size);
                for (token, &place) in layout.places.iter().enumerate() {
                    assert_eq!(layout.tokens[place as usize] as usize, token);
                }
                let padding = layout.tokens.iter().filter(|&&token| token as usize == layout.count).count();
                assert_eq!(padding, layout.tokens.len() - layout.count);
                assert_eq!(layout.groups.is_some(), shifted);
            }
        }
    }

    /// A row of 8 in windows of 4, shifted by 2: the last window holds columns 6, 7, 0 and 1.
    #[test]
    fn the_edges_see_each_other_only_on_a_wrapped_grid() {
        for wrap in [true, false] {
            let layout = WindowLayout::new([1, 1, 8], [1, 1, 4], true, wrap);
            assert_eq!(layout.tokens, [2, 3, 4, 5, 6, 7, 0, 1]);
            let mask = layout.mask().unwrap();
            let last = &mask[16..];
            assert_eq!(last[2], if wrap { 0.0 } else { -100.0 });
            assert_eq!(last[1], 0.0);
        }
    }

    #[test]
    fn an_axis_within_one_window_is_not_shifted() {
        let layout = WindowLayout::new([2, 3, 4], [2, 6, 12], true, true);
        assert_eq!((layout.windows, layout.size), (1, 24));
        assert_eq!(layout.groups, None);
    }
}
