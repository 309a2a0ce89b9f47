/* SPDX-License-Identifier: MIT */
/* Loads, stores, atomics: the software TLB's hit inline, the rest by C. And all records that C does.
 *
 * Order (Arm ARM, B2.3): a load that acquires is LDAR, a store that releases STLR; SEQ_CST stands
 * between two full barriers. A read-modify-write has a full barrier behind it in any case: the host
 * may let a load take what the write half stored before others see it, and a later load with it,
 * which guests with weak memory models forbid. */
#include "native.h"

enum { MEM_ORDERED = BP_MEM_ACQUIRE | BP_MEM_RELEASE | BP_MEM_SEQ_CST };

void emit_barrier(struct emit *e)
{
	emit(e, (uint32_t)A64_DMB);
}

bool needs_barriers(const struct bp_ir *r)
{
	bool plain = r->op == BP_IR_LD || r->op == BP_IR_ST || r->op == BP_IR_STP;
	return bp_ir_memop(r) & MEM_ORDERED || (!plain && r->op != BP_IR_PROBE);
}

/* The entry's address for `addr`, in X30; X`help` is overwritten. */
static void tlb_entry(struct native_compiler *c, unsigned addr, unsigned regime, unsigned help)
{
	int32_t tlb = CPU_AT(tlb) + (int32_t)(sizeof(void *) * regime);
	int32_t mask = CPU_AT(tlb_mask) + (int32_t)(sizeof(uint32_t) * regime);
	emit_mem(&c->e, A_LOAD, 2, help, CPU, mask);
	emit_mem(&c->e, A_LOAD, 3, LR, CPU, tlb);
	emit_3s(&c->e, A64_AND, true, help, help, addr, SH_LSR,
		c->in->cpu->page_bits - TLB_ENTRY_BITS);
	emit_3(&c->e, A64_ADD, true, LR, LR, help);
}

/* What must equal the tag. */
static void mask_address(struct native_compiler *c, unsigned addr, uint32_t memop, unsigned masked)
{
	uint32_t size = 1u << (memop & BP_MEM_SIZE);
	emit_logic_i(&c->e, A64_AND_I, true, masked, addr, c->in->cpu->page_mask | (size - 1));
}

/* TLB lookup for `addr`: X16 then is what makes a host address of it, X17 the tag; X30 was the entry's
 * address. Returns the jump to the slow way. */
static uint8_t *lookup(struct native_compiler *c, unsigned addr, uint32_t memop, unsigned access)
{
	tlb_entry(c, addr, regime_of(memop), X16);
	mask_address(c, addr, memop, X17);
	emit_mem(&c->e, A_LOAD, 3, X16, LR, tag_at(access));
	emit_3(&c->e, A64_SUBS, true, XZR, X16, X17);
	uint8_t *slow = emit_jcc(&c->e, CC_NE);
	emit_mem(&c->e, A_LOAD, 3, X16, LR, offsetof(struct tlb_entry, addend));
	return slow;
}

/* ---- memos, see memo.h ---- */

static int32_t memo_at(const struct native_compiler *c, unsigned n)
{
	_Static_assert(offsetof(struct tlb_memo, addend) == offsetof(struct tlb_memo, tag) + 8,
		"they are a pair");
	_Static_assert(sizeof(((struct jit_cpu *)0)->memo) <= 512, "as far as pairs reach");
	return CPU_AT(memo) + (int32_t)(memo_index(&c->memos, n) * sizeof(struct tlb_memo));
}

/* Where an access of `addr` goes: as lookup says. The cold part is given. */
static struct cold *find(
	struct native_compiler *c, enum cold_kind kind, unsigned addr, uint32_t memop)
{
	unsigned memo = memo_here(c), n = memo & ~(unsigned)MEMO_FIRST;
	bool by_memo = memo != NO_MEMO && !(memo & MEMO_FIRST);
	uint8_t *slow;
	if (by_memo) {
		emit_pair(&c->e, (uint32_t)A64_LDP, X17, X16, CPU, memo_at(c, n));
		mask_address(c, addr, memop, LR);
		emit_3(&c->e, A64_SUBS, true, XZR, X17, LR);
		slow = emit_jcc(&c->e, CC_NE);
	} else {
		slow = lookup(c, addr, memop, kind == COLD_LOAD ? BP_ACC_READ : BP_ACC_WRITE);
		if (memo != NO_MEMO)
			emit_pair(&c->e, (uint32_t)A64_STP, X17, X16, CPU, memo_at(c, n));
	}
	struct cold *k = cold_new(c, kind, slow);
	if (!k)
		return NULL;
	k->memo = (uint8_t)(by_memo ? n : NO_MEMO);
	k->retry = c->e.at;
	k->addr = (uint8_t)addr;
	k->memop = memop;
	return k;
}

void memo_cold(struct native_compiler *c, const struct cold *k)
{
	uint8_t *miss =
		lookup(c, k->addr, k->memop, k->kind == COLD_LOAD ? BP_ACC_READ : BP_ACC_WRITE);
	emit_pair(&c->e, (uint32_t)A64_STP, X17, X16, CPU, memo_at(c, k->memo));
	emit_to(emit_jmp(&c->e), k->retry);
	emit_here(&c->e, miss);
}

/* By the block's address, which belongs to no other one before native code is left. */
static uint8_t *unless_owner(struct native_compiler *c)
{
	int32_t owner = CPU_AT(memo_owner) + (int32_t)(c->memos.set * sizeof(uint32_t));
	emit_mem(&c->e, A_LOAD, 2, X16, CPU, owner);
	emit_const(&c->e, X17, (uint32_t)(uintptr_t)to_be_run(&c->e));
	emit_cmp(&c->e, false, X16, X17);
	uint8_t *over = emit_jcc(&c->e, CC_EQ);
	emit_mem(&c->e, A_STORE, 2, X17, CPU, owner);
	return over;
}

void memos_at_entry(struct native_compiler *c)
{
	bool narrow = c->addr_mask != UINT64_MAX;
	uint8_t *over = c->memos.set && c->memos.count ? unless_owner(c) : NULL;
	for (unsigned n = 0; n < c->memos.count; n++) {
		const struct memo *m = &c->memos.memo[n];
		if (!m->at_entry)
			continue;
		/* A tag of another page than the one that is used, or none, matches nothing. */
		emit_mem(&c->e, A_LOAD, 3, X16, BASE, AT(m->base));
		if (m->disp || narrow)
			emit_add_i(&c->e, !narrow, false, X16, X16, m->disp);
		tlb_entry(c, X16, m->regime, X17);
		emit_mem(&c->e, A_LOAD, 3, X17, LR, tag_at(m->access));
		emit_mem(&c->e, A_LOAD, 3, X16, LR, offsetof(struct tlb_entry, addend));
		emit_pair(&c->e, (uint32_t)A64_STP, X17, X16, CPU, memo_at(c, n));
	}
	if (over)
		emit_here(&c->e, over);
}

/* ---- loads ---- */

static enum access load_kind(uint32_t memop, bool wide)
{
	unsigned size = memop & BP_MEM_SIZE;
	if (!(memop & BP_MEM_SIGNED) || size == 3 || (size == 2 && !wide))
		return A_LOAD;
	return wide ? A_LOAD_S64 : A_LOAD_S32;
}

/* What a zero-extended value of the memory's width is to the record. */
static void extend(struct native_compiler *c, unsigned reg, uint32_t memop, bool wide)
{
	if (load_kind(memop, wide) != A_LOAD)
		emit_field(&c->e, A64_SBFM, wide, reg, reg, 0, (8u << (memop & BP_MEM_SIZE)) - 1);
}

bool load_record(struct native_compiler *c, const struct bp_ir *r)
{
	uint32_t memop = bp_ir_memop(r);
	bool wide = is_wide(r->type);
	if (!inline_access(r, memop))
		return false;
	if (memop & BP_MEM_SEQ_CST)
		emit_barrier(&c->e);
	unsigned addr = access_address(c, r, r->imm), size = memop & BP_MEM_SIZE;
	bool acquire = memop & BP_MEM_ACQUIRE;
	bool fp = !acquire && loads_fp(c, r, memop);
	unsigned result = reg_new(c, fp);
	struct cold *k = find(c, COLD_LOAD, addr, memop);
	if (acquire) {
		emit_3(&c->e, A64_ADD, true, X16, X16, addr);
		emit_ordered(&c->e, A64_LDAR, size, 0, result, X16);
		extend(c, result, memop, wide);
	} else {
		emit_mem_x(&c->e, load_kind(memop, wide), size, result, addr, X16);
	}
	if (k) {
		k->result = (uint8_t)result;
		k->back = c->e.at;
	}
	if (memop & BP_MEM_SEQ_CST)
		emit_barrier(&c->e);
	set_reg(c, c->at, r->type, result);
	return true;
}

/* ---- stores ---- */

bool store_record(struct native_compiler *c, const struct bp_ir *r)
{
	uint32_t memop = bp_ir_memop(r);
	unsigned size = memop & BP_MEM_SIZE, value;
	if (!inline_access(r, memop))
		return false;
	unsigned addr = access_address(c, r, r->imm);
	const struct val *v = &c->v[r->arg[1]];
	bool fp = v->place == P_REG && is_fp(v->reg) && size >= 2 && !(memop & BP_MEM_RELEASE);
	value = fp ? use_fp(c, r->arg[1]) : use(c, r->arg[1]);
	if (memop & BP_MEM_SEQ_CST)
		emit_barrier(&c->e);
	struct cold *k = find(c, COLD_STORE, addr, memop);
	if (memop & BP_MEM_RELEASE) {
		emit_3(&c->e, A64_ADD, true, X16, X16, addr);
		emit_ordered(&c->e, A64_STLR, size, 0, value, X16);
	} else {
		emit_mem_x(&c->e, A_STORE, size, value, addr, X16);
	}
	if (k) {
		k->value = (uint8_t)value;
		k->back = c->e.at;
	}
	if (memop & BP_MEM_SEQ_CST)
		emit_barrier(&c->e);
	return true;
}

/* ---- atomics ---- */

/* FEAT_LSE: one instruction; LDCLR clears, so AND's operand is inverted. */
static void rmw_single(
	struct native_compiler *c, const struct bp_ir *r, unsigned size, unsigned value, unsigned d)
{
	static const uint32_t code[] = { A64_SWP, A64_LDADD, A64_LDCLR, A64_LDSET, A64_LDEOR,
		A64_LDSMIN, A64_LDSMAX, A64_LDUMIN, A64_LDUMAX };
	if (r->aux == BP_RMW_AND) {
		emit_3(&c->e, A64_ORN, true, X17, XZR, value);
		value = X17;
	}
	emit_ordered(&c->e, code[r->aux] | LSE_ACQUIRE | LSE_RELEASE, size, value, d, X16);
}

/* Else a loop of exclusive load and store. */
static void rmw_loop(
	struct native_compiler *c, const struct bp_ir *r, unsigned size, unsigned value, unsigned d)
{
	static const uint32_t alu[] = { A64_ADD, A64_AND, A64_ORR, A64_EOR };
	static const uint8_t minmax[] = { CC_LT, CC_GT, CC_CC, CC_HI };
	bool wide = size == 3;
	unsigned fresh = X17;
	const uint8_t *again = c->e.at;
	emit_ordered(&c->e, A64_LDAXR, size, 31, d, X16);
	if (r->aux == BP_RMW_SWAP) {
		fresh = value;
	} else if (r->aux >= BP_RMW_MINS) {
		emit_3(&c->e, A64_SUBS, wide, XZR, d, value);
		emit_csel(&c->e, wide, X17, d, value, (enum cc)minmax[r->aux - BP_RMW_MINS]);
	} else {
		emit_3(&c->e, alu[r->aux - BP_RMW_ADD], wide, X17, d, value);
	}
	emit_ordered(&c->e, A64_STLXR, size, LR, fresh, X16);
	emit_to(emit_cbz(&c->e, false, true, LR), again);
}

bool rmw_record(struct native_compiler *c, const struct bp_ir *r)
{
	uint32_t memop = bp_ir_memop(r);
	unsigned size = memop & BP_MEM_SIZE;
	if (!inline_rmw(r, memop))
		return false;
	unsigned addr = access_address(c, r, 0), value = use(c, r->arg[1]), d = reg_new(c, false);
	if (memop & BP_MEM_SEQ_CST)
		emit_barrier(&c->e);
	uint8_t *slow = lookup(c, addr, memop, BP_ACC_WRITE);
	struct cold *k = cold_new(c, COLD_RMW, slow);
	/* Both permissions, or the slow way sorts it out. */
	emit_mem(&c->e, A_LOAD, 3, LR, LR, offsetof(struct tlb_entry, tag[BP_ACC_READ]));
	emit_3(&c->e, A64_SUBS, true, XZR, LR, X17);
	uint8_t *slow2 = emit_jcc(&c->e, CC_NE);
	struct cold *k2 = cold_new(c, COLD_RMW, slow2);
	emit_3(&c->e, A64_ADD, true, X16, X16, addr);
	if (have_lse)
		rmw_single(c, r, size, value, d);
	else
		rmw_loop(c, r, size, value, d);
	if (is_wide(r->type))
		extend(c, d, memop, true);
	struct cold *parts[] = { k, k2 };
	for (unsigned i = 0; i < 2; i++)
		if (k && k2) {
			parts[i]->addr = (uint8_t)addr;
			parts[i]->value = (uint8_t)value;
			parts[i]->result = (uint8_t)d;
			parts[i]->memop = memop;
			parts[i]->back = c->e.at;
		}
	emit_barrier(&c->e);
	set_reg(c, c->at, r->type, d);
	return true;
}

/* ---- the slow way ---- */

void slow_result(struct native_compiler *c, const struct bp_ir *r, const struct cold *k)
{
	enum access how = load_kind(k->memop, is_wide(r->type));
	emit_mem(&c->e, how, k->memop & BP_MEM_SIZE, k->result, CPU, CPU_AT(native.value));
}

void access_cold(struct native_compiler *c, struct cold *k)
{
	slow_begin(c, k);
	slow_operands(c, k);
	emit_const(&c->e, X16, k->memop);
	emit_const(&c->e, X17, site_here(c));
	if (k->memop & MEM_ORDERED)
		emit_barrier(&c->e);
	emit_call_to(&c->e, slow_thunk(c, k));
	if (k->memop & MEM_ORDERED)
		emit_barrier(&c->e);
	slow_end(c, k);
}

/* ---- what C does ---- */

void call_keep(struct native_compiler *c, const void *data, size_t size, const void *thunk)
{
	info(c, data, size);
	emit_call_to(&c->e, thunk);
}

void emit_fence(struct emit *e, unsigned before, unsigned after)
{
	if (before == 1)
		emit(e, (uint32_t)A64_DMB_LD);
	else if (before == 2 && after == 2)
		emit(e, (uint32_t)A64_DMB_ST);
	else
		emit_barrier(e);
}
