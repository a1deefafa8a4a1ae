//! Arrays of numpy: `.npz`, which is a zip archive of `.npy`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::DeflateDecoder;

/// An array, in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// Every array of a file by its name, without `.npy`. Arrays of anything but numbers are left out.
///
/// # Errors
/// A file that is no zip archive of `.npy`, or not whole.
pub fn read(path: &Path) -> Result<BTreeMap<String, Array>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut arrays = BTreeMap::new();
    for entry in entries(&bytes).ok_or_else(|| format!("{}: no whole zip archive", path.display()))? {
        let name = entry.name.strip_suffix(".npy").unwrap_or(&entry.name).to_string();
        let plain = match entry.method {
            0 => entry.data.to_vec(),
            8 => {
                let mut plain = Vec::new();
                let read = DeflateDecoder::new(entry.data).read_to_end(&mut plain);
                read.map_err(|error| format!("{}: {name}: {error}", path.display()))?;
                plain
            }
            other => return Err(format!("{}: {name} is compressed by method {other}", path.display())),
        };
        if let Some(array) = npy(&plain).map_err(|error| format!("{}: {name}: {error}", path.display()))? {
            arrays.insert(name, array);
        }
    }
    Ok(arrays)
}

struct Entry<'a> {
    name: String,
    method: u16,
    data: &'a [u8],
}

/// The files of an archive, by its central directory; sizes of 4 GB and more are not looked for.
fn entries(bytes: &[u8]) -> Option<Vec<Entry<'_>>> {
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let count = usize::from(u16_at(bytes, end + 10)?);
    let mut at = u32_at(bytes, end + 16)?;
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        if bytes.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let (method, size) = (u16_at(bytes, at + 10)?, u32_at(bytes, at + 20)?);
        let [name, extra, comment] = [28, 30, 32].map(|field| u16_at(bytes, at + field).map(usize::from));
        let (name, extra, comment) = (name?, extra?, comment?);
        let local = u32_at(bytes, at + 42)?;
        let text = String::from_utf8_lossy(bytes.get(at + 46..at + 46 + name)?).into_owned();
        let before = usize::from(u16_at(bytes, local + 26)?) + usize::from(u16_at(bytes, local + 28)?);
        let data = bytes.get(local + 30 + before..local + 30 + before + size)?;
        found.push(Entry { name: text, method, data });
        at += 46 + name + extra + comment;
    }
    Some(found)
}

/// An array in numpy's own format; nothing if it is not of numbers.
fn npy(bytes: &[u8]) -> Result<Option<Array>, String> {
    let short = || "ends too early".to_string();
    if bytes.get(..6) != Some(b"\x93NUMPY") {
        return Err("no .npy".to_string());
    }
    let (length, from) = match bytes.get(6) {
        Some(1) => (usize::from(u16_at(bytes, 8).ok_or_else(short)?), 10),
        _ => (u32_at(bytes, 8).ok_or_else(short)?, 12),
    };
    let header = String::from_utf8_lossy(bytes.get(from..from + length).ok_or_else(short)?).into_owned();
    let field = |key: &str| header.split_once(key).map(|(_, rest)| rest);
    if field("'fortran_order':").is_some_and(|rest| rest.trim_start().starts_with("True")) {
        return Err("in Fortran's order".to_string());
    }
    let descr = field("'descr':").and_then(|rest| rest.split('\'').nth(1)).ok_or("names no type")?;
    let shape = field("'shape':").and_then(|rest| rest.split(['(', ')']).nth(1)).ok_or("names no shape")?;
    let shape: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let data = &bytes[from + length..];
    fn words<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
        data.chunks_exact(N).map(|word| word.try_into().unwrap_or([0; N]))
    }
    let values: Vec<f64> = match descr {
        "<f4" => words(data).map(|word| f64::from(f32::from_le_bytes(word))).collect(),
        "<f8" => words(data).map(f64::from_le_bytes).collect(),
        "<i4" => words(data).map(|word| f64::from(i32::from_le_bytes(word))).collect(),
        "<i8" => words(data).map(|word| i64::from_le_bytes(word) as f64).collect(),
        _ => return Ok(None),
    };
    if values.len() != shape.iter().product::<usize>() {
        return Err(short());
    }
    Ok(Some(Array { shape, values }))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}
