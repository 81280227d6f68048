/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include "base/lock.h"

#include <errno.h>
#include <unistd.h>

void co__text_init(struct co__text *text, int fd, char *buffer, size_t size)
{
    text->fd = fd;
    text->error = 0;
    text->len = 0;
    text->size = size;
    text->buffer = buffer;
}

int co__text_flush(struct co__text *text)
{
    size_t done = 0;

    co__own_work++; /* whatever writes this is amid something */
    while (!text->error && done < text->len) {
        ssize_t n = write(text->fd, text->buffer + done, text->len - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            text->error = -EIO;
        else if (errno != EINTR)
            text->error = -errno;
    }
    co__own_work--;
    text->len = 0;
    return text->error;
}

void co__text_char(struct co__text *text, char c)
{
    if (text->len == text->size)
        co__text_flush(text);
    text->buffer[text->len++] = c;
}

void co__text_string(struct co__text *text, const char *string)
{
    while (*string)
        co__text_char(text, *string++);
}

void co__text_base_name(struct co__text *text, const char *path)
{
    const char *name = path;

    for (; *path; path++)
        if (*path == '/')
            name = path + 1;
    co__text_string(text, name);
}

static void number(struct co__text *text, uint64_t n, unsigned base)
{
    char digits[20]; /* UINT64_MAX in decimal */
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    while (count)
        co__text_char(text, digits[--count]);
}

void co__text_decimal(struct co__text *text, uint64_t n)
{
    number(text, n, 10);
}

void co__text_hex(struct co__text *text, uint64_t n)
{
    co__text_string(text, "0x");
    number(text, n, 16);
}

void co__text_spaces(struct co__text *text, unsigned count)
{
    while (count--)
        co__text_char(text, ' ');
}

void co__text_duration(struct co__text *text, co_time ns)
{
    uint64_t n = ns > 0 ? (uint64_t)ns : 0;

    if (n < (uint64_t)CO_MS) {
        co__text_decimal(text, n / (uint64_t)CO_US);
        co__text_string(text, " us");
    } else if (n < (uint64_t)CO_SEC) {
        co__text_decimal(text, n / (uint64_t)CO_MS);
        co__text_string(text, " ms");
    } else {
        co__text_decimal(text, n / (uint64_t)CO_SEC);
        if (n < 100 * (uint64_t)CO_SEC) {
            co__text_char(text, '.');
            co__text_decimal(text, n / (uint64_t)(100 * CO_MS) % 10);
        }
        co__text_string(text, " s");
    }
}
