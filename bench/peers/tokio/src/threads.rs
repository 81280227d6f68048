// SPDX-License-Identifier: MIT

//! The rows that reach other threads. Those of a pair of threads are told in
//! real time, since spinning and sleeping are what they differ in.

use crate::cpu;
use std::fs::{remove_file, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Builder;
use tokio::sync::mpsc::channel;
use tokio::task::{spawn, spawn_blocking};

/// The thread that calls block_on against a worker.
pub fn pingpong(row: &str, n: u64) -> f64 {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async move {
        let (there, mut receive_there) = channel(1);
        let (back, mut receive_back) = channel(1);
        spawn(async move {
            while let Some(got) = receive_there.recv().await {
                let _ = back.send(got).await;
            }
        });
        let mut measure = Instant::now();
        let mut start = cpu();
        for i in 0..n / 10 + n / 2 {
            if i == n / 10 {
                measure = Instant::now();
                start = cpu();
            }
            there.send(i).await.unwrap();
            assert_eq!(receive_back.recv().await, Some(i));
        }
        let took = if row.ends_with("_cpu") {
            cpu() - start
        } else {
            measure.elapsed().as_nanos() as u64
        };
        took as f64 / n as f64
    })
}

/// An empty job in the pool for blocking work.
pub async fn offload(n: u64) -> f64 {
    let mut start = Instant::now();
    for i in 0..n / 10 + n {
        if i == n / 10 {
            start = Instant::now();
        }
        spawn_blocking(|| ()).await.unwrap();
    }
    start.elapsed().as_nanos() as f64 / n as f64
}

const BLOCK: u64 = 4096;
const BLOCKS: u64 = 4096;
const READERS: u32 = 64;

/// A file that has no name any more.
fn block_file() -> File {
    let path = format!("/var/tmp/coppice-bench-{}", std::process::id());
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    remove_file(&path).unwrap();
    file.write_all_at(&vec![0; (BLOCK * BLOCKS) as usize], 0).unwrap();
    file.sync_all().unwrap();
    file
}

/// A buffer goes to the pool and comes back with each read.
async fn reader(file: Arc<File>, left: Arc<AtomicI64>, mut x: u32) {
    let mut buffer = vec![0; BLOCK as usize];
    while left.fetch_sub(1, Relaxed) > 0 {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        let at = u64::from(x) % BLOCKS * BLOCK;
        let file = file.clone();
        buffer = spawn_blocking(move || {
            file.read_exact_at(&mut buffer, at).unwrap();
            buffer
        })
        .await
        .unwrap();
    }
}

async fn read_blocks(file: &Arc<File>, reads: u64) {
    let left = Arc::new(AtomicI64::new(reads as i64));
    let all: Vec<_> = (1..=READERS).map(|x| spawn(reader(file.clone(), left.clone(), x))).collect();
    for task in all {
        task.await.unwrap();
    }
}

/// Reads of a file by tasks, each in the pool for blocking work.
pub async fn file_read(row: &str, n: u64) -> f64 {
    let file = Arc::new(block_file());
    read_blocks(&file, n / 10).await;
    let (measure, start) = (Instant::now(), cpu());
    read_blocks(&file, n).await;
    let took = if row.ends_with("_cpu") {
        cpu() - start
    } else {
        measure.elapsed().as_nanos() as u64
    };
    took as f64 / n as f64
}
