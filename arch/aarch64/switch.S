/* SPDX-License-Identifier: MIT */
/* arch/aarch64/switch.S - see arch/switch.h for the contract, frame.h for the
 * picture of the frame, x86_64/switch.S for why it returns rather than jumps.
 *
 * Return addresses are signed (PAC) with the value that sp has at the entry of
 * the function, which is also what it has when the frame has been popped. The
 * instructions are written as the hints that they are: an assembler for plain
 * ARMv8.0 takes them, and an old processor does nothing. paciasp is a landing
 * pad for calls (BTI c) as well. Guarded control stacks (GCS) are not
 * advertised: the switch returns to where this stack's last call did not come
 * from, which is what they forbid.
 *
 * FPCR is written without asking whether it changes, as the control words on
 * x86_64 are. x18 belongs to the platform and is not touched.
 */
#include "arch/aarch64/frame.h"
#include "arch/asm.h"

#define PACIASP   hint #25
#define AUTIASP   hint #29
#define PACIA1716 hint #8 /* sign x17 with x16 */
#define BTI_C     hint #34

/* Push a frame; the rules for the unwinder follow. */
.macro save_frame
    PACIASP
    .cfi_negate_ra_state
    sub     sp, sp, #CO__FRAME_BYTES
    .cfi_adjust_cfa_offset CO__FRAME_BYTES
    stp     x19, x20, [sp, #CO__FRAME_X19]
    .cfi_rel_offset x19, CO__FRAME_X19
    .cfi_rel_offset x20, CO__FRAME_X20
    stp     x21, x22, [sp, #CO__FRAME_X21]
    .cfi_rel_offset x21, CO__FRAME_X21
    .cfi_rel_offset x22, CO__FRAME_X22
    stp     x23, x24, [sp, #CO__FRAME_X23]
    .cfi_rel_offset x23, CO__FRAME_X23
    .cfi_rel_offset x24, CO__FRAME_X24
    stp     x25, x26, [sp, #CO__FRAME_X25]
    .cfi_rel_offset x25, CO__FRAME_X25
    .cfi_rel_offset x26, CO__FRAME_X26
    stp     x27, x28, [sp, #CO__FRAME_X27]
    .cfi_rel_offset x27, CO__FRAME_X27
    .cfi_rel_offset x28, CO__FRAME_X28
    stp     x29, x30, [sp, #CO__FRAME_X29]
    .cfi_rel_offset x29, CO__FRAME_X29
    .cfi_rel_offset x30, CO__FRAME_X30
    stp     d8, d9, [sp, #CO__FRAME_D8]
    .cfi_rel_offset d8, CO__FRAME_D8
    .cfi_rel_offset d9, CO__FRAME_D9
    stp     d10, d11, [sp, #CO__FRAME_D10]
    .cfi_rel_offset d10, CO__FRAME_D10
    .cfi_rel_offset d11, CO__FRAME_D11
    stp     d12, d13, [sp, #CO__FRAME_D12]
    .cfi_rel_offset d12, CO__FRAME_D12
    .cfi_rel_offset d13, CO__FRAME_D13
    stp     d14, d15, [sp, #CO__FRAME_D14]
    .cfi_rel_offset d14, CO__FRAME_D14
    .cfi_rel_offset d15, CO__FRAME_D15
    mrs     x9, fpcr
    str     x9, [sp, #CO__FRAME_FPCR]
.endm

/* Pop the frame that sp points to, and return to where it was pushed. */
.macro load_frame
    ldr     x9, [sp, #CO__FRAME_FPCR]
    msr     fpcr, x9
    ldp     x19, x20, [sp, #CO__FRAME_X19]
    .cfi_restore x19
    .cfi_restore x20
    ldp     x21, x22, [sp, #CO__FRAME_X21]
    .cfi_restore x21
    .cfi_restore x22
    ldp     x23, x24, [sp, #CO__FRAME_X23]
    .cfi_restore x23
    .cfi_restore x24
    ldp     x25, x26, [sp, #CO__FRAME_X25]
    .cfi_restore x25
    .cfi_restore x26
    ldp     x27, x28, [sp, #CO__FRAME_X27]
    .cfi_restore x27
    .cfi_restore x28
    ldp     x29, x30, [sp, #CO__FRAME_X29]
    .cfi_restore x29
    .cfi_restore x30
    ldp     d8, d9, [sp, #CO__FRAME_D8]
    .cfi_restore d8
    .cfi_restore d9
    ldp     d10, d11, [sp, #CO__FRAME_D10]
    .cfi_restore d10
    .cfi_restore d11
    ldp     d12, d13, [sp, #CO__FRAME_D12]
    .cfi_restore d12
    .cfi_restore d13
    ldp     d14, d15, [sp, #CO__FRAME_D14]
    .cfi_restore d14
    .cfi_restore d15
    add     sp, sp, #CO__FRAME_BYTES
    .cfi_adjust_cfa_offset -CO__FRAME_BYTES
    AUTIASP
    .cfi_negate_ra_state
    ret
.endm

/* int co__switch(void **from: x0, void *to: x1, int value: w2)
 *
 * The frame looks the same on both stacks, so that the rules for the unwinder
 * hold on either side of the line that changes sp. */
co_function co__switch
    save_frame
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1
    mov     w0, w2
    load_frame
co_end co__switch

/* int co__switch_start(void **from: x0, void *top: x1,
 *                      void (*entry)(void *): x2, void *arg: x3)
 *
 * A jump where co__switch_final has a return without a call: to the processor
 * the whole task is then one function that the caller of this one called. By
 * x16, from which BTI lets a jump land where calls do. */
co_function co__switch_start
    save_frame
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1
    .cfi_undefined x30
    adr     x30, CO_LOCAL(returned)
    mov     x29, xzr
    mov     x0, x3
    mov     x16, x2
    br      x16
co_end co__switch_start

/* void co__switch_begin(void *top: x0, void (*entry)(void *): x1,
 *                       void *arg: x2) */
co_function co__switch_begin
    BTI_C
    mov     sp, x0
    .cfi_undefined x30
    adr     x30, CO_LOCAL(returned)
    mov     x29, xzr
    mov     x0, x2
    mov     x16, x1
    br      x16
co_end co__switch_begin

/* void co__switch_final(void *to: x0, int value: w1) */
co_function co__switch_final
    BTI_C
    mov     sp, x0
    .cfi_negate_ra_state
    .cfi_def_cfa_offset CO__FRAME_BYTES
    .cfi_rel_offset x19, CO__FRAME_X19
    .cfi_rel_offset x20, CO__FRAME_X20
    .cfi_rel_offset x21, CO__FRAME_X21
    .cfi_rel_offset x22, CO__FRAME_X22
    .cfi_rel_offset x23, CO__FRAME_X23
    .cfi_rel_offset x24, CO__FRAME_X24
    .cfi_rel_offset x25, CO__FRAME_X25
    .cfi_rel_offset x26, CO__FRAME_X26
    .cfi_rel_offset x27, CO__FRAME_X27
    .cfi_rel_offset x28, CO__FRAME_X28
    .cfi_rel_offset x29, CO__FRAME_X29
    .cfi_rel_offset x30, CO__FRAME_X30
    .cfi_rel_offset d8, CO__FRAME_D8
    .cfi_rel_offset d9, CO__FRAME_D9
    .cfi_rel_offset d10, CO__FRAME_D10
    .cfi_rel_offset d11, CO__FRAME_D11
    .cfi_rel_offset d12, CO__FRAME_D12
    .cfi_rel_offset d13, CO__FRAME_D13
    .cfi_rel_offset d14, CO__FRAME_D14
    .cfi_rel_offset d15, CO__FRAME_D15
    mov     w0, w1
    load_frame
co_end co__switch_final

/* void *co__switch_prepare(void *top: x0, void (*entry)(void *): x1,
 *                          void *arg: x2)
 *
 * The address of the entry is signed as if co__switch had been called from
 * there with sp = top. x21 to x28 and d8 to d15 of a new context are whatever
 * lay there: nobody reads them. */
co_function co__switch_prepare
    BTI_C
    adr     x17, CO_LOCAL(entry)
    mov     x16, x0
    PACIA1716
    sub     x0, x0, #CO__FRAME_BYTES
    mrs     x9, fpcr
    stp     x1, x2, [x0, #CO__FRAME_X19]
    stp     xzr, x17, [x0, #CO__FRAME_X29]
    str     x9, [x0, #CO__FRAME_FPCR]
    ret
co_end co__switch_prepare

/* Where a new context begins: co__switch returns to the label. Unwinders look
 * for the rules of a return address just before it, since a call may be a
 * function's last instruction; the nop makes that place ours even before the
 * first instruction has run. No landing pad: only `ret` comes here. */
co_function co__switch_entry
    .cfi_undefined x30
    nop
CO_LOCAL(entry):
    mov     x0, x20
    blr     x19
CO_LOCAL(returned):
    brk     #1
co_end co__switch_entry

/* void co__switch_unwind(void *sp: x0, void (*fn)(void *): x1, void *arg: x2)
 *
 * While fn runs, x19 points to the saved frame (fn keeps it, and the unwinder
 * knows how), and the rules describe that frame in place of our own. Its return
 * address is signed as ours is, so that this rule needs no change. */
co_function co__switch_unwind
    PACIASP
    .cfi_negate_ra_state
    stp     x19, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x30, 8
    mov     x19, x0
    mov     x0, x2
    .cfi_remember_state
    .cfi_def_cfa x19, CO__FRAME_BYTES
    .cfi_rel_offset x19, CO__FRAME_X19
    .cfi_rel_offset x20, CO__FRAME_X20
    .cfi_rel_offset x21, CO__FRAME_X21
    .cfi_rel_offset x22, CO__FRAME_X22
    .cfi_rel_offset x23, CO__FRAME_X23
    .cfi_rel_offset x24, CO__FRAME_X24
    .cfi_rel_offset x25, CO__FRAME_X25
    .cfi_rel_offset x26, CO__FRAME_X26
    .cfi_rel_offset x27, CO__FRAME_X27
    .cfi_rel_offset x28, CO__FRAME_X28
    .cfi_rel_offset x29, CO__FRAME_X29
    .cfi_rel_offset x30, CO__FRAME_X30
    .cfi_rel_offset d8, CO__FRAME_D8
    .cfi_rel_offset d9, CO__FRAME_D9
    .cfi_rel_offset d10, CO__FRAME_D10
    .cfi_rel_offset d11, CO__FRAME_D11
    .cfi_rel_offset d12, CO__FRAME_D12
    .cfi_rel_offset d13, CO__FRAME_D13
    .cfi_rel_offset d14, CO__FRAME_D14
    .cfi_rel_offset d15, CO__FRAME_D15
    blr     x1
    .cfi_restore_state
    ldp     x19, x30, [sp], #16
    .cfi_def_cfa sp, 0 /* clang forgets the offset at restore_state */
    .cfi_restore x19
    .cfi_restore x30
    AUTIASP
    .cfi_negate_ra_state
    ret
co_end co__switch_unwind

co_feature_note 0xc0000000, 3 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI, PAC */
co_plain_stack_note
