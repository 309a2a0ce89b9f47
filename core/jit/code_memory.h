/* SPDX-License-Identifier: MIT */
/* Memory for native code: one object mapped twice, once to write and once to execute, never both.
 *
 * It is handed out in chunks. A chunk has one owner, who appends code to it; it is free again when
 * it has no owner and no block lives in it any more.
 *
 * The kernel counts what is mapped twice as resident twice. So where nobody writes any more the
 * writable mapping is dropped now and then; a write later, of a link, brings its page back. */
#ifndef JIT_CODE_MEMORY_H
#define JIT_CODE_MEMORY_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CODE_CHUNK_SIZE = 256 << 10, CODE_CHUNKS = 256 };

struct code_chunk {
	uint8_t *write; /* CODE_CHUNK_SIZE bytes */
	uint32_t used; /* the owner's */
	_Atomic(uint32_t) blocks; /* that live here */
	_Atomic(bool) owned;
	_Atomic(bool) written; /* since its writable pages were last dropped */
};

/* Prepare the memory; the host's thunks are made by `make_thunks` at its start, which returns how many
 * bytes they take. False: this host refuses memory of that kind. Later calls do nothing. [any] */
bool code_memory_init(size_t (*make_thunks)(uint8_t *write, ptrdiff_t to_execute));
/* What must be added to a writable address to have the executable one. */
ptrdiff_t code_memory_to_execute(void);
/* A chunk for the caller alone, or NULL: all have code. [any] */
struct code_chunk *code_chunk_take(void);
/* Something in it is written from here on. [any] */
static inline void code_chunk_write(struct code_chunk *chunk)
{
	atomic_store_explicit(&chunk->written, true, memory_order_relaxed);
}
/* The owner has no more use for it. [any] */
void code_chunk_leave(struct code_chunk *chunk);
/* A block came, or was freed. [any] */
void code_chunk_hold(struct code_chunk *chunk);
void code_chunk_drop(struct code_chunk *chunk);

#endif
