//! `file://` addresses and paths.

use std::path::{Component, Path, PathBuf};

/// The path of a `file://` address; nothing for other addresses.
pub fn path_of(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    // `file://host/path`: only this machine is meant.
    let path = rest.find('/').map(|slash| &rest[slash..])?;
    let decoded = decoded(path)?;
    // `/C:/recipes` is `C:/recipes`.
    let drive = decoded.as_bytes().get(2) == Some(&b':') && decoded.as_bytes()[1].is_ascii_alphabetic();
    let decoded = if drive && cfg!(windows) { &decoded[1..] } else { &decoded[..] };
    Some(plain(Path::new(decoded)))
}

/// The `file://` address of a path.
pub fn uri_of(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() };
    let mut uri = String::from("file://");
    if !text.starts_with('/') {
        uri.push('/');
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// Without `.` and `..`, so that one file goes by one name. Links are not followed.
pub fn plain(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if parts.file_name().is_some() => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, behind @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_are_inverse() {
        for path in ["/a/b c/ö°.aurora", "/x/100%.aurora", "/🌩#?.aurora"] {
            assert_eq!(path_of(&uri_of(Path::new(path))).unwrap(), Path::new(path));
        }
        assert_eq!(path_of("file:///a/./b/../c.aurora").unwrap(), Path::new("/a/c.aurora"));
        assert_eq!(path_of("untitled:Untitled-1"), None);
        assert_eq!(path_of("file:///%zz"), None);
        assert_eq!(path_of("file:///%4"), None);
        assert_eq!(path_of("file:///%ff"), None);
    }
}
