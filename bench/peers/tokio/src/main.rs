// SPDX-License-Identifier: MIT

//! Tokio with its current-thread runtime. "tokio_bench ROW [DIVISOR]" measures
//! a row; "tokio_bench echo PORT" serves.

mod sync;
mod threads;

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{spawn, yield_now};

const BATCH: usize = 1000;
const SLEEPS: u64 = 2;

fn cpu() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Resident memory and page tables, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .filter(|line| line.starts_with("VmRSS:") || line.starts_with("VmPTE:"))
        .map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024)
        .sum()
}

// Shared by the tasks of one row. All run on one thread; plain loads and stores
// of an atomic are what the compiler accepts there without further cost.
static STARTED: AtomicU64 = AtomicU64::new(0);
static LEFT: AtomicU64 = AtomicU64::new(0);
static START: AtomicU64 = AtomicU64::new(0);
static END: AtomicU64 = AtomicU64::new(0);
static GO: AtomicU64 = AtomicU64::new(0);
static SEED: AtomicU64 = AtomicU64::new(12345);

fn get(cell: &AtomicU64) -> u64 {
    cell.load(Relaxed)
}

fn set(cell: &AtomicU64, value: u64) {
    cell.store(value, Relaxed)
}

fn random() -> u64 {
    let mut x = get(&SEED) as u32;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    set(&SEED, x as u64);
    x as u64
}

async fn yielder(tasks: u64) {
    set(&STARTED, get(&STARTED) + 1);
    if get(&STARTED) == tasks {
        set(&START, cpu());
    }
    while get(&STARTED) < tasks {
        yield_now().await;
    }
    while get(&LEFT) > 0 {
        set(&LEFT, get(&LEFT) - 1);
        yield_now().await;
    }
    if get(&END) == 0 {
        set(&END, cpu());
    }
}

async fn yields(tasks: u64, total: u64) -> f64 {
    set(&LEFT, total);
    let all: Vec<_> = (0..tasks).map(|_| spawn(yielder(tasks))).collect();
    for task in all {
        task.await.unwrap();
    }
    (get(&END) - get(&START)) as f64 / total as f64
}

async fn spawn_join(n: u64) -> f64 {
    let start = cpu();
    for _ in 0..n {
        spawn(async {}).await.unwrap();
    }
    (cpu() - start) as f64 / n as f64
}

async fn spawn_batch(n: u64) -> f64 {
    let mut all = Vec::with_capacity(BATCH);
    let start = cpu();
    for _ in 0..n / BATCH as u64 {
        for _ in 0..BATCH {
            all.push(spawn(async {}));
        }
        for task in all.drain(..) {
            task.await.unwrap();
        }
    }
    (cpu() - start) as f64 / n as f64
}

async fn parked(tasks: u64) -> f64 {
    let before = memory();
    for _ in 0..tasks {
        spawn(pending::<()>());
        yield_now().await;
    }
    (memory() - before) as f64 / tasks as f64
}

async fn sleeper() {
    set(&STARTED, get(&STARTED) + 1);
    while get(&GO) == 0 {
        yield_now().await;
    }
    for _ in 0..SLEEPS {
        tokio::time::sleep(Duration::from_millis(random() % 1000)).await;
    }
}

async fn timers(tasks: u64) -> f64 {
    let all: Vec<_> = (0..tasks).map(|_| spawn(sleeper())).collect();
    while get(&STARTED) < tasks {
        yield_now().await;
    }
    set(&GO, 1);
    let start = cpu();
    for task in all {
        task.await.unwrap();
    }
    (cpu() - start) as f64 / (tasks * SLEEPS) as f64
}

async fn timeout_scope(n: u64) -> f64 {
    let start = cpu();
    let mut done = 0u64;
    for _ in 0..n {
        tokio::time::timeout(Duration::from_secs(1), async { done += 1 })
            .await
            .unwrap();
    }
    assert_eq!(unsafe { std::ptr::read_volatile(&done) }, n);
    (cpu() - start) as f64 / n as f64
}

/// The buffer does not outlast a wait, so that an idle client holds none.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        stream.readable().await?;
        let mut buffer = Vec::with_capacity(16384);
        match stream.try_read_buf(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => stream.write_all(&buffer).await?,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(e),
        }
    }
}

async fn echo(port: &str) {
    let listener = TcpListener::bind(format!("127.0.0.1:{}", port)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        spawn(serve(stream));
    }
}

fn number(row: &str) -> u64 {
    let digits = row.rsplit('_').next().unwrap();
    digits.replace('k', "000").replace('m', "000000").parse().unwrap_or(0)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let row = args[1].clone();
    // A runtime without clock and descriptors is faster where neither is used.
    let mut builder = Builder::new_current_thread();
    if row == "echo" || row.starts_with("time") || row.starts_with("wait") {
        builder.enable_all();
    }
    let runtime = builder.build().unwrap();
    if row == "echo" {
        runtime.block_on(echo(&args[2]));
    }
    let divisor: u64 = args.get(2).map_or(1, |d| d.parse().unwrap());
    let scaled = move |count: u64, least: u64| std::cmp::max(count / divisor, least);
    let n = number(&row);
    let name = row.clone();
    if row.starts_with("xthread") {
        println!("R {} {:.3}", name, threads::pingpong(&row, scaled(100000, 10000)));
        std::process::exit(0);
    }
    let measure = async move {
        match row.as_str() {
            "spawn_join" => spawn_join(scaled(5000000, 200000)).await,
            "spawn_batch" => spawn_batch(scaled(5000000, 200000)).await,
            "timeout_scope" => timeout_scope(scaled(5000000, 200000)).await,
            r if r.starts_with("memory") => parked(n).await,
            r if r.starts_with("yield") => yields(n, scaled(10000000, 20 * n)).await,
            r if r.starts_with("timers") => timers(n).await,
            r if r.starts_with("file") => threads::file_read(r, scaled(200000, 20000)).await,
            "offload_roundtrip" => threads::offload(scaled(50000, 5000)).await,
            _ => sync::measure(&row, scaled).await,
        }
    };
    // As a task: what block_on itself polls is woken in a slower way.
    let value = runtime.block_on(async { spawn(measure).await.unwrap() });
    println!("R {} {:.3}", name, value);
    std::process::exit(0);
}
