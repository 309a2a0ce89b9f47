/* SPDX-License-Identifier: MIT */
/* Loads, stores, atomics: the software TLB's hit inline, the rest by C. And all records that C does.
 *
 * x86-64 orders loads with loads and stores with stores (SDM volume 3, 8.2.2), so acquire and release
 * cost nothing; only a store that a later load must not pass needs a fence. */
#include "native.h"

void emit_barrier(struct emit *e)
{
	emit_head(e, 0x0fae, false, false, 0, 0, 0); /* mfence */
	emit8(e, 0xf0);
}

/* C makes atomics of instructions that are barriers themselves. */
bool needs_barriers(const struct bp_ir *r)
{
	bool plain = r->op == BP_IR_LD || r->op == BP_IR_ST || r->op == BP_IR_STP;
	return plain && bp_ir_memop(r) & BP_MEM_SEQ_CST;
}

/* The entry for `addr`, in the same register or another. */
static void tlb_entry(struct native_compiler *c, unsigned addr, unsigned regime, unsigned entry)
{
	int32_t tlb = CPU_AT(tlb) + (int32_t)(sizeof(void *) * regime);
	int32_t mask = CPU_AT(tlb_mask) + (int32_t)(sizeof(uint32_t) * regime);
	emit_mov(&c->e, true, entry, addr);
	emit_shift(&c->e, true, SH_SHR, entry, c->in->cpu->page_bits - TLB_ENTRY_BITS);
	emit_rm(&c->e, OP_AND_RM, false, entry, CPU, mask);
	emit_rm(&c->e, OP_ADD_RM, true, entry, CPU, tlb);
}

/* What must equal the tag. */
static void mask_address(struct native_compiler *c, unsigned addr, uint32_t memop, unsigned masked)
{
	uint32_t size = 1u << (memop & BP_MEM_SIZE);
	emit_mov(&c->e, true, masked, addr);
	emit_group1(&c->e, true, G1_AND, masked, (int32_t)(c->in->cpu->page_mask | (size - 1)));
}

/* TLB lookup for `addr`: two registers are given, which then hold the address of the entry and its tag.
 * Returns the jump to the slow way. */
static uint8_t *lookup(struct native_compiler *c, unsigned addr, uint32_t memop, unsigned access,
	unsigned entry, unsigned masked)
{
	tlb_entry(c, addr, regime_of(memop), entry);
	mask_address(c, addr, memop, masked);
	emit_rm(&c->e, OP_CMP_RM, true, masked, entry, tag_at(access));
	return emit_jcc(&c->e, CC_NE);
}

/* ---- flat memory: the GS segment's base is what to add (SDM volume 1, 3.4.4) ---- */

enum { PREFIX_GS = 0x65 };

static bool is_flat(const struct native_compiler *c)
{
	return c->in->cpu->flat != NULL;
}

struct flat { /* an address, for the instruction and for the slow way */
	unsigned reg, from;
	int32_t disp, from_disp;
};

/* Upper bits that are ignored: of the register alone where what is added cannot leave the nothing that lies
 * around the guest's space. The slow way still sees them. */
static void confine(struct native_compiler *c, struct flat *f, unsigned ignored)
{
	enum { AROUND = 1 << 30 }; /* at least so much, see core/cpu/user.c */
	bool far = f->disp < -AROUND || f->disp >= AROUND, fresh = true;
	unsigned to = far ? reg_new(c, false) : derived(c, f->from, &fresh);
	if (far) {
		emit_rm(&c->e, OP_LEA, true, to, f->from, f->disp);
		f->reg = to;
		f->disp = 0;
	}
	if (fresh && have_bmi2) {
		unsigned count = reg_new(c, false);
		emit_const(&c->e, count, 64 - ignored);
		emit_vex(&c->e, 2, 0, true, 0xf5, to, count, f->reg); /* BZHI */
		c->locked &= ~reg_bit(count);
	} else if (fresh) {
		emit_mov(&c->e, true, to, f->reg);
		emit_shift(&c->e, true, SH_SHL, to, ignored);
		emit_shift(&c->e, true, SH_SHR, to, ignored);
	}
	f->reg = to;
}

static struct flat flat_address(struct native_compiler *c, const struct bp_ir *r, int32_t imm)
{
	struct flat f = { .disp = 0 };
	if (c->addr_mask != UINT64_MAX) {
		f.reg = f.from = access_address(c, r, imm);
		return f;
	}
	f.reg = f.from = use(c, r->arg[0]);
	f.disp = f.from_disp = imm;
	if (c->in->cpu->flat_ignored)
		confine(c, &f, c->in->cpu->flat_ignored);
	return f;
}

/* The slow way for the instruction that begins here, if it faults. */
static struct cold *flat_cold(
	struct native_compiler *c, enum cold_kind kind, const struct flat *f, uint32_t memop)
{
	struct cold *k = cold_new(c, kind, NULL);
	if (k) {
		k->fault = c->e.at;
		k->addr = (uint8_t)f->from;
		k->disp = f->from_disp;
		k->memop = memop;
	}
	emit8(&c->e, PREFIX_GS);
	return k;
}

/* ---- memos, see memo.h ---- */

static int32_t memo_at(const struct native_compiler *c, unsigned n)
{
	return CPU_AT(memo) + (int32_t)(memo_index(&c->memos, n) * sizeof(struct tlb_memo));
}

struct found { /* a lookup */
	uint8_t *slow, *retry;
	unsigned memo, addend; /* the register */
};

/* Where an access of `addr` goes. */
static struct found find(struct native_compiler *c, unsigned addr, uint32_t memop, unsigned access)
{
	unsigned memo = memo_here(c), n = memo & ~(unsigned)MEMO_FIRST;
	int32_t tag = memo_at(c, n), addend = tag + 8;
	struct found f = { .memo = NO_MEMO };
	_Static_assert(offsetof(struct tlb_memo, addend) == 8, "behind the tag");
	if (memo != NO_MEMO && !(memo & MEMO_FIRST)) {
		f.memo = n;
		f.addend = reg_new(c, false);
		mask_address(c, addr, memop, f.addend);
		emit_rm(&c->e, OP_CMP_RM, true, f.addend, CPU, tag);
		f.slow = emit_jcc(&c->e, CC_NE);
		f.retry = c->e.at;
		emit_rm(&c->e, OP_MOV_RM, true, f.addend, CPU, addend);
		if (c->memos.memo[n].at_entry)
			f.retry = c->e.at; /* fill_here leaves the addend in its register */
		return f;
	}
	unsigned entry = reg_new(c, false);
	f.addend = reg_new(c, false);
	f.slow = lookup(c, addr, memop, access, entry, f.addend);
	if (memo != NO_MEMO)
		emit_rm(&c->e, OP_MOV_MR, true, f.addend, CPU, tag);
	emit_rm(&c->e, OP_MOV_RM, true, f.addend, entry, offsetof(struct tlb_entry, addend));
	if (memo != NO_MEMO)
		emit_rm(&c->e, OP_MOV_MR, true, f.addend, CPU, addend);
	return f;
}

static struct cold *cold_access(struct native_compiler *c, enum cold_kind kind,
	const struct found *f, unsigned addr, uint32_t memop)
{
	struct cold *k = cold_new(c, kind, f->slow);
	if (!k)
		return NULL;
	k->memo = (uint8_t)f->memo;
	k->masked = (uint8_t)f->addend;
	k->retry = f->retry;
	k->addr = (uint8_t)addr;
	k->memop = memop;
	return k;
}

/* As memo_fill does it, at the place: a loop may come here at each page. */
static void fill_here(struct native_compiler *c, const struct cold *k)
{
	const struct memo *m = &c->memos.memo[k->memo];
	int32_t at = memo_at(c, k->memo);
	unsigned entry = RAX;
	while (entry == k->addr || entry == k->masked)
		entry++; /* RCX, RDX */
	emit_push(&c->e, entry);
	tlb_entry(c, k->addr, m->regime, entry);
	emit_rm(&c->e, OP_CMP_RM, true, k->masked, entry, tag_at(m->access));
	uint8_t *miss = emit_jcc(&c->e, CC_NE);
	emit_rm(&c->e, OP_MOV_MR, true, k->masked, CPU, at);
	emit_rm(&c->e, OP_MOV_RM, true, k->masked, entry, offsetof(struct tlb_entry, addend));
	emit_rm(&c->e, OP_MOV_MR, true, k->masked, CPU, at + 8);
	emit_pop(&c->e, entry);
	emit_to(emit_jmp(&c->e), k->retry);
	emit_here(&c->e, miss);
	emit_pop(&c->e, entry);
}

void memo_cold(struct native_compiler *c, const struct cold *k)
{
	const struct memo *m = &c->memos.memo[k->memo];
	if (m->at_entry) {
		fill_here(c, k);
		return;
	}
	emit_push(&c->e, k->addr);
	emit_push(&c->e, k->masked);
	emit_push_const(&c->e, MEMO_WORD(m->regime, m->access, memo_index(&c->memos, k->memo)));
	emit_call_to(&c->e, own_thunks.memo_fill);
	emit_to(emit_jcc(&c->e, CC_AE), k->retry);
}

/* By the block's address, which belongs to no other one before native code is left. */
static uint8_t *unless_owner(struct native_compiler *c)
{
	int32_t owner = CPU_AT(memo_owner) + (int32_t)(c->memos.set * sizeof(uint32_t));
	uint32_t self = (uint32_t)(uintptr_t)to_be_run(&c->e);
	emit_rm(&c->e, OP_GROUP1, false, G1_CMP, CPU, owner);
	emit32(&c->e, self);
	uint8_t *over = emit_jcc(&c->e, CC_E);
	emit_store_const(&c->e, false, CPU, owner, self);
	return over;
}

void memos_at_entry(struct native_compiler *c)
{
	uint8_t *over = c->memos.set && c->memos.count ? unless_owner(c) : NULL;
	for (unsigned n = 0; n < c->memos.count; n++) {
		const struct memo *m = &c->memos.memo[n];
		int32_t at = memo_at(c, n);
		if (!m->at_entry)
			continue;
		/* A tag of another page than the one that is used, or none, matches nothing. */
		emit_rm(&c->e, OP_MOV_RM, true, RAX, BASE, AT(m->base));
		if (m->disp || c->addr_mask != UINT64_MAX)
			emit_rm(&c->e, OP_LEA, c->addr_mask == UINT64_MAX, RAX, RAX, m->disp);
		tlb_entry(c, RAX, m->regime, RAX);
		emit_rm(&c->e, OP_MOV_RM, true, RCX, RAX, tag_at(m->access));
		emit_rm(&c->e, OP_MOV_MR, true, RCX, CPU, at);
		emit_rm(&c->e, OP_MOV_RM, true, RCX, RAX, offsetof(struct tlb_entry, addend));
		emit_rm(&c->e, OP_MOV_MR, true, RCX, CPU, at + 8);
	}
	if (over)
		emit_here(&c->e, over);
}

/* ---- loads ---- */

static unsigned load_code(uint32_t memop, bool wide)
{
	static const unsigned zero[] = { OP_MOVZX8, OP_MOVZX16, OP_MOV_RM, OP_MOV_RM };
	static const unsigned sign[] = { OP_MOVSX8, OP_MOVSX16, OP_MOVSXD, OP_MOV_RM };
	unsigned size = memop & BP_MEM_SIZE;
	return memop & BP_MEM_SIGNED && (wide || size < 2) ? sign[size] : zero[size];
}

static bool load_is_wide(uint32_t memop, bool wide)
{
	unsigned size = memop & BP_MEM_SIZE;
	return size == 3 || (wide && memop & BP_MEM_SIGNED);
}

static void flat_load(struct native_compiler *c, const struct bp_ir *r, uint32_t memop)
{
	bool wide = is_wide(r->type);
	struct flat f = flat_address(c, r, r->imm);
	bool fp = loads_fp(c, r, memop);
	unsigned d = reg_pinned(c, fp);
	if (d == NO_REG)
		d = reg_new(c, fp);
	struct cold *k = flat_cold(c, COLD_LOAD, &f, memop);
	if (is_fp(d))
		emit_rm(&c->e, wide ? OP_MOVQ_XM : OP_MOVSS_XM, false, d, f.reg, f.disp);
	else
		emit_rm(&c->e, load_code(memop, wide), load_is_wide(memop, wide), d, f.reg, f.disp);
	if (k) {
		k->result = (uint8_t)d;
		k->back = c->e.at;
	}
	not_raw(c, d); /* behind the cold part's beginning: a fault keeps what was there */
	set_reg(c, c->at, r->type, d);
}

static bool load(struct native_compiler *c, const struct bp_ir *r)
{
	uint32_t memop = bp_ir_memop(r);
	bool wide = is_wide(r->type);
	if (!inline_access(r, memop))
		return false;
	if (memop & BP_MEM_SEQ_CST)
		emit_barrier(&c->e);
	if (is_flat(c) && !(memop & (BP_MEM_ALIGNED | BP_MEM_ALIGNED_ATOMIC))) {
		flat_load(c, r, memop);
		return true;
	}
	unsigned addr = access_address(c, r, r->imm);
	bool fp = loads_fp(c, r, memop);
	/* Before the jump to the cold part: what a new register costs is done on both ways. */
	unsigned result = reg_pinned(c, fp);
	if (fp && result == NO_REG)
		result = reg_new(c, true);
	struct found f = find(c, addr, memop, BP_ACC_READ);
	struct cold *k = cold_access(c, COLD_LOAD, &f, addr, memop);
	if (result == NO_REG)
		result = f.addend;
	if (fp)
		emit_rx(&c->e, wide ? OP_MOVQ_XM : OP_MOVSS_XM, false, false, result, addr,
			f.addend, 0, 0);
	else
		emit_rx(&c->e, load_code(memop, wide), load_is_wide(memop, wide), false, result,
			addr, f.addend, 0, 0);
	if (k) {
		k->result = (uint8_t)result;
		k->back = c->e.at;
	}
	not_raw(c, result); /* behind the cold part's beginning: a fault keeps what was there */
	set_reg(c, c->at, r->type, result);
	return true;
}

/* ---- stores ---- */

static void store_value(
	struct native_compiler *c, unsigned size, unsigned value, unsigned addr, unsigned addend)
{
	static const unsigned code[] = { OP_MOV_MR8, 0x66000000 | OP_MOV_MR, OP_MOV_MR, OP_MOV_MR };
	if (is_fp(value))
		emit_rx(&c->e, size == 3 ? OP_MOVQ_MX : OP_MOVSS_MX, false, false, value, addr,
			addend, 0, 0);
	else
		emit_rx(&c->e, code[size], size == 3, size == 0, value, addr, addend, 0, 0);
}

static void flat_store(
	struct native_compiler *c, uint32_t memop, unsigned value, const struct flat *f)
{
	static const unsigned code[] = { OP_MOV_MR8, 0x66000000 | OP_MOV_MR, OP_MOV_MR, OP_MOV_MR };
	unsigned size = memop & BP_MEM_SIZE;
	struct cold *k = flat_cold(c, COLD_STORE, f, memop);
	if (is_fp(value))
		emit_rm(&c->e, size == 3 ? OP_MOVQ_MX : OP_MOVSS_MX, false, value, f->reg, f->disp);
	else if (size == 0)
		emit_rm8(&c->e, code[size], value, f->reg, f->disp);
	else
		emit_rm(&c->e, code[size], size == 3, value, f->reg, f->disp);
	if (k) {
		k->value = (uint8_t)value;
		k->back = c->e.at;
	}
	if (memop & BP_MEM_SEQ_CST)
		emit_barrier(&c->e);
}

static bool store(struct native_compiler *c, const struct bp_ir *r)
{
	uint32_t memop = bp_ir_memop(r);
	unsigned size = memop & BP_MEM_SIZE, value;
	bool flat = is_flat(c) && !(memop & (BP_MEM_ALIGNED | BP_MEM_ALIGNED_ATOMIC));
	struct flat to = { .disp = 0 };
	unsigned addr = NO_REG;
	if (!inline_access(r, memop))
		return false;
	if (flat)
		to = flat_address(c, r, r->imm);
	else
		addr = access_address(c, r, r->imm);
	const struct val *v = &c->v[r->arg[1]];
	if (v->place == P_REG && is_fp(v->reg) && size >= 2) {
		value = use_number(c, r->arg[1], size == 2 ? BP_T_F32 : BP_T_F64);
		settle_nan(c, value);
	} else {
		value = use(c, r->arg[1]);
	}
	if (flat) {
		flat_store(c, memop, value, &to);
		return true;
	}
	struct found f = find(c, addr, memop, BP_ACC_WRITE);
	struct cold *k = cold_access(c, COLD_STORE, &f, addr, memop);
	store_value(c, size, value, addr, f.addend);
	if (k) {
		k->value = (uint8_t)value;
		k->back = c->e.at;
	}
	if (memop & BP_MEM_SEQ_CST)
		emit_barrier(&c->e);
	return true;
}

/* ---- atomics ---- */

/* RDX: what is to be stored where RAX was. */
static void rmw_combine(struct native_compiler *c, const struct bp_ir *r, bool wide, unsigned value)
{
	static const uint8_t minmax[] = { CC_L, CC_G, CC_B, CC_A };
	static const uint8_t alu[] = { OP_AND_RM, OP_OR_RM, OP_XOR_RM };
	emit_mov(&c->e, true, RDX, value);
	if (r->aux >= BP_RMW_MINS) {
		emit_rr(&c->e, OP_CMP_RM, wide, RAX, value);
		emit_rr(&c->e, OP_CMOV | minmax[r->aux - BP_RMW_MINS], wide, RDX, RAX);
	} else {
		emit_rr(&c->e, alu[r->aux - BP_RMW_AND], wide, RDX, RAX);
	}
}

/* Exchange and add have an instruction that gives the old value; and, or, xor, min, max are a loop
 * of compare-and-exchange (SDM volume 3, 8.1.2.2). */
static void rmw_here(struct native_compiler *c, const struct bp_ir *r, unsigned size,
	unsigned value, unsigned addr, unsigned fresh)
{
	bool wide = size == 3;
	if (r->aux == BP_RMW_SWAP || r->aux == BP_RMW_ADD) {
		emit_mov(&c->e, true, RAX, value);
		if (r->aux == BP_RMW_ADD)
			emit8(&c->e, 0xf0);
		emit_rx(&c->e, r->aux == BP_RMW_ADD ? 0x0fc1 : 0x87, wide, false, RAX, addr, fresh,
			0, 0);
		return;
	}
	/* addr + addend in one register: cmpxchg needs the other */
	emit_rr(&c->e, OP_ADD_RM, true, fresh, addr);
	emit_rm(&c->e, OP_MOV_RM, wide, RAX, fresh, 0);
	uint8_t *again = c->e.at;
	rmw_combine(c, r, wide, value);
	emit8(&c->e, 0xf0);
	emit_rm(&c->e, 0x0fb1, wide, RDX, fresh, 0);
	emit_to(emit_jcc(&c->e, CC_NE), again);
}

/* Where the atomics' slow parts go on. */
struct rmw_parts {
	struct cold *part[3];
	unsigned parts;
};

static void rmw_part(struct rmw_parts *p, struct cold *k)
{
	if (k)
		p->part[p->parts++] = k;
}

static void rmw_flat(struct native_compiler *c, const struct bp_ir *r, unsigned size,
	unsigned value, const struct flat *f, struct rmw_parts *p)
{
	bool wide = size == 3;
	uint32_t memop = bp_ir_memop(r);
	emit_rr(&c->e, OP_GROUP3, false, 0, f->reg); /* /0: test with an immediate */
	emit32(&c->e, (1u << size) - 1);
	rmw_part(p, cold_new(c, COLD_RMW, emit_jcc(&c->e, CC_NE)));
	if (r->aux == BP_RMW_SWAP || r->aux == BP_RMW_ADD) {
		emit_mov(&c->e, true, RAX, value);
		rmw_part(p, flat_cold(c, COLD_RMW, f, memop));
		if (r->aux == BP_RMW_ADD)
			emit8(&c->e, 0xf0);
		emit_rm(&c->e, r->aux == BP_RMW_ADD ? 0x0fc1 : 0x87, wide, RAX, f->reg, 0);
		return;
	}
	rmw_part(p, flat_cold(c, COLD_RMW, f, memop));
	emit_rm(&c->e, OP_MOV_RM, wide, RAX, f->reg, 0);
	uint8_t *again = c->e.at;
	rmw_combine(c, r, wide, value);
	rmw_part(p, flat_cold(c, COLD_RMW, f, memop));
	emit8(&c->e, 0xf0);
	emit_rm(&c->e, 0x0fb1, wide, RDX, f->reg, 0);
	emit_to(emit_jcc(&c->e, CC_NE), again);
}

static void rmw_tlb(struct native_compiler *c, const struct bp_ir *r, unsigned size, unsigned value,
	unsigned addr, struct rmw_parts *p)
{
	unsigned addend = reg_new(c, false);
	uint8_t *slow = lookup(c, addr, bp_ir_memop(r), BP_ACC_WRITE, RDX, addend);
	emit_rm(&c->e, OP_MOV_RM, true, addend, RDX, offsetof(struct tlb_entry, addend));
	rmw_part(p, cold_new(c, COLD_RMW, slow));
	/* Both permissions, or the slow way sorts it out. */
	emit_rm(&c->e, OP_MOV_RM, true, RAX, RDX, offsetof(struct tlb_entry, tag[BP_ACC_READ]));
	emit_rm(&c->e, OP_CMP_RM, true, RAX, RDX, offsetof(struct tlb_entry, tag[BP_ACC_WRITE]));
	rmw_part(p, cold_new(c, COLD_RMW, emit_jcc(&c->e, CC_NE)));
	rmw_here(c, r, size, value, addr, addend);
}

bool rmw_record(struct native_compiler *c, const struct bp_ir *r)
{
	uint32_t memop = bp_ir_memop(r);
	unsigned size = memop & BP_MEM_SIZE;
	if (!inline_rmw(r, memop))
		return false;
	reg_claim(c, RAX);
	reg_claim(c, RDX);
	struct rmw_parts p = { .parts = 0 };
	struct flat f = { .disp = 0 };
	unsigned addr;
	if (is_flat(c)) {
		f = flat_address(c, r, 0);
		addr = f.from;
	} else {
		addr = access_address(c, r, 0);
	}
	unsigned value = use(c, r->arg[1]);
	if (is_flat(c))
		rmw_flat(c, r, size, value, &f, &p);
	else
		rmw_tlb(c, r, size, value, addr, &p);
	if (size == 2 && is_wide(r->type))
		emit_rr(&c->e, memop & BP_MEM_SIGNED ? OP_MOVSXD : OP_MOV_RM,
			(memop & BP_MEM_SIGNED) != 0, RAX, RAX);
	for (unsigned i = 0; i < p.parts; i++) {
		p.part[i]->addr = (uint8_t)addr;
		p.part[i]->value = (uint8_t)value;
		p.part[i]->result = RAX;
		p.part[i]->memop = memop;
		p.part[i]->back = c->e.at;
	}
	set_reg(c, c->at, r->type, RAX);
	return true;
}

/* ---- the slow way ---- */

void slow_result(struct native_compiler *c, const struct bp_ir *r, const struct cold *k)
{
	int32_t at = CPU_AT(native.value);
	bool wide = is_wide(r->type);
	if (is_fp(k->result))
		emit_rm(&c->e, OP_MOVQ_XM, false, k->result, CPU, at);
	else
		emit_rm(&c->e, load_code(k->memop, wide), load_is_wide(k->memop, wide), k->result,
			CPU, at);
}

static void vector_cold(struct native_compiler *c, struct cold *k);

void access_cold(struct native_compiler *c, struct cold *k)
{
	if (k->kind == COLD_VECTOR) {
		vector_cold(c, k);
		return;
	}
	slow_begin(c, k);
	if (k->disp) {
		emit_rm(&c->e, OP_GROUP1, true, G1_ADD, CPU, CPU_AT(native.addr));
		emit32(&c->e, (uint32_t)k->disp);
	}
	slow_operands(c, k);
	emit_push_const(&c->e, (int32_t)site_here(c));
	emit_push_const(&c->e, (int32_t)k->memop);
	emit_call_to(&c->e, slow_thunk(c, k));
	slow_end(c, k);
}

/* ---- what C does ---- */

void call_keep(struct native_compiler *c, const void *data, size_t size, const void *thunk)
{
	/* RAX carries the address of the copy, whoever lives there */
	emit_rm(&c->e, OP_MOV_MR, true, RAX, CPU, CPU_AT(native.value));
	info(c, data, size);
	emit_call_to(&c->e, thunk);
	emit_rm(&c->e, OP_MOV_RM, true, RAX, CPU, CPU_AT(native.value));
}

/* ---- vectors ---- */

/* In steps of 16 bytes between the guest's memory and the instance. */
static void copy_wide(struct native_compiler *c, bool is_store, unsigned bytes, unsigned addr,
	unsigned addend, uint32_t at)
{
	for (unsigned done = 0; done < bytes; done += 16) {
		if (is_store)
			emit_rm(&c->e, OP_MOVUPS_XM, false, XMM15, BASE, AT(at + done));
		emit_rx(&c->e, is_store ? OP_MOVUPS_MX : OP_MOVUPS_XM, false, false, XMM15, addr,
			addend, 0, (int32_t)done);
		if (!is_store)
			emit_rm(&c->e, OP_MOVUPS_MX, false, XMM15, BASE, AT(at + done));
	}
}

/* A vector needs no alignment but must lie in one page: the page of its last byte is the one that the
 * entry is for. Those of 128 bits have a register, wider ones a place in the instance. */
static bool vector(struct native_compiler *c, const struct bp_ir *r)
{
	uint32_t memop = bp_ir_memop(r), at = 0;
	bool is_store = r->op == BP_IR_ST, wide = r->type != BP_T_V128;
	unsigned bytes = ir_types[r->type].bytes, value = NO_REG;
	if (r->type < BP_T_V128 || r->type > BP_T_V512 || c->leaving ||
		memop &
			(BP_MEM_BIG_ENDIAN | BP_MEM_EXEC_PERMISSION | BP_MEM_SEQ_CST |
				BP_MEM_ALIGNED | BP_MEM_ALIGNED_ATOMIC | BP_MEM_ATOMIC))
		return false;
	unsigned addr = access_address(c, r, r->imm);
	if (wide)
		at = is_store ? in_memory(c, r->arg[1]) : frame_new(c, bytes);
	else
		value = is_store ? use_fp(c, r->arg[1]) : reg_new(c, true);
	unsigned entry = reg_new(c, false), addend = reg_new(c, false);
	tlb_entry(c, addr, regime_of(memop), entry);
	emit_rm(&c->e, OP_LEA, true, addend, addr, (int32_t)bytes - 1);
	emit_group1(&c->e, true, G1_AND, addend, (int32_t)c->in->cpu->page_mask);
	emit_rm(&c->e, OP_CMP_RM, true, addend, entry,
		tag_at(is_store ? BP_ACC_WRITE : BP_ACC_READ));
	struct cold *k = cold_new(c, COLD_VECTOR, emit_jcc(&c->e, CC_NE));
	emit_rm(&c->e, OP_MOV_RM, true, addend, entry, offsetof(struct tlb_entry, addend));
	if (wide)
		copy_wide(c, is_store, bytes, addr, addend, at);
	else
		emit_rx(&c->e, is_store ? OP_MOVUPS_MX : OP_MOVUPS_XM, false, false, value, addr,
			addend, 0, 0);
	if (k) {
		k->addr = (uint8_t)addr;
		k->value = k->result = (uint8_t)value;
		k->imm = at;
		k->back = c->e.at;
	}
	if (!is_store && wide)
		set_mem(c, c->at, r->type, at);
	else if (!is_store)
		set_reg(c, c->at, r->type, value);
	return true;
}

static void vector_cold(struct native_compiler *c, struct cold *k)
{
	const struct bp_ir *r = &c->rec[k->record];
	bool is_store = r->op == BP_IR_ST, wide = r->type != BP_T_V128;
	uint32_t at = wide ? (uint32_t)k->imm : frame_new(c, ir_types[r->type].bytes);
	struct mem m = { .r = *r, .memop = bp_ir_memop(r), .addr_mask = c->addr_mask };
	m.addr = frame_new(c, 8);
	m.value = is_store ? at : 0;
	m.d = is_store ? 0 : at;
	m.r.imm = 0; /* it is in the address */
	write_back(c, true);
	emit_rm(&c->e, OP_MOV_MR, true, k->addr, BASE, AT(m.addr));
	if (is_store && !wide)
		emit_rm(&c->e, OP_MOVUPS_MX, false, k->value, BASE, AT(at));
	emit_store_const(&c->e, false, CPU, CPU_AT(native.site), site_here(c));
	call_keep(c, &m, sizeof(m), own_thunks.memory_keep);
	/* no flags change: the carry still says whether to leave */
	if (!is_store && !wide)
		emit_rm(&c->e, OP_MOVUPS_XM, false, k->result, BASE, AT(at));
	emit_to(emit_jcc(&c->e, CC_AE), k->back);
	if (!is_store && wide)
		set_mem(c, k->record, r->type, at);
	else if (!is_store)
		set_reg(c, k->record, r->type, k->result);
	c->at++;
	rest_cold(c);
}

bool load_record(struct native_compiler *c, const struct bp_ir *r)
{
	return load(c, r) || vector(c, r);
}

bool store_record(struct native_compiler *c, const struct bp_ir *r)
{
	return store(c, r) || vector(c, r);
}

/* Only a store is let wait by the host, and only loads pass it. */
void emit_fence(struct emit *e, unsigned before, unsigned after)
{
	if (before & 2 && after & 1)
		emit_barrier(e);
}
