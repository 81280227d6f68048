// SPDX-License-Identifier: MIT
//
// Boost.Context: switches and stacks without a scheduler. The rows that need a
// run queue are boost_fiber's.
#include "bench.h"

#include <boost/context/detail/fcontext.hpp>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <utility>
#include <vector>

namespace ctx = boost::context;

namespace
{

// Both contexts run this loop, as all tasks of a scheduler would.
long left;

BENCH_NOINLINE ctx::detail::fcontext_t turn(ctx::detail::fcontext_t to)
{
    while (--left > 0)
        to = ctx::detail::jump_fcontext(to, nullptr).fctx;
    return to;
}

void other(ctx::detail::transfer_t from)
{
    for (;;) {
        auto to = turn(from.fctx);

        from = ctx::detail::jump_fcontext(to, nullptr);
    }
}

double switches(long n)
{
    auto stack = ctx::fixedsize_stack().allocate();
    auto to = ctx::detail::make_fcontext(stack.sp, stack.size, other);

    left = n;
    auto start = bench_cpu_ns();
    turn(to);
    return double(bench_cpu_ns() - start) / double(n);
}

// "Spawn and join" is to make a fiber and to run it to its end.
double spawn(long n, std::size_t batch)
{
    ctx::pooled_fixedsize_stack pool;
    std::vector<ctx::fiber> fibers(batch);
    auto run = [&](long count) {
        for (long done = 0; done < count; done += long(batch)) {
            for (auto &fiber : fibers)
                fiber = ctx::fiber(std::allocator_arg, pool,
                                   [](ctx::fiber &&caller) {
                                       return std::move(caller);
                                   });
            for (auto &fiber : fibers)
                fiber = std::move(fiber).resume();
        }
    };

    run(2000);
    auto start = bench_cpu_ns();
    run(n);
    return double(bench_cpu_ns() - start) / double(n);
}

// The default allocator; it has no guard pages. With them (protected_fixedsize)
// no more than 32,000 fit the default vm.max_map_count.
double memory(long n)
{
    std::vector<ctx::fiber> fibers(n);
    auto before = bench_memory_bytes("/proc/self/status");

    for (auto &fiber : fibers)
        fiber = ctx::fiber([](ctx::fiber &&caller) {
                    for (;;)
                        caller = std::move(caller).resume();
                    return std::move(caller);
                }).resume();
    return double(bench_memory_bytes("/proc/self/status") - before) / double(n);
}

} // namespace

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);

    if (strcmp(row, "switch") == 0)
        bench_report(row,
                     switches(bench_scaled(argc, argv, 30000000, 1000000)));
    else if (strcmp(row, "spawn_join") == 0)
        bench_report(row, spawn(bench_scaled(argc, argv, 5000000, 200000), 1));
    else if (strcmp(row, "spawn_batch") == 0)
        bench_report(row,
                     spawn(bench_scaled(argc, argv, 5000000, 200000), 1000));
    else
        bench_report(row, memory(bench_row_number(row)));
    _exit(0);
}
