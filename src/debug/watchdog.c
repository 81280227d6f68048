/* SPDX-License-Identifier: MIT */
/*
 * The watchdog. A loop counts its switches (`head`) and notes when it last
 * asked the reactor (`polled`): when neither has changed since the last look,
 * and it is not asleep in a wait, its task has been running all the time. So
 * loops pay nothing, and what they change meanwhile is read as outside.h says.
 * A task that is copied is the one that blocks if the loop's numbers are the
 * same afterwards.
 *
 * For how long is told from look to look: the truth is up to two periods more.
 * The lock is taken before the registry's, and not held in a handler.
 */
#include <coppice/watchdog.h>

#include <coppice/error.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/text.h"
#include "base/wait.h"
#include "core/describe.h"
#include "core/hooks.h"
#include "core/loop.h"
#include "core/registry.h"
#include "core/seen.h"
#include "core/unwind.h"
#include "debug/outside.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT      (20 * CO_MS)
#define PERIOD_MIN (1 * CO_MS)
#define PERIODS    4 /* in a limit */
#define FRAMES_MAX 48
#define SITE_BYTES 128
#define TEXT_BYTES 512
#define LINE_BYTES 1024
#define NOT_KNOWN  (-1)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct {
    int runs, leave;
    pthread_t thread;
    pthread_cond_t wake;
    uint64_t round;
    co_watchdog_options options; /* set before the thread starts */
    co_watchdog_stats stats;
} dog;

/* ---- looking ------------------------------------------------------------- */

/* A task that has blocked for long enough to say so. */
struct blocked {
    const struct co_loop *loop;
    const struct co_task *task;
    uint64_t thread;
    co_time time, doing_time;
    struct co__doing doing;
    struct co_task copy;
    char site[SITE_BYTES];
};

/* The step that a loop is in; 0 if it is in none. */
static int step_of(struct co_loop *loop, struct co__step *step)
{
    if (!atomic_load(&loop->runs) || atomic_load(&loop->inbox.asleep))
        return 0;
    return co__outside_read(&step->task, &loop->self, sizeof(void *)) == 0 &&
           co__outside_read(&step->head, &loop->head, sizeof(step->head)) ==
               0 &&
           co__outside_read(&step->polled, &loop->polled,
                            sizeof(step->polled)) == 0 &&
           step->task;
}

static int is_same(const struct co__step *a, const struct co__step *b)
{
    return a->task == b->task && a->head == b->head && a->polled == b->polled;
}

/* A string, or the beginning of it that can be read. */
static void copy_string(char *to, const char *from)
{
    size_t len = SITE_BYTES - 1;

    memset(to, 0, SITE_BYTES);
    while (from && len && co__outside_read(to, from, len) < 0)
        len /= 2;
}

/* Who blocks: 0 if it has gone on meanwhile. */
static int identify(struct co_loop *loop, const struct co__step *step,
                    struct blocked *blocked)
{
    struct co_task *task = &blocked->copy;
    struct co__step now;

    if (co__outside_read(task, step->task, sizeof(*task)) < 0)
        return 0;
    copy_string(blocked->site, task->site);
    task->site = blocked->site;
    task->name[CO_TASK_NAME_MAX] = 0;
    blocked->task = task->flags & CO__FLAG_CALLBACK ? NULL : step->task;
    blocked->loop = loop;
    return step_of(loop, &now) && is_same(&now, step);
}

/* Something lasts, since `since`: for how long; and whether that has become the
 * limit now. */
static int lasts(co_time since, co_time looked, co_time now, co_time *longest)
{
    co_time limit = dog.options.limit;

    if (now - since > *longest)
        *longest = now - since;
    return now - since >= limit && looked - since < limit;
}

/* What the thread does, and for how long. */
static void look_at_thread(struct co__seen *seen, struct blocked *blocked,
                           co_time now)
{
    struct co__doing *doing = &blocked->doing;
    struct co_blocked *stats = &dog.stats.by[doing->by];

    if (seen->by != (int)doing->by ||
        memcmp(seen->place, doing->place, sizeof(seen->place)) != 0) {
        seen->by = (int)doing->by;
        memcpy(seen->place, doing->place, sizeof(seen->place));
        seen->doing_since = now;
        return;
    }
    stats->count +=
        lasts(seen->doing_since, seen->looked, now, &stats->longest);
    blocked->doing_time = now - seen->doing_since;
}

/* Look at a loop; 1 if its task has blocked it for long enough to say so. */
static int look(struct co_loop *loop, struct blocked *blocked)
{
    struct co__seen *seen = &loop->seen;
    struct co__step step, before = seen->step;
    co_time now = co__clock_real();
    int due = 0;

    *blocked = (struct blocked){0};
    seen->step.task = NULL;
    if (!step_of(loop, &step))
        return 0;
    /* The same, and the thread is in this process, not in its parent. */
    co__outside_read(&blocked->thread, &loop->thread_id,
                     sizeof(blocked->thread));
    if (!is_same(&step, &before)) {
        seen->since = now;
        seen->due = dog.options.limit;
        seen->by = NOT_KNOWN;
    } else if (co__outside_look(blocked->thread, &blocked->doing) == 0) {
        dog.stats.blocked +=
            lasts(seen->since, seen->looked, now, &dog.stats.longest);
        look_at_thread(seen, blocked, now);
        blocked->time = now - seen->since;
        due = blocked->time >= seen->due && identify(loop, &step, blocked);
    }
    if (due)
        seen->due = 2 * blocked->time;
    seen->step = step;
    seen->looked = now;
    return due;
}

/* Look at the loops that this round has not seen yet, until one is blocked. */
static int look_for_blocked(struct blocked *blocked)
{
    struct co_loop *loop;
    int found = 0;

    co__registry_lock();
    for (loop = co__registry_first(); loop && !found;
         loop = loop->registry_next) {
        if (loop->seen.round == dog.round)
            continue;
        loop->seen.round = dog.round;
        found = look(loop, blocked);
    }
    co__registry_unlock();
    return found;
}

/* ---- reporting ----------------------------------------------------------- */

static void describe(struct co__text *text, const struct blocked *blocked)
{
    const struct co__doing *doing = &blocked->doing;

    if (blocked->task) {
        co__describe_task(text, &blocked->copy);
        co__text_string(text, " blocks its loop for ");
    } else {
        co__text_string(text, "a callback blocks its loop for ");
    }
    co__text_duration(text, blocked->time);
    if (doing->by == CO_BLOCKED_RUNNING) {
        co__text_string(text, ": running for ");
    } else {
        co__text_string(text, ": in ");
        co__text_string(text, *doing->call ? doing->call : "no call");
        if (doing->fd >= 0) {
            co__text_string(text, " on descriptor ");
            co__text_decimal(text, (uint64_t)doing->fd);
        }
        co__text_string(text, " for ");
    }
    co__text_duration(text, blocked->doing_time);
}

static void report_default(const co_watchdog_report *report, void *unused)
{
    char line[LINE_BYTES];
    struct co__text text;

    (void)unused;
    co__text_init(&text, STDERR_FILENO, line, sizeof(line));
    co__text_string(&text, "coppice: ");
    co__text_string(&text, report->text);
    co__text_char(&text, '\n');
    co__unwind_text(&text, 2, report->frames, report->frame_count);
    co__text_flush(&text);
}

static void report(const struct blocked *blocked)
{
    void *frames[FRAMES_MAX];
    char sentence[TEXT_BYTES]; /* it has a name, a site and a call: all fits */
    co_watchdog_report it = {.size = sizeof(it), .text = sentence};
    struct co__text text;

    co__text_init(&text, -1, sentence, sizeof(sentence));
    describe(&text, blocked);
    sentence[text.len] = 0;
    it.loop = blocked->loop;
    it.task = blocked->task;
    it.name = blocked->copy.name;
    it.site = blocked->site;
    it.blocked = blocked->time;
    it.by = blocked->doing.by;
    it.call = blocked->doing.call;
    it.fd = blocked->doing.fd;
    it.call_blocked = blocked->doing_time;
    it.frames = frames;
    if (dog.options.signal)
        it.frame_count = co__outside_backtrace(
            blocked->thread, dog.options.signal, frames, FRAMES_MAX);
    dog.options.handler(&it, dog.options.arg);
}

/* ---- the thread ---------------------------------------------------------- */

static void *watch(void *unused)
{
    struct blocked blocked;
    co_time next = co__clock_real();

    co__lock(&lock);
    while (!dog.leave) {
        dog.round++;
        dog.stats.looks++;
        while (!dog.leave && look_for_blocked(&blocked)) {
            pthread_mutex_unlock(&lock);
            report(&blocked);
            co__lock(&lock);
        }
        next += dog.options.period;
        if (next < co__clock_real()) /* it was held up */
            next = co__clock_real();
        while (!dog.leave && co__cond_wait(&dog.wake, &lock, next) == 0)
            continue;
    }
    pthread_mutex_unlock(&lock);
    return unused;
}

static int start_thread(void)
{
    sigset_t all, old;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are not for it */
    r = pthread_create(&dog.thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -r;
}

/* ---- around a fork ------------------------------------------------------- */

static void lock_it(void)
{
    co__lock(&lock);
}

static void unlock_it(void)
{
    pthread_mutex_unlock(&lock);
}

/* Its thread is the parent's. */
static void in_child(void)
{
    dog.runs = 0;
    pthread_mutex_unlock(&lock);
}

static void prepare(void)
{
    pthread_atfork(lock_it, unlock_it, in_child);
}

/* ---- starting and ending ------------------------------------------------- */

/* What is asked for, with defaults: 0 or -EINVAL. */
static int settle(co_watchdog_options *options,
                  const co_watchdog_options *asked)
{
    *options = (co_watchdog_options){.size = sizeof(*options)};
    if (asked) {
        if (asked->size != sizeof(*asked) || asked->limit < 0 ||
            asked->period < 0 || asked->signal < 0)
            return -EINVAL;
        *options = *asked;
    }
    if (!options->limit)
        options->limit = LIMIT;
    if (!options->period)
        options->period = options->limit / PERIODS;
    if (options->period < PERIOD_MIN && !(asked && asked->period))
        options->period = PERIOD_MIN;
    if (!options->handler)
        options->handler = report_default;
    return 0;
}

/* With the lock held. */
static int start(const co_watchdog_options *options)
{
    int r = options->signal ? co__outside_take_signal(options->signal) : 0;

    if (r < 0)
        return r;
    co__cond_init(&dog.wake);
    dog.leave = 0;
    dog.options = *options;
    dog.stats = (co_watchdog_stats){0};
    r = start_thread();
    if (r == 0) {
        dog.runs = 1;
        return 0;
    }
    pthread_cond_destroy(&dog.wake);
    if (options->signal)
        co__outside_drop_signal(options->signal);
    return r;
}

int co_watchdog_start(const co_watchdog_options *asked)
{
    co_watchdog_options options;
    int r = settle(&options, asked);

    if (r == 0)
        r = co__outside_init();
    if (r < 0)
        return r;
    co__once(&once, prepare);
    co__lock(&lock);
    r = dog.runs ? -EALREADY : start(&options);
    pthread_mutex_unlock(&lock);
    return r;
}

int co_watchdog_stop(void)
{
    co__lock(&lock);
    if (!dog.runs || dog.leave) {
        pthread_mutex_unlock(&lock);
        return -EALREADY;
    }
    if (pthread_equal(dog.thread, pthread_self())) {
        pthread_mutex_unlock(&lock);
        return -EDEADLK;
    }
    dog.leave = 1;
    pthread_cond_signal(&dog.wake);
    pthread_mutex_unlock(&lock);
    co__thread_join(dog.thread);
    co__lock(&lock);
    pthread_cond_destroy(&dog.wake);
    if (dog.options.signal)
        co__outside_drop_signal(dog.options.signal);
    dog.runs = 0;
    pthread_mutex_unlock(&lock);
    return 0;
}

int co_watchdog_stats_get(co_watchdog_stats *stats)
{
    if (!stats || stats->size != sizeof(*stats))
        return -EINVAL;
    co__lock(&lock);
    *stats = dog.stats;
    pthread_mutex_unlock(&lock);
    stats->size = sizeof(*stats);
    return 0;
}

void co__watchdog_begin(void)
{
    static atomic_int begun;
    const char *asked = getenv("COPPICE_WATCHDOG");
    co_watchdog_options options = {.size = sizeof(options)};
    char *end;
    long ms;
    int r;

    if (!asked || !*asked || atomic_exchange(&begun, 1))
        return;
    ms = strtol(asked, &end, 10);
    options.limit = ms * CO_MS;
    r = *end || ms <= 0 || ms > 3600 * 1000L ? -EINVAL
                                             : co_watchdog_start(&options);
    if (r < 0 && r != -EALREADY)
        co__warn("COPPICE_WATCHDOG=%s: %s", asked, co_error_name(r));
}
