// SPDX-License-Identifier: MIT

//! The rows that reach other threads. Those of a pair of threads are told in
//! real time, since spinning and sleeping are what they differ in.

use crate::cpu;
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
