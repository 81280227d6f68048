/* SPDX-License-Identifier: MIT */
/*
 * checksum.c - `checksum FILE...` prints what cksum(1) does: the CRC of each
 * file, its length and its name. Eight tasks read files at the same time, the
 * results are printed in order, and the first file that cannot be read ends
 * them all.
 */
#include <coppice.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READERS 8
#define CHUNK   65536

struct file {
    const char *name;
    uint32_t crc;
    long long bytes;
};

static struct file *files;
static int file_count, next_file;
static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i << 24;

        for (int bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc & 0x80000000u ? 0x04c11db7u : 0);
        table[i] = crc;
    }
}

static uint32_t add_byte(uint32_t crc, unsigned char byte)
{
    return crc << 8 ^ table[(crc >> 24 ^ byte) & 0xff];
}

static int sum_up(struct file *file, int fd, unsigned char *chunk)
{
    ssize_t n;

    while ((n = co_file_read_at(fd, chunk, CHUNK, file->bytes)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            file->crc = add_byte(file->crc, chunk[i]);
        file->bytes += n;
    }
    for (long long rest = file->bytes; rest; rest >>= 8)
        file->crc = add_byte(file->crc, (unsigned char)rest);
    file->crc = ~file->crc;
    return (int)n;
}

static int read_files(void *unused)
{
    unsigned char *chunk = malloc(CHUNK);
    int r = chunk ? 0 : -ENOMEM;
    (void)unused;

    while (r >= 0 && next_file < file_count) {
        struct file *file = &files[next_file++];
        int fd = r = co_file_open(file->name, O_RDONLY, 0);

        if (fd >= 0) {
            r = sum_up(file, fd, chunk);
            co_file_close(fd);
        }
        if (r < 0 && r != -ECANCELED)
            fprintf(stderr, "%s: %s\n", file->name, strerror(-r));
    }
    free(chunk);
    return r;
}

static int run(void *unused)
{
    co_group readers = {0};
    int r;
    (void)unused;

    for (int i = 0; i < READERS && i < file_count; i++)
        if (!co_group_spawn(&readers, read_files, NULL))
            co_group_cancel(&readers);
    r = co_group_wait(&readers);
    for (int i = 0; i < file_count && r == 0; i++)
        printf("%u %lld %s\n", files[i].crc, files[i].bytes, files[i].name);
    return r;
}

int main(int argc, char **argv)
{
    file_count = argc - 1;
    files = calloc((size_t)argc, sizeof(*files));
    if (!files)
        return 1;
    for (int i = 0; i < file_count; i++)
        files[i].name = argv[i + 1];
    make_table();
    int r = co_run(run, NULL);
    free(files);
    return r < 0;
}
