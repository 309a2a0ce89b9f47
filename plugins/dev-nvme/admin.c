/* SPDX-License-Identifier: MIT */
/* The admin command set (NVM Express 1.4, section 5). */
#include "nvme.h"
#include <stdio.h>
#include <string.h>

enum {
	DELETE_SQ = 0x00,
	CREATE_SQ = 0x01,
	GET_LOG_PAGE = 0x02,
	DELETE_CQ = 0x04,
	CREATE_CQ = 0x05,
	IDENTIFY = 0x06,
	ABORT = 0x08,
	SET_FEATURES = 0x09,
	GET_FEATURES = 0x0a,
	ASYNC_EVENT = 0x0c
};

enum { NOTICE_NAMESPACE = 0x100 };

/* ---- queues ---- */

static int queue_arguments(
	const struct nvme *n, const struct command *c, uint32_t *id, uint32_t *size)
{
	*id = dword(c, 10) & 0xffff;
	*size = (dword(c, 10) >> 16) + 1;
	if (!*id || *id > n->queues)
		return INVALID_QUEUE;
	if (*size < 2 || *size > ENTRIES_MAX)
		return INVALID_QUEUE_SIZE;
	/* Only queues in one piece (CAP.CQR). */
	if (!(dword(c, 11) & 1))
		return INVALID_FIELD;
	return get(c->entry + 24, 8) % PAGE_BYTES ? PRP_OFFSET : OK;
}

static int create_cq(struct nvme *n, struct command *c)
{
	uint32_t id, size, vector = dword(c, 11) >> 16;
	int status = queue_arguments(n, c, &id, &size);
	if (status != OK)
		return status | DO_NOT_RETRY;
	if (n->cq[id].used)
		return INVALID_QUEUE | DO_NOT_RETRY;
	if (vector >= n->pci.msix.vectors)
		return INVALID_VECTOR | DO_NOT_RETRY;
	n->cq[id] = (struct completion_queue){ .base = get(c->entry + 24, 8),
		.used = 1,
		.size = size,
		.phase = 1,
		.vector = vector,
		.interrupts = dword(c, 11) >> 1 & 1 };
	return OK;
}

static int create_sq(struct nvme *n, struct command *c)
{
	uint32_t id, size, cq = dword(c, 11) >> 16;
	int status = queue_arguments(n, c, &id, &size);
	if (status != OK)
		return status | DO_NOT_RETRY;
	if (n->sq[id].used)
		return INVALID_QUEUE | DO_NOT_RETRY;
	if (!cq || cq > n->queues || !n->cq[cq].used)
		return COMPLETION_QUEUE_INVALID | DO_NOT_RETRY;
	n->sq[id] = (struct submission_queue){
		.base = get(c->entry + 24, 8), .used = 1, .size = size, .cq = cq
	};
	return OK;
}

static int delete_sq(struct nvme *n, struct command *c)
{
	uint32_t id = dword(c, 10) & 0xffff;
	if (!id || id > n->queues || !n->sq[id].used)
		return INVALID_QUEUE | DO_NOT_RETRY;
	n->sq[id].used = 0;
	for (unsigned i = 0; i < COMMANDS; i++)
		if (n->command[i].sq == id && n->command[i].submitted)
			n->blk->cancel(n->blk_link->self, &n->command[i].req);
	/* The guest takes the memory back when this command ends. */
	nvme_quiesce(n);
	return OK;
}

static int delete_cq(struct nvme *n, const struct command *c)
{
	uint32_t id = dword(c, 10) & 0xffff;
	if (!id || id > n->queues || !n->cq[id].used)
		return INVALID_QUEUE | DO_NOT_RETRY;
	for (unsigned i = 1; i < QUEUES; i++)
		if (n->sq[i].used && n->sq[i].cq == id)
			return INVALID_QUEUE_DELETION | DO_NOT_RETRY;
	/* Nobody will hear of these. */
	for (unsigned i = 0; i < COMMANDS; i++)
		if (n->command[i].state == COMMAND_DONE && n->command[i].cq == id)
			n->command[i].state = COMMAND_FREE;
	n->cq[id].used = 0;
	nvme_interrupts(n);
	return OK;
}

static int abort_command(struct nvme *n, const struct command *c, uint32_t *result)
{
	uint32_t sq = dword(c, 10) & 0xffff, id = dword(c, 10) >> 16;
	*result = 1; /* not aborted, unless it turns out otherwise */
	for (unsigned i = 0; i < COMMANDS; i++) {
		struct command *other = &n->command[i];
		if (other == c || other->sq != sq || get(other->entry + 2, 2) != id)
			continue;
		if (other->state == COMMAND_WAITS_FOR_EVENT) {
			command_end(other, ABORTED, 0);
			*result = 0;
		} else if (other->state == COMMAND_RUNS && other->submitted) {
			n->blk->cancel(n->blk_link->self, &other->req);
		}
	}
	return OK;
}

/* ---- identify ---- */

static void put_text(uint8_t *to, unsigned room, const char *text)
{
	size_t len = strlen(text);
	memset(to, ' ', room);
	memcpy(to, text, len < room ? len : room);
}

static void identify_controller(const struct nvme *n, uint8_t *p)
{
	unsigned mdts = 0;
	char name[128];
	while (1u << mdts < n->max_pages)
		mdts++;
	put(p, 2, n->pci.vendor);
	put(p + 2, 2, n->pci.subsystem_vendor);
	put_text(p + 4, 20, n->serial);
	put_text(p + 24, 40, "Backplane NVMe");
	put_text(p + 64, 8, "1");
	p[72] = 6; /* recommended arbitration burst */
	p[77] = (uint8_t)mdts;
	put(p + 80, 4, 0x00010400);
	put(p + 92, 4, NOTICE_NAMESPACE); /* events that it has beside errors */
	p[111] = 1; /* an I/O controller */
	p[258] = p[259] = 3; /* aborts and event requests at a time, less one */
	p[260] = 3; /* one firmware slot, read-only */
	put(p + 266, 2, 343); /* warning and critical temperature, K */
	put(p + 268, 2, 373);
	p[512] = 0x66;
	p[513] = 0x44;
	put(p + 514, 2, 0);
	put(p + 516, 4, 1);
	put(p + 520, 2, 0x0c); /* dataset management, write zeroes */
	p[525] = n->info.flags & BP_BLK_WRITE_CACHE ? 1 : 0;
	snprintf(name, sizeof(name), "nqn.2026-11.invalid.backplane:nvme:%.60s", n->serial);
	memcpy(p + 768, name, strlen(name));
	put(p + 2048, 2, 2500); /* power state 0: 25 W at most */
}

static void identify_namespace(const struct nvme *n, uint8_t *p)
{
	uint64_t blocks = n->info.bytes / n->info.block_size;
	unsigned log2 = 0;
	while (1u << log2 < n->info.block_size)
		log2++;
	put(p, 8, blocks);
	put(p + 8, 8, blocks);
	put(p + 16, 8, blocks);
	p[24] = n->info.flags & BP_BLK_CAN_DISCARD ? 1 : 0;
	p[99] = n->info.flags & BP_BLK_READ_ONLY ? 1 : 0; /* write protected */
	p[128 + 2] = (uint8_t)log2;
}

static int identify(struct nvme *n, struct command *c)
{
	enum { NAMESPACE, CONTROLLER, NAMESPACES, DESCRIPTORS };
	uint8_t page[PAGE_BYTES] = { 0 };
	uint32_t nsid = dword(c, 1);
	switch (dword(c, 10) & 0xff) {
	case NAMESPACE:
		if (nsid != 1 && nsid != UINT32_MAX)
			return INVALID_NAMESPACE | DO_NOT_RETRY;
		identify_namespace(n, page);
		break;
	case CONTROLLER: identify_controller(n, page); break;
	case NAMESPACES:
		if (nsid >= UINT32_MAX - 1)
			return INVALID_NAMESPACE | DO_NOT_RETRY;
		put(page, 4, nsid < 1 ? 1 : 0);
		break;
	case DESCRIPTORS: {
		if (nsid != 1)
			return INVALID_NAMESPACE | DO_NOT_RETRY;
		/* A UUID of version 8, out of the serial number. */
		page[0] = 3;
		page[1] = 16;
		for (size_t i = 0; i < strlen(n->serial); i++)
			page[4 + i % 16] = (uint8_t)(page[4 + i % 16] * 31 + n->serial[i]);
		page[4 + 6] = 0x80 | (page[4 + 6] & 0x0f);
		page[4 + 8] = 0x80 | (page[4 + 8] & 0x3f);
		break;
	}
	default: return INVALID_FIELD | DO_NOT_RETRY;
	}
	return prp_copy(n, c, 0, page, sizeof(page), 1);
}

/* ---- log pages ---- */

static int get_log_page(struct nvme *n, struct command *c)
{
	enum { ERRORS = 1, HEALTH, FIRMWARE, CHANGES, LOG_BYTES = 512, KEEP_EVENT = 0x8000 };
	uint8_t page[PAGE_BYTES] = { 0 };
	uint64_t len = ((dword(c, 10) >> 16 | (uint64_t)(dword(c, 11) & 0xffff) << 16) + 1) * 4;
	uint64_t skip = get(c->entry + 48, 8);
	switch (dword(c, 10) & 0xff) {
	case ERRORS: break;
	case HEALTH:
		put(page + 1, 2, 300); /* K */
		page[3] = 100; /* percent of spare that is there */
		page[4] = 10;
		break;
	case FIRMWARE:
		page[0] = 1;
		put_text(page + 8, 8, "1");
		break;
	case CHANGES: put(page, 4, n->changed != UNCHANGED); break; /* namespace 1 */
	default: return INVALID_LOG_PAGE | DO_NOT_RETRY;
	}
	if (len > PAGE_BYTES || skip % 4 || skip > LOG_BYTES)
		return INVALID_FIELD | DO_NOT_RETRY;
	if ((dword(c, 10) & 0xff) == CHANGES && !(dword(c, 10) & KEEP_EVENT))
		n->changed = UNCHANGED;
	if (skip)
		memmove(page, page + skip, PAGE_BYTES - skip);
	return prp_copy(n, c, 0, page, (uint32_t)len, 1);
}

/* ---- features ---- */

enum { CACHE = 6, NUMBER_OF_QUEUES = 7, VECTOR_CONFIG = 9, EVENT_CONFIG = 11 };
static const struct {
	uint32_t known, initial, writable;
} features[FEATURES] = { /* by feature identifier, figure 271 */
	[1] = { 1, 0, UINT32_MAX }, /* arbitration */
	[2] = { 1, 0, 0xff }, /* power management */
	[4] = { 1, 343, 0x3fffff }, /* temperature threshold */
	[5] = { 1, 0, 0x1ffff }, /* error recovery */
	[CACHE] = { 1, 1, 1 },
	[NUMBER_OF_QUEUES] = { 1, 0, 0 },
	[8] = { 1, 0, 0xffff }, /* interrupt coalescing */
	[VECTOR_CONFIG] = { 1, 0, 0 },
	[10] = { 1, 0, 1 }, /* write atomicity */
	[EVENT_CONFIG] = { 1, 0, 0x7fff }
};

void admin_reset(struct nvme *n)
{
	for (unsigned i = 0; i < FEATURES; i++)
		n->feature[i] = features[i].initial;
	n->changed = UNCHANGED;
	if (n->blk)
		n->blk->write_cache(n->blk_link->self, 1);
}

static int feature(struct nvme *n, struct command *c, int set, uint32_t *result)
{
	uint32_t id = dword(c, 10) & 0xff, value = dword(c, 11);
	if (id >= FEATURES || !features[id].known)
		return INVALID_FIELD | DO_NOT_RETRY;
	if (id == CACHE && !(n->info.flags & BP_BLK_WRITE_CACHE))
		return INVALID_FIELD | DO_NOT_RETRY;
	if (set && dword(c, 10) >> 31)
		return FEATURE_NOT_SAVEABLE | DO_NOT_RETRY;
	if (id == NUMBER_OF_QUEUES) {
		if (set && ((value & 0xffff) == 0xffff || value >> 16 == 0xffff))
			return INVALID_FIELD | DO_NOT_RETRY;
		*result = (n->queues - 1) | (n->queues - 1) << 16;
		return OK;
	}
	if (id == VECTOR_CONFIG) {
		if ((value & 0xffff) >= n->pci.msix.vectors)
			return INVALID_FIELD | DO_NOT_RETRY;
		*result = value & 0xffff;
		return OK;
	}
	if (!set) {
		*result = n->feature[id];
		return OK;
	}
	n->feature[id] = value & features[id].writable;
	if (id == CACHE)
		n->blk->write_cache(n->blk_link->self, (int)n->feature[id]);
	return OK;
}

/* A notice "namespace attribute changed", whose log page is 4 (figures 146 and 150). */
static void tell_change(struct nvme *n)
{
	enum { NOTICE = 2, LOG_CHANGES = 4 };
	if (n->changed != CHANGED || !(n->feature[EVENT_CONFIG] & NOTICE_NAMESPACE))
		return;
	for (unsigned i = 0; i < COMMANDS; i++)
		if (n->command[i].state == COMMAND_WAITS_FOR_EVENT) {
			n->changed = CHANGED_AND_TOLD;
			command_end(&n->command[i], OK, NOTICE | LOG_CHANGES << 16);
			return;
		}
}

void admin_changed(struct nvme *n)
{
	if (n->changed == UNCHANGED)
		n->changed = CHANGED;
	tell_change(n);
}

static int wait_for_event(struct nvme *n, struct command *c)
{
	unsigned waiting = 0;
	for (unsigned i = 0; i < COMMANDS; i++)
		waiting += n->command[i].state == COMMAND_WAITS_FOR_EVENT;
	if (waiting == EVENTS_MAX)
		return TOO_MANY_EVENTS | DO_NOT_RETRY;
	c->state = COMMAND_WAITS_FOR_EVENT;
	tell_change(n);
	return LATER;
}

int admin_execute(struct nvme *n, struct command *c, uint32_t *result)
{
	if (c->entry[1] & 0xc3)
		return INVALID_FIELD | DO_NOT_RETRY;
	switch (c->entry[0]) {
	case DELETE_SQ: return delete_sq(n, c);
	case CREATE_SQ: return create_sq(n, c);
	case GET_LOG_PAGE: return get_log_page(n, c);
	case DELETE_CQ: return delete_cq(n, c);
	case CREATE_CQ: return create_cq(n, c);
	case IDENTIFY: return identify(n, c);
	case ABORT: return abort_command(n, c, result);
	case SET_FEATURES: return feature(n, c, 1, result);
	case GET_FEATURES: return feature(n, c, 0, result);
	case ASYNC_EVENT: return wait_for_event(n, c);
	default: return INVALID_OPCODE | DO_NOT_RETRY;
	}
}
