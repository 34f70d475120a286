//! Core speaks to the processor in one folder alone.

use rumpkin_structure::Crate;

const FOLDER: &str = "x86";

#[test]
fn outside_its_folder_no_file_of_core_speaks_to_the_processor() {
    let core = Crate::read("layers/2-core");
    let (mut inside, mut outside) = (0, String::new());
    for (file, mention) in core.by_file() {
        let path = mention.path.join("::");
        if !path.starts_with("x86_64::") && !path.starts_with("core::arch::") {
            continue;
        }
        if file.starts_with(FOLDER) {
            inside += 1;
        } else {
            outside += &format!("{}: {path}\n", file.display());
        }
    }
    assert!(inside > 0 && outside.is_empty(), "not in {FOLDER}:\n{outside}");
}
