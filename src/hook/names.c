/* SPDX-License-Identifier: MIT */
/*
 * Looking up names. The resolver is inside the C library, where its calls
 * cannot be reached, so it runs on a thread, of the lane for lookups. What it
 * tells in h_errno and errno, which are a thread's, is carried back. The answer
 * of gethostbyname(3) is in memory that is the process's, as ever. An address
 * in digits is not looked up anywhere, and needs no thread.
 */
#include "hook/hook.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static int in_digits(const char *host, const char *service)
{
    unsigned char at[sizeof(struct in6_addr)];

    return (!host || inet_pton(AF_INET, host, at) == 1 ||
            inet_pton(AF_INET6, host, at) == 1) &&
           (!service || service[strspn(service, "0123456789")] == '\0');
}

static int wants_digits(const char *host, const char *service, int flags)
{
    return (!host || (flags & NI_NUMERICHOST)) &&
           (!service || (flags & NI_NUMERICSERV));
}

/*
 * One function: its parameters, the same as fields of a struct, and how that is
 * filled and called; `failed` is what it returns if it has not run, `at_once`
 * whether it has nothing to wait for.
 */
#define PARAMETERS(...) (__VA_ARGS__)
#define FIELDS(...)     __VA_ARGS__
#define VALUES(...)     __VA_ARGS__
#define CALL(...)       (__VA_ARGS__)

#define LOOKUP(type, name, parameters, fields, values, call, failed, at_once)  \
    struct name##_call {                                                       \
        fields;                                                                \
        type result;                                                           \
        int h_error;                                                           \
    };                                                                         \
    static void name##_run(void *arg)                                          \
    {                                                                          \
        struct name##_call *c = arg;                                           \
                                                                               \
        c->result = CO__REAL(name) call;                                       \
        c->h_error = h_errno;                                                  \
    }                                                                          \
    type co__hook_##name parameters                                            \
    {                                                                          \
        struct co__site *site = CO__HOOKED(CO_HOOK_NAMES, name);               \
        struct name##_call mine = {values, .h_error = NO_RECOVERY};            \
        struct name##_call *c = &mine;                                         \
        int r;                                                                 \
                                                                               \
        if (!site || (at_once))                                                \
            return CO__REAL(name) call;                                        \
        r = co__hook_offload(site, name##_run, c);                             \
        h_errno = c->h_error;                                                  \
        if (r < 0) {                                                           \
            errno = -r;                                                        \
            return failed;                                                     \
        }                                                                      \
        return c->result;                                                      \
    }

LOOKUP(int, getaddrinfo,
       PARAMETERS(const char *host, const char *service,
                  const struct addrinfo *hints, struct addrinfo **list),
       FIELDS(const char *host, *service; const struct addrinfo *hints;
              struct addrinfo * *list),
       VALUES(host, service, hints, list),
       CALL(c->host, c->service, c->hints, c->list), EAI_SYSTEM,
       in_digits(host, service))

LOOKUP(int, getnameinfo,
       PARAMETERS(const struct sockaddr *addr, socklen_t addr_len, char *host,
                  socklen_t host_len, char *service, socklen_t service_len,
                  int flags),
       FIELDS(const struct sockaddr *addr; socklen_t addr_len; char *host;
              socklen_t host_len; char *service; socklen_t service_len;
              int flags),
       VALUES(addr, addr_len, host, host_len, service, service_len, flags),
       CALL(c->addr, c->addr_len, c->host, c->host_len, c->service,
            c->service_len, c->flags),
       EAI_SYSTEM, wants_digits(host, service, flags))

LOOKUP(struct hostent *, gethostbyname, PARAMETERS(const char *name),
       FIELDS(const char *name), VALUES(name), CALL(c->name), NULL, 0)

LOOKUP(struct hostent *, gethostbyname2,
       PARAMETERS(const char *name, int family),
       FIELDS(const char *name; int family), VALUES(name, family),
       CALL(c->name, c->family), NULL, 0)

LOOKUP(struct hostent *, gethostbyaddr,
       PARAMETERS(const void *addr, socklen_t len, int family),
       FIELDS(const void *addr; socklen_t len; int family),
       VALUES(addr, len, family), CALL(c->addr, c->len, c->family), NULL, 0)

LOOKUP(int, gethostbyname_r,
       PARAMETERS(const char *name, struct hostent *entry, char *room,
                  size_t size, struct hostent **found, int *error),
       FIELDS(const char *name; struct hostent * entry; char *room; size_t size;
              struct hostent * *found; int *error),
       VALUES(name, entry, room, size, found, error),
       CALL(c->name, c->entry, c->room, c->size, c->found, c->error), errno, 0)

LOOKUP(int, gethostbyname2_r,
       PARAMETERS(const char *name, int family, struct hostent *entry,
                  char *room, size_t size, struct hostent **found, int *error),
       FIELDS(const char *name; int family; struct hostent * entry; char *room;
              size_t size; struct hostent * *found; int *error),
       VALUES(name, family, entry, room, size, found, error),
       CALL(c->name, c->family, c->entry, c->room, c->size, c->found, c->error),
       errno, 0)

LOOKUP(int, gethostbyaddr_r,
       PARAMETERS(const void *addr, socklen_t len, int family,
                  struct hostent *entry, char *room, size_t size,
                  struct hostent **found, int *error),
       FIELDS(const void *addr; socklen_t len; int family;
              struct hostent * entry; char *room; size_t size;
              struct hostent * *found; int *error),
       VALUES(addr, len, family, entry, room, size, found, error),
       CALL(c->addr, c->len, c->family, c->entry, c->room, c->size, c->found,
            c->error),
       errno, 0)

LOOKUP(int, res_query,
       PARAMETERS(const char *name, int class, int type, unsigned char *answer,
                  int len),
       FIELDS(const char *name; int class, type; unsigned char *answer;
              int len),
       VALUES(name, class, type, answer, len),
       CALL(c->name, c->class, c->type, c->answer, c->len), -1, 0)

LOOKUP(int, res_search,
       PARAMETERS(const char *name, int class, int type, unsigned char *answer,
                  int len),
       FIELDS(const char *name; int class, type; unsigned char *answer;
              int len),
       VALUES(name, class, type, answer, len),
       CALL(c->name, c->class, c->type, c->answer, c->len), -1, 0)

LOOKUP(int, res_nquery,
       PARAMETERS(struct __res_state *state, const char *name, int class,
                  int type, unsigned char *answer, int len),
       FIELDS(struct __res_state *state; const char *name; int class, type;
              unsigned char *answer; int len),
       VALUES(state, name, class, type, answer, len),
       CALL(c->state, c->name, c->class, c->type, c->answer, c->len), -1, 0)

LOOKUP(int, res_nsearch,
       PARAMETERS(struct __res_state *state, const char *name, int class,
                  int type, unsigned char *answer, int len),
       FIELDS(struct __res_state *state; const char *name; int class, type;
              unsigned char *answer; int len),
       VALUES(state, name, class, type, answer, len),
       CALL(c->state, c->name, c->class, c->type, c->answer, c->len), -1, 0)
