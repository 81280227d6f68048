/* SPDX-License-Identifier: MIT */
/* The same calls in a program that has no hooks. */
#include "calls.h"

int main(int argc, char **argv)
{
    calls_report(bench_row(argc, argv), argc > 2 ? atol(argv[2]) : 1);
    return 0;
}
