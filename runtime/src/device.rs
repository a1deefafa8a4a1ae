//! The device that `site.toml` names, if it is there.

use burn::tensor::Device;

use crate::memory::keep_freed;

/// Opens a device by name.
///
/// # Errors
/// One sentence: which device is not there, and which are.
pub fn open(name: &str) -> Result<Device, String> {
    match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", "0") => {
            keep_freed();
            Ok(Device::flex())
        }
        ("cuda", index) => cuda(name, index),
        ("wgpu", index) => wgpu(name, index),
        _ => Err(absent(name)),
    }
}

#[cfg(feature = "cuda")]
fn cuda(name: &str, index: &str) -> Result<Device, String> {
    let there = cuda_devices();
    match index.parse::<usize>() {
        Ok(index) if index < there => Ok(Device::cuda(index)),
        _ => Err(absent(name)),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(name: &str, _index: &str) -> Result<Device, String> {
    Err(absent(name))
}

#[cfg(feature = "gpu-test")]
fn wgpu(name: &str, index: &str) -> Result<Device, String> {
    let found = index.parse::<usize>().ok().and_then(|index| wgpu_devices().into_iter().nth(index));
    found.ok_or_else(|| absent(name))
}

#[cfg(not(feature = "gpu-test"))]
fn wgpu(name: &str, _index: &str) -> Result<Device, String> {
    Err(absent(name))
}

/// The devices that wgpu finds, software ones included.
#[cfg(feature = "gpu-test")]
fn wgpu_devices() -> Vec<Device> {
    Device::enumerate(burn::tensor::DeviceType::Wgpu).into_iter().collect()
}

/// How many CUDA devices answer. Asked before any is used, for the first use of one that is not there
/// would end the program.
#[cfg(feature = "cuda")]
fn cuda_devices() -> usize {
    Device::enumerate(burn::tensor::DeviceType::Cuda).len()
}

/// Every device that could be opened now.
pub fn available() -> Vec<String> {
    #[cfg_attr(not(any(feature = "cuda", feature = "gpu-test")), allow(unused_mut))]
    let mut devices = vec!["cpu".to_string()];
    #[cfg(feature = "cuda")]
    devices.extend((0..cuda_devices()).map(|index| format!("cuda:{index}")));
    #[cfg(feature = "gpu-test")]
    devices.extend((0..wgpu_devices().len()).map(|index| format!("wgpu:{index}")));
    devices
}

fn absent(name: &str) -> String {
    let without =
        [("cuda", "cuda", cfg!(feature = "cuda")), ("wgpu", "gpu-test", cfg!(feature = "gpu-test"))];
    let without = without.into_iter().find(|(kind, _, built)| name.starts_with(kind) && !built);
    let why = without.map_or(String::new(), |(_, feature, _)| {
        format!(" (this aurorac was built without the feature `{feature}`)")
    });
    format!("there is no device `{name}` here{why}; there is {}", available().join(", "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_missing_device_is_one_sentence_that_lists_those_there() {
        for name in ["cuda:7", "tpu", "cpu:3"] {
            let message = super::open(name).unwrap_err();
            assert!(message.contains(&format!("`{name}`")) && message.contains("cpu"), "{message}");
        }
        assert!(super::open("cpu").is_ok());
    }
}
