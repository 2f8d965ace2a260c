//! The container image: what its build reads is what `.dockerignore` lets in. (No engine runs here, so the build itself can't be a test.)

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What the build reads beside sources: by askama, sqlx, fluent-templates and rust-embed.
const READ_BY_MACROS: [&str; 5] = ["templates", "migrations", "locales", "assets", "docs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `src` of `src/demo/../x`.
fn top(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.strip_prefix(root()).unwrap().components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.push(name.to_str().unwrap()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts[0].to_owned()
}

#[test]
fn the_build_of_the_image_has_all_that_it_reads() {
    let ignore = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let let_in: BTreeSet<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut needed: BTreeSet<String> = READ_BY_MACROS.map(str::to_owned).into();
    needed.extend(["Cargo.toml", "Cargo.lock", "src"].map(str::to_owned));
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // Tests may read what they like.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in ["include_str!(\"", "include_bytes!(\""] {
            for (at, _) in text.match_indices(name) {
                let path = text[at + name.len()..].split('"').next().unwrap();
                needed.insert(top(&file.parent().unwrap().join(path)));
            }
        }
    }
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    for line in
        dockerfile.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from") && !line.contains("COPY . "))
    {
        needed.insert(line.split(' ').nth(1).unwrap().to_owned());
    }
    let needed: BTreeSet<&str> = needed.iter().map(String::as_str).collect();
    let missing: Vec<_> = needed.difference(&let_in).collect();
    assert!(missing.is_empty(), "the build reads these, and .dockerignore keeps them out: {missing:?}");
    for name in &let_in {
        assert!(root().join(name).exists(), ".dockerignore lets {name} in, which is not there");
    }
    let wanted = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let wanted = wanted.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap().trim_matches('"');
    assert!(dockerfile.contains(&format!("FROM rust:{wanted}")), "the image is built with another Rust than {wanted}");
}
