// SPDX-License-Identifier: MIT
//
// Boost.Fiber with its default scheduler, round robin on one thread. Stacks
// come from a pool where tasks are spawned, and from the default allocator
// where memory is measured.
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <chrono>
#include <vector>

namespace fibers = boost::fibers;
namespace this_fiber = boost::this_fiber;

namespace
{

constexpr int sleeps = 2;

double yields(long tasks, long total)
{
    long started = 0, left = total;
    int64_t start = 0, end = 0;
    auto body = [&] {
        if (++started == tasks)
            start = bench_cpu_ns();
        while (started < tasks)
            this_fiber::yield();
        while (left-- > 0)
            this_fiber::yield();
        if (!end)
            end = bench_cpu_ns();
    };
    std::vector<fibers::fiber> all;

    for (long i = 0; i < tasks; i++)
        all.emplace_back(body);
    for (auto &fiber : all)
        fiber.join();
    return double(end - start) / double(total);
}

double spawn(long n, std::size_t batch)
{
    fibers::pooled_fixedsize_stack pool;
    std::vector<fibers::fiber> all(batch);
    auto run = [&](long count) {
        for (long done = 0; done < count; done += long(batch)) {
            for (auto &fiber : all)
                fiber = fibers::fiber(std::allocator_arg, pool, [] {});
            for (auto &fiber : all)
                fiber.join();
        }
    };

    run(2000);
    auto start = bench_cpu_ns();
    run(n);
    return double(bench_cpu_ns() - start) / double(n);
}

double memory(long n)
{
    // Never destroyed: they are waited on for ever.
    auto &mutex = *new fibers::mutex;
    auto &never = *new fibers::condition_variable;
    auto before = bench_memory_bytes("/proc/self/status");

    for (long i = 0; i < n; i++) {
        fibers::fiber([&] {
            std::unique_lock<fibers::mutex> lock(mutex);

            never.wait(lock);
        }).detach();
        this_fiber::yield();
    }
    return double(bench_memory_bytes("/proc/self/status") - before) / double(n);
}

double timers(long n)
{
    long started = 0, ended = 0;
    bool go = false;
    uint32_t seed = 12345;

    for (long i = 0; i < n; i++)
        fibers::fiber([&] {
            started++;
            while (!go)
                this_fiber::yield();
            for (int k = 0; k < sleeps; k++)
                this_fiber::sleep_for(
                    std::chrono::milliseconds(bench_random(&seed) % 1000));
            ended++;
        }).detach();
    while (started < n)
        this_fiber::yield();
    go = true;
    auto start = bench_cpu_ns();
    while (ended < n)
        this_fiber::sleep_for(std::chrono::milliseconds(10));
    return double(bench_cpu_ns() - start) / double(n * sleeps);
}

} // namespace

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long number = bench_row_number(row);

    if (strncmp(row, "yield", 5) == 0)
        bench_report(row,
                     yields(number, bench_yields(argc, argv, number, 5000000)));
    else if (strcmp(row, "spawn_join") == 0)
        bench_report(row, spawn(bench_scaled(argc, argv, 1000000, 50000), 1));
    else if (strcmp(row, "spawn_batch") == 0)
        bench_report(row,
                     spawn(bench_scaled(argc, argv, 1000000, 50000), 1000));
    else if (strncmp(row, "memory", 6) == 0)
        bench_report(row, memory(number));
    else
        bench_report(row, timers(number));
    _exit(0);
}
