/* SPDX-License-Identifier: MIT */
/* NVM Express 1.4: one controller with one namespace on a drive, as a PCI function.
 *
 *   nvme.c   registers, queues, interrupts, the life of a command
 *   admin.c  the admin command set
 *   io.c     PRPs and the NVM command set
 *
 * Everything in guest memory is hostile; queue entries are copied once and then believed. */
#ifndef DEV_NVME_NVME_H
#define DEV_NVME_NVME_H
#include <backplane/blk.h>
#include <backplane/pci.h>
#include <backplane/plugin.h>

enum {
	PAGE_BYTES = 4096, /* the only memory page size */
	QUEUES = 65, /* admin and at most 64 for I/O */
	ENTRIES_MAX = 1024, /* of an I/O queue */
	SQ_ENTRY = 64,
	CQ_ENTRY = 16,
	COMMANDS = 256, /* under way at a time */
	PAGES_MAX = 128, /* of one transfer */
	EVENTS_MAX = 4, /* asynchronous event requests that wait */
	FEATURES = 12
};
enum { /* status: type << 8 | code (figures 126 to 130) */
	OK = 0x000,
	INVALID_OPCODE = 0x001,
	INVALID_FIELD = 0x002,
	TRANSFER_ERROR = 0x004,
	INTERNAL_ERROR = 0x006,
	ABORTED = 0x007,
	ABORTED_SQ_DELETION = 0x008,
	INVALID_NAMESPACE = 0x00b,
	PRP_OFFSET = 0x013,
	LBA_RANGE = 0x080,
	CAPACITY_EXCEEDED = 0x081,
	COMPLETION_QUEUE_INVALID = 0x100,
	INVALID_QUEUE = 0x101,
	INVALID_QUEUE_SIZE = 0x102,
	TOO_MANY_EVENTS = 0x105,
	INVALID_VECTOR = 0x108,
	INVALID_LOG_PAGE = 0x109,
	INVALID_QUEUE_DELETION = 0x10c,
	FEATURE_NOT_SAVEABLE = 0x10d,
	READ_ONLY_RANGE = 0x182,
	WRITE_FAULT = 0x280,
	READ_ERROR = 0x281,
	DO_NOT_RETRY = 0x4000,
	LATER = -1 /* the command ends by itself */
};

struct submission_queue {
	uint64_t base;
	uint32_t used, size, head, tail, cq;
};

struct completion_queue {
	uint64_t base;
	uint32_t used, size, head, tail, phase, vector, interrupts;
};

enum command_state { COMMAND_FREE, COMMAND_RUNS, COMMAND_WAITS_FOR_EVENT, COMMAND_DONE };

struct command {
	uint32_t state; /* enum command_state */
	uint32_t sq, cq;
	uint32_t status, result; /* when done */
	uint8_t entry[SQ_ENTRY]; /* as it was fetched */
	/* Not saved: what a drive does for it. */
	struct nvme *owner;
	uint64_t at, end; /* bytes of the disk still to be worked on; ranges: their numbers */
	uint64_t step; /* bytes under way */
	int submitted;
	struct bp_blk_request req;
	uint32_t pieces;
	struct bp_blk_iov iov[PAGES_MAX + 1];
};

/* The namespace's size, for asynchronous events (5.2): they tell once until the guest reads the log. */
enum changed { UNCHANGED, CHANGED, CHANGED_AND_TOLD };

struct nvme {
	const struct bp_host *host;
	const struct bp_link *blk_link;
	const struct bp_blk *blk;
	struct bp_blk_info info;
	const char *serial;
	uint32_t queues; /* property: of I/O, each way */
	struct bp_pci_device pci;
	const struct bp_pci_bus *ops; /* NULL: in no slot */
	void *fn;
	bp_dma *dma;
	uint32_t max_pages; /* of one transfer, a power of two */
	int busy; /* commands are being fetched or waited for: not again from inside */
	/* registers */
	uint32_t mask, cc, csts, aqa;
	uint64_t asq, acq;
	uint32_t feature[FEATURES];
	struct submission_queue sq[QUEUES];
	struct completion_queue cq[QUEUES];
	uint32_t changed; /* enum changed */
	uint32_t starved; /* commands wait for a free place */
	struct command command[COMMANDS];
};

static inline uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static inline void put(uint8_t *p, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* A dword of the command. */
static inline uint32_t dword(const struct command *c, unsigned n)
{
	return (uint32_t)get(c->entry + 4 * n, 4);
}

/* ---- nvme.c ---- */
/* The command has ended; the guest hears of it as soon as its queue has room. */
void command_end(struct command *c, uint32_t status, uint32_t result);
/* Nothing of the drive's touches guest memory any more when it returns. */
void nvme_quiesce(struct nvme *n);
/* A place has become free, or a drain is over: fetch what came meanwhile. */
void nvme_fetch_all(struct nvme *n);
void nvme_interrupts(struct nvme *n);

/* ---- admin.c ---- */
/* Status, or LATER. */
int admin_execute(struct nvme *n, struct command *c, uint32_t *result);
void admin_reset(struct nvme *n); /* features */
/* The namespace has another size: who waits for events hears of it. */
void admin_changed(struct nvme *n);

/* ---- io.c ---- */
int io_execute(struct nvme *n, struct command *c);
/* Go on with a command that the drive worked on; status or LATER. */
int io_continue(struct command *c, int result);
void io_release(struct command *c, int written);
/* Copy between a buffer and the memory that PRP1 and PRP2 name, from `skip` on; at most two pages. */
int prp_copy(struct nvme *n, const struct command *c, uint32_t skip, void *buf, uint32_t len,
	int to_guest);

#endif
