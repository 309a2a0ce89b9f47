/* SPDX-License-Identifier: MIT */
/* "bp.scsi-device/1": a logical unit behind any SCSI controller (SAM-5, SPC-4).
 *
 * A unit attaches to a controller with `bus = "scsi"` and `slot = "TARGET.LUN"`. The controller owns
 * transport, addresses and task management, and answers REPORT LUNS; the unit owns its commands, its
 * sense data and unit attentions. */
#ifndef BACKPLANE_SCSI_H
#define BACKPLANE_SCSI_H
#include <backplane/base.h>
#include <backplane/blk.h>
#ifdef __cplusplus
extern "C" {
#endif

enum { BP_SCSI_CDB = 32, BP_SCSI_SENSE = 18, BP_SCSI_MAX_PIECES = 256 };

enum bp_scsi_status { /* SAM-5, 5.3.1 */
	BP_SCSI_GOOD = 0,
	BP_SCSI_CHECK_CONDITION = 2,
	BP_SCSI_UNIT_BUSY = 8
};

enum bp_scsi_result { /* how a command ended */
	BP_SCSI_DONE = 0, /* status holds */
	BP_SCSI_CANCELLED,
	BP_SCSI_OVERRUN /* the command moves more than there is memory for */
};

/* One command. The controller's memory: it and the pieces stay as they are until done is called. */
struct bp_scsi_command {
	uint32_t size;
	uint32_t out_count, in_count; /* at most BP_SCSI_MAX_PIECES */
	uint32_t cdb_len; /* what is behind it in cdb is zero */
	uint8_t cdb[BP_SCSI_CDB];
	const struct bp_blk_iov *out, *in; /* what the unit reads, what it writes */
	uint64_t out_len, in_len; /* the pieces' sums */
	/* Called once for each submit, maybe inside it. [owner] of the controller */
	void (*done)(void *owner, struct bp_scsi_command *c);
	void *owner;
	uint64_t tag; /* the controller's */
	void *unit; /* the unit's, from submit to done; NULL outside */
	/* Written by the unit. */
	uint64_t moved; /* bytes of in or out */
	uint32_t result; /* enum bp_scsi_result */
	uint8_t status, sense_len; /* enum bp_scsi_status; 0: no sense data */
	uint8_t sense[BP_SCSI_SENSE];
};

struct bp_scsi_port { /* what the controller offers */
	uint32_t size, reserved;
	/* A unit attention has come up that the driver may want to hear of at once: additional sense
	 * code and qualifier. [owner] */
	void (*attention)(void *port, uint8_t asc, uint8_t ascq);
};

struct bp_scsi_device {
	uint32_t size, reserved;
	/* Its controller is there: keep both pointers. 0, or -1 after host->fail. [main] */
	int (*attach)(void *self, const struct bp_scsi_port *ops, void *port);
	/* Begin commands. Does not block. [owner] */
	void (*submit)(void *self, struct bp_scsi_command *const *commands, uint32_t count);
	/* It ends with BP_SCSI_CANCELLED if that is still possible: at the latest in drain. [owner] */
	void (*cancel)(void *self, struct bp_scsi_command *c);
	/* Returns when no cancelled command is under way. [owner] */
	void (*drain)(void *self);
	/* As a logical unit reset leaves it, with the unit attention for that; nothing is under way that
	 * was not cancelled. [owner] */
	void (*reset)(void *self);
	/* Standard INQUIRY data for the same target where there is no unit: who makes it. At most len
	 * bytes, returns how many. [any] */
	uint32_t (*inquiry)(void *self, uint8_t *out, uint32_t len);
	uint64_t max_transfer; /* bytes that a command should move at most; 0: any */
};

#ifdef __cplusplus
}
#endif
#endif
