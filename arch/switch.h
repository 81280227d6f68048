/* SPDX-License-Identifier: MIT */
/* arch/switch.h - running on another stack: the contract of every machine.
 *
 * A context that does not run is one pointer: the stack pointer below a frame
 * that holds the registers which the ABI lets a caller rely on. The frame lies
 * on the context's own stack; its picture is in arch/<machine>/frame.h and
 * nothing outside arch/ looks inside. A context that runs has no frame: its
 * pointer is stale until it switches away.
 *
 * Invariants:
 *  - A saved pointer is switched to at most once, and by the thread that saved
 *    it or that prepared it.
 *  - A context keeps what a called function keeps: the callee-saved registers,
 *    and the control words of the floating-point units (rounding, flush to
 *    zero, precision, masks), which the ABIs count among them. It does not keep
 *    the signal mask: that would be a system call.
 *  - Unwinding ends, without a guess, at co__switch_entry.
 *
 * Why not ucontext: a system call a switch, 244 ns against 6. Why not inline
 * assembly with a clobber list: it has to name every vector register, or the
 * compiler keeps doubles there (-fipa-ra, and d8-d15 on aarch64), and each
 * place of use is a copy. When the switch returns (`ret`), and when it jumps:
 * see arch/x86_64/switch.S.
 */
#ifndef CO_ARCH_SWITCH_H
#define CO_ARCH_SWITCH_H

#pragma GCC visibility push(hidden)

/*
 * Save the callee-saved registers on the running stack, store the stack pointer
 * in *from, and run on `to`. Returns, when somebody switches back to *from, the
 * `value` that they passed. The first switch to a prepared frame passes a value
 * that nobody sees.
 *
 * Made for a tail call, `return co__switch(&self->sp, next->sp, next->value);`:
 * the switch then goes straight to whoever called the caller, which is the one
 * address for the processor to predict.
 */
int co__switch(void **from, void *to, int value);

/*
 * Save the running context in *from as co__switch does, and call entry(arg) on
 * the stack that ends below `top` (exclusive, a multiple of 16). Returns when
 * somebody switches back to *from, with their value. entry never returns; the
 * program stops with a trap if it does. It inherits the control words of the
 * floating-point units.
 */
int co__switch_start(void **from, void *top, void (*entry)(void *), void *arg);

/*
 * Leave the running context for ever, and run on `to`, as co__switch does. Does
 * not return, and is not declared so, in order to be a tail call: a task that
 * was begun by co__switch_start and ends by this one then looks to the
 * processor like a function that returns, and no return is mispredicted.
 */
void co__switch_final(void *to, int value);

/*
 * Leave the running context for ever, as co__switch_final does, and call
 * entry(arg) on the stack that ends below `top`, as co__switch_start does:
 * nothing is saved.
 */
void co__switch_begin(void *top, void (*entry)(void *), void *arg);

/*
 * Build the first frame of the stack that ends below `top` (exclusive, a
 * multiple of 16). Switching to the pointer that this returns calls
 * entry(arg), the stack aligned as the ABI wants it. entry never returns; the
 * program stops with a trap if it does. The control words of the
 * floating-point units are those of the caller at this moment.
 */
void *co__switch_prepare(void *top, void (*entry)(void *), void *arg);

/*
 * Call fn(arg) on the current stack, and make whoever unwinds out of fn go on
 * in the context that is saved at `sp`, with its registers. So the backtrace of
 * a parked task is taken without running on its stack or touching it. fn
 * returns: an exception or a longjmp would leave by the wrong stack.
 */
void co__switch_unwind(void *sp, void (*fn)(void *), void *arg);

/*
 * The code that every prepared stack begins in, and thus the last frame of its
 * backtrace. An address to compare with; not to be called.
 */
void co__switch_entry(void);

#pragma GCC visibility pop

#endif
