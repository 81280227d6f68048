/* SPDX-License-Identifier: MIT */
/* tests/arch/aarch64_regs.S - the registers: x19 to x29, d8 to d15. */
#include "arch/asm.h"

/* int machine_call_with(in: x0, out: x1, fn: x2, a: x3, b: x4, c: x5, d: x6) */
.macro call_with name
co_function \name
    sub     sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp     x19, x20, [sp, #0]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    stp     x21, x22, [sp, #16]
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    stp     x23, x24, [sp, #32]
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    stp     x25, x26, [sp, #48]
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    stp     x27, x28, [sp, #64]
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    stp     x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp     d8, d9, [sp, #96]
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    stp     d10, d11, [sp, #112]
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    stp     d12, d13, [sp, #128]
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    stp     d14, d15, [sp, #144]
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    str     x1, [sp, #160]
    mov     x9, x2
    ldp     x19, x20, [x0, #0]
    ldp     x21, x22, [x0, #16]
    ldp     x23, x24, [x0, #32]
    ldp     x25, x26, [x0, #48]
    ldp     x27, x28, [x0, #64]
    ldr     x29, [x0, #80]
    ldp     d8, d9, [x0, #88]
    ldp     d10, d11, [x0, #104]
    ldp     d12, d13, [x0, #120]
    ldp     d14, d15, [x0, #136]
    mov     x0, x3
    mov     x1, x4
    mov     x2, x5
    mov     x3, x6
    blr     x9
    ldr     x1, [sp, #160]
    stp     x19, x20, [x1, #0]
    stp     x21, x22, [x1, #16]
    stp     x23, x24, [x1, #32]
    stp     x25, x26, [x1, #48]
    stp     x27, x28, [x1, #64]
    str     x29, [x1, #80]
    stp     d8, d9, [x1, #88]
    stp     d10, d11, [x1, #104]
    stp     d12, d13, [x1, #120]
    stp     d14, d15, [x1, #136]
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8, d9, [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    add     sp, sp, #176
    .cfi_adjust_cfa_offset -176
    ret
co_end \name
.endm

call_with machine_call_with
call_with machine_call_elsewhere

/* void machine_entry_probe(struct machine_entry *: x0) */
co_function machine_entry_probe
    mov     x9, sp
    str     x9, [x0, #0]
    str     x29, [x0, #8]
    ldr     x9, [sp, #-16]      /* sp itself must be a multiple of 16 */
    ldr     x16, [x0, #16]
    br      x16
co_end machine_entry_probe

co_plain_stack_note
