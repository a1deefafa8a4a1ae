//! What the README shows is what the repository holds.

use std::fs;
use std::path::Path;

#[test]
fn the_listing_is_the_quickstart() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let recipe = fs::read_to_string(root.join("recipes/quickstart.aurora")).unwrap();
    let listing = readme.split("```aurora\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(listing.trim_end(), recipe.trim_end());
}
