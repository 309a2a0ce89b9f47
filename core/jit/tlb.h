/* SPDX-License-Identifier: MIT */
/* The software TLB's entry, as executed code looks it up inline. Filled by the cpu room.
 *
 * A table has a power of two of entries and a mask, (entries - 1) * sizeof(struct tlb_entry); it may be
 * another one after any slow access. Access of `size` bytes at `addr` is served by its entry e when
 *     (addr & (page_mask | (size - 1))) == e->tag[access]
 * and is then at host address addr + e->addend. Accesses have at most 64 bytes, so bits 6 and up of
 * the offset in the page are always clear on the left: a tag with one of them set never matches, and
 * entries that need the slow path (devices, pages with translated code, watchpoints, nothing there)
 * differ from the rest only in their tags. */
#ifndef JIT_TLB_H
#define JIT_TLB_H
#include <stdint.h>

enum { TLB_REGIMES = 32, TLB_ENTRY_BITS = 5 };

#define TLB_NONE UINT64_MAX /* a tag that nothing matches */
#define TLB_SLOW UINT64_C(0x40) /* set in a tag: valid, but go the slow way */

struct tlb_entry {
	uint64_t
		tag[3]; /* by enum bp_ir_access: page address, perhaps with TLB_SLOW, or TLB_NONE */
	uintptr_t addend; /* RAM: host address minus guest address; else 0 */
};
_Static_assert(sizeof(struct tlb_entry) == 1 << TLB_ENTRY_BITS, "the mask is of byte offsets");

static inline struct tlb_entry *tlb_entry_of(
	struct tlb_entry *table, uint32_t mask, uint64_t addr, unsigned page_bits)
{
	uint64_t offset = addr >> (page_bits - TLB_ENTRY_BITS) & mask;
	return (struct tlb_entry *)(void *)((char *)table + offset);
}

#endif
