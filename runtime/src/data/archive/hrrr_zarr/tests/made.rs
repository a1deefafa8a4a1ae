//! The synthetic HRRR in GRIB2, and the same values in the layout of HRRR-Zarr, written with zarrs.

use tempfile::TempDir;

use super::*;
use crate::data::shared::Shared;

/// What numbers are kept as.
#[derive(Clone, Copy, PartialEq)]
pub enum Kept {
    Single,
    Half,
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn opened(folder: &Path) -> HrrrZarr {
    HrrrZarr::open("hrrr", Arc::new(Folder::new(folder))).unwrap()
}

/// Four hours from 2020-05-20T00Z on the tile, as NOAA lays them out; only read.
pub fn noaa() -> (Arc<TempDir>, Hrrr) {
    static MADE: Shared<TempDir> = Shared::new();
    let folder = MADE.get(|| {
        let folder = tempfile::tempdir().unwrap();
        let from = time("2020-05-20T00:00:00Z");
        let order =
            Order { folder: folder.path().into(), extent: Extent::Tile, from, hours: 4, quarters: false };
        order.write(&mut |_| true).unwrap();
        folder
    });
    let archive = Hrrr::open("hrrr", Arc::new(Folder::new(folder.path())), Domain::Conus).unwrap();
    (folder, archive)
}

/// The same as the University of Utah lays them out, all values that the messages hold; only read.
pub fn utah() -> (Arc<TempDir>, HrrrZarr) {
    static MADE: Shared<TempDir> = Shared::new();
    let folder = MADE.get(|| copied(4, Kept::Single, true, &|file, field| Some(held(file, field))));
    let archive = opened(folder.path());
    (folder, archive)
}

/// What a message holds.
pub fn held(file: &Grib, field: &grib::Field) -> Vec<f32> {
    file.values(field).unwrap()
}

/// Whether a field is one of these: a parameter and the words of its level, of which there may be none.
pub fn among(field: &grib::Field, those: &[(&str, &str)]) -> bool {
    let words = Level::of(&field.product).and_then(|level| level.words(true)).unwrap_or_default();
    those.iter().any(|(name, level)| *name == field.name() && words.contains(level))
}

/// The first hours of [`noaa`] in Zarr, with the values that `values` gives and without the fields for which it gives none.
pub fn copied(
    hours: i64,
    kept: Kept,
    consolidated: bool,
    values: &dyn Fn(&Grib, &grib::Field) -> Option<Vec<f32>>,
) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (grib, _) = noaa();
    let files: Arc<dyn Files> = Arc::new(Folder::new(grib.path()));
    let end = time("2020-05-20T00:00:00Z").as_second() + 3600 * hours;
    let origin = Grid::new(&Extent::Tile.plan()).unwrap().origin;
    for (path, _) in files.list("").unwrap() {
        let Some(file) = FileOf::read(&path, Domain::Conus) else { continue };
        if file.run.as_second() + 3600 * i64::from(file.lead) < end {
            let hierarchy = Hierarchy::new(folder.path(), &file, kept, origin);
            hierarchy.copy(&grib.path().join(&path), consolidated, values);
        }
    }
    folder
}

struct Hierarchy {
    folder: PathBuf,
    run: Timestamp,
    lead: u8,
    kept: Kept,
    /// Metres of the south-western point.
    origin: (f64, f64),
    consolidated: serde_json::Map<String, Value>,
}

impl Hierarchy {
    fn new(root: &Path, file: &FileOf, kept: Kept, origin: (f64, f64)) -> Hierarchy {
        let folder = root.join(Utah::path(file));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
        let consolidated = serde_json::Map::new();
        Hierarchy { folder, run: file.run, lead: file.lead, kept, origin, consolidated }
    }

    fn copy(
        mut self,
        file: &Path,
        consolidated: bool,
        values: &dyn Fn(&Grib, &grib::Field) -> Option<Vec<f32>>,
    ) {
        let file = Grib::open(file).unwrap();
        for field in file.fields() {
            // A real analysis has no placeholders of what is over a period.
            if self.lead == 0 && field.product.cell.is_some() {
                continue;
            }
            if let Some(values) = values(&file, field) {
                self.field(field, &values);
            }
        }
        if consolidated {
            let whole = json!({"zarr_consolidated_format": 1, "metadata": self.consolidated});
            fs::write(self.folder.join(".zmetadata"), whole.to_string()).unwrap();
        }
    }

    fn field(&mut self, field: &grib::Field, values: &[f32]) {
        let place = spelt(&Level::of(&field.product).unwrap());
        let period = field.product.cell.map(|cell| match cell.process {
            1 => "_1hr_acc_fcst",
            2 => "_1hr_max_fcst",
            _ => "_1hr_min_fcst",
        });
        let name = format!("{}{}", field.name(), period.unwrap_or_default());
        let (outer, [width, height]) = (format!("{place}/{name}"), [192usize, 192]);
        let axis = |start: f64, count: usize| {
            (0..count).map(|index| start + 3000.0 * index as f64).collect::<Vec<f64>>()
        };
        self.array(
            &format!("{outer}/projection_x_coordinate"),
            &[width],
            &[width],
            "<f8",
            axis(self.origin.0, width),
            json!({}),
        );
        self.array(
            &format!("{outer}/projection_y_coordinate"),
            &[height],
            &[height],
            "<f8",
            axis(self.origin.1, height),
            json!({}),
        );
        let hours = json!({"units": "hours since 1970-01-01 00:00:00"});
        let run = vec![self.run.as_second() / 3600];
        self.array(&format!("{outer}/forecast_reference_time"), &[1], &[1], "<i8", run, hours);
        // Of a forecast some hours, of which the first is the one that counts.
        let leads = if self.lead == 0 { 1 } else { 3 };
        let all: Vec<f32> =
            (0..leads).flat_map(|lead| values.iter().map(move |value| value + lead as f32)).collect();
        let (shape, chunks) = match self.lead {
            0 => (vec![height, width], vec![150, 150]),
            _ => (vec![leads, height, width], vec![leads, 150, 150]),
        };
        let path = format!("{outer}/{place}/{name}");
        match self.kept {
            Kept::Single => self.array(&path, &shape, &chunks, "<f4", all, json!({})),
            Kept::Half => self.array(
                &path,
                &shape,
                &chunks,
                "<f2",
                all.into_iter().map(f16::from_f32).collect(),
                json!({}),
            ),
        }
    }

    fn array<T: Element>(
        &mut self,
        path: &str,
        shape: &[usize],
        chunks: &[usize],
        kind: &str,
        values: Vec<T>,
        attributes: Value,
    ) {
        let float = kind.starts_with("<f");
        // Coordinates as they come, fields compressed.
        let squeezed = json!({"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1, "blocksize": 0});
        let metadata = json!({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": kind, "order": "C",
            "fill_value": if float { json!("NaN") } else { json!(0) }, "filters": null,
            "compressor": if shape.len() > 1 { squeezed } else { Value::Null }});
        let folder = self.folder.join(path);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(".zarray"), metadata.to_string()).unwrap();
        fs::write(folder.join(".zattrs"), attributes.to_string()).unwrap();
        let about: ArrayMetadata = serde_json::from_value(metadata.clone()).unwrap();
        let storage = Arc::new(FilesystemStore::new(&self.folder).unwrap());
        let array = Array::new_with_metadata(storage, &format!("/{path}"), about).unwrap();
        array.store_array_subset(&ArraySubset::new_with_shape(array.shape().to_vec()), &values).unwrap();
        self.consolidated.insert(format!("{path}/.zarray"), metadata);
        self.consolidated.insert(format!("{path}/.zattrs"), attributes);
    }
}

/// A level as the University of Utah spells it; layers as HRRR's inventories have them.
fn spelt(level: &Level) -> String {
    let ascending = [
        "0-6000 m above ground",
        "0-1000 m above ground",
        "0-3000 m above ground",
        "100-1000 mb above ground",
    ];
    let words = level.words(false).unwrap();
    let words = if ascending.contains(&words.as_str()) { words } else { level.words(true).unwrap() };
    if words.contains("single layer") {
        return "entire_atmosphere_single_layer".into();
    }
    let mut parts = words.splitn(2, ' ');
    let (first, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match first.starts_with(|letter: char| letter.is_ascii_digit()) {
        true => format!("{}{}", first.replace('-', "_"), rest.replace(' ', "_")),
        false => words.replace(' ', "_"),
    }
}
