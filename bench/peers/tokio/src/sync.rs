// SPDX-License-Identifier: MIT

//! The rows of synchronisation between tasks of one thread.

use crate::cpu;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex as ThreadMutex};
use std::time::Duration;
use tokio::sync::mpsc::{channel, unbounded_channel};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, Mutex, Semaphore};
use tokio::task::{spawn, yield_now, JoinSet};
use tokio::time::timeout;

const HELD: u64 = 1000;

fn per(start: u64, n: u64) -> f64 {
    (cpu() - start) as f64 / n as f64
}

// Tokio has no channel without a buffer, and what has no bound is faster. Here
// who sends waits for an answer in any case.
fn pair() -> (UnboundedSender<u64>, UnboundedReceiver<u64>) {
    unbounded_channel()
}

async fn chan_pingpong(n: u64) -> f64 {
    let (there, mut receive_there) = pair();
    let (back, mut receive_back) = pair();
    spawn(async move {
        while let Some(got) = receive_there.recv().await {
            let _ = back.send(got);
        }
    });
    let start = cpu();
    for i in 0..n / 2 {
        there.send(i).unwrap();
        assert_eq!(receive_back.recv().await, Some(i));
    }
    per(start, n)
}

async fn wait_with_timeout(n: u64) -> f64 {
    let second = Duration::from_secs(1);
    let (there, mut receive_there) = pair();
    let (back, mut receive_back) = pair();
    spawn(async move {
        while let Some(got) = timeout(second, receive_there.recv()).await.unwrap() {
            let _ = back.send(got);
        }
    });
    let start = cpu();
    for i in 0..n / 2 {
        there.send(i).unwrap();
        assert_eq!(timeout(second, receive_back.recv()).await, Ok(Some(i)));
    }
    per(start, n)
}

async fn chan_ring(n: u64, tasks: usize) -> f64 {
    let (first, mut from) = pair();
    for _ in 1..tasks {
        let (to, next) = pair();
        let mut mine = std::mem::replace(&mut from, next);
        spawn(async move {
            while let Some(left) = mine.recv().await {
                let _ = to.send(left - 1);
            }
        });
    }
    yield_now().await;
    let start = cpu();
    let mut left = n;
    while left > 0 {
        first.send(left - 1).unwrap();
        left = from.recv().await.unwrap();
    }
    per(start, n)
}

async fn sem_handoff(n: u64) -> f64 {
    let there = Arc::new(Semaphore::new(0));
    let back = Arc::new(Semaphore::new(0));
    let (take, give) = (there.clone(), back.clone());
    spawn(async move {
        loop {
            take.acquire().await.unwrap().forget();
            give.add_permits(1);
        }
    });
    let start = cpu();
    for _ in 0..n / 2 {
        there.add_permits(1);
        back.acquire().await.unwrap().forget();
    }
    per(start, n)
}

async fn mutex_uncontended(n: u64) -> f64 {
    let mutex = Mutex::new(());
    let start = cpu();
    for _ in 0..n {
        drop(mutex.lock().await);
    }
    per(start, n)
}

thread_local! {
    static PENDING: RefCell<Option<oneshot::Sender<u64>>> = RefCell::new(None);
}

async fn future_resolve_wait(n: u64) -> f64 {
    spawn(async {
        for i in 0.. {
            let pending = PENDING.with(|cell| cell.borrow_mut().take());
            let _ = pending.unwrap().send(i);
            yield_now().await;
        }
    });
    let start = cpu();
    for i in 0..n {
        let (resolve, future) = oneshot::channel();
        PENDING.with(|cell| *cell.borrow_mut() = Some(resolve));
        assert_eq!(future.await, Ok(i));
    }
    per(start, n)
}

async fn group(n: u64, children: u64) -> f64 {
    let start = cpu();
    for _ in 0..n / children {
        let mut all = JoinSet::new();
        for _ in 0..children {
            all.spawn(async {});
        }
        while all.join_next().await.is_some() {}
    }
    per(start, n)
}

async fn select_four(n: u64) -> f64 {
    let (to_a, mut a) = channel(1);
    let (to_b, mut b) = channel(1);
    let (to_c, mut c) = channel(1);
    let (to_d, mut d) = channel(1);
    let to = [to_a, to_b, to_c, to_d];
    spawn(async move {
        for i in 0.. {
            if to[i as usize % 4].send(i).await.is_err() {
                return;
            }
        }
    });
    // With room for one message in each channel they need not arrive in order.
    let mut sum = 0u64;
    let start = cpu();
    for _ in 0..n {
        sum += tokio::select! {
            got = a.recv() => got.unwrap(),
            got = b.recv() => got.unwrap(),
            got = c.recv() => got.unwrap(),
            got = d.recv() => got.unwrap(),
        };
    }
    assert!(sum > 0);
    per(start, n)
}

/// How much later an element comes back, see bench/queue.h.
fn steps() -> Vec<u64> {
    let mut x = 12345u32;
    let next = |_| {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        (x % 1000000) as u64
    };
    (0..4096).map(next).collect()
}

// A heap of the standard library under a mutex, and a semaphore that counts its
// elements for those who wait.
async fn queue_priority(n: u64) -> f64 {
    let step = steps();
    let heap = ThreadMutex::new(BinaryHeap::new());
    let count = Semaphore::new(0);
    let put = |priority: u64, value: usize| {
        heap.lock().unwrap().push(Reverse((priority, value)));
        count.add_permits(1);
    };
    for i in 0..HELD {
        put(step[i as usize], 0);
    }
    let start = cpu();
    for i in 0..n {
        count.acquire().await.unwrap().forget();
        let Reverse((priority, value)) = heap.lock().unwrap().pop().unwrap();
        put(priority + step[i as usize % step.len()], value);
    }
    per(start, n)
}

pub async fn measure(row: &str, scaled: impl Fn(u64, u64) -> u64) -> f64 {
    let n = scaled(5000000, 200000);
    match row {
        "chan_pingpong" => chan_pingpong(n).await,
        "chan_ring_1000" => chan_ring(n, 1000).await,
        "sem_handoff" => sem_handoff(n).await,
        "mutex_uncontended" => mutex_uncontended(scaled(20000000, 1000000)).await,
        "future_resolve_wait" => future_resolve_wait(n).await,
        "wait_with_timeout" => wait_with_timeout(n).await,
        "group_1000" => group(n, 1000).await,
        "select_4" => select_four(n).await,
        "queue_priority" => queue_priority(n).await,
        _ => std::process::exit(2),
    }
}
