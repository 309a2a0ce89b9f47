/* SPDX-License-Identifier: MIT */
/* Which guest register and which value lies in which host register. */
#include "codegen.h"

/* ---- moving ---- */

static void load(struct native_compiler *c, unsigned reg, unsigned bytes, uint32_t off)
{
	emit_load(&c->e, reg, bytes, BASE, AT(off));
}

static void store(struct native_compiler *c, unsigned reg, unsigned bytes, uint32_t off)
{
	emit_store(&c->e, reg, bytes, BASE, AT(off));
}

/* Between two places of the instance. */
static void copy(struct native_compiler *c, unsigned bytes, uint32_t to, uint32_t from)
{
	unsigned step = bytes < FP_WIDTH ? 8 : FP_WIDTH;
	for (unsigned done = 0; done < bytes; done += step) {
		load(c, FP_SCRATCH, step, from + done);
		store(c, FP_SCRATCH, step, to + done);
	}
}

uint32_t frame_new(struct native_compiler *c, unsigned bytes)
{
	bytes = bytes < 8 ? 8 : bytes;
	uint32_t at = (c->temp + bytes - 1) & ~(bytes - 1);
	c->temp = at + bytes;
	if (c->temp > c->in->frame + OBJECT_CPU_FRAME) {
		c->failed = true;
		c->temp = c->in->frame;
		return c->in->frame;
	}
	return at;
}

/* ---- slots ---- */

static bool overlap(uint32_t a, uint32_t alen, uint32_t b, uint32_t blen)
{
	return a - b < blen || b - a < alen;
}

static void slot_store(struct native_compiler *c, unsigned reg)
{
	const struct slot *s = &c->s.slot[reg];
	if (c->s.dirty >> reg & 1) {
		settle(c, reg);
		store(c, reg, s->bytes, s->off);
	}
	c->s.dirty &= ~reg_bit(reg);
}

static void slot_forget(struct native_compiler *c, unsigned reg)
{
	c->s.used &= ~reg_bit(reg);
	c->s.dirty &= ~reg_bit(reg);
}

static bool has_slot(const struct native_compiler *c, unsigned reg)
{
	return c->s.used >> reg & 1;
}

static bool is_pinned(const struct native_compiler *c, unsigned reg)
{
	return c->s.pinned >> reg & 1;
}

static void touch(struct native_compiler *c, unsigned reg)
{
	c->s.slot[reg].touched = ++c->clock;
}

/* The host register that has the guest register, or NO_REG; in `s`, or here. */
static unsigned slot_in(const struct state *s, uint32_t off, unsigned bytes)
{
	for (reg_set left = s->used; left; left &= left - 1) {
		const struct slot *at = &s->slot[first_of(left)];
		if (at->off == off && at->bytes == bytes)
			return first_of(left);
	}
	return NO_REG;
}

static unsigned slot_find(const struct native_compiler *c, uint32_t off, unsigned bytes)
{
	return slot_in(&c->s, off, bytes);
}

/* Slots that share bytes with the range. */
static reg_set slots_in(const struct native_compiler *c, uint32_t off, unsigned bytes)
{
	reg_set found = 0;
	for (reg_set left = c->s.used; left; left &= left - 1) {
		const struct slot *s = &c->s.slot[first_of(left)];
		if (overlap(s->off, s->bytes, off, bytes))
			found |= left & -left;
	}
	return found;
}

/* Offset of the slot for what is derived from the guest register at an offset: never dirty. */
#define DERIVED UINT32_C(0x80000000)

/* Slots that share bytes with the range, but for that of `keep`, and all that was derived from them: to
 * memory and forgotten. A pinned one stays where it is, so its block is not for pinning. */
static void slots_release(struct native_compiler *c, uint32_t off, unsigned bytes, unsigned keep)
{
	for (reg_set left = c->s.used; left; left &= left - 1) {
		unsigned reg = first_of(left);
		const struct slot *s = &c->s.slot[reg];
		if (reg == keep || !overlap(s->off & ~DERIVED, s->bytes, off, bytes))
			continue;
		slot_store(c, reg);
		if (is_pinned(c, reg))
			c->failed = true;
		else
			slot_forget(c, reg);
	}
}

struct slot *slot_new(struct native_compiler *c, uint32_t off, unsigned bytes, unsigned reg)
{
	struct slot *s = &c->s.slot[reg];
	*s = (struct slot){ .off = off, .bytes = (uint8_t)bytes, .touched = ++c->clock };
	c->s.used |= reg_bit(reg);
	return s;
}

void load_slot(struct native_compiler *c, unsigned reg)
{
	load(c, reg, c->s.slot[reg].bytes, c->s.slot[reg].off);
}

void write_back(struct native_compiler *c, bool clean)
{
	reg_set dirty = c->s.dirty;
	for (reg_set left = dirty; left; left &= left - 1)
		slot_store(c, first_of(left));
	c->s.dirty = clean ? 0 : dirty;
}

void reload_pinned(struct native_compiler *c)
{
	for (reg_set left = c->s.pinned; left; left &= left - 1) {
		load_slot(c, first_of(left));
		not_raw(c, first_of(left));
		c->s.slot[first_of(left)].known = (struct known){ 0 };
	}
}

bool prefers_fp(const struct native_compiler *c, uint32_t off)
{
	return off / 4 < c->prefers_fp->len && c->prefers_fp->data[off / 4];
}

/* ---- host registers ---- */

static bool lives_on(const struct native_compiler *c, const struct val *v)
{
	return v->last > c->at;
}

/* Values that live on in reg go to the frame. */
static void spill(struct native_compiler *c, unsigned reg)
{
	uint32_t at = 0;
	for (unsigned i = 1; i < c->count; i++) {
		struct val *v = &c->v[i];
		if (v->place != P_REG || v->reg != reg || v->last < c->at)
			continue;
		if (!at) { /* a narrower value may be the vector's beginning */
			unsigned bytes = is_fp(reg) ? FP_WIDTH : 8;
			at = frame_new(c, bytes);
			settle(c, reg);
			store(c, reg, bytes, at);
		}
		v->place = P_MEM;
		v->off = at;
	}
	c->s.until[reg] = 0;
}

/* How much it costs to have this register, which is not free; -1: it cannot be had. */
static int64_t cost(const struct native_compiler *c, unsigned reg)
{
	if (c->locked >> reg & 1)
		return -1;
	bool live = c->s.until[reg] >= c->at; /* an operand of this record too */
	if (!has_slot(c, reg))
		return INT64_MAX;
	if (is_pinned(c, reg))
		return -1;
	return live ? INT64_MAX - 1 : (int64_t)c->s.slot[reg].touched + 1;
}

static void reg_empty(struct native_compiler *c, unsigned reg)
{
	if (c->s.until[reg] >= c->at)
		spill(c, reg);
	slot_store(c, reg);
	slot_forget(c, reg);
}

void reg_claim(struct native_compiler *c, unsigned reg)
{
	if (c->locked >> reg & 1) {
		c->failed = true;
		return;
	}
	reg_empty(c, reg);
	c->locked |= reg_bit(reg);
}

static unsigned nth(bool fp, unsigned n)
{
	return fp ? FP_FIRST + n : host_general[n];
}

/* One in which nothing is, or NO_REG. */
static unsigned free_reg(const struct native_compiler *c, bool fp, unsigned count)
{
	reg_set taken = c->locked | c->s.used;
	for (unsigned n = 0; n < count; n++)
		if (!(taken >> nth(fp, n) & 1) && c->s.until[nth(fp, n)] < c->at)
			return nth(fp, n);
	return NO_REG;
}

/* The one that is given up most cheaply, or NO_REG. */
static unsigned cheapest_reg(const struct native_compiler *c, bool fp, unsigned count)
{
	unsigned best = NO_REG;
	int64_t least = INT64_MAX;
	for (unsigned n = 0; n < count; n++) {
		int64_t k = cost(c, nth(fp, n));
		if (k >= 0 && (best == NO_REG || k < least)) {
			best = nth(fp, n);
			least = k;
		}
	}
	return best;
}

unsigned reg_new(struct native_compiler *c, bool fp)
{
	unsigned count = fp ? FP_SCRATCH - FP_FIRST : GENERAL, reg = free_reg(c, fp, count);
	if (reg == NO_REG) {
		reg = cheapest_reg(c, fp, count);
		if (reg == NO_REG) {
			c->failed = true;
			return nth(fp, 0);
		}
		reg_empty(c, reg);
	}
	c->locked |= reg_bit(reg);
	c->uses_fp |= fp;
	not_raw(c, reg);
	return reg;
}

unsigned derived(struct native_compiler *c, unsigned reg, bool *fresh)
{
	bool keeps = has_slot(c, reg) && c->s.slot[reg].bytes == 8;
	uint32_t off = c->s.slot[reg].off | DERIVED;
	unsigned found = keeps ? slot_find(c, off, 8) : NO_REG;
	*fresh = found == NO_REG;
	if (*fresh) {
		found = reg_new(c, false);
		if (keeps)
			slot_new(c, off, 8, found)->touched = 0; /* the first to go */
	}
	c->locked |= reg_bit(found);
	return found;
}

/* The pinned register that record c->at's result is for, if it may be written now: nothing can fault any more, but
 * perhaps the record itself, which then has no result. *boxed: once it is boxed. */
static unsigned pinned_target(const struct native_compiler *c, bool fp, bool *boxed)
{
	const struct bp_ir *p = &c->rec[c->at];
	unsigned id = c->at;
	*boxed = false;
	if (!c->pinning || c->leaving || c->last_fault > c->at ||
		(c->last_fault == c->at && p->op != BP_IR_LD))
		return NO_REG;
	/* To the PUT, perhaps over CASTs, which change nothing, and a BOX: each the only use. */
	do {
		const struct bp_ir *user = p + 1;
		if (c->v[id].uses != 1)
			return NO_REG;
		while (user < c->rec + c->count && user->arg[0] != id)
			user++;
		bool boxes = user != c->rec + c->count && user->op == BP_IR_BOX &&
			user->aux == BP_T_F32 && HOST_RAW_RESULTS;
		if (user == c->rec + c->count ||
			(user->op != BP_IR_PUT && user->op != BP_IR_CAST && !boxes))
			return NO_REG;
		*boxed |= boxes;
		p = user;
		id = (unsigned)(p - c->rec);
	} while (p->op != BP_IR_PUT);
	unsigned reg = slot_find(c, (uint32_t)p->imm, ir_types[p->type].bytes);
	if (reg == NO_REG || !is_pinned(c, reg) || is_fp(reg) != fp || c->s.until[reg] > c->at)
		return NO_REG;
	for (const struct bp_ir *r = &c->rec[c->at + 1]; r < p; r++)
		if (r->op == BP_IR_GET || r->op == BP_IR_PUT || r->op == BP_IR_CALL)
			return NO_REG;
	return reg;
}

bool is_alone(const struct native_compiler *c, unsigned id, unsigned reg)
{
	bool alone = !has_slot(c, reg);
	for (unsigned i = 1; i < c->count && alone; i++)
		alone = i == id || c->v[i].place != P_REG || c->v[i].reg != reg ||
			!lives_on(c, &c->v[i]);
	return alone;
}

unsigned reg_pinned(struct native_compiler *c, bool fp)
{
	bool boxed;
	unsigned pinned = pinned_target(c, fp, &boxed);
	if (pinned == NO_REG)
		return NO_REG;
	c->locked |= reg_bit(pinned);
	if (boxed)
		c->direct = pinned;
	return pinned;
}

unsigned reg_result(struct native_compiler *c, bool fp, unsigned reuse)
{
	unsigned pinned = reg_pinned(c, fp);
	if (pinned != NO_REG) {
		not_raw(c, pinned);
		return pinned;
	}
	if (reuse != NO_REG && !has_slot(c, reuse) && c->s.until[reuse] <= c->at) {
		not_raw(c, reuse);
		return reuse;
	}
	return reg_new(c, fp);
}

/* ---- values ---- */

void set_reg(struct native_compiler *c, unsigned id, unsigned type, unsigned reg)
{
	struct val *v = &c->v[id];
	v->place = P_REG;
	v->type = (uint8_t)type;
	v->reg = (uint8_t)reg;
	c->s.until[reg] = MAX(c->s.until[reg], v->last);
}

void set_const(struct native_compiler *c, unsigned id, unsigned type, uint64_t imm)
{
	struct val *v = &c->v[id];
	v->place = P_CONST;
	v->type = (uint8_t)type;
	v->imm = interp_extend(imm, MIN(bits_of(type), 64), false);
	v->known = (struct known){ v->imm, type == BP_T_I64 && (int64_t)v->imm == (int32_t)v->imm };
}

void set_mem(struct native_compiler *c, unsigned id, unsigned type, uint32_t off)
{
	struct val *v = &c->v[id];
	v->place = P_MEM;
	v->type = (uint8_t)type;
	v->off = off;
}

bool is_const(const struct native_compiler *c, unsigned id, int64_t *imm)
{
	const struct val *v = &c->v[id];
	if (v->place != P_CONST || v->type > BP_T_I64)
		return false;
	unsigned bits = bits_of(v->type);
	*imm = (int64_t)interp_extend(v->imm, bits, bits > 1);
	return true;
}

void pcrel_to(struct native_compiler *c, unsigned id, unsigned reg)
{
	const struct val *v = &c->v[id];
	/* imm: offset | bits cleared below << 32 | bits kept << 40 | mark << 48: see codegen.c */
	unsigned low = v->imm >> 32 & 0xff, keep = v->imm >> 40 & 0xff;
	int32_t mark = (int32_t)(v->imm >> 48), imm = (int32_t)v->imm;
	bool narrow = c->addr_mask != UINT64_MAX;
	if (low || narrow) {
		emit_plus(&c->e, !narrow, reg, PC, mark);
		if (low >= 64)
			emit_const(&c->e, reg, 0);
		else if (low)
			emit_clear_low(&c->e, reg, low);
		emit_plus(&c->e, true, reg, reg, imm);
	} else {
		emit_plus(&c->e, true, reg, PC, imm + mark);
	}
	if (keep == 32)
		emit_mov(&c->e, false, reg, reg);
	else if (keep && keep < 64)
		emit_keep_low(&c->e, reg, keep);
}

/* What is known of a value as one of `type` in memory or in a guest register. */
static struct known known_as(const struct val *v, unsigned type)
{
	struct known k = v->known;
	k.narrow = k.narrow && type == BP_T_I64;
	return k;
}

/* A value at an offset: in a register, which is a slot's if the offset is a guest register's. */
static unsigned from_memory(struct native_compiler *c, struct val *v, bool fp)
{
	unsigned bytes = ir_types[v->type].bytes;
	bool guest = v->off < c->in->frame;
	unsigned reg = guest ? slot_find(c, v->off, bytes) : NO_REG;
	v->known = known_as(v, v->type); /* it is in no register */
	if (reg != NO_REG) {
		touch(c, reg);
		v->known.ones = c->s.slot[reg].known.ones;
		return reg;
	}
	if (guest)
		slots_release(c, v->off, bytes, NO_REG);
	reg = reg_new(c, (fp && bytes >= 4) || is_vector(v->type));
	load(c, reg, bytes, v->off);
	if (guest)
		slot_new(c, v->off, bytes, reg);
	return reg;
}

static unsigned value_in(struct native_compiler *c, unsigned id, bool fp)
{
	struct val *v = &c->v[id];
	unsigned reg;
	switch (v->place) {
	case P_REG: reg = v->reg; break;
	case P_CONST:
		reg = reg_new(c, false);
		emit_const(&c->e, reg, v->imm);
		if (is_vector(v->type)) {
			unsigned from = reg;
			reg = reg_new(c, true);
			emit_move(&c->e, reg, from);
		}
		return reg;
	case P_PCREL:
		reg = reg_new(c, false);
		pcrel_to(c, id, reg);
		return reg;
	case P_COND: {
		enum cc cc = test_condition(c, id);
		reg = reg_new(c, false);
		emit_cset(&c->e, reg, cc);
		return reg;
	}
	case P_MEM:
		reg = from_memory(c, v, fp);
		set_reg(c, id, v->type, reg);
		break;
	default: c->failed = true; return fp ? FP_FIRST : host_general[0];
	}
	if (ir_types[v->type].bytes > (is_fp(reg) ? FP_WIDTH : 8)) /* it has no register */
		c->failed = true;
	c->locked |= reg_bit(reg);
	if (has_slot(c, reg))
		touch(c, reg);
	return reg;
}

unsigned use(struct native_compiler *c, unsigned id)
{
	unsigned reg = value_in(c, id, false);
	if (!is_fp(reg))
		return reg;
	if (ir_types[c->v[id].type].bytes <= 4)
		settle_nan(c, reg);
	else
		settle(c, reg);
	unsigned to = reg_new(c, false);
	emit_move(&c->e, to, reg);
	return to;
}

/* A guest register that is used as floating point lives in such a register from then on. */
static void slot_to_fp(struct native_compiler *c, unsigned id, unsigned from, unsigned to)
{
	emit_move(&c->e, to, from);
	if (!has_slot(c, from) || is_pinned(c, from) || c->s.slot[from].bytes < 4)
		return;
	c->s.slot[to] = c->s.slot[from];
	c->s.used |= reg_bit(to);
	c->s.dirty |= (c->s.dirty >> from & 1) << to;
	slot_forget(c, from);
	set_reg(c, id, c->v[id].type, to);
}

unsigned use_number(struct native_compiler *c, unsigned id, unsigned type)
{
	unsigned reg = value_in(c, id, true);
	if (is_fp(reg)) {
		/* Bits of another format are bits. */
		reg_set bits = type == BP_T_F64 ? c->s.raw[0] | c->s.unboxed : c->s.raw[1];
		if (bits >> reg & 1)
			settle(c, reg);
		return reg;
	}
	unsigned to = reg_new(c, true);
	if (c->v[id].place == P_REG && c->v[id].reg == reg)
		slot_to_fp(c, id, reg, to);
	else
		emit_move(&c->e, to, reg);
	return to;
}

unsigned use_fp(struct native_compiler *c, unsigned id)
{
	unsigned reg = use_number(c, id, BP_T_F64);
	settle(c, reg);
	return reg;
}

void note_ones(struct native_compiler *c, unsigned id, uint64_t ones)
{
	struct val *v = &c->v[id];
	v->known.ones |= ones;
	if (v->place == P_REG && has_slot(c, v->reg) && c->s.slot[v->reg].bytes == 8)
		c->s.slot[v->reg].known.ones |= ones;
}

unsigned use_copy(struct native_compiler *c, unsigned id)
{
	unsigned reg = use(c, id);
	const struct val *v = &c->v[id];
	bool own = v->place != P_REG || v->reg != reg; /* made for this record */
	if (own || (!has_slot(c, reg) && c->s.until[reg] <= c->at))
		return reg;
	unsigned to = reg_new(c, false);
	emit_move(&c->e, to, reg);
	return to;
}

uint32_t in_memory(struct native_compiler *c, unsigned id)
{
	struct val *v = &c->v[id];
	unsigned bytes = ir_types[v->type].bytes;
	if (v->place == P_MEM) {
		/* C reads and writes places of its own: a guest register may be one of its results. */
		if (v->off >= c->in->frame)
			return v->off;
		for (reg_set left = slots_in(c, v->off, bytes); left; left &= left - 1)
			slot_store(c, first_of(left));
		return v->off;
	}
	uint32_t at = frame_new(c, bytes);
	if (is_vector(v->type) && v->place == P_REG) {
		store(c, v->reg, bytes, at);
		return at;
	}
	if (v->place != P_CONST || !emit_store_const(&c->e, true, BASE, AT(at), v->imm)) {
		unsigned reg = value_in(c, id, false);
		settle(c, reg);
		store(c, reg, 8, at);
	}
	for (unsigned done = 8; done < bytes; done += 8)
		emit_store_const(&c->e, true, BASE, AT(at + done), 0);
	return at;
}

/* ---- GET and PUT ---- */

/* I1 and FLAGS have no bits but their own. */
static void get_bits(struct native_compiler *c, unsigned id, unsigned type, uint32_t off)
{
	for (reg_set left = slots_in(c, off, 1); left; left &= left - 1)
		slot_store(c, first_of(left));
	unsigned reg = reg_new(c, false);
	load(c, reg, 1, off);
	emit_mask(&c->e, reg, ir_get_mask(type));
	set_reg(c, id, type, reg);
}

void get(struct native_compiler *c, unsigned id, unsigned type, uint32_t off)
{
	unsigned bytes = ir_types[type].bytes;
	for (unsigned i = c->deferreds; i-- > 0;) {
		const struct deferred *d = &c->deferred[i];
		unsigned len = ir_types[d->type].bytes;
		bool bits = type == BP_T_I1 || type == BP_T_FLAGS;
		if (d->off == off && len == bytes && ((!bits && bytes <= 8) || d->type == type)) {
			struct val *v = &c->v[id], old = *v;
			*v = c->v[d->val];
			v->uses = old.uses;
			v->last = old.last;
			v->type = (uint8_t)type;
			if (v->place == P_REG)
				set_reg(c, id, type, v->reg);
			return;
		}
		if (overlap(d->off, len, off, bytes)) {
			c->failed = true;
			return;
		}
	}
	if (type == BP_T_I1 || type == BP_T_FLAGS) {
		get_bits(c, id, type, off);
		return;
	}
	for (reg_set left = slots_in(c, off, bytes); left; left &= left - 1) {
		unsigned reg = first_of(left);
		const struct slot *s = &c->s.slot[reg];
		if (s->off == off && bytes <= s->bytes && (!is_fp(reg) || bytes >= 4) &&
			has_register(type)) {
			touch(c, reg);
			set_reg(c, id, type, reg);
			c->v[id].known = s->known;
			return;
		}
		slot_store(c, reg);
		if (!is_pinned(c, reg) && bytes <= 8)
			slot_forget(c, reg);
	}
	set_mem(c, id, type, off);
}

/* Values that were read from a guest register which is about to change. */
static void keep_old(struct native_compiler *c, uint32_t off, unsigned bytes, unsigned but)
{
	for (unsigned i = 1; i < c->count; i++) {
		struct val *v = &c->v[i];
		if (v->place != P_MEM || v->off >= c->in->frame || !lives_on(c, v) || i == but ||
			!overlap(v->off, ir_types[v->type].bytes, off, bytes))
			continue;
		if (!has_register(v->type))
			c->failed = true;
		else
			value_in(c, i, false);
	}
}

static void put_wide(struct native_compiler *c, unsigned bytes, uint32_t off, unsigned id)
{
	uint32_t from = in_memory(c, id);
	slots_release(c, off, bytes, NO_REG);
	copy(c, bytes, off, from);
}

static void put_pinned(struct native_compiler *c, unsigned reg, unsigned id)
{
	const struct val *v = &c->v[id];
	c->s.dirty |= reg_bit(reg);
	if (v->place == P_REG && v->reg == reg)
		return;
	for (unsigned i = 1; i < c->count; i++)
		if (i != id && c->v[i].place == P_REG && c->v[i].reg == reg &&
			lives_on(c, &c->v[i])) {
			spill(c, reg);
			break;
		}
	c->s.until[reg] = 0;
	if (v->place == P_CONST && !is_fp(reg)) {
		emit_const(&c->e, reg, v->imm);
		return;
	}
	unsigned from = value_in(c, id, is_fp(reg));
	if (!is_fp(reg))
		settle(c, from);
	move_raw(c, reg, from);
}

static void put_now(struct native_compiler *c, unsigned type, uint32_t off, unsigned id)
{
	unsigned bytes = ir_types[type].bytes;
	struct val *v = &c->v[id];
	keep_old(c, off, bytes, v->last > c->at ? 0 : id);
	if (!has_register(type)) {
		put_wide(c, bytes, off, id);
		return;
	}
	unsigned has = slot_find(c, off, bytes);
	slots_release(c, off, bytes, has);
	if (has != NO_REG && is_pinned(c, has)) {
		put_pinned(c, has, id);
		c->s.slot[has].known = known_as(v, type);
		return;
	}
	unsigned reg = value_in(c, id, prefers_fp(c, off));
	has = slot_find(c, off, bytes); /* reading the value may have made or moved it */
	if (has == reg)
		return;
	if (has_slot(c, reg)) {
		unsigned to = reg_new(c, is_fp(reg));
		move_raw(c, to, reg);
		reg = to;
		has = slot_find(c, off, bytes);
	}
	if (has != NO_REG)
		slot_forget(c, has);
	slot_new(c, off, bytes, reg)->known = known_as(v, type);
	c->s.dirty |= reg_bit(reg);
}

void put(struct native_compiler *c, unsigned type, uint32_t off, unsigned id)
{
	if (c->last_fault <= c->at) {
		put_now(c, type, off, id);
	} else if (c->deferreds == DEFERRED) {
		c->failed = true;
	} else {
		c->deferred[c->deferreds++] =
			(struct deferred){ .off = off, .val = (uint16_t)id, .type = (uint8_t)type };
	}
}

void flush(struct native_compiler *c)
{
	for (unsigned i = 1; i < c->count; i++) {
		struct val *v = &c->v[i];
		unsigned bytes = ir_types[v->type].bytes;
		if (!lives_on(c, v) || (v->place != P_REG && v->place != P_MEM))
			continue;
		if (v->place == P_REG) {
			spill(c, v->reg);
		} else if (v->off < c->in->frame) {
			uint32_t at = frame_new(c, bytes);
			copy(c, bytes, at, v->off);
			v->off = at;
		}
	}
	write_back(c, true);
	c->s.used = c->s.pinned;
	memset(c->s.until, 0, sizeof(c->s.until));
}

/* ---- two ways that join ---- */

bool meet(struct native_compiler *c, const struct state *other)
{
	reg_set bits = (c->s.raw[0] ^ other->raw[0]) | (c->s.raw[1] ^ other->raw[1]) |
		(c->s.unboxed ^ other->unboxed);
	for (reg_set left = c->s.used; left; left &= left - 1) {
		unsigned reg = first_of(left);
		struct slot *s = &c->s.slot[reg];
		unsigned from = slot_in(other, s->off, s->bytes);
		struct known known = from == NO_REG ? (struct known){ 0 } : other->slot[from].known;
		if (from != reg && (s->off & DERIVED || !(c->s.dirty >> reg & 1)))
			slot_forget(c, reg);
		s->known.ones &= known.ones;
		s->known.narrow = s->known.narrow && known.narrow;
		if (is_fp(reg) && from != reg)
			bits |= reg_bit(reg);
	}
	return !bits;
}

void bring_to(struct native_compiler *c, const struct state *to)
{
	reg_set same = 0, done;
	for (reg_set left = c->s.used & to->used; left; left &= left - 1) {
		const struct slot *s = &c->s.slot[first_of(left)];
		if (slot_in(to, s->off, s->bytes) == first_of(left))
			same |= left & -left;
	}
	/* meet() left nothing that lies elsewhere there, but what is dirty there. It moves to a register in which
	 * nothing is, or goes by memory, all of that before one comes back. */
	done = same;
	for (reg_set left = to->used & ~c->s.used; left; left &= left - 1) {
		const struct slot *s = &to->slot[first_of(left)];
		unsigned reg = first_of(left), from = slot_find(c, s->off, s->bytes);
		if (from == NO_REG || is_fp(from) || is_fp(reg))
			continue;
		emit_move(&c->e, reg, from);
		slot_forget(c, from);
		done |= reg_bit(reg);
	}
	for (reg_set left = c->s.used; left; left &= left - 1)
		if (!(same & to->dirty & (left & -left)))
			slot_store(c, first_of(left));
	for (reg_set left = to->used & ~done; left; left &= left - 1)
		load(c, first_of(left), to->slot[first_of(left)].bytes,
			to->slot[first_of(left)].off);
}
