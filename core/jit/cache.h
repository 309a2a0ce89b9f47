/* SPDX-License-Identifier: MIT */
/* Translated blocks of all CPUs, by where their code lies.
 *
 * A block that dies (its code was written, or everything is flushed) is taken out of the cache and
 * unlinked at once; CPUs that are inside it go on to its end. Its memory is freed when every CPU has
 * passed a safepoint since. */
#ifndef JIT_CACHE_H
#define JIT_CACHE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block;
struct interp;
struct link;

/* Drop the blocks that have code in [offset, +len) of ram. True if there were any. [any] */
bool code_cache_invalidate(void *ram, uint64_t offset, uint64_t len);
/* The same for a page whose stores shall be free of this: release() makes it so, while none of its code can be
 * found or inserted. [any] */
bool code_cache_release(
	void *ram, uint64_t offset, uint64_t len, void (*release)(void *ram, uint64_t offset));
/* Drop all blocks. [any] */
void code_cache_flush(void);
/* Whether any block has code there. [any] */
bool code_cache_has_code(void *ram, uint64_t offset, uint64_t len);
/* Blocks and bytes held now, dead ones included. [any] */
void code_cache_usage(size_t *blocks, size_t *bytes);
/* More than so many bytes: everything is dropped. */
void code_cache_limit(size_t bytes);

/* Around a fork: with `begin` nobody else is in here until the end, in both processes. `alone`: in the
 * new process, whose only CPU this is (NULL: none yet); the others are as if they had left run(). */
void code_cache_fork(bool begin);
struct jit_cpu;
void code_cache_alone(const struct jit_cpu *cpu);

/* ---- for the engine ---- */

struct cache_key {
	const void *config;
	uint64_t key;
	void *ram;
	uint64_t offset;
	uint32_t limit;
};

void cache_join(struct interp *in);
void cache_part(struct interp *in);
/* A number for (type, static properties): equal for CPUs that can share code. */
const void *cache_config(const void *type, const void *config, uint32_t size, uint32_t frame);
/* A safepoint: frees what can be; true if the jump cache must be emptied. */
bool cache_enter(struct interp *in);
bool cache_safepoint(struct interp *in);
void cache_leave(struct interp *in);

/* Whether it is the block of this key. The caller knows that it is not freed. */
bool cache_fits(const struct block *b, const struct cache_key *key);
struct block *cache_find(const struct cache_key *key);
/* Before bytes are read for translation; hand the number to cache_insert. */
uint64_t cache_prepare(void);
/* Enter b; a block whose code may have changed since cache_prepare is dead from the start. */
void cache_insert(struct block *b, uint64_t prepared);
/* A block that is run once and never found: freed by epoch. */
void cache_transient(struct block *b);
void cache_link(struct link *link, struct block *to);
/* The exit leads to blocks that it cannot be linked to: it asks the jump cache, without C. */
void cache_link_lookup(struct link *link);

#endif
