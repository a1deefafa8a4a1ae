//! `aurora.lock`: what a recipe was built with and its text cannot say.
//!
//! One file lies beside the recipes of a folder and has a table for each, by the recipe's name. It is plain
//! TOML in a fixed order, meant to be read, compared and kept under version control:
//!
//! ```toml
//! schema = "aurora-lock/1"
//!
//! [recipes.quickstart]
//! recipe = "3f0c…"             # BLAKE3 of the canonical recipe
//! compiler = "0.1.0"
//! language = "1.0"
//! plan = "aurora-plan/1"
//! kernels = "91aa…"            # BLAKE3 of kernels.kir
//!
//! [recipes.quickstart.libraries]
//! "std.physics" = "77b1…"      # BLAKE3 of the library's text
//!
//! [recipes.quickstart.archives.synthetic]
//! from = "2020-01-01T00:00:00Z"
//! to = "2029-12-31T23:00:00Z"
//! fields = 17
//! digest = "0be2…"             # BLAKE3 of names, units and levels of its fields
//!
//! [recipes.quickstart.statistics]
//! # written when the data are prepared, kept as it is
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::kernel::ir::Module;
use crate::plan::Plan;
use crate::site::ArchiveIndex;

/// The name of the file.
pub const FILE: &str = "aurora.lock";
const SCHEMA: &str = "aurora-lock/";
const VERSION: u32 = 1;
/// What stands at the head of the file.
const REMARK: &str = "# Written by `aurorac build`; `aurorac build --locked` refuses what differs from it.\n";

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockFile {
    schema: String,
    /// By the name of the recipe.
    #[serde(default)]
    pub recipes: BTreeMap<String, Lock>,
}

/// What one recipe was built with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// BLAKE3 of the resolved recipe in canonical form.
    pub recipe: String,
    /// The version of the compiler.
    pub compiler: String,
    /// The edition of the language, as in `aurora 1.0`.
    pub language: String,
    /// The schema of `plan.json`.
    pub plan: String,
    /// BLAKE3 of the text of the kernels.
    pub kernels: String,
    /// BLAKE3 of the text of every library that the recipe reaches.
    #[serde(default)]
    pub libraries: BTreeMap<String, String>,
    #[serde(default)]
    pub archives: BTreeMap<String, ArchiveLock>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointLock>,
    /// Normalisation and whatever else is fitted on `train`; the compiler keeps it as it finds it.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub statistics: toml::Table,
}

/// What an archive held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchiveLock {
    /// The first and the last time, RFC 3339.
    pub from: String,
    pub to: String,
    /// Number of fields.
    pub fields: usize,
    /// BLAKE3 of the names, units and levels of the fields.
    pub digest: String,
}

/// The checkpoint a recipe starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointLock {
    pub name: String,
    /// BLAKE3 of the file, where it was there to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Something that is no longer what was locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// `libraries.std.physics`
    pub item: String,
    /// Nothing if it was not there.
    pub before: Option<String>,
    pub after: Option<String>,
}

impl std::fmt::Display for Drift {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |side: &Option<String>| side.as_deref().map_or("nothing", shortened).to_string();
        write!(out, "{}: {} → {}", self.item, said(&self.before), said(&self.after))
    }
}

/// A digest by its first digits; everything else whole.
fn shortened(text: &str) -> &str {
    let digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digest { &text[..12] } else { text }
}

impl Lock {
    /// The lock of a recipe that compiled. `libraries` are those it reaches, `archive` what the archive
    /// of its data holds.
    pub fn new(
        plan: &Plan,
        module: &Module,
        libraries: &BTreeSet<String>,
        archive: Option<&ArchiveIndex>,
    ) -> Lock {
        let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
        let library = |name: &String| Some((name.clone(), digest(crate::library::text(name)?)));
        Lock {
            recipe: plan.hash.clone(),
            compiler: env!("CARGO_PKG_VERSION").to_string(),
            language: crate::canonical::LANGUAGE.to_string(),
            plan: plan.schema.clone(),
            kernels: digest(&module.to_string()),
            libraries: libraries.iter().filter_map(library).collect(),
            archives: archive
                .map(|index| (plan.data.archive.clone(), archive_lock(index)))
                .into_iter()
                .collect(),
            checkpoint: plan
                .base
                .as_ref()
                .map(|base| CheckpointLock { name: base.name.clone(), digest: base.digest.clone() }),
            statistics: toml::Table::new(),
        }
    }

    /// The lock as a text of its own, as the artefact holds it.
    pub fn text(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Lock::text`] gives.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(text: &str) -> Result<Lock, String> {
        toml::from_str(text).map_err(|error| error.message().lines().collect::<Vec<_>>().join(" "))
    }

    /// What differs from `self`, which was locked, in `now`. Statistics are fitted, not compared, and an
    /// archive that has only grown at its end still holds what was locked.
    pub fn drift(&self, now: &Lock) -> Vec<Drift> {
        let (before, after) = (self.flat(), now.flat());
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut drift = Vec::new();
        for name in names {
            let (old, new) = (before.get(name), after.get(name));
            let grown = name.starts_with("archives.") && name.ends_with(".to") && old <= new && old.is_some();
            if old != new && !grown {
                drift.push(Drift { item: name.clone(), before: old.cloned(), after: new.cloned() });
            }
        }
        drift
    }

    /// Every entry but the statistics, by its path.
    fn flat(&self) -> BTreeMap<String, String> {
        let plain = Lock { statistics: toml::Table::new(), ..self.clone() };
        let mut entries = BTreeMap::new();
        if let Ok(table) = toml::Table::try_from(&plain) {
            flatten("", &table, &mut entries);
        }
        entries
    }
}

fn flatten(path: &str, table: &toml::Table, entries: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, entries),
            toml::Value::String(text) => drop(entries.insert(path, text.clone())),
            other => drop(entries.insert(path, other.to_string())),
        }
    }
}

fn archive_lock(index: &ArchiveIndex) -> ArchiveLock {
    let mut hasher = blake3::Hasher::new();
    let mut fields: Vec<_> = index.fields.iter().collect();
    fields.sort_by(|a, b| a.from.cmp(&b.from));
    for field in fields {
        let levels = field.levels.as_ref().map_or(String::new(), |levels| format!("{levels:?}"));
        hasher.update(format!("{:?} {:?} {levels}\n", field.from, field.units).as_bytes());
    }
    ArchiveLock {
        from: index.from.to_string(),
        to: index.to.to_string(),
        fields: index.fields.len(),
        digest: hasher.finalize().to_hex().to_string(),
    }
}

impl Default for LockFile {
    fn default() -> LockFile {
        LockFile { schema: format!("{SCHEMA}{VERSION}"), recipes: BTreeMap::new() }
    }
}

impl LockFile {
    /// Reads a lock file.
    ///
    /// # Errors
    /// A sentence: it is no TOML, no lock, or one of a newer version, which is never half understood.
    pub fn read(text: &str) -> Result<LockFile, String> {
        let one_line = |error: &toml::de::Error| error.message().lines().collect::<Vec<_>>().join(" ");
        let table: toml::Table =
            toml::from_str(text).map_err(|error| format!("no TOML: {}", one_line(&error)))?;
        let schema = table.get("schema").and_then(toml::Value::as_str).unwrap_or_default();
        let version = schema.strip_prefix(SCHEMA).and_then(|version| version.parse::<u32>().ok());
        match version {
            None => return Err(format!("it does not begin with `schema = \"{SCHEMA}{VERSION}\"`")),
            Some(version) if version > VERSION => {
                return Err(format!(
                    "it is `{schema}`, written by a newer aurorac; this one ({}) reads up to `{SCHEMA}{VERSION}`",
                    env!("CARGO_PKG_VERSION")
                ));
            }
            Some(_) => {}
        }
        toml::from_str(text).map_err(|error| one_line(&error))
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        format!("{REMARK}{}", toml::to_string(self).unwrap_or_default())
    }

    /// Puts a recipe's lock in, keeping the statistics that stand there.
    pub fn update(&mut self, name: &str, lock: &Lock) {
        let statistics = self.recipes.get(name).map(|old| old.statistics.clone()).unwrap_or_default();
        self.recipes.insert(name.to_string(), Lock { statistics, ..lock.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let digest = "ab".repeat(32);
        let archive = ArchiveLock {
            from: "2020-01-01T00:00:00Z".into(),
            to: "2021-01-01T00:00:00Z".into(),
            fields: 3,
            digest: digest.clone(),
        };
        Lock {
            recipe: digest.clone(),
            compiler: "0.1.0".into(),
            language: "1.0".into(),
            plan: "aurora-plan/1".into(),
            kernels: digest.clone(),
            libraries: [("std.physics".to_string(), digest)].into(),
            archives: [("wrf".to_string(), archive)].into(),
            checkpoint: Some(CheckpointLock { name: "aurora.ckpt".into(), digest: None }),
            statistics: toml::Table::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut file = LockFile::default();
        file.update("b", &lock());
        file.update("a", &lock());
        let text = file.text();
        assert_eq!(LockFile::read(&text), Ok(file.clone()));
        assert_eq!(LockFile::read(&text).unwrap().text(), text);
        assert!(text.find("[recipes.a]") < text.find("[recipes.b]"));
    }

    #[test]
    fn statistics_stay() {
        let mut file = LockFile::default();
        let mut with = lock();
        with.statistics.insert("t".into(), toml::Value::Array(vec![1.5.into()]));
        file.recipes.insert("a".into(), with.clone());
        let newer = Lock { compiler: "0.2.0".into(), ..lock() };
        file.update("a", &newer);
        assert_eq!(file.recipes["a"].statistics, with.statistics);
        assert_eq!(file.recipes["a"].compiler, "0.2.0");
        assert!(LockFile::read(&file.text()).unwrap().recipes["a"].statistics.contains_key("t"));
    }

    #[test]
    fn each_drift_is_named() {
        let mut now = lock();
        assert_eq!(lock().drift(&now), []);
        now.compiler = "0.2.0".into();
        now.libraries.insert("std.hrrr".into(), "cd".repeat(32));
        now.archives.get_mut("wrf").unwrap().to = "2022-01-01T00:00:00Z".into();
        now.checkpoint.as_mut().unwrap().digest = Some("ef".repeat(32));
        let said: Vec<String> = lock().drift(&now).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "checkpoint.digest: nothing → efefefefefef",
                "compiler: 0.1.0 → 0.2.0",
                "libraries.std.hrrr: nothing → cdcdcdcdcdcd",
            ]
        );
        // An archive that lost its last year is another one.
        let said: Vec<String> = now.drift(&lock()).iter().map(ToString::to_string).collect();
        assert!(said.contains(&"archives.wrf.to: 2022-01-01T00:00:00Z → 2021-01-01T00:00:00Z".to_string()));
    }

    #[test]
    fn strange_and_newer_files_are_refused() {
        for (text, said) in [
            ("schema = 3", "does not begin with"),
            ("", "does not begin with"),
            ("schema = \"aurora-lock/2\"\n[future]\n", "written by a newer aurorac"),
            ("schema = \"aurora-lock/1\"\n[recipes.a]\nrecipe = 1\n", "string"),
            ("schema", "no TOML"),
        ] {
            let error = LockFile::read(text).unwrap_err();
            assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
