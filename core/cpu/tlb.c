/* SPDX-License-Identifier: MIT */
/* The software TLB: a few address spaces a CPU, each with one table a translation regime, so that
 * a guest's context switch swaps base pointers and flushes nothing. */
#include "internal.h"
#include <glib.h>
#include <string.h>

static struct tlb_entry *new_table(uint32_t size)
{
	struct tlb_entry *t = g_malloc(size * (sizeof(struct tlb_entry) + sizeof(struct tlb_back)));
	memset(t, 0xff, sizeof(*t) * size);
	return t;
}

static struct tlb_entry *empty_table(void)
{
	/* What a regime without any fill points at: nothing matches, nobody writes it. */
	static struct tlb_entry *table;
	if (g_once_init_enter(&table)) {
		g_once_init_leave(&table, new_table(1));
	}
	return table;
}

static struct tlb_slot *slot_for(struct vcpu *v, unsigned regime)
{
	return v->common_regimes >> regime & 1 ? &v->common : v->space;
}

static void use_table(struct vcpu *v, const struct tlb_slot *s, unsigned regime)
{
	v->jit.tlb[regime] = s->table[regime] ? s->table[regime] : empty_table();
	v->jit.tlb_mask[regime] = s->table[regime] ? (s->size[regime] - 1) << TLB_ENTRY_BITS : 0;
}

/* Whether regime's table of slot s is what executed code looks at. */
static bool in_use(const struct vcpu *v, const struct tlb_slot *s, unsigned regime)
{
	return s->table[regime] && v->jit.tlb[regime] == s->table[regime];
}

/* Another table, empty, of `size` entries. */
static void resize(struct vcpu *v, struct tlb_slot *s, unsigned regime, uint32_t size)
{
	bool used = in_use(v, s, regime);
	g_free(s->table[regime]);
	s->table[regime] = new_table(size);
	s->size[regime] = size;
	s->fills[regime] = 0;
	if (used)
		use_table(v, s, regime);
}

static void use_space(struct vcpu *v, struct tlb_slot *s)
{
	v->space = s;
	s->used = ++v->epochs;
	for (unsigned r = 0; r < v->regimes; r++) {
		use_table(v, slot_for(v, r), r);
	}
	v->jit.space_epoch = s->epoch;
}

static void new_epoch(struct vcpu *v, struct tlb_slot *s)
{
	s->epoch = ++v->epochs;
	memset(s->bloom, 0, sizeof(s->bloom));
	if (s == v->space)
		v->jit.space_epoch = s->epoch;
}

static void slot_flush(struct vcpu *v, struct tlb_slot *s)
{
	for (unsigned r = 0; r < v->regimes; r++) {
		if (!s->dirty[r])
			continue;
		/* Large tables are for those who fill them: a flush costs what there is. */
		if (s->size[r] > TLB_LEAST && s->fills[r] < s->size[r] / 8)
			resize(v, s, r, s->size[r] / 4);
		else
			memset(s->table[r], 0xff, sizeof(*s->table[r]) * s->size[r]);
		s->fills[r] = 0;
		s->dirty[r] = false;
	}
	s->large_base = s->large_end = 0;
	new_epoch(v, s);
}

void tlb_init(struct vcpu *v)
{
	const struct bp_regime *r = v->type->regimes;
	for (v->regimes = 0; r && r[v->regimes].name && v->regimes < TLB_REGIMES; v->regimes++)
		if (r[v->regimes].flags & 1)
			v->common_regimes |= UINT64_C(1) << v->regimes;
	for (unsigned i = v->regimes; i < TLB_REGIMES; i++)
		v->jit.tlb[i] = empty_table();
	v->common.epoch = ++v->epochs;
	v->slots[0].valid = true;
	v->slots[0].epoch = ++v->epochs;
	use_space(v, &v->slots[0]);
}

void tlb_finish(struct vcpu *v)
{
	for (unsigned i = 0; i < TLB_SLOTS; i++)
		for (unsigned r = 0; r < TLB_REGIMES; r++)
			g_free(v->slots[i].table[r]);
	for (unsigned r = 0; r < TLB_REGIMES; r++)
		g_free(v->common.table[r]);
}

void tlb_select(struct vcpu *v, uint64_t id)
{
	struct tlb_slot *victim = &v->slots[0];
	for (struct tlb_slot *s = v->slots; s < v->slots + TLB_SLOTS; s++) {
		if (s->valid && s->id == id) {
			use_space(v, s);
			return;
		}
		if (!s->valid || (victim->valid && s->used < victim->used))
			victim = s;
	}
	slot_flush(v, victim);
	victim->valid = true;
	victim->id = id;
	use_space(v, victim);
}

void tlb_flush_all(struct vcpu *v)
{
	/* Code of common regimes stands in the jump cache under the epoch of whatever space was
	 * selected, so the spaces' new epochs cover it. */
	slot_flush(v, &v->common);
	for (unsigned i = 0; i < TLB_SLOTS; i++)
		if (v->slots[i].valid)
			slot_flush(v, &v->slots[i]);
}

static unsigned bloom_bit(const struct vcpu *v, uint64_t addr)
{
	return (unsigned)((addr >> v->jit.page_bits) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

void tlb_executed(struct vcpu *v, uint64_t pc)
{
	unsigned bit = bloom_bit(v, pc);
	v->space->bloom[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void slot_flush_page(struct vcpu *v, struct tlb_slot *s, uint64_t addr)
{
	if (addr >= s->large_base && addr < s->large_end) {
		slot_flush(v, s);
		return;
	}
	unsigned bit = bloom_bit(v, addr);
	for (unsigned r = 0; r < v->regimes; r++)
		if (s->dirty[r])
			memset(tlb_entry_of(s->table[r], (s->size[r] - 1) << TLB_ENTRY_BITS, addr,
				       v->jit.page_bits),
				0xff, sizeof(struct tlb_entry));
	if (s->bloom[bit / 64] >> bit % 64 & 1)
		new_epoch(v, s);
}

void tlb_flush(struct vcpu *v, uint64_t addr, uint64_t len, uint64_t id, bool any_id, bool global)
{
	/* Global entries are kept in each space that used them, so flushing by identifier may take a few
	 * of them along. Everything means the common regimes too. */
	if (!len && any_id && global) {
		tlb_flush_all(v);
		return;
	}
	uint64_t page = UINT64_C(1) << v->jit.page_bits;
	for (struct tlb_slot *s = v->slots; s < v->slots + TLB_SLOTS; s++) {
		if (!s->valid || (!any_id && s->id != id))
			continue;
		if (!len || len > 64 * page) {
			slot_flush(v, s);
			continue;
		}
		for (uint64_t done = 0; done < len; done += page)
			slot_flush_page(v, s, addr + done);
	}
}

void tlb_protect(struct vcpu *v, const struct bus_ram *ram, uint64_t page_offset)
{
	uintptr_t host = (uintptr_t)ram->host + page_offset;
	for (unsigned i = 0; i <= TLB_SLOTS; i++) {
		struct tlb_slot *s = i < TLB_SLOTS ? &v->slots[i] : &v->common;
		for (unsigned r = 0; r < v->regimes; r++) {
			if (!s->dirty[r])
				continue;
			for (struct tlb_entry *e = s->table[r]; e < s->table[r] + s->size[r]; e++) {
				uint64_t *tag = &e->tag[BP_ACC_WRITE];
				if (*tag != TLB_NONE &&
					(*tag & v->jit.page_mask) + e->addend == host)
					*tag |= TLB_SLOW;
			}
		}
	}
}

/* Mappings beyond a page: one interval that covers them all until the next flush is safe. */
static void note_large(struct tlb_slot *s, uint64_t addr, unsigned length_log2)
{
	uint64_t mask = length_log2 >= 64 ? 0 : ~((UINT64_C(1) << length_log2) - 1);
	uint64_t base = addr & mask, end = base + ~mask + 1;
	end = end ? end : UINT64_MAX;
	if (s->large_end == 0) {
		s->large_base = base;
		s->large_end = end;
	} else {
		s->large_base = MIN(s->large_base, base);
		s->large_end = MAX(s->large_end, end);
	}
}

static struct tlb_entry *entry_for(
	struct vcpu *v, struct tlb_slot *s, unsigned regime, uint64_t page)
{
	if (!s->table[regime]) {
		s->table[regime] = new_table(TLB_LEAST);
		s->size[regime] = TLB_LEAST;
		use_table(v, s, regime);
	} else if (++s->fills[regime] > 2 * s->size[regime] && s->size[regime] < TLB_MOST) {
		resize(v, s, regime, 4 * s->size[regime]);
	}
	s->dirty[regime] = true;
	return tlb_entry_of(s->table[regime], v->jit.tlb_mask[regime], page, v->jit.page_bits);
}

/* Enter a translation into the table, if it covers a whole page. */
static void enter(struct vcpu *v, unsigned regime, uint64_t addr, const struct bp_walk *w,
	struct bus_space *space)
{
	struct tlb_slot *s = slot_for(v, regime);
	uint64_t page = addr & v->jit.page_mask, size = UINT64_C(1) << v->jit.page_bits;
	struct bus_target t;
	if (w->length_log2 < v->jit.page_bits)
		return;
	if (w->length_log2 > v->jit.page_bits)
		note_large(s, addr, (unsigned)w->length_log2);
	struct tlb_entry *e = entry_for(v, s, regime, page);
	struct tlb_back *b = tlb_back(s->table[regime], v->jit.tlb_mask[regime], e);
	b->phys = w->phys & v->jit.page_mask;
	bus_resolve(space, b->phys, &t);
	bool plain = t.host && t.length >= size, watched = code_page_watched(page, size);
	uint64_t slow = plain && !watched ? 0 : TLB_SLOW;
	/* Other spaces do not tell when they change, so there the map is asked each time. */
	b->region = t.host || watched || space != v->memory ? NULL : t.region;
	b->offset = t.offset;
	b->span = MIN(t.length, size);
	e->addend = plain ? (uintptr_t)t.host - (uintptr_t)page : 0;
	b->target = plain ? (void *)t.ram : (void *)space;
	e->tag[BP_ACC_READ] = w->flags & BP_WALK_READ ? page | slow : TLB_NONE;
	e->tag[BP_ACC_EXEC] = w->flags & BP_WALK_EXEC ? page | slow : TLB_NONE;
	e->tag[BP_ACC_WRITE] = TLB_NONE;
	if (w->flags & BP_WALK_WRITE) {
		bool ram = plain && t.writable;
		bool fast = ram && !slow && !bus_ram_code(t.ram, t.offset);
		e->tag[BP_ACC_WRITE] = page | (fast ? 0 : TLB_SLOW) | (ram ? 0 : TLB_NOT_RAM);
		if (fast)
			bus_ram_dirty(t.ram, t.offset, size);
	}
}

static int walk(struct vcpu *v, unsigned regime, uint64_t addr, unsigned access, bool debug,
	struct bp_walk *w, struct place *out)
{
	struct bus_target t;
	*w = (struct bp_walk){ .size = sizeof(*w) };
	if (v->type->translate_address(v->cpu, regime, addr, access, debug, w) != 0)
		return -1;
	struct bus_space *space = w->space ? (struct bus_space *)w->space : v->memory;
	bus_resolve(space, w->phys, &t);
	*out = (struct place){ .host = t.host,
		.ram = t.ram,
		.offset = t.offset,
		.phys = w->phys,
		.space = space,
		.length = w->length_log2 < v->jit.page_bits ? (UINT64_C(1) << w->length_log2) -
				(addr & ((UINT64_C(1) << w->length_log2) - 1))
							    : page_left(v, addr),
		.verdict = w->verdict,
		.writable = t.host && t.writable };
	return 0;
}

int tlb_lookup(struct vcpu *v, unsigned regime, uint64_t addr, unsigned want_access,
	unsigned as_access, struct place *out)
{
	if (v->user)
		return user_lookup(v, regime, addr, want_access, as_access, out);
	struct tlb_entry *table = v->jit.tlb[regime];
	const struct tlb_entry *e =
		tlb_entry_of(table, v->jit.tlb_mask[regime], addr, v->jit.page_bits);
	uint64_t tag = e->tag[want_access];
	if (tag != TLB_NONE && (tag & v->jit.page_mask) == (addr & v->jit.page_mask)) {
		const struct tlb_back *b = tlb_back(table, v->jit.tlb_mask[regime], e);
		*out = (struct place){ .phys = b->phys | (addr & ~v->jit.page_mask),
			.length = page_left(v, addr) };
		if (!e->addend) {
			out->space = b->target;
			return BP_H_OK;
		}
		out->host = (uint8_t *)(uintptr_t)(addr + e->addend);
		out->ram = b->target;
		out->offset = (uint64_t)(out->host - out->ram->host);
		out->space = v->memory;
		out->writable =
			e->tag[BP_ACC_WRITE] != TLB_NONE && !(e->tag[BP_ACC_WRITE] & TLB_NOT_RAM);
		return BP_H_OK;
	}
	struct bp_walk w;
	if (walk(v, regime, addr, want_access, false, &w, out) != 0) {
		access_fault(v, BP_FAULT_WALK, as_access, regime, addr, 0);
		v->fault.cause = w.cause;
		v->fault.value = w.value;
		return BP_H_RAISED;
	}
	enter(v, regime, addr, &w, out->space);
	return BP_H_OK;
}

struct bus_region *tlb_device(struct vcpu *v, unsigned regime, uint64_t addr, unsigned size,
	unsigned access, uint64_t *offset)
{
	struct tlb_entry *table = v->jit.tlb[regime];
	const struct tlb_entry *e =
		tlb_entry_of(table, v->jit.tlb_mask[regime], addr, v->jit.page_bits);
	uint64_t tag = e->tag[access], in_page = addr & ~v->jit.page_mask;
	const struct tlb_back *b = tlb_back(table, v->jit.tlb_mask[regime], e);
	if (tag == TLB_NONE || ((tag ^ addr) & v->jit.page_mask) || !b->region ||
		in_page + size > b->span)
		return NULL;
	*offset = b->offset + in_page;
	return b->region;
}

int tlb_peek(struct vcpu *v, unsigned regime, uint64_t addr, unsigned access, struct place *out)
{
	if (v->user)
		return user_lookup(v, regime, addr, access, access, out) == BP_H_OK ? 0 : -1;
	struct bp_walk w;
	return walk(v, regime, addr, access, true, &w, out);
}
