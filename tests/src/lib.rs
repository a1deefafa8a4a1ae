//! What the tests of the command share: the real binary, a folder with a tiny recipe, commands with a time limit.

pub mod fixture;
pub mod npz;
pub mod small;

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A recipe of the smallest useful size: 64 × 64 points, 4 levels, 28 hours, a model of 80 000 weights.
pub const TINY: &str = include_str!("../cli/tiny.aurora");
/// `site.toml` for byte-equal results: two threads, and a checkpoint after every step.
pub const SITE: &str = "threads = 2\ncheckpoint_seconds = 0.0\n";
/// No command of these tests takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The command, as built with these tests: `tests/src/main.rs`, which is `runtime/src/main.rs` under another name
/// (cargo builds a package's own binaries before its tests, and no other package's).
pub fn aurorac() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().expect("the test knows its file");
        let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
        let command = folder.join("aurorac-under-test");
        assert!(command.is_file(), "{} is not built", command.display());
        command
    })
}

/// A folder of its own to work in.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// With [`TINY`] as `tiny.aurora` and [`SITE`] as `site.toml`.
    pub fn tiny() -> Place {
        let place = Place::empty();
        place.write("tiny.aurora", TINY);
        place.write("site.toml", SITE);
        place
    }

    /// Without anything.
    pub fn empty() -> Place {
        Place { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("UTF-8")
    }

    /// `aurorac` with arguments, in this folder.
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(aurorac());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("NO_COLOR")
            .env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs `aurorac` to its end.
    pub fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Said {
        run(self.command(arguments))
    }

    /// Starts `aurorac`.
    pub fn start(&self, arguments: &[impl AsRef<OsStr>]) -> Running {
        Running::new(self.command(arguments))
    }

    /// Runs `aurorac`, which must succeed.
    pub fn done(&self, arguments: &[impl AsRef<OsStr>]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.status.code(), Some(0), "{said:#?}");
        said
    }

    /// Runs `aurorac`, which must end with 1 and one sentence on stderr, and gives the sentence.
    pub fn refused(&self, arguments: &[impl AsRef<OsStr>]) -> String {
        let said = self.run(arguments);
        said.sentence()
    }

    /// Every path below a folder, relative to it, in order.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let mut found = Vec::new();
        collect(&root, &root, &mut found);
        found.sort();
        found
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        found.push(path.strip_prefix(root).expect("below").display().to_string());
        if path.is_dir() {
            collect(root, &path, found);
        }
    }
}

impl Said {
    /// Ended with 1, nothing on stdout, one line `error: …` and no panic.
    pub fn sentence(&self) -> String {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        self.no_panic();
        assert_eq!(self.stderr.lines().count(), 1, "{self:#?}");
        let sentence = self.stderr.trim_end().strip_prefix("error: ");
        sentence.unwrap_or_else(|| panic!("{self:#?}")).to_string()
    }

    pub fn no_panic(&self) {
        for word in ["panicked", "RUST_BACKTRACE", "unwrap", "stack backtrace"] {
            assert!(!self.stderr.contains(word) && !self.stdout.contains(word), "{self:#?}");
        }
    }
}

/// A command under way; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    pub fn new(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let (stdout, stderr) = (child.stdout.take().map(reader), child.stderr.take().map(reader));
        Running { child, stdout, stderr }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
    }

    /// Sends `INT` or `TERM`; false when the process is gone already.
    pub fn signal(&mut self, name: &str) -> bool {
        self.running() && {
            let status =
                Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
            status.expect("kill runs").success()
        }
    }

    pub fn running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Waits until a condition holds, or the command ends, or time is up; says whether the condition held.
    pub fn until(&mut self, mut holds: impl FnMut() -> bool) -> bool {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if holds() {
                return true;
            }
            if !self.running() {
                return holds();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// Waits for its end.
    pub fn end(mut self) -> Said {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            if began.elapsed() > LIMIT {
                let _ = self.child.kill();
                panic!("the command has not ended after {LIMIT:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let text =
            |handle: Option<JoinHandle<String>>| handle.and_then(|h| h.join().ok()).unwrap_or_default();
        let (stdout, stderr) = (text(self.stdout.take()), text(self.stderr.take()));
        Said { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end.
pub fn run(command: Command) -> Said {
    Running::new(command).end()
}

fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Random numbers, the same for the same seed (splitmix64).
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}
