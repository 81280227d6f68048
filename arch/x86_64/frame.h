/* SPDX-License-Identifier: MIT */
/* arch/x86_64/frame.h - the frame of a context that does not run (System V).
 *
 *     saved sp + 0   MXCSR (4 bytes)
 *              + 4   x87 control word (2 bytes), 2 bytes unused
 *              + 8   r15
 *              +16   r14
 *              +24   r13
 *              +32   r12    a new context: the argument of entry
 *              +40   rbx    a new context: entry
 *              +48   rbp    a new context: 0, where frame chains end
 *              +56   return address    a new context: inside co__switch_entry
 *              +64   what the context's sp will be; 16-aligned in a new one,
 *                    since nobody called co__switch_entry
 *
 * Plain numbers, for C and the assembler. co__switch builds the frame by
 * pushing: its order of pushes is this picture from the bottom up.
 */
#ifndef CO_ARCH_X86_64_FRAME_H
#define CO_ARCH_X86_64_FRAME_H

#define CO__FRAME_MXCSR  0
#define CO__FRAME_X87_CW 4
#define CO__FRAME_R15    8
#define CO__FRAME_R14    16
#define CO__FRAME_R13    24
#define CO__FRAME_R12    32
#define CO__FRAME_RBX    40
#define CO__FRAME_RBP    48
#define CO__FRAME_PC     56
#define CO__FRAME_BYTES  64

#endif
