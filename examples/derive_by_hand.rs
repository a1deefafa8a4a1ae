//! A kernel from text to machine code: precipitable water of a hundred thousand columns.
//!
//! `cargo run --release --example derive_by_hand`

use std::time::Instant;

use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::text::parse;

const KERNEL: &str = "
kernel pwat(q: column 4) {
  %0 = input q
  # layer thicknesses in Pa, divided by g below
  %1 = sum %0 weights [12500.0 17500.0 15000.0 7500.0]
  %2 = constant 9.80665
  %3 = div %1 %2
  output pwat = %3
}
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let module = parse(KERNEL)?;
    let kernel = module.kernel("pwat").ok_or("no such kernel")?;
    let compiled = Compiled::new(kernel)?;
    let cells = 100_000;
    // 2, 5, 9 and 14 g/kg on 500, 700, 850 and 1000 hPa, the cells of one level after the other.
    let humidity: Vec<f32> = [0.002, 0.005, 0.009, 0.014].into_iter().flat_map(|q| vec![q; cells]).collect();
    let mut water = vec![0.0; cells];
    let began = Instant::now();
    compiled.run(&[&humidity], &mut [&mut water], cells)?;
    println!(
        "{:.1} kg/m² in each of {cells} columns, {} bytes of code, {:?}",
        water[0],
        compiled.code_size(),
        began.elapsed()
    );
    Ok(())
}
