/* SPDX-License-Identifier: MIT */
/*
 * What OpenSSL and the C++ runtime keep a thread, kept a task: without it one
 * task's failed handshake is found in another's error queue, and two tasks that
 * wait in catch blocks rethrow each other's exceptions. Both libraries are used
 * if the program has them.
 */
#include "core/keep.h"

#include "hook/hook.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* ---- OpenSSL 3 ----------------------------------------------------------- */

/* ERR_get_error(3): what is asked of it. */
static struct {
    unsigned long (*peek)(void);
    unsigned long (*get)(const char **file, int *line, const char **function,
                         const char **data, int *flags);
    void (*fresh)(void);
    void (*set_debug)(const char *file, int line, const char *function);
    void (*set_error)(int library, int reason, const char *format, ...);
    void (*clear)(void);
} openssl;

#define ERRORS_MAX     16 /* as many as the queue of OpenSSL has */
#define ERR_TXT_STRING 2

/* Of each text there is a copy: theirs go with the entry. */
struct one_error {
    unsigned long code;
    char *file, *function, *data; /* or NULL */
    int line;
};

struct errors {
    unsigned count;
    struct one_error list[ERRORS_MAX];
};

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

/* The queue, taken out; NULL: it was empty, or there is no memory. */
static struct errors *errors_take(void)
{
    struct errors *errors = malloc(sizeof(*errors));

    if (!errors) {
        openssl.clear();
        return NULL;
    }
    errors->count = 0;
    while (errors->count < ERRORS_MAX) {
        struct one_error *one = &errors->list[errors->count];
        const char *file, *function, *data;
        int flags;

        one->code = openssl.get(&file, &one->line, &function, &data, &flags);
        if (!one->code)
            break;
        one->file = copy(file);
        one->function = copy(function);
        one->data = flags & ERR_TXT_STRING ? copy(data) : NULL;
        errors->count++;
    }
    return errors;
}

/* ERR_GET_LIB and ERR_GET_REASON of OpenSSL 3; of a system's error the reason
 * is all but the highest bit. */
#define SYSTEM_BIT 0x80000000ul
#define SYSTEM_LIB 2

static void errors_give(struct errors *errors)
{
    openssl.clear();
    for (unsigned i = 0; i < errors->count; i++) {
        struct one_error *one = &errors->list[i];
        int system = (one->code & SYSTEM_BIT) != 0;
        int library = system ? SYSTEM_LIB : (int)(one->code >> 23 & 0xff);
        int reason = (int)(one->code & (system ? 0x7fffffff : 0x7fffff));

        openssl.fresh();
        openssl.set_debug(one->file, one->line, one->function);
        if (one->data)
            openssl.set_error(library, reason, "%s", one->data);
        else
            openssl.set_error(library, reason, NULL);
        free(one->file);
        free(one->function);
        free(one->data);
    }
    free(errors);
}

/* ---- the C++ runtime ----------------------------------------------------- */

/* Itanium C++ ABI: Exception Handling, 2.2.2: what __cxa_get_globals tells. */
struct exceptions {
    void *caught;
    unsigned uncaught;
};

static struct exceptions *(*cxx_globals)(void);

/* ---- the keeper ---------------------------------------------------------- */

enum {
    KEPT_ERRORS,
    KEPT_CAUGHT,
    KEPT_UNCAUGHT
};

static void leave(void **kept)
{
    if (openssl.peek && openssl.peek())
        kept[KEPT_ERRORS] = errors_take();
    if (cxx_globals) {
        struct exceptions *mine = cxx_globals();

        kept[KEPT_CAUGHT] = mine->caught;
        kept[KEPT_UNCAUGHT] = (void *)(uintptr_t)mine->uncaught;
        mine->caught = NULL;
        mine->uncaught = 0;
    }
}

static void arrive(void **kept)
{
    if (kept[KEPT_ERRORS])
        errors_give(kept[KEPT_ERRORS]);
    else if (openssl.peek && openssl.peek())
        openssl.clear(); /* of who has ended, or of the loop */
    if (cxx_globals) {
        struct exceptions *mine = cxx_globals();

        mine->caught = kept[KEPT_CAUGHT];
        mine->uncaught = (unsigned)(uintptr_t)kept[KEPT_UNCAUGHT];
    }
}

static void end(void)
{
    if (openssl.peek && openssl.peek())
        openssl.clear();
    if (cxx_globals)
        memset(cxx_globals(), 0, sizeof(struct exceptions));
}

/* A library's function, by name: pointers to functions and to data are one. */
static void *find(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

static int find_openssl(void)
{
    *(void **)&openssl.get = find("ERR_get_error_all");
    *(void **)&openssl.fresh = find("ERR_new");
    *(void **)&openssl.set_debug = find("ERR_set_debug");
    *(void **)&openssl.set_error = find("ERR_set_error");
    *(void **)&openssl.clear = find("ERR_clear_error");
    *(void **)&openssl.peek = openssl.get ? find("ERR_peek_error") : NULL;
    return openssl.peek != NULL;
}

void co__hook_keep(void)
{
    static const struct co__keeper keeper = {leave, arrive, end};
    int found = find_openssl();

    *(void **)&cxx_globals = find("__cxa_get_globals");
    if (found || cxx_globals)
        co__keep(&keeper);
}
