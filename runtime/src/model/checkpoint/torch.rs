//! Weights as `torch.save` writes a flat state dict: a zip of stored entries, of which `data.pkl` is a pickle that
//! says of every tensor where its numbers are, and `data/N` holds the numbers of tensor N.
//!
//! Formats: the pickle machine's protocol 2 (`pickletools` of Python describes every operation), APPNOTE.TXT of
//! PKWARE for the zip. Entries are stored and begin at multiples of 64 bytes, so that torch may map them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::HostTensor;

/// Where the numbers of an entry may begin.
const ALIGNMENT: u64 = 64;
/// The archive's folder, as torch names it where it writes to no file of its own.
const ROOT: &str = "archive";
/// Largest number of a zip without its 64-bit extension.
const SMALL: u64 = 0xffff_ffff;

/// Writes the tensors as a checkpoint of torch, in the order of their names.
///
/// # Errors
/// The writer's own; a tensor of 4 GiB or more.
pub fn write(to: &mut impl Write, tensors: &BTreeMap<String, HostTensor>) -> io::Result<()> {
    let mut archive = Archive { to, at: 0, entries: Vec::new() };
    archive.entry("data.pkl", &pickle(tensors)?)?;
    archive.entry("byteorder", b"little")?;
    for (number, tensor) in tensors.values().enumerate() {
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        archive.entry(&format!("data/{number}"), &bytes)?;
    }
    archive.entry("version", b"3\n")?;
    archive.finish()
}

/// A dict of name → tensor; every tensor has a storage of its own.
fn pickle(tensors: &BTreeMap<String, HostTensor>) -> io::Result<Vec<u8>> {
    let mut out = Pickle(vec![0x80, 2, b'}', b'(']);
    for (number, (name, tensor)) in tensors.iter().enumerate() {
        let count = tensor.values.len();
        if count != tensor.shape.iter().product::<usize>() {
            return Err(io::Error::other(format!("`{name}` holds {count} numbers for {:?}", tensor.shape)));
        }
        out.text(name)?;
        out.global("torch._utils", "_rebuild_tensor_v2");
        out.mark();
        // The storage, which is looked up by this tuple.
        out.mark();
        out.text("storage")?;
        out.global("torch", "FloatStorage");
        out.text(&number.to_string())?;
        out.text("cpu")?;
        out.integer(count);
        out.tuple();
        out.0.push(b'Q');
        out.integer(0);
        out.mark();
        tensor.shape.iter().for_each(|side| out.integer(*side));
        out.tuple();
        out.mark();
        strides(&tensor.shape).iter().for_each(|stride| out.integer(*stride));
        out.tuple();
        // No gradient, no hooks.
        out.0.push(0x89);
        out.global("collections", "OrderedDict");
        out.0.extend(b")R");
        out.tuple();
        out.0.push(b'R');
    }
    out.0.extend(b"u.");
    Ok(out.0)
}

/// Of a tensor that lies row by row.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

struct Pickle(Vec<u8>);

impl Pickle {
    fn mark(&mut self) {
        self.0.push(b'(');
    }

    fn tuple(&mut self) {
        self.0.push(b't');
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        self.0.push(b'X');
        self.0.extend(length.to_le_bytes());
        self.0.extend(text.as_bytes());
        Ok(())
    }

    /// Of one, four or eight bytes.
    fn integer(&mut self, number: usize) {
        match (u8::try_from(number), i32::try_from(number)) {
            (Ok(small), _) => self.0.extend([b'K', small]),
            (_, Ok(middle)) => {
                self.0.push(b'J');
                self.0.extend(middle.to_le_bytes());
            }
            // A sign bit and 63 bits of number; no tensor has more.
            _ => {
                self.0.extend([0x8a, 8]);
                self.0.extend((number as u64).to_le_bytes());
            }
        }
    }
}

/// A zip that is written from front to end.
struct Archive<'a, W: Write> {
    to: &'a mut W,
    at: u64,
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    checksum: u32,
    size: u32,
    at: u64,
}

impl<W: Write> Archive<'_, W> {
    fn entry(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let name = format!("{ROOT}/{name}");
        let size = u32::try_from(bytes.len()).ok().filter(|size| u64::from(*size) < SMALL);
        let size = size.ok_or_else(|| io::Error::other(format!("`{name}` has 4 GiB or more")))?;
        let entry = Entry { name, checksum: crc32fast::hash(bytes), size, at: self.at };
        // A field of padding brings the numbers to their place; it has four bytes of its own.
        let bare = self.at + 30 + entry.name.len() as u64 + 4;
        let padding = (bare.next_multiple_of(ALIGNMENT) - bare) as u16;
        let mut header = Vec::new();
        header.extend(0x0403_4b50_u32.to_le_bytes());
        header.extend(entry.common());
        header.extend((padding + 4).to_le_bytes());
        header.extend(entry.name.as_bytes());
        header.extend(*b"FB");
        header.extend(padding.to_le_bytes());
        header.resize(header.len() + usize::from(padding), b'Z');
        self.put(&header)?;
        self.put(bytes)?;
        self.entries.push(entry);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// The directory, and where it is: in the form of 64 bits too, which large archives need.
    fn finish(mut self) -> io::Result<()> {
        let start = self.at;
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            self.put(&entry.listed())?;
        }
        let (size, count, end) = (self.at - start, entries.len() as u64, self.at);
        let mut tail = Vec::new();
        tail.extend(0x0606_4b50_u32.to_le_bytes());
        tail.extend(44_u64.to_le_bytes());
        tail.extend([45, 0, 45, 0]);
        tail.extend([0; 8]);
        for number in [count, count, size, start] {
            tail.extend(number.to_le_bytes());
        }
        tail.extend(0x0706_4b50_u32.to_le_bytes());
        tail.extend(0_u32.to_le_bytes());
        tail.extend(end.to_le_bytes());
        tail.extend(1_u32.to_le_bytes());
        tail.extend(0x0605_4b50_u32.to_le_bytes());
        tail.extend([0; 4]);
        let short = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
        tail.extend(short);
        tail.extend(short);
        for number in [size, start] {
            tail.extend((number.min(SMALL) as u32).to_le_bytes());
        }
        tail.extend([0; 2]);
        self.put(&tail)?;
        self.to.flush()
    }
}

impl Entry {
    /// What both headers say alike: version, flags (names in UTF-8), stored, no time, checksum, sizes, the name's length.
    fn common(&self) -> Vec<u8> {
        let mut out = vec![45, 0, 0, 8, 0, 0];
        // 1980-01-01: the first day of a zip.
        out.extend([0, 0, 0x21, 0]);
        out.extend(self.checksum.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        out.extend((self.name.len() as u16).to_le_bytes());
        out
    }

    /// Its line of the directory.
    fn listed(&self) -> Vec<u8> {
        let far = self.at >= SMALL;
        let mut out = Vec::new();
        out.extend(0x0201_4b50_u32.to_le_bytes());
        out.extend([45, 0]);
        out.extend(self.common());
        out.extend(if far { 12_u16 } else { 0 }.to_le_bytes());
        out.extend([0; 10]);
        out.extend((self.at.min(SMALL) as u32).to_le_bytes());
        out.extend(self.name.as_bytes());
        if far {
            out.extend([1, 0, 8, 0]);
            out.extend(self.at.to_le_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::checkpoint::WeightsFile;

    #[test]
    fn what_is_written_reads_back_bit_for_bit() {
        let value = |shape: &[usize], from: f32| HostTensor {
            shape: shape.to_vec(),
            values: (0..shape.iter().product()).map(|at: usize| from + at as f32 * 0.1).collect(),
        };
        let tensors = BTreeMap::from([
            ("encoder.a".to_string(), value(&[3, 1, 2, 2], -1.0)),
            ("backbone.β".to_string(), value(&[300], f32::MIN_POSITIVE)),
            ("decoder.long".to_string(), value(&[70_000], 0.0)),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.ckpt");
        let mut bytes = Vec::new();
        write(&mut bytes, &tensors).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let mut file = WeightsFile::open(&path).unwrap();
        assert!(file.is_torch());
        let names: Vec<String> = file.tensors().unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(names, tensors.keys().cloned().collect::<Vec<_>>());
        for (name, tensor) in &tensors {
            assert_eq!(file.read(name).unwrap(), *tensor);
        }
        // The numbers lie at multiples of 64 bytes.
        let first = tensors["backbone.β"].values[0].to_le_bytes();
        let second = tensors["backbone.β"].values[1].to_le_bytes();
        let pattern = [first, second].concat();
        let at = bytes.windows(8).position(|window| window == pattern).unwrap();
        assert_eq!(at % 64, 0);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_more() {
        let tensors =
            BTreeMap::from([("x".to_string(), HostTensor { shape: vec![5, 5], values: vec![1.5; 25] })]);
        let mut bytes = Vec::new();
        write(&mut bytes, &tensors).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.ckpt");
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(WeightsFile::open(&path).is_err(), "{length} of {} bytes", bytes.len());
        }
        // One bit after another: an error, or a tensor, but never the end of the program.
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1 << (at % 8);
            std::fs::write(&path, &wrong).unwrap();
            if let Ok(mut file) = WeightsFile::open(&path) {
                for one in file.tensors().unwrap_or_default() {
                    drop(file.read(&one.name));
                }
            }
        }
    }
}
