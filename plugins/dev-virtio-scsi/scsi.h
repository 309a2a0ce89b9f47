/* SPDX-License-Identifier: MIT */
/* Virtio SCSI host (Virtio 1.2, section 5.6).
 *
 *   scsi.c      life, configuration, the transport's side, events, state
 *   request.c   request queues: a chain becomes a command of a unit, its end a response
 *   control.c   control queue: task management */
#ifndef DEV_VIRTIO_SCSI_H
#define DEV_VIRTIO_SCSI_H
#include <backplane/bus.h>
#include <backplane/plugin.h>
#include <backplane/scsi.h>
#include <backplane/virtio.h>

enum { CONTROLQ = 0, EVENTQ = 1, REQUESTQ = 2, QUEUES = 64, QUEUE_SIZE = 1024 };
enum { UNITS = 256, TARGETS = 256, LUNS = 256, LUN_BYTES = 8 };
enum { SENSE_DEFAULT = 96, CDB_DEFAULT = 32, SIZE_MAX_SET = 4096 };
enum { F_CHANGE = 2 }; /* feature bits, 5.6.3 */
enum response { /* 5.6.6.1.1, 5.6.6.2 */
	S_OK = 0,
	S_OVERRUN = 1,
	S_ABORTED = 2,
	S_BAD_TARGET = 3,
	S_RESET = 4,
	S_FAILURE = 9,
	S_FUNCTION_SUCCEEDED = 10,
	S_FUNCTION_REJECTED = 11,
	S_INCORRECT_LUN = 12
};

struct scsi;

struct unit {
	struct scsi *owner;
	const struct bp_scsi_device *dev;
	void *self;
	uint32_t target, lun;
};

struct request {
	struct bp_virtio_request chain;
	struct bp_scsi_command cmd;
	struct bp_blk_iov iov[BP_VIRTIO_MAX_BUFFERS + 2]; /* of out, then of in */
	struct scsi *owner;
	struct unit *unit;
	uint64_t id;
	uint32_t cancelled; /* why: enum response, 0: it is not */
	uint8_t lun[LUN_BYTES];
};

struct scsi {
	const struct bp_host *host;
	uint32_t queues, queue_size;
	const struct bp_virtio_transport *ops;
	void *transport;
	struct bp_virtio_device device;
	struct bp_virtio_request control, event; /* one at a time, never held */
	struct unit unit[UNITS];
	uint32_t units;
	uint64_t stopping; /* queues whose chains are let go of */
	uint64_t posted; /* queues that are looked at again soon */
	/* What the driver set, and events that found no chain. */
	uint32_t sense_size, cdb_size;
	uint8_t events_missed;
};

/* ---- addresses ---- */

/* Target and LUN of 8 bytes (5.6.6.1): 0, or -1: they have another form. */
int address_of(const uint8_t *lun, uint32_t *target, uint32_t *number);
/* NULL: nobody is there; *in_target: a unit of the same target, if there is any. */
struct unit *unit_at(struct scsi *d, const uint8_t *lun, struct unit **in_target);

/* ---- requests ---- */

void request_kick(struct scsi *d, unsigned queue);
/* Ends those that `meant` picks with this response, and waits for it; S_OK: their queues are stopped,
 * chains are let go of. Returns how many there were. */
uint32_t request_cancel(struct scsi *d, int (*meant)(const struct request *r, const void *what),
	const void *what, enum response why);
/* After loading: begins what the transport has taken again, soon. */
int request_loaded(struct scsi *d, bp_error *err);

void control_kick(struct scsi *d);

#endif
