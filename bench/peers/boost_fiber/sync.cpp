// SPDX-License-Identifier: MIT
//
// Boost.Fiber's channels, mutexes and futures, between fibers of one thread.
// A semaphore is made of a mutex and a condition variable: there is none.
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

namespace fibers = boost::fibers;
namespace this_fiber = boost::this_fiber;

namespace
{

// Faster than the buffered one, which also needs room for more than one.
using channel = fibers::unbuffered_channel<long>;

class semaphore
{
  public:
    void acquire()
    {
        std::unique_lock<fibers::mutex> lock(mutex_);

        while (permits_ == 0)
            released_.wait(lock);
        permits_--;
    }

    void release()
    {
        std::unique_lock<fibers::mutex> lock(mutex_);

        permits_++;
        released_.notify_one();
    }

  private:
    fibers::mutex mutex_;
    fibers::condition_variable released_;
    long permits_ = 0;
};

// The others wait for ever, so the program ends here.
[[noreturn]] void finish(const char *row, int64_t start, long n)
{
    bench_report(row, double(bench_cpu_ns() - start) / double(n));
    _exit(0);
}

template <bool timed> long receive(channel &from)
{
    long value = 0;
    auto status = timed ? from.pop_wait_for(value, std::chrono::seconds(1))
                        : from.pop(value);

    if (status != fibers::channel_op_status::success)
        abort();
    return value;
}

template <bool timed> void chan_pingpong(const char *row, long n)
{
    channel there, back;

    fibers::fiber([&] {
        for (;;)
            back.push(receive<timed>(there));
    }).detach();
    auto start = bench_cpu_ns();
    for (long i = 0; i < n / 2; i++) {
        there.push(i);
        if (receive<timed>(back) != i)
            abort();
    }
    finish(row, start, n);
}

void chan_ring(const char *row, long n, long tasks)
{
    std::vector<channel> ring(tasks);

    for (long place = 1; place < tasks; place++)
        fibers::fiber([&, place] {
            for (;;)
                ring[(place + 1) % tasks].push(receive<false>(ring[place]) - 1);
        }).detach();
    this_fiber::yield(); // all wait in their places
    auto start = bench_cpu_ns();
    ring[1].push(n - 1);
    for (long left; (left = receive<false>(ring[0])) > 0;)
        ring[1].push(left - 1);
    finish(row, start, n);
}

void sem_handoff(const char *row, long n)
{
    semaphore there, back;

    fibers::fiber([&] {
        for (;;) {
            there.acquire();
            back.release();
        }
    }).detach();
    auto start = bench_cpu_ns();
    for (long i = 0; i < n / 2; i++) {
        there.release();
        back.acquire();
    }
    finish(row, start, n);
}

void mutex_uncontended(const char *row, long n)
{
    fibers::mutex mutex;
    auto start = bench_cpu_ns();

    for (long i = 0; i < n; i++) {
        mutex.lock();
        mutex.unlock();
    }
    finish(row, start, n);
}

void future_resolve_wait(const char *row, long n)
{
    std::unique_ptr<fibers::promise<long>> promise;

    fibers::fiber([&] {
        for (long i = 0;; i++) {
            promise->set_value(i);
            this_fiber::yield();
        }
    }).detach();
    auto start = bench_cpu_ns();
    for (long i = 0; i < n; i++) {
        promise = std::make_unique<fibers::promise<long>>();
        if (promise->get_future().get() != i)
            abort();
    }
    finish(row, start, n);
}

} // namespace

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 2000000, 100000);

    if (strcmp(row, "chan_pingpong") == 0)
        chan_pingpong<false>(row, n);
    else if (strcmp(row, "wait_with_timeout") == 0)
        chan_pingpong<true>(row, n);
    else if (strcmp(row, "sem_handoff") == 0)
        sem_handoff(row, n);
    else if (strcmp(row, "mutex_uncontended") == 0)
        mutex_uncontended(row, 5 * n);
    else if (strcmp(row, "future_resolve_wait") == 0)
        future_resolve_wait(row, n);
    else
        chan_ring(row, n, bench_row_number(row));
}
