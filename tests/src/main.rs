//! The command `aurorac` as the tests run it: the same two lines as `runtime/src/main.rs`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    aurora_runtime::command::main()
}
