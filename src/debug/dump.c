/* SPDX-License-Identifier: MIT */
/*
 * Looking at a loop's tasks. A dump is most wanted when things are bad, so it
 * asks for little: a kilobyte of stack for the text, and memory for the tree,
 * without which it prints a flat list.
 *
 * The tree is an array in the order of spawning, which is that of serial
 * numbers. A parent's is less than its child's, it is looked for by bisection,
 * and one that is gone makes its children roots: a stale parent pointer is
 * never followed. Nothing recurses, for a chain of tasks may be as long as
 * memory allows, and the indentation ends at DEPTH_MAX, or such a chain's dump
 * would grow with the square of its length.
 */
#include <coppice/dump.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "core/describe.h"
#include "core/hooks.h"
#include "core/loop.h"
#include "core/report.h"
#include "core/stack.h"
#include "core/unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_BYTES     1024
#define FRAMES_MAX     32
#define BACKTRACES_MAX 1000 /* a dump; the rest of the tasks go without */
#define DEPTH_MAX      24   /* levels that are indented */
#define NO_NODE        UINT32_MAX

/* ---- each task ----------------------------------------------------------- */

struct each {
    int (*visit)(co_task *task, void *arg);
    void *arg;
};

static int each_visible(struct co_task *task, void *arg)
{
    const struct each *each = arg;

    if (task->state == CO__TASK_DONE ||
        task->flags & (CO__FLAG_CALLBACK | CO__FLAG_INTERNAL))
        return 0;
    return each->visit(task, each->arg);
}

int co_loop_each_task(co_loop *loop, int (*visit)(co_task *task, void *arg),
                      void *arg)
{
    struct each each = {visit, arg};

    if (!visit)
        return -EINVAL;
    if (!loop)
        loop = co__loop;
    if (!loop)
        return -EPERM;
    return co__stack_pool_each(loop->pool, each_visible, &each);
}

/* ---- one task's lines ---------------------------------------------------- */

struct dump {
    const struct co_loop *loop;
    struct co__text text;
    co_time now;
    unsigned backtraces; /* printed so far */
    char buffer[TEXT_BYTES];
};

static void put_wait(struct dump *dump, const struct co_task *task)
{
    struct co__text *text = &dump->text;

    co__text_string(text, "parked, waiting for ");
    co__text_string(text, co__describe_reason(task->reason));
    if (task->reason == CO__WAIT_FD_READ || task->reason == CO__WAIT_FD_WRITE ||
        task->reason == CO__WAIT_FD_ANY) {
        co__text_string(text, " on fd ");
        co__text_decimal(text, (uint64_t)task->wait_fd);
    }
    if (co__task_waits_for(task)) {
        co__text_string(text, " of ");
        co__describe_task(text, co__task_waits_for(task));
    }
    co__text_string(text, " for ");
    co__text_duration(text, dump->now - task->since);
}

static void put_backtrace(struct dump *dump, const struct co_task *task,
                          unsigned indent)
{
    void *frames[FRAMES_MAX];

    if (dump->backtraces > BACKTRACES_MAX)
        return;
    if (dump->backtraces++ == BACKTRACES_MAX) {
        co__text_spaces(&dump->text, indent);
        co__text_string(&dump->text, "(no more backtraces after ");
        co__text_decimal(&dump->text, BACKTRACES_MAX);
        co__text_string(&dump->text, ")\n");
        return;
    }
    co__unwind_text(&dump->text, indent, frames,
                    co__unwind_task(task, frames, FRAMES_MAX));
}

static void put_task(struct dump *dump, const struct co_task *task,
                     uint32_t depth)
{
    unsigned indent = 2 * (depth < DEPTH_MAX ? depth : DEPTH_MAX);
    struct co__text *text = &dump->text;

    co__text_spaces(text, indent);
    if (depth > DEPTH_MAX) {
        co__text_string(text, "[depth ");
        co__text_decimal(text, depth);
        co__text_string(text, "] ");
    }
    co__describe_task(text, task);
    co__text_char(text, ' ');
    /* First of all: a task that runs the reactor's turn counts as running, for
     * its saved stack pointer is stale. */
    if (task == dump->loop->self)
        co__text_string(text, "running");
    else if (task->state == CO__TASK_DONE)
        co__text_string(text, "done");
    else if (task->state == CO__TASK_READY)
        co__text_string(text, "ready");
    else
        put_wait(dump, task);
    co__text_char(text, '\n');
    if (task != dump->loop->self && task->state == CO__TASK_PARKED &&
        !(task->flags & CO__FLAG_NEW))
        put_backtrace(dump, task, indent + 4);
}

/* ---- the tree ------------------------------------------------------------ */

struct node {
    struct co_task *task;
    uint32_t parent;  /* these are indexes, or NO_NODE */
    uint32_t child;   /* first */
    uint32_t sibling; /* next */
};

struct tree {
    struct node *nodes;
    uint32_t count;
    uint32_t root; /* first; the rest are its siblings */
};

static int count_task(struct co_task *task, void *arg)
{
    uint32_t *count = arg;

    if (!(task->flags & CO__FLAG_CALLBACK))
        ++*count;
    return 0;
}

static int add_node(struct co_task *task, void *arg)
{
    struct tree *tree = arg;

    tree->nodes[tree->count++] = (struct node){task, NO_NODE, NO_NODE, NO_NODE};
    return 0;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct node *)a)->task->serial;
    uint32_t y = ((const struct node *)b)->task->serial;

    return x < y ? -1 : x > y;
}

static uint32_t find_node(const struct tree *tree, uint32_t serial)
{
    uint32_t low = 0;
    uint32_t high = tree->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (tree->nodes[middle].task->serial < serial)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < tree->count && tree->nodes[low].task->serial == serial)
        return low;
    return NO_NODE;
}

/* Put the nodes in order and link them. */
static void link_nodes(struct tree *tree)
{
    qsort(tree->nodes, tree->count, sizeof(*tree->nodes), by_id);
    tree->root = NO_NODE;
    /* From the last, so that each list ends up in the order of spawning. */
    for (uint32_t i = tree->count; i-- > 0;) {
        struct node *node = &tree->nodes[i];
        uint32_t parent = find_node(tree, node->task->parent_serial);
        uint32_t *list = &tree->root;

        if (parent < i) { /* anything else would be a loop */
            node->parent = parent;
            list = &tree->nodes[parent].child;
        }
        node->sibling = *list;
        *list = i;
    }
}

static void put_tree(struct dump *dump, const struct tree *tree)
{
    uint32_t at = tree->root;
    uint32_t depth = 0;

    while (at != NO_NODE && !dump->text.error) {
        const struct node *node = &tree->nodes[at];

        put_task(dump, node->task, depth);
        if (node->child != NO_NODE) {
            at = node->child;
            depth++;
            continue;
        }
        while (node->sibling == NO_NODE && node->parent != NO_NODE) {
            node = &tree->nodes[node->parent];
            depth--;
        }
        at = node->sibling;
    }
}

static int put_flat(struct co_task *task, void *arg)
{
    struct dump *dump = arg;

    put_task(dump, task, 0);
    return dump->text.error;
}

void co__deadlock_dump(struct co_loop *loop)
{
    (void)loop; /* it is the one that runs here */
    co_dump_tasks(STDERR_FILENO);
}

int co_dump_tasks(int fd)
{
    struct dump dump = {.loop = co__loop};
    struct tree tree = {0};
    uint32_t count = 0;

    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    if (!dump.loop)
        return -EPERM;
    dump.now = co__clock_read();
    co__text_init(&dump.text, fd, dump.buffer, sizeof(dump.buffer));

    co__stack_pool_each(dump.loop->pool, count_task, &count);
    co__text_string(&dump.text, "coppice: ");
    co__text_decimal(&dump.text, count);
    co__text_string(&dump.text,
                    count == 1 ? " task on loop " : " tasks on loop ");
    co__text_hex(&dump.text, (uintptr_t)dump.loop);
    co__text_char(&dump.text, '\n');

    /* One more than was counted: the callback task. */
    tree.nodes = co__alloc(((size_t)count + 1) * sizeof(*tree.nodes));
    if (tree.nodes) {
        co__stack_pool_each(dump.loop->pool, add_node, &tree);
        link_nodes(&tree);
        put_tree(&dump, &tree);
        co__free(tree.nodes);
    } else {
        co__text_string(&dump.text, "(no memory to sort them)\n");
        co__stack_pool_each(dump.loop->pool, put_flat, &dump);
    }
    return co__text_flush(&dump.text);
}

int co_task_print_stack(const co_task *task, int fd)
{
    struct dump dump = {.loop = co__loop};

    if (!task || task->state == CO__TASK_FREE)
        return -EINVAL;
    if (!co__loop || task->loop != co__loop) {
        co__report_wrong_thread(task->loop, "co_task_print_stack");
        return -EPERM;
    }
    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    dump.now = co__clock_read();
    co__text_init(&dump.text, fd, dump.buffer, sizeof(dump.buffer));
    put_task(&dump, task, 0);
    if (task->state == CO__TASK_READY)
        put_backtrace(&dump, task, 4);
    return co__text_flush(&dump.text);
}
