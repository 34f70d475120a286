//! Core shows a face to each of those who stand on it, and nothing else; and each looks at its own.

use rumpkin_structure::{folder, read_folder};
use std::fs;
use syn::{Item, Visibility};

const CORE: &str = "rumpkin_core";

/// Who may look at which.
const FACES: [(&str, &str); 3] =
    [("for_platform", "layers/1-platform"), ("for_rumpuser", "layers/3-rumpuser/core"), ("for_image", "pkgs/image")];

#[test]
fn core_has_no_other_public_items() {
    let text = fs::read_to_string(folder("layers/2-core/src/lib.rs")).unwrap();
    let items = syn::parse_file(&text).unwrap().items;
    let public = items.iter().filter_map(|item| match item {
        Item::Mod(module) => is_public(&module.vis).then(|| module.ident.to_string()),
        Item::Use(import) => is_public(&import.vis).then(|| "a re-export".into()),
        Item::Fn(function) => is_public(&function.vis).then(|| function.sig.ident.to_string()),
        _ => None,
    });
    let mut faces = FACES.map(|(face, _)| face);
    faces.sort_unstable();
    assert_eq!(public.collect::<Vec<_>>(), faces);
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

#[test]
fn each_looks_at_its_own_face() {
    for (face, path) in FACES {
        let mut looks = 0;
        for (file, mentions) in read_folder(&folder(path)) {
            for mention in mentions.iter().filter(|mention| mention.path.first().is_some_and(|first| first == CORE)) {
                let what = mention.path.join("::");
                assert_eq!(mention.path.get(1).map(String::as_str), Some(face), "{}: {what}", file.display());
                looks += 1;
            }
        }
        assert_ne!(looks, 0, "{path} does not look at core");
    }
}
