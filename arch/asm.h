/* SPDX-License-Identifier: MIT */
/* arch/asm.h - what differs between object formats, for the .S files alone.
 *
 * ELF and Mach-O disagree about the names of symbols, about visibility, about
 * notes and about what separates two statements on a line (so these are the
 * assembler's macros rather than the preprocessor's). A .S file uses nothing
 * else that depends on the format:
 *
 *     co_function name        a hidden function, 16-aligned, with its FDE open
 *     co_end name             its end
 *     CO_LOCAL(name)          a label that is no symbol
 *     co_feature_note t, bits the GNU property note (nothing in Mach-O)
 *     co_plain_stack_note     this file needs no executable stack
 */
/* clang-format off */
#ifndef CO_ARCH_ASM_H
#define CO_ARCH_ASM_H

#if defined(__ELF__)

#define CO_LOCAL(name) .L##name

.macro co_function name
    .text
    .p2align 4
    .globl \name
    .hidden \name
    .type \name, %function
\name:
    .cfi_startproc
.endm

.macro co_end name
    .cfi_endproc
    .size \name, . - \name
.endm

/* One property of four bytes; the linker keeps the bits that all files have. */
.macro co_feature_note type, bits
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4                 /* the length of the name, */
    .long 16                /* of the properties, */
    .long 5                 /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long \type
    .long 4
    .long \bits
    .long 0                 /* padding */
    .text
.endm

.macro co_plain_stack_note
    .section .note.GNU-stack, "", %progbits
.endm

#elif defined(__APPLE__)

#define CO_LOCAL(name) L##name

.macro co_function name
    .text
    .p2align 4
    .globl _\name
    .private_extern _\name
_\name:
    .cfi_startproc
.endm

.macro co_end name
    .cfi_endproc
.endm

.macro co_feature_note type, bits
.endm

.macro co_plain_stack_note
.endm

#else
#error "arch/asm.h knows ELF and Mach-O; describe this object format here"
#endif

#endif
