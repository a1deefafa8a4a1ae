//! A site made for tests: two archives, and the recipes of the repository to extend.
#![allow(dead_code)] // each test uses its own part

use aurora_compiler::plan::data::TimeRange;
use aurora_compiler::site::{
    ArchiveField, ArchiveIndex, CheckpointHeader, CheckpointTensor, MachineProfile, Site,
};
use aurora_compiler::{Compilation, compile};
use aurora_grammar::render;

pub const QUICKSTART: &str = include_str!("../../../recipes/quickstart.aurora");
pub const WRF_SAMPLE: &str = include_str!("../../../recipes/wrf-sample.aurora");

/// Recipes by the name under which `extends` finds them.
pub struct World {
    pub recipes: Vec<(String, String)>,
}

impl World {
    pub fn new() -> World {
        World { recipes: vec![("quickstart.aurora".into(), QUICKSTART.into())] }
    }

    pub fn with(mut self, name: &str, text: &str) -> World {
        self.recipes.push((name.into(), text.into()));
        self
    }
}

impl Site for World {
    /// Like the runtime's, it names `./a.aurora` otherwise than `a.aurora`, though they are one file.
    fn recipe(&self, from: &str, path: &str) -> Result<(String, String), String> {
        let plain = path.trim_start_matches("./");
        let found = self.recipes.iter().find(|(name, _)| name == plain);
        let (_, text) = found.ok_or_else(|| format!("{path}: no such file"))?;
        let name = if plain == path {
            path.to_string()
        } else {
            format!("./{}", from.trim_end_matches(plain)) + plain
        };
        Ok((name, text.clone()))
    }

    fn archive(&self, name: &str) -> Option<ArchiveIndex> {
        let index = |from: &str, to: &str| {
            let (fields, left_out) = Default::default();
            Some(ArchiveIndex { fields, from: from.parse().ok()?, to: to.parse().ok()?, left_out })
        };
        match name {
            "synthetic" => index("2020-01-01T00:00:00Z", "2029-12-31T23:00:00Z"),
            "rap" => Some(ArchiveIndex {
                fields: listed(),
                left_out: vec!["rap.nc: `soil` is left out: its unit `furlong` is not known".into()],
                ..index("2014-09-30T00:00:00Z", "2025-01-01T00:00:00Z")?
            }),
            "wrf" => index("2005-08-28T12:00:00Z", "2005-08-28T21:00:00Z"),
            _ => None,
        }
    }

    fn archives(&self) -> Vec<String> {
        vec!["rap".into(), "synthetic".into(), "wrf".into()]
    }

    /// In this world, 41 points of any split have more than 64 dBZ.
    fn count_above(&self, archive: &str, from: &str, threshold: f64, _: TimeRange) -> Option<u64> {
        let rare = threshold > 64.0;
        (archive == "synthetic" && from.starts_with("REFC")).then_some(if rare { 41 } else { 1_000_000 })
    }

    /// One file that is cut short, and one with a single weight of another shape.
    fn checkpoint(&self, name: &str) -> Option<Result<CheckpointHeader, String>> {
        let tensor = CheckpointTensor {
            name: "encoder.surf_level_encoding".into(),
            shape: vec![48],
            kind: "f32".into(),
        };
        match name {
            "broken.ckpt" => Some(Err("it ends in the middle of its directory".into())),
            "narrow.safetensors" => {
                Some(Ok(CheckpointHeader { digest: "5ca1ab1e".repeat(8), tensors: vec![tensor] }))
            }
            _ => None,
        }
    }

    /// A recipe says in a comment how much memory the device of its site has: `# site.toml: memory = "8 GB"`.
    fn machine(&self) -> Option<MachineProfile> {
        let (_, text) = self.recipes.iter().find(|(_, text)| text.contains("# site.toml: memory"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("# site.toml: memory = \""))?;
        let gigabytes: f64 = line.strip_suffix(" GB\"")?.parse().ok()?;
        let memory_bytes = Some((gigabytes * 1e9) as u64);
        Some(MachineProfile { device: "cuda".into(), memory_bytes, ..MachineProfile::default() })
    }
}

/// A few fields of an archive that lists what it has, under the names of HRRR.
fn listed() -> Vec<ArchiveField> {
    let pressures = || Some(vec![10_000.0, 50_000.0, 85_000.0, 100_000.0]);
    let field = |from: &str, units: &str, levels: Option<Vec<f64>>| ArchiveField {
        from: from.into(),
        units: units.into(),
        levels,
        since: None,
    };
    let smoke = "2020-05-02T00:00:00Z".parse().ok();
    vec![
        field("TMP", "K", pressures()),
        field("UGRD", "m/s", pressures()),
        field("VGRD", "m/s", pressures()),
        field("SPFH", "kg/kg", pressures()),
        field("HGT", "m", pressures()),
        field("TMP:2 m above ground", "K", None),
        field("UGRD:10 m above ground", "m/s", None),
        field("VGRD:10 m above ground", "m/s", None),
        field("REFC:entire atmosphere", "dBZ", None),
        field("HGT:surface", "m", None),
        field("MXUPHL:5000-2000 m above ground", "m^2/s^2", None),
        field("HLCY:3000-0 m above ground", "m^2/s^2", None),
        ArchiveField { since: smoke, ..field("MASSDEN:8 m above ground", "kg/m^3", None) },
    ]
}

/// What the compiler says, as a terminal of 100 columns without colour shows it.
pub fn drawn(compilation: &Compilation) -> String {
    let style = render::Style { color: false, width: 100, unicode: true };
    render::human(&compilation.diagnostics, &compilation.sources, style)
}

/// Compiles what must compile.
pub fn compiled(name: &str, text: &str) -> Compilation {
    let compilation = compile(name, text, &World::new());
    assert!(compilation.result.is_some(), "{}", drawn(&compilation));
    compilation
}
