/* SPDX-License-Identifier: MIT */
/* Vector loads and stores (unpriv 30.7). */
#include "vec.h"

enum { PAGE_BYTES = 4096, GROUP_BYTES = RV_VLEN_MAX }; /* eight registers */

/* One load or store: elements start..end of `fields` fields each. */
struct mem {
	struct vec *v;
	const struct bp_cpu_core *core;
	uint8_t *data; /* element 0 of field 0 */
	uint64_t base, end;
	uint64_t stride; /* from segment to segment, if there are no indexes */
	uint32_t memop;
	unsigned size, fields, field_bytes; /* size: bytes; field_bytes: from field to field */
	int store;
};

static uint64_t address(const struct mem *m, uint64_t offset)
{
	uint64_t addr = m->base + offset;
	return m->v->cpu->config.xlen == 32 ? (uint32_t)addr : addr;
}

/* Whether the data operand of 1 << size bytes is legal; sets up the rest. */
static int prepare(struct mem *m, struct vec *v, int size, struct vec_group *data)
{
	unsigned reg = v->rule->flags & VF_STORE ? v->a.rs3 : v->a.rd;
	struct rv_cpu *cpu = v->cpu;
	*m = (struct mem){ .v = v,
		.core = cpu->core,
		.base = cpu->x[v->a.rs1],
		.end = v->vl,
		.size = 1u << size,
		.fields = v->a.nf,
		.store = v->rule->flags & VF_STORE };
	m->data = vec_reg(cpu, reg);
	m->memop = (uint32_t)size | RV_KEY(cpu->head.key, RV_KEY_REGIME, 4) << BP_MEM_REGIME_SHIFT;
	m->stride = (uint64_t)m->size * m->fields;
	if (!vec_group(data, reg, 8 << size, v->lmul + size - v->sew, m->fields))
		return 0;
	m->field_bytes = v->vlenb * (unsigned)data->count / m->fields;
	/* Stores through a mask of the mask register itself are reserved, but harmless. */
	return v->a.vm || data->reg || m->store;
}

/* The access to element i failed: those before it are done. */
static int faulted(struct mem *m, uint64_t i)
{
	struct rv_cpu *cpu = m->v->cpu;
	if (cpu->vstart != i) {
		cpu->vstart = i;
		rv_update_key(cpu);
	}
	return BP_H_RAISED;
}

/* All fields of element i. */
static int segment(struct mem *m, uint64_t i, uint64_t offset)
{
	for (unsigned f = 0; f < m->fields; f++) {
		uint8_t *p = m->data + f * m->field_bytes + i * m->size;
		uint64_t addr = address(m, offset + (uint64_t)f * m->size), value[8] = { 0 };
		int status;
		if (m->store) {
			memcpy(value, p, m->size);
			status = m->core->store(m->v->cpu, addr, m->memop, value);
		} else {
			status = m->core->load(m->v->cpu, addr, m->memop, value);
			if (status == BP_H_OK)
				memcpy(p, value, m->size);
		}
		if (status != BP_H_OK)
			return faulted(m, i);
	}
	return BP_H_OK;
}

/* Segments in memory order to or from the registers. */
static void shuffle(struct mem *m, uint8_t *buf)
{
	for (uint64_t i = m->v->start; i < m->end; i++)
		for (unsigned f = 0; f < m->fields; f++, buf += m->size) {
			uint8_t *p = m->data + f * m->field_bytes + i * m->size;
			memcpy(m->store ? buf : p, m->store ? p : buf, m->size);
		}
}

/* All at once, if no byte of it faults: BP_H_OK, BP_H_RAISED, or -1: go one by one. */
static int block(struct mem *m)
{
	struct rv_cpu *cpu = m->v->cpu;
	uint64_t start = m->v->start, addr = address(m, start * m->stride);
	uint32_t len = (uint32_t)((m->end - start) * m->stride);
	uint8_t buf[GROUP_BYTES], *at = m->data + start * m->size;
	if ((addr & (PAGE_BYTES - 1)) + len > PAGE_BYTES &&
		m->core->probe(cpu, addr, len, m->store ? BP_ACC_WRITE : BP_ACC_READ, m->memop, 1))
		return -1;
	if (m->fields > 1) {
		at = buf;
		if (m->store)
			shuffle(m, buf);
	}
	int status = m->store ? m->core->store_bytes(cpu, addr, at, len, m->memop)
			      : m->core->load_bytes(cpu, addr, at, len, m->memop);
	if (status == BP_H_OK && m->fields > 1 && !m->store)
		shuffle(m, buf);
	return status;
}

static int run_strided(struct mem *m)
{
	for (uint64_t i = m->v->start; i < m->end; i++)
		if (vec_active(m->v, i) && segment(m, i, i * m->stride) != BP_H_OK)
			return BP_H_RAISED;
	return BP_H_OK;
}

static int run_unit(struct mem *m)
{
	if (m->v->start >= m->end)
		return BP_H_OK;
	int status = m->v->a.vm ? block(m) : -1;
	return status < 0 ? run_strided(m) : status;
}

int vec_unit(struct vec *v)
{
	struct mem m;
	struct vec_group data;
	return prepare(&m, v, v->rule->p, &data) ? run_unit(&m) : vec_illegal(v);
}

int vec_strided(struct vec *v)
{
	struct mem m;
	struct vec_group data;
	if (!prepare(&m, v, v->rule->p, &data))
		return vec_illegal(v);
	m.stride = v->cpu->x[v->a.rs2];
	if (v->cpu->config.xlen == 32)
		m.stride = (uint64_t)vec_sext(m.stride, 32);
	return run_strided(&m);
}

/* vlm.v and vsm.v: the bytes that hold vl bits, EEW 8 whatever vtype says (unpriv 30.7.4) */
int vec_mask_memory(struct vec *v)
{
	struct mem m;
	struct vec_group data;
	v->sew = v->lmul = 0;
	if (!prepare(&m, v, 0, &data))
		return vec_illegal(v);
	m.end = (v->vl + 7) / 8;
	return run_unit(&m);
}

/* unpriv 30.7.9: nf registers as one group of elements of 1 << p bytes */
int vec_whole_memory(struct vec *v)
{
	struct mem m;
	struct vec_group data;
	unsigned count = v->a.nf;
	v->sew = v->lmul = 0;
	v->a.nf = 1;
	if (!prepare(&m, v, 0, &data))
		return vec_illegal(v);
	m.size = 1u << v->rule->p;
	m.stride = m.size;
	m.memop = (m.memop & ~(uint32_t)BP_MEM_SIZE) | v->rule->p;
	m.end = count * v->vlenb / m.size;
	return run_unit(&m);
}

/* Only element 0 may fault; a fault of another one ends the vector before it (unpriv 30.7.7). Each
 * segment is asked for before any of it is loaded. */
int vec_first_only(struct vec *v)
{
	struct mem m;
	struct vec_group data;
	if (!prepare(&m, v, v->rule->p, &data))
		return vec_illegal(v);
	for (uint64_t i = v->start; i < v->vl; i++) {
		uint64_t addr = address(&m, i * m.stride);
		if (!vec_active(v, i))
			continue;
		if (m.core->probe(v->cpu, addr, (uint32_t)m.stride, BP_ACC_READ, m.memop, i != 0)) {
			if (!i)
				return faulted(&m, 0);
			v->cpu->vl = i;
			rv_update_key(v->cpu);
			break;
		}
		if (segment(&m, i, i * m.stride) != BP_H_OK)
			return BP_H_RAISED;
	}
	return BP_H_OK;
}

/* p: log2 of an index's bytes. Indexes of 64 bits are not for RV32 (unpriv 30.18.3). */
int vec_indexed(struct vec *v)
{
	struct mem m;
	struct vec_group data, index;
	int p = v->rule->p;
	if ((p == 3 && v->cpu->config.xlen == 32) || !prepare(&m, v, v->sew, &data) ||
		!vec_group(&index, v->a.rs2, 8 << p, v->lmul + p - v->sew, 1) ||
		!vec_mask_ok(v, &index))
		return vec_illegal(v);
	/* A store reads both, so with one EEW only (looked at for the first field); a segment load
	 * may overlap nothing. */
	if (m.store) {
		data.count /= (int)m.fields;
		if (!vec_mask_ok(v, &data) ||
			(data.eew != index.eew && !vec_overlap_ok(&data, &index, 1)))
			return vec_illegal(v);
	} else if (!vec_overlap_ok(&data, &index, m.fields > 1)) {
		return vec_illegal(v);
	}
	for (uint64_t i = v->start; i < v->vl; i++)
		if (vec_active(v, i) && segment(&m, i, vec_get(v->s2, i, p)) != BP_H_OK)
			return BP_H_RAISED;
	return BP_H_OK;
}
