/* SPDX-License-Identifier: MIT */
/* tests/arch/x86_64_regs.S - the registers: rbx rbp r12 r13 r14 r15. */
#include "arch/asm.h"

/* int machine_call_with(in: rdi, out: rsi, fn: rdx,
 *                       a: rcx, b: r8, c: r9, d: on the stack) */
.macro call_with name
co_function \name
    push    %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    push    %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    push    %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    push    %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    push    %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    push    %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    push    %rsi
    .cfi_adjust_cfa_offset 8
    mov     64(%rsp), %r10
    mov     %rdx, %rax
    mov     0(%rdi), %rbx
    mov     8(%rdi), %rbp
    mov     16(%rdi), %r12
    mov     24(%rdi), %r13
    mov     32(%rdi), %r14
    mov     40(%rdi), %r15
    mov     %rcx, %rdi
    mov     %r8, %rsi
    mov     %r9, %rdx
    mov     %r10, %rcx
    call    *%rax
    pop     %rcx
    .cfi_adjust_cfa_offset -8
    mov     %rbx, 0(%rcx)
    mov     %rbp, 8(%rcx)
    mov     %r12, 16(%rcx)
    mov     %r13, 24(%rcx)
    mov     %r14, 32(%rcx)
    mov     %r15, 40(%rcx)
    pop     %r15
    .cfi_adjust_cfa_offset -8
    pop     %r14
    .cfi_adjust_cfa_offset -8
    pop     %r13
    .cfi_adjust_cfa_offset -8
    pop     %r12
    .cfi_adjust_cfa_offset -8
    pop     %rbx
    .cfi_adjust_cfa_offset -8
    pop     %rbp
    .cfi_adjust_cfa_offset -8
    ret
co_end \name
.endm

call_with machine_call_with
call_with machine_call_elsewhere

/* void machine_entry_probe(struct machine_entry *: rdi) */
co_function machine_entry_probe
    mov     %rsp, 0(%rdi)
    mov     %rbp, 8(%rdi)
    movaps  %xmm0, -24(%rsp)
    jmp     *16(%rdi)
co_end machine_entry_probe

co_plain_stack_note
