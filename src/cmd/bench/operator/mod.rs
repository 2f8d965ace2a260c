//! `operator`: the operator alone over many servers, beside a client without logic; then what it costs when nothing is to do, when
//! it starts anew, and when somebody deletes or changes what it wrote.
//!
//! What runs: the rig's real API server, etcd, controllers and S3 server, and `paddock operator` as a process of its own. This
//! program writes the custom resources as the fleet does. With pods (the default) controllers, scheduler and KWOK make all pods of
//! all servers and take most of the machine; with `--without-pods` no controller makes any, and Deployments and Jobs are
//! ready by rules, so that the API server has the operator alone as its customer. Everything shares this machine's cores.
//!
//! * `rate`: after one server to warm up, N custom resources are applied as fast as 16 at a time go; `objects_per_s` counts
//!   what the operator wrote (custom resource and Events apart) from the first apply to the last Ready.
//! * The peer sends the same requests on a rig of its own (see `learn` and `bare`, and the list of differences at the top of
//!   `provision`). How many servers it makes at a time is chosen by trying 4, 16, 32 and 64: the best rate is taken (`bare_at_once`).
//! * `wave_ms`: one server alone: its custom resource is written → all objects that wait for nothing are there. Middle one of 15.
//! * `drift_*_ms`: one after the other, an object of a random server is deleted, or a label of it changed → it is there again, or the
//!   label is back, as a watch of all kinds shows it.
//! * `restart_*_ms`: the process is started with N servers in place → its first pass is over, all passes are over. The writes that it
//!   sent until then are counted: there should be none.
//! * `noop_ms`: what one more pass over all N takes when nothing is to do: the sum of the passes' times, as if they ran one after the
//!   other; and `noop_writes`, the writes meanwhile.
//! * `mib_per_instance`: the most memory that it held, less what it held without any server, by N.

mod crowd;
mod drift;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kube::Client;

use self::crowd::{Crowd, new_names};
use super::bare::{self, Recipe};
use super::child::Program;
use super::learn::{self, Diary};
use super::sides::{Side, percentile, step};
use crate::demo::stage::{Stage, StageSettings};

/// Servers at a time that the peer tries.
const KNEE: [usize; 4] = [4, 16, 32, 64];
/// Servers of each try.
const TRIED: usize = 48;
/// Servers made alone.
const ALONE: usize = 15;
/// Objects that are deleted or changed.
const DRIFTS: usize = 200;
/// How often the operator looks at each server in the part that measures idle passes.
const LOOK: Duration = Duration::from_secs(20);

/// What was measured of the operator.
struct Ours {
    wall: Duration,
    waves: Vec<i64>,
    drifts: Vec<i64>,
    restart: Restart,
    noop_ms: f64,
    noop_writes: u64,
    idle_kib: u64,
    peak_kib: u64,
    recipe: Recipe,
}

struct Restart {
    first: Duration,
    all: Duration,
    writes: u64,
}

/// The whole measurement; returns its line.
pub(super) async fn measure(dir: &Path, instances: u32, pods: bool) -> anyhow::Result<String> {
    let ours = measure_ours(&dir.join("paddock"), instances, pods).await?;
    let Ours { wall, waves, drifts, restart, noop_ms, noop_writes, idle_kib, peak_kib, recipe } = ours;
    eprintln!("one server: {}", recipe.in_words());
    let objects = f64::from(u32::try_from(recipe.objects)?);
    let (theirs, at_once) = measure_theirs(&dir.join("bare"), instances, pods, recipe).await?;

    let rate = |wall: Duration| f64::from(instances) * objects / wall.as_secs_f64();
    let mib_per_instance = f64::from(u32::try_from(peak_kib.saturating_sub(idle_kib))?) / 1024.0 / f64::from(instances);
    let line = format!(
        "operator: instances {instances}; pods {}; objects_per_s {:.0}; bare_objects_per_s {:.0}; bare_at_once {at_once}; ratio {:.2}; \
         all_ms {}; bare_all_ms {}; wave_p50_ms {}; drift_p50_ms {}; drift_p99_ms {}; restart_first_ms {}; restart_all_ms {}; \
         restart_writes {}; noop_ms {noop_ms:.0}; noop_writes {noop_writes}; idle_mib {}; peak_mib {}; mib_per_instance {mib_per_instance:.3}",
        if pods { "simulated" } else { "none" },
        rate(wall),
        rate(theirs.ready),
        rate(wall) / rate(theirs.ready),
        wall.as_millis(),
        theirs.ready.as_millis(),
        percentile(&waves, 50),
        percentile(&drifts, 50),
        percentile(&drifts, 99),
        restart.first.as_millis(),
        restart.all.as_millis(),
        restart.writes,
        idle_kib / 1024,
        peak_kib / 1024,
    );
    let idle_writes = restart.writes + noop_writes;
    anyhow::ensure!(idle_writes == 0, "{idle_writes} writes although nothing had changed; {line}");
    Ok(line)
}

async fn measure_ours(dir: &Path, instances: u32, pods: bool) -> anyhow::Result<Ours> {
    let side = Side::start(dir, pods).await?;
    let settings = StageSettings {
        dir: dir.to_path_buf(),
        database: "paddock".to_owned(),
        ports: [0; 3],
        sweep_seconds: 86400,
        capacity: instances,
        identity: "admin".to_owned(),
    };
    // Only its configuration is used.
    let stage = Stage::open(&side.rig, &settings).await?;
    let client = side.rig.cluster().client().await?;
    let mut program = start(&stage.config_file, &stage.kubeconfig, dir).await?;
    let idle_kib = program.memory_kib()?;

    let mut crowd = Crowd::new(&client, &stage.config)?;
    let first = new_names(1);
    let diary = Diary::open(client.clone(), &first[0]).await?;
    step("one server", crowd.make(&first)).await?;
    let kinds = learn::learn(&client, &first[0], diary).await?;
    let waves = step("servers alone", alone(&client, &mut crowd, &kinds)).await?;

    let count = usize::try_from(instances)?;
    let names = new_names(count);
    let diary = Diary::open(client.clone(), &names[count / 2]).await?;
    let used = side.used(Some(&program)).await;
    let wall = step("all servers at once", crowd.make(&names)).await?;
    side.used(Some(&program)).await.tell_since(&used);
    program.check()?;
    let recipe = learn::learn(&client, &names[count / 2], diary).await?;

    let drifts = step("deleted and changed objects", drift::measure(&client, &recipe, &names, DRIFTS)).await?;
    let mut peak_kib = program.peak_kib()?;
    program.stop().await?;
    let all = count + ALONE + 1;
    let (restart, noop_ms, noop_writes, restarted_kib) = step("started anew", quiet(&stage, dir, all)).await?;
    peak_kib = peak_kib.max(restarted_kib);
    stage.stripe.shutdown().await;
    side.rig.stop().await;
    Ok(Ours { wall, waves, drifts, restart, noop_ms, noop_writes, idle_kib, peak_kib, recipe })
}

async fn start(config: &Path, cluster: &str, dir: &Path) -> anyhow::Result<Program> {
    Program::start("operator", config, Some(cluster), None, &dir.join("operator.log")).await
}

/// Milliseconds until all objects that wait for nothing are there, of servers one after the other.
async fn alone(client: &Client, crowd: &mut Crowd, recipe: &Recipe) -> anyhow::Result<Vec<i64>> {
    let mut arrivals = drift::Arrivals::open(client, &recipe.kinds).await?;
    let mut waves = Vec::new();
    for _ in 0..ALONE {
        let names = new_names(1);
        let began = Instant::now();
        crowd.apply(&names).await?;
        waves.push(arrivals.until(&names[0], recipe.ungated(), began).await?);
        crowd.wait().await?;
    }
    waves.sort_unstable();
    Ok(waves)
}

/// Starts the operator on servers that are all well, and has it look at all of them once more.
async fn quiet(stage: &Stage, dir: &Path, all: usize) -> anyhow::Result<(Restart, f64, u64, u64)> {
    let often: PathBuf = dir.join("often.toml");
    let text = std::fs::read_to_string(&stage.config_file)?.replacen(
        "[operator]\n",
        &format!("[operator]\nlook_seconds = {}\n", LOOK.as_secs()),
        1,
    );
    std::fs::write(&often, text)?;
    let began = Instant::now();
    let program = start(&often, &stage.kubeconfig, dir).await?;
    let passes = async |program: &Program| program.figure("paddock_operator_pass_seconds_count").await;
    let until = async |wanted: f64| {
        let end = Instant::now() + Duration::from_mins(5);
        while passes(&program).await? < wanted {
            anyhow::ensure!(Instant::now() < end, "the operator did not look at all servers");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(began.elapsed())
    };
    let first = until(1.0).await?;
    let all_passes = f64::from(u32::try_from(all)?);
    let everything = until(all_passes).await?;
    let restart = Restart { first, all: everything, writes: writes(&program).await? };

    let (count, sum) = (passes(&program).await?, program.figure("paddock_operator_pass_seconds_sum").await?);
    tokio::time::sleep(LOOK.mul_f64(1.2)).await;
    let (more, longer) = (passes(&program).await? - count, program.figure("paddock_operator_pass_seconds_sum").await? - sum);
    anyhow::ensure!(more > 0.0, "the operator did not look again");
    let noop_writes = writes(&program).await? - restart.writes;
    let peak_kib = program.peak_kib()?;
    program.stop().await?;
    Ok((restart, longer / more * all_passes * 1000.0, noop_writes, peak_kib))
}

/// The requests of a process that were no reads.
async fn writes(program: &Program) -> anyhow::Result<u64> {
    let requests = program.requests().await?;
    Ok(requests.into_iter().filter(|(verb, _)| !matches!(verb.as_str(), "GET" | "WATCH")).map(|(_, count)| count).sum())
}

async fn measure_theirs(dir: &Path, instances: u32, pods: bool, recipe: Recipe) -> anyhow::Result<(bare::Outcome, usize)> {
    let side = Side::start(dir, pods).await?;
    let (client, buckets, recipe) = (side.rig.cluster().client().await?, side.buckets()?, Arc::new(recipe));
    step("one server of the peer", bare::replay(&client, &buckets, &recipe, 1, 1)).await?;
    let mut tried = Vec::new();
    for at_once in KNEE {
        let what = format!("{TRIED} servers of the peer, {at_once} at a time");
        let outcome = step(&what, bare::replay(&client, &buckets, &recipe, TRIED, at_once)).await?;
        tried.push((outcome.ready, at_once));
    }
    let (_, at_once) = tried.into_iter().min().context("nothing was tried")?;
    let used = side.used(None).await;
    let count = usize::try_from(instances)?;
    let outcome = step("all servers of the peer", bare::replay(&client, &buckets, &recipe, count, at_once)).await?;
    side.used(None).await.tell_since(&used);
    side.rig.stop().await;
    Ok((outcome, at_once))
}
