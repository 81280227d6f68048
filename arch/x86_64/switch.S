/* SPDX-License-Identifier: MIT */
/* arch/x86_64/switch.S - see arch/switch.h for the contract, frame.h for the
 * picture of the frame.
 *
 * Why `ret` to the place that was called from, and `pop; jmp` to any other. The
 * return predicts from the stack of calls that the processor keeps; co__switch
 * is tail-called, so that its return is the one of the public call. To the same
 * place in the program that is right, and leaves the processor's stack as the
 * callers of the public call need it. To another place it is wrong for sure; a
 * jump is predicted from what was jumped to before, and leaves that stack one
 * too high. ns a switch on an Intel machine (docs/measured/switch.md, which has
 * one of AMD's too, and what a jump costs where it is not the best):
 *
 *                             one place   two   below four calls   both
 *     ret                           2.8  10.0                3.4     39
 *     jmp                           2.9   2.9               33       33
 *     by place                      2.9   2.9                4.4     33
 *     by place, and float words     3.7   3.8                5.1     34
 *
 * The float control words (MXCSR, x87 CW) are callee-saved in the ABI, so they
 * are kept, and reloaded without a look at what they are.
 *
 * CET. Every function that may be called through a pointer begins with endbr64,
 * and the object says IBT. It does not say SHSTK: returning on another stack is
 * what a shadow stack forbids, and one for each task would cost a system call
 * to make and rstorssp/saveprevssp in every switch. The linker then leaves
 * SHSTK out of the whole program, and glibc does not turn it on.
 *
 * gdb unwinds through all of this, with one limit: through co__switch_unwind
 * only if the parked stack lies above the current one. It takes anything else
 * for a corrupt stack; libgcc's unwinder does not mind.
 */
#include "arch/asm.h"
#include "arch/x86_64/frame.h"

/* Push a frame; the unwinder's rules follow. (No $ in a macro: Mach-O would
 * take $8 for an argument.) */
.macro save_frame
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
    lea     -CO__FRAME_R15(%rsp), %rsp
    .cfi_adjust_cfa_offset CO__FRAME_R15
    stmxcsr CO__FRAME_MXCSR(%rsp)
    fnstcw  CO__FRAME_X87_CW(%rsp)
.endm

/* Pop the frame that rsp points to, but for the address to go on at. */
.macro load_frame
    ldmxcsr CO__FRAME_MXCSR(%rsp)
    fldcw   CO__FRAME_X87_CW(%rsp)
    lea     CO__FRAME_R15(%rsp), %rsp
    .cfi_adjust_cfa_offset -CO__FRAME_R15
    pop     %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    pop     %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    pop     %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    pop     %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    pop     %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    pop     %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
.endm

/* int co__switch(void **from: rdi, void *to: rsi, int value: edx)
 *
 * The frame looks the same on both stacks, so that the rules for the unwinder
 * hold on either side of the line that changes rsp. */
co_function co__switch
    endbr64
    save_frame
    mov     CO__FRAME_PC(%rsp), %rcx
    mov     %rsp, (%rdi)
    mov     %rsi, %rsp
    mov     %edx, %eax
    load_frame
    cmp     (%rsp), %rcx
    jne     CO_LOCAL(elsewhere)
    ret
CO_LOCAL(elsewhere):
    pop     %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    notrack jmp *%rcx
co_end co__switch

/* int co__switch_start(void **from: rdi, void *top: rsi,
 *                      void (*entry)(void *): rdx, void *arg: rcx)
 *
 * A jump where co__switch_final has a return without a call: to the processor
 * the whole task is then one function that the caller of this one called. */
co_function co__switch_start
    endbr64
    save_frame
    mov     %rsp, (%rdi)
    mov     %rsi, %rsp
    .cfi_undefined rip
    lea     CO_LOCAL(returned)(%rip), %rax
    push    %rax
    xor     %ebp, %ebp
    mov     %rcx, %rdi
    jmp     *%rdx
co_end co__switch_start

/* void co__switch_begin(void *top: rdi, void (*entry)(void *): rsi,
 *                       void *arg: rdx) */
co_function co__switch_begin
    endbr64
    mov     %rdi, %rsp
    .cfi_undefined rip
    lea     CO_LOCAL(returned)(%rip), %rax
    push    %rax
    xor     %ebp, %ebp
    mov     %rdx, %rdi
    jmp     *%rsi
co_end co__switch_begin

/* void co__switch_final(void *to: rdi, int value: esi) */
co_function co__switch_final
    endbr64
    mov     %rdi, %rsp
    .cfi_def_cfa_offset CO__FRAME_BYTES
    .cfi_rel_offset r15, CO__FRAME_R15
    .cfi_rel_offset r14, CO__FRAME_R14
    .cfi_rel_offset r13, CO__FRAME_R13
    .cfi_rel_offset r12, CO__FRAME_R12
    .cfi_rel_offset rbx, CO__FRAME_RBX
    .cfi_rel_offset rbp, CO__FRAME_RBP
    mov     %esi, %eax
    load_frame
    ret
co_end co__switch_final

/* void *co__switch_prepare(void *top: rdi, void (*entry)(void *): rsi,
 *                          void *arg: rdx)
 *
 * r13 to r15 of a new context are whatever lay there: nobody reads them. */
co_function co__switch_prepare
    endbr64
    lea     -CO__FRAME_BYTES(%rdi), %rax
    lea     CO_LOCAL(entry)(%rip), %rcx
    stmxcsr CO__FRAME_MXCSR(%rax)
    fnstcw  CO__FRAME_X87_CW(%rax)
    mov     %rdx, CO__FRAME_R12(%rax)
    mov     %rsi, CO__FRAME_RBX(%rax)
    movq    $0, CO__FRAME_RBP(%rax)
    mov     %rcx, CO__FRAME_PC(%rax)
    ret
co_end co__switch_prepare

/* Where a new context begins: co__switch returns to the label. Unwinders look
 * for the rules of a return address one byte before it, since a call may be a
 * function's last instruction; the nop makes that byte ours even before the
 * first instruction has run. No endbr64: only `ret` comes here. */
co_function co__switch_entry
    .cfi_def_cfa rsp, 0
    .cfi_undefined rip
    nop
CO_LOCAL(entry):
    mov     %r12, %rdi
    call    *%rbx
CO_LOCAL(returned):
    ud2
co_end co__switch_entry

/* void co__switch_unwind(void *sp: rdi, void (*fn)(void *): rsi,
 *                        void *arg: rdx)
 *
 * While fn runs, rbx points to the saved frame (fn keeps it, and the unwinder
 * knows how), and the rules describe that frame in place of our own. (The
 * return address is where it always is, just below the CFA.) */
co_function co__switch_unwind
    endbr64
    push    %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov     %rdi, %rbx
    mov     %rdx, %rdi
    .cfi_remember_state
    .cfi_def_cfa rbx, CO__FRAME_BYTES
    .cfi_rel_offset r15, CO__FRAME_R15
    .cfi_rel_offset r14, CO__FRAME_R14
    .cfi_rel_offset r13, CO__FRAME_R13
    .cfi_rel_offset r12, CO__FRAME_R12
    .cfi_rel_offset rbx, CO__FRAME_RBX
    .cfi_rel_offset rbp, CO__FRAME_RBP
    call    *%rsi
    .cfi_restore_state
    pop     %rbx
    .cfi_def_cfa rsp, 8 /* clang forgets the offset at restore_state */
    .cfi_restore rbx
    ret
co_end co__switch_unwind

co_feature_note 0xc0000002, 1 /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT */
co_plain_stack_note
