//! `paddock generate`: writes what is generated from the code into the checkout, or says what is out of date.

mod asvs;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{config, resource, web};

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// What to write; all of it when nothing is named.
    #[arg(value_parser = ["crds", "openapi", "config-reference", "asvs"])]
    what: Vec<String>,
    /// Write nothing; fail when a file is not what it would be.
    #[arg(long)]
    check: bool,
    /// The checkout.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

/// Each file with its kind and content.
fn files(root: &Path) -> anyhow::Result<Vec<(&'static str, String, String)>> {
    let mut files = Vec::new();
    for (name, text) in resource::crds_yaml()? {
        files.push(("crds", format!("charts/paddock/crds/{name}"), text));
    }
    files.push(("openapi", "docs/openapi.json".to_owned(), web::openapi().to_pretty_json()? + "\n"));
    files.push(("config-reference", "docs/configuration.md".to_owned(), reference()));
    files.push(("asvs", "docs/asvs.md".to_owned(), asvs::page(root)?));
    Ok(files)
}

fn reference() -> String {
    format!(
        "# Configuration\n\n\
         One file in TOML, named by `--config` or `PADDOCK_CONFIG`. Any setting can be given by the environment instead: `PADDOCK__HTTP__LISTEN`\n\
         is `listen` of `[http]` (two underscores for each level). `paddock check-config` names every fault at once.\n\n\
         This is the example that the tests read; each line is a setting with what it means.\n\n```toml\n{}```\n",
        config::REFERENCE
    )
}

pub(super) fn run(generate: &Generate) -> anyhow::Result<()> {
    let mut outdated = Vec::new();
    for (kind, name, text) in files(&generate.root)? {
        if !generate.what.is_empty() && !generate.what.iter().any(|wanted| wanted == kind) {
            continue;
        }
        let path = generate.root.join(&name);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            continue;
        }
        if generate.check {
            outdated.push(name);
            continue;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("wrote {name}");
    }
    if !outdated.is_empty() {
        bail!("out of date: {}; run ./dev generate", outdated.join(", "));
    }
    Ok(())
}
