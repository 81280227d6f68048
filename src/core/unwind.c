/* SPDX-License-Identifier: MIT */
/*
 * Backtraces by the unwind tables. Frame pointers would be simpler and are not
 * to be had: neither this library nor its users are compiled with them. glibc's
 * backtrace(3) starts where it is called and so cannot show another task.
 *
 * A parked task is looked at by way of co__switch_unwind: the walk starts on
 * our stack and passes over into the saved context. What the walk meets on this
 * side, `collect` and co__switch_unwind, is left out.
 */
#include "core/unwind.h"

#include "arch/switch.h"
#include "base/assert.h"
#include "core/loop.h"

#include <dlfcn.h>
#include <unwind.h>

#define LINE_BYTES 256

struct walk {
    void **frames;
    unsigned max;
    unsigned count;
    unsigned skip;      /* innermost frames left to leave out */
    int to_interrupted; /* leave out all up to a signal's frame */
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    int exact = 0;
    uintptr_t ip = (uintptr_t)_Unwind_GetIPInfo(context, &exact);

    if (!ip)
        return _URC_END_OF_STACK;
    if (walk->skip) {
        walk->skip--;
        return _URC_NO_REASON;
    }
    if (exact && walk->to_interrupted) {
        walk->to_interrupted = 0;
        walk->count = 0;
    }
    if (walk->count == walk->max)
        return _URC_END_OF_STACK;
    walk->frames[walk->count++] = (void *)(exact ? ip : ip - 1);
    return _URC_NO_REASON;
}

/* A frame of its own, between the walk's callers and the unwinder. */
static CO_NOINLINE void collect(void *arg)
{
    _Unwind_Backtrace(visit, arg);
    __asm__ volatile(""); /* no tail call */
}

CO_NOINLINE unsigned co__unwind_here(void **frames, unsigned max)
{
    struct walk walk = {.frames = frames, .max = max, .skip = 2};

    collect(&walk);
    return walk.count;
}

CO_NOINLINE unsigned co__unwind_interrupted(void **frames, unsigned max)
{
    struct walk walk = {
        .frames = frames, .max = max, .skip = 2, .to_interrupted = 1};

    collect(&walk);
    return walk.count;
}

unsigned co__unwind_task(const struct co_task *task, void **frames,
                         unsigned max)
{
    struct walk walk = {.frames = frames, .max = max, .skip = 2};

    CO_ASSERT(task->loop);
    if (task == task->loop->self)
        return co__unwind_here(frames, max);
    if (task->flags & CO__FLAG_NEW)
        return 0;
    co__switch_unwind(task->sp, collect, &walk);
    return walk.count;
}

static void frame_text(struct co__text *text, void *frame)
{
    uintptr_t address = (uintptr_t)frame;
    Dl_info info;

    co__text_hex(text, address);
    if (!dladdr(frame, &info))
        return;
    if (info.dli_sname) {
        co__text_char(text, ' ');
        co__text_string(text, info.dli_sname);
        co__text_char(text, '+');
        co__text_hex(text, address - (uintptr_t)info.dli_saddr);
    }
    if (info.dli_fname) {
        co__text_string(text, " (");
        co__text_base_name(text, info.dli_fname);
        co__text_char(text, '+');
        co__text_hex(text, address - (uintptr_t)info.dli_fbase);
        co__text_char(text, ')');
    }
}

void co__unwind_text(struct co__text *text, unsigned indent,
                     void *const *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        co__text_spaces(text, indent);
        co__text_char(text, '#');
        co__text_decimal(text, i);
        co__text_char(text, ' ');
        frame_text(text, frames[i]);
        co__text_char(text, '\n');
    }
}

void co__unwind_print(int fd, void *const *frames, unsigned count)
{
    char line[LINE_BYTES];
    struct co__text text;

    co__text_init(&text, fd, line, sizeof(line));
    co__unwind_text(&text, 2, frames, count);
    co__text_flush(&text);
}
