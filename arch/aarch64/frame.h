/* SPDX-License-Identifier: MIT */
/* arch/aarch64/frame.h - the frame of a context that does not run (AAPCS64).
 *
 *     saved sp +  0   x19    a new context: entry
 *              +  8   x20    a new context: the argument of entry
 *              + 16   x21 … x28, two by two
 *              + 80   x29    a new context: 0, where frame chains end
 *              + 88   x30    the return address, signed with the sp below
 *                            (a new context: inside co__switch_entry)
 *              + 96   d8 … d15, two by two (of a vector register the ABI keeps
 *                            the low half only)
 *              +160   FPCR
 *              +168   unused
 *              +176   what the context's sp will be
 *
 * Plain numbers, for C and the assembler.
 */
#ifndef CO_ARCH_AARCH64_FRAME_H
#define CO_ARCH_AARCH64_FRAME_H

#define CO__FRAME_X19   0
#define CO__FRAME_X20   8
#define CO__FRAME_X21   16
#define CO__FRAME_X22   24
#define CO__FRAME_X23   32
#define CO__FRAME_X24   40
#define CO__FRAME_X25   48
#define CO__FRAME_X26   56
#define CO__FRAME_X27   64
#define CO__FRAME_X28   72
#define CO__FRAME_X29   80
#define CO__FRAME_X30   88
#define CO__FRAME_D8    96
#define CO__FRAME_D9    104
#define CO__FRAME_D10   112
#define CO__FRAME_D11   120
#define CO__FRAME_D12   128
#define CO__FRAME_D13   136
#define CO__FRAME_D14   144
#define CO__FRAME_D15   152
#define CO__FRAME_FPCR  160
#define CO__FRAME_BYTES 176

#endif
