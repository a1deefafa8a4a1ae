//! Files of the hub, against a server here that speaks its protocol: redirects with the hub's headers, ranges,
//! connections that break.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use aurora_tests::{Place, Said, fixture, run};

use super::files::File;

/// A hub with a few files.
struct Hub {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// `OWNER/REPOSITORY/FILE`, its version and bytes.
    files: BTreeMap<String, (String, Vec<u8>)>,
    /// Connections that break after half of what they were to send.
    cuts: usize,
    /// First line, range and token of each request.
    seen: Vec<(String, String, String)>,
}

impl Hub {
    fn open() -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let state: Arc<Mutex<State>> = Arc::default();
        let (shared, own) = (Arc::clone(&state), address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, own) = (Arc::clone(&shared), own.clone());
                std::thread::spawn(move || drop(answer(stream, &state, &own)));
            }
        });
        Hub { address, state }
    }

    fn put(&self, name: &str, version: &str, bytes: Vec<u8>) {
        self.state.lock().unwrap().files.insert(name.to_string(), (version.to_string(), bytes));
    }

    fn seen(&self) -> Vec<(String, String, String)> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    fn run(&self, place: &Place, arguments: &[String]) -> Said {
        let mut command = place.command(arguments);
        command
            .env("HF_HOME", place.path("cache"))
            .env("HF_ENDPOINT", &self.address)
            .env("HF_TOKEN", "hf_secret")
            .env_remove("HF_HUB_CACHE")
            .env_remove("HF_HUB_OFFLINE");
        run(command)
    }
}

/// One request of one connection.
fn answer(stream: TcpStream, state: &Mutex<State>, address: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_string();
    let (mut range, mut token) = (String::new(), String::new());
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "range" => range = value.trim().to_string(),
            "authorization" => token = value.trim().to_string(),
            _ => {}
        }
    }
    let mut state = state.lock().unwrap();
    state.seen.push((path.clone(), range.clone(), token));
    let mut stream = stream;
    if let Some(blob) = path.strip_prefix("/blob/") {
        let (_, bytes) = &state.files[blob];
        let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap_or(("0", ""));
        let from: usize = from.parse().unwrap_or_default();
        let to = to.parse().map_or(bytes.len(), |last: usize| (last + 1).min(bytes.len()));
        let part = bytes.get(from..to).unwrap_or_default().to_vec();
        let whole = bytes.len();
        let cut = part.len() > 1 && state.cuts > 0;
        state.cuts -= usize::from(cut);
        drop(state);
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{whole}\r\nConnection: \
             close\r\n\r\n",
            part.len(),
            to - 1
        )?;
        return stream.write_all(if cut { &part[..part.len() / 2] } else { &part });
    }
    let name = path.trim_start_matches('/').replace("/resolve/main/", "/");
    match state.files.get(&name) {
        Some((version, bytes)) => write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {address}/blob/{name}\r\nx-repo-commit: {version}00\r\nx-linked-etag: \
             \"{version}\"\r\nx-linked-size: {}\r\netag: \"other\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            bytes.len()
        ),
        None => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

#[test]
fn weights_come_from_the_hub_and_stay_in_its_cache() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aurora");
    let place = Place::empty();
    let made = fixture::write(&folder, "base", &place.path("")).expect("a fixture");
    let mut arguments = made.arguments("local.safetensors");
    assert_eq!(place.run(&arguments).status.code(), Some(0));

    let hub = Hub::open();
    let bytes = std::fs::read(folder.join("base.ckpt")).expect("a checkpoint");
    hub.put("someone/tiny/base.ckpt", "abc123", bytes.clone());
    hub.state.lock().unwrap().cuts = 2;
    let named = |arguments: &mut Vec<String>, name: &str, output: &str| {
        let at = |word: &str, list: &[String]| list.iter().position(|one| one == word).expect("there") + 1;
        let (checkpoint, out) = (at("--checkpoint", arguments), at("--output", arguments));
        arguments[checkpoint] = name.to_string();
        arguments[out] = output.to_string();
    };
    named(&mut arguments, "someone/tiny:base.ckpt", "fetched.safetensors");
    let said = hub.run(&place, &arguments);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    assert!(said.stderr.contains("fetching base.ckpt"), "{}", said.stderr);
    assert_eq!(File::read(&place.path("fetched.safetensors")), File::read(&place.path("local.safetensors")));
    // Taken up where it broke, twice; and the token is for the hub alone or for who stands at the same address.
    let seen = hub.seen();
    let ranges: Vec<&str> = seen.iter().map(|(_, range, _)| range.as_str()).collect();
    let half = bytes.len() / 2;
    assert!(
        ranges.contains(&"bytes=0-") && ranges.contains(&format!("bytes={half}-").as_str()),
        "{ranges:?}"
    );
    assert!(
        seen.iter().any(|(path, _, token)| path.contains("/resolve/main/") && token == "Bearer hf_secret")
    );
    // The usual places of the cache, and nothing half done.
    let kept = place.files("cache/hub/models--someone--tiny");
    assert!(kept.contains(&"snapshots/abc12300/base.ckpt".to_string()), "{kept:?}");
    assert_eq!(place.text("cache/hub/models--someone--tiny/refs/main"), "abc12300");
    assert_eq!(place.read("cache/hub/models--someone--tiny/blobs/abc123"), bytes);
    assert!(!kept.iter().any(|file| file.ends_with(".part")), "{kept:?}");

    // Once there, nobody is asked any more.
    named(&mut arguments, "someone/tiny:base.ckpt", "again.safetensors");
    assert_eq!(hub.run(&place, &arguments).status.code(), Some(0));
    assert_eq!(hub.seen(), []);
    // Another file: not there; and with nobody to ask.
    named(&mut arguments, "someone/tiny:other.ckpt", "none.safetensors");
    let sentence = hub.run(&place, &arguments).sentence();
    assert!(sentence.contains("has no someone/tiny:other.ckpt"), "{sentence}");
    let mut offline = place.command(&arguments);
    offline.env("HF_HOME", place.path("cache")).env("HF_ENDPOINT", "http://127.0.0.1:1");
    let sentence = run(offline).sentence();
    assert!(sentence.contains("cannot be fetched from http://127.0.0.1:1"), "{sentence}");
    let mut forbidden = place.command(&arguments);
    forbidden.env("HF_HOME", place.path("cache")).env("HF_HUB_OFFLINE", "1");
    let sentence = run(forbidden).sentence();
    assert!(sentence.contains("HF_HUB_OFFLINE forbids"), "{sentence}");
    assert!(!place.path("none.safetensors").exists());
}

/// `build` fetches the base and locks its digest; `train` refuses another file under the same name.
#[test]
fn the_digest_of_the_base_is_locked() {
    let place = Place::tiny();
    let base = "microsoft/aurora/aurora-0.25-small-pretrained.ckpt";
    let recipe = aurora_tests::TINY.lines().map(|line| match line.trim_start().starts_with("architecture") {
        true => "    base \"microsoft/aurora:aurora-0.25-small-pretrained.ckpt\"".to_string(),
        false => line.to_string(),
    });
    place.write("based.aurora", recipe.collect::<Vec<_>>().join("\n"));
    // One weight of the class is enough to be told from another.
    let weights = |value: f32| {
        let mut file = File::default();
        file.tensors.insert("encoder.surf_level_encoding".into(), (vec![256], vec![value; 256]));
        file.write(&place.path("weights"));
        place.read("weights")
    };
    let hub = Hub::open();
    hub.put(base, "first", weights(1.0));
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
    // `check` and `plan` fetch nothing.
    for word in ["check", "plan"] {
        let said = hub.run(&place, &words(&[word, "based.aurora"]));
        assert_eq!(said.status.code(), Some(0), "{said:?}");
    }
    assert_eq!(hub.seen(), []);
    let said = hub.run(&place, &words(&["build", "based.aurora"]));
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let lock = place.text("aurora.lock");
    assert!(lock.contains("[recipes.tiny.checkpoint]") && lock.contains("digest = "), "{lock}");
    hub.put(base, "second", weights(2.0));
    std::fs::remove_dir_all(place.path("cache")).expect("a cache");
    let said = hub.run(&place, &words(&["train", "based.aurora"]));
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    // Progress of fetching, then one sentence.
    let sentence = said.stderr.lines().last().unwrap_or_default();
    assert!(
        sentence.contains("is not the file that") && sentence.contains("aurora.lock holds"),
        "{sentence}"
    );
}
