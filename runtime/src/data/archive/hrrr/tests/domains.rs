//! Alaska and the model's own levels: the synthetic files rewritten as HRRR has these.

use aurora_compiler::plan::data::Projection;

use super::*;

/// The grid of Alaska begins here, on a plane that is true at 60 degrees with 135 degrees west pointing down.
const CORNER: (f64, f64) = (41.612_949, 185.117_126);

/// The sections of a message, the first aside, each from its length on.
fn sections(message: &[u8]) -> Vec<Vec<u8>> {
    let (mut sections, mut place) = (Vec::new(), 16);
    while message[place..] != *b"7777" {
        let length = u32::from_be_bytes(message[place..place + 4].try_into().unwrap()) as usize;
        sections.push(message[place..place + length].to_vec());
        place += length;
    }
    sections
}

fn message(head: &[u8], sections: &[Vec<u8>]) -> Vec<u8> {
    let mut message = [head, &sections.concat(), b"7777"].concat();
    let length = message.len() as u64;
    message[8..16].copy_from_slice(&length.to_be_bytes());
    message
}

/// Writes every message of a file again, changed, under another name and without an inventory.
fn rewritten(folder: &tempfile::TempDir, from: &str, to: &str, change: impl Fn(usize, &mut [Vec<u8>])) {
    let files: Arc<dyn Files> = Arc::new(Folder::new(folder.path()));
    let bytes = std::fs::read(folder.path().join(from)).unwrap();
    let index = Index::read(&files, from, bytes.len() as u64).unwrap();
    let messages = index.records.iter().enumerate().map(|(number, record)| {
        let whole = &bytes[record.bytes.start as usize..record.bytes.end as usize];
        let mut sections = sections(whole);
        change(number, &mut sections);
        message(&whole[..16], &sections)
    });
    let messages: Vec<Vec<u8>> = messages.collect();
    let to = folder.path().join(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::write(to, messages.concat()).unwrap();
}

/// Template 3.20 in place of 3.30: another number, another corner, and nothing behind the scanning mode.
fn stereographic(_: usize, sections: &mut [Vec<u8>]) {
    let grid = sections.iter_mut().find(|section| section[4] == 3).unwrap();
    assert_eq!(grid.len(), 81);
    grid.truncate(65);
    grid[..4].copy_from_slice(&65_u32.to_be_bytes());
    grid[13] = 20;
    for (octet, degrees) in [(38, CORNER.0), (42, CORNER.1), (47, 60.0), (51, 225.0)] {
        grid[octet..octet + 4].copy_from_slice(&((degrees * 1e6_f64).round() as u32).to_be_bytes());
    }
}

#[test]
fn alaska_is_an_archive_of_its_own() {
    let folder = made(2);
    for hour in ["00", "01"] {
        for product in ["sfc", "prs"] {
            let from = format!("hrrr.20200520/conus/hrrr.t{hour}z.wrf{product}f00.grib2");
            let to = format!("hrrr.20200520/alaska/hrrr.t{hour}z.wrf{product}f00.ak.grib2");
            rewritten(&folder, &from, &to, stereographic);
        }
    }
    let files: Arc<dyn Files> = Arc::new(Folder::new(folder.path()));
    let alaska = Hrrr::open("alaska", files, Domain::Alaska).unwrap();
    let grid = alaska.grid();
    assert_eq!(grid.plan.projection, Projection::Stereographic { latitude: 60.0, longitude: -135.0 });
    let last = grid.plan.height - 1;
    assert!((grid.latitude[(last, 0)] - CORNER.0).abs() < 1e-9);
    assert!((grid.longitude[(last, 0)].rem_euclid(360.0) - CORNER.1).abs() < 1e-9);
    let hour = time("2020-05-20T01:00:00Z");
    let conus = opened(&folder);
    for field in [T2M, "TMP"] {
        assert_eq!(alaska.read(field, hour).unwrap(), conus.read(field, hour).unwrap());
    }
    assert_eq!(alaska.times(), conus.times());
    assert_ne!(alaska.identity(), conus.identity());
}

#[test]
fn alaska_has_quarters_of_its_own() {
    let folder = made_with(1, true);
    for product in ["sfcf00", "subhf01"] {
        let path = |domain: &str, end: &str| format!("hrrr.20200520/{domain}/hrrr.t00z.wrf{product}{end}");
        rewritten(&folder, &path("conus", ".grib2"), &path("alaska", ".ak.grib2"), stereographic);
    }
    let files: Arc<dyn Files> = Arc::new(Folder::new(folder.path()));
    let alaska = Hrrr::open("alaska", files, Domain::Alaska).unwrap();
    assert_eq!((alaska.times().every, alaska.times().to), (900, time("2020-05-20T00:45:00Z")));
    let quarter = time("2020-05-20T00:30:00Z");
    assert_eq!(alaska.read(T2M, quarter).unwrap(), opened(&folder).read(T2M, quarter).unwrap());
    assert!(alaska.records(&[instant(T2M)], quarter).unwrap()[0].path.ends_with("wrfsubhf01.ak.grib2"));
}

/// Fields on the model's own levels, numbered from the ground; what is on pressure levels too is told apart by its level.
#[test]
fn native_levels_are_read_by_their_numbers() {
    let folder = made(2);
    let conus = opened(&folder);
    let pressures = conus.fields().into_iter().find(|field| field.from == "TMP").unwrap().levels.unwrap();
    for hour in ["00", "01"] {
        let [from, to] =
            ["prs", "nat"].map(|it| format!("hrrr.20200520/conus/hrrr.t{hour}z.wrf{it}f00.grib2"));
        rewritten(&folder, &from, &to, |_, sections| {
            let product = sections.iter_mut().find(|section| section[4] == 4).unwrap();
            // Isobaric surfaces, in Pa with a scale of 0, become hybrid levels; the ground's are the first.
            if product[22] == 100 {
                let value = u32::from_be_bytes(product[24..28].try_into().unwrap());
                let pressure = f64::from(value) * 10f64.powi(-i32::from(product[23] as i8));
                let below = pressures.iter().filter(|level| **level > pressure).count();
                product[22] = 105;
                product[23] = 0;
                product[24..28].copy_from_slice(&(below as u32 + 1).to_be_bytes());
            }
        });
        std::fs::remove_file(folder.path().join(&from)).unwrap();
        std::fs::remove_file(folder.path().join(format!("{from}.idx"))).unwrap();
    }
    let hour = time("2020-05-20T01:00:00Z");
    let native = opened(&folder);
    let field = native.fields().into_iter().find(|field| field.from == "TMP").unwrap();
    let numbers: Vec<f64> = (1..=pressures.len()).map(|number| number as f64).collect();
    let mut levels = field.levels.unwrap();
    levels.sort_by(f64::total_cmp);
    assert_eq!(levels, numbers);
    // Both begin where their order says; the ground's level is the one of greatest pressure.
    let lowest = |archive: &Hrrr, levels: &[f64], by: fn(f64) -> f64| {
        let place = (0..levels.len()).min_by(|a, b| by(levels[*a]).total_cmp(&by(levels[*b]))).unwrap();
        let request = Request { from: "TMP", cell: None, levels: Some(&[place]) };
        archive.fetch(&request, hour).unwrap()
    };
    let offered = native.fields().into_iter().find(|field| field.from == "TMP").unwrap().levels.unwrap();
    let kept = made(2);
    let of_pressure = lowest(&opened(&kept), &pressures, |level| -level);
    assert_eq!(lowest(&native, &offered, |level| level), of_pressure);
}
