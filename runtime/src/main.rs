//! `aurorac`.

// Training frees and takes large blocks all the time; the system's allocator gives each back to the
// kernel and pays for page faults (measured: 1.4 to 1.8 times the time for a step).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    aurora_runtime::command::main()
}
