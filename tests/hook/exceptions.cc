// SPDX-License-Identifier: MIT
// What the C++ runtime keeps a thread, a task's own: tasks that wait in catch
// blocks, and in destructors that an exception runs.
#include <coppice/hook.h>
#include <coppice/loop.h>
#include <coppice/task.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <unistd.h>

namespace
{

int wrong;

void expect(bool holds, const char *what)
{
    if (!holds) {
        std::fprintf(stderr, "%s\n", what);
        wrong++;
    }
}

struct waits_when_it_ends {
    ~waits_when_it_ends()
    {
        expect(std::uncaught_exceptions() == 1, "one is under way");
        usleep(1000);
        expect(std::uncaught_exceptions() == 1, "one is still under way");
    }
};

// Each task has thrown its own number, and rethrows that.
int throw_and_wait(void *arg)
{
    auto own = reinterpret_cast<std::intptr_t>(arg);

    expect(std::uncaught_exceptions() == 0, "none is under way at first");
    expect(!std::current_exception(), "none is caught at first");
    for (int i = 0; i < 5; i++) {
        try {
            try {
                waits_when_it_ends w;

                throw own;
            } catch (std::intptr_t caught) {
                expect(caught == own, "caught what was thrown");
                usleep(static_cast<useconds_t>(100 * (own % 3)));
                co_yield_now();
                throw;
            }
        } catch (std::intptr_t again) {
            expect(again == own, "rethrew what was caught");
        } catch (...) {
            expect(false, "rethrew something else");
        }
        expect(!std::current_exception(), "none is caught at the end");
    }
    return 0;
}

int run(void *)
{
    constexpr int many = 8;
    co_task *tasks[many];

    for (int i = 0; i < many; i++) {
        tasks[i] = co_spawn(throw_and_wait,
                            reinterpret_cast<void *>(std::intptr_t{i + 1}));
        if (!tasks[i])
            return 1;
    }
    for (auto *task : tasks)
        if (co_join(task, nullptr) < 0)
            return 1;
    return 0;
}

} // namespace

int main()
{
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        std::fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    return co_run(run, nullptr) != 0 || wrong != 0;
}
