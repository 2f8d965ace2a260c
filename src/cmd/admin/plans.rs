//! `paddock admin plans sync`: Stripe's products and prices equal the catalogue.

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::ACTOR;
use crate::billing::shelf;
use crate::clock::SystemClock;
use crate::cmd::ConfigFile;

#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum Act {
    /// Print what would be done at Stripe so that it has every plan and price of the catalogue; with --apply do just that. Nothing is ever
    /// deleted, and old prices stay for those who pay them.
    Sync {
        #[command(flatten)]
        file: ConfigFile,
        /// Do it.
        #[arg(long)]
        apply: bool,
    },
}

pub(super) async fn run(act: Act) -> anyhow::Result<()> {
    let Act::Sync { file, apply } = act;
    let parts = file.parts()?;
    let plan = shelf::look(parts.stripe(), parts.catalogue()).await.context("looking at Stripe's products and prices")?;
    for step in &plan.steps {
        println!("{} {step}", if apply { "to do:" } else { "would" });
    }
    for price in &plan.kept {
        println!("kept: {} of {}", price.lookup_key.as_deref().unwrap_or(price.id.as_str()), shelf::said(price.what));
    }
    for price in &plan.odd {
        println!(
            "in the way: {} is {} ({}); take its lookup key away in Stripe's dashboard",
            price.lookup_key.as_deref().unwrap_or_default(),
            shelf::said(price.what),
            price.id
        );
    }
    if plan.steps.is_empty() && plan.odd.is_empty() {
        println!("Stripe has every plan and price of the catalogue");
    }
    if apply {
        let db = parts.db();
        for step in &plan.steps {
            shelf::apply(db, &SystemClock, parts.stripe(), ACTOR, step).await.with_context(|| format!("could not {step}"))?;
            println!("done: {step}");
        }
    }
    if !plan.odd.is_empty() {
        bail!("{} price(s) stand in the way", plan.odd.len());
    }
    Ok(())
}
