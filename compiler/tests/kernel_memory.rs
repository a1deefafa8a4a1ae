//! Compiled kernels give their memory back. A process of its own, so that nothing else grows meanwhile.
#![cfg(target_os = "linux")]

use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::text::parse;

const KERNEL: &str = "kernel k(q: column 5, a: cell) {
    %0 = input q
    %1 = input a
    %2 = levels [1 2 3 4 5]
    %3 = mul %0 %2
    %4 = exp %3
    %5 = scan starts [%1] captures [%4] result 0 {
        %0 = state 0
        %1 = here 0
        %2 = before 0
        %3 = sub %1 %2
        %4 = add %0 %3
        next [%4]
    }
    %6 = shift %5 by 1
    %7 = sum %6
    output s = %7
}";

/// Bytes of memory that the process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// 10,000 kernels compiled, run and dropped: the first hundred fill what is kept for reuse.
#[test]
fn compiled_kernels_give_their_memory_back() {
    let kernel = parse(KERNEL).unwrap().kernels.remove(0);
    let (q, a) = ([0.5_f32; 25], [1.0_f32; 5]);
    let cycle = || {
        let compiled = Compiled::new(&kernel).unwrap();
        let mut s = [0.0; 5];
        compiled.run(&[&q, &a], &mut [&mut s], 5).unwrap();
        assert!(s[0].is_finite());
    };
    (0..100).for_each(|_| cycle());
    let before = resident();
    (0..10_000).for_each(|_| cycle());
    let grown = resident().saturating_sub(before);
    println!("{grown} bytes more");
    assert!(grown < 10_000_000, "{grown} bytes more");
}
