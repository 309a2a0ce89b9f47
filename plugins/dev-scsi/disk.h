/* SPDX-License-Identifier: MIT */
/* SCSI disk (SPC-4, SBC-3) in front of a drive (blk.h).
 *
 *   disk.c    life, the table of commands, those that are over at once
 *   pages.c   INQUIRY and mode pages
 *   io.c      commands that the drive has a part in: a job is steps, one after the other */
#ifndef DEV_SCSI_DISK_H
#define DEV_SCSI_DISK_H
#include <backplane/plugin.h>
#include <backplane/scsi.h>

enum { UNMAP_MAX = 64, UNMAP_BYTES = 16, BUFFER = 65536, BATCH = 32 };

#define SENSE(key, asc, ascq) ((uint32_t)(key) << 16 | (asc) << 8 | (ascq)) /* SPC-4, 4.5 */
enum sense {
	NO_SENSE = 0,
	NOT_READY_STOPPED = SENSE(2, 0x04, 0x02),
	READ_ERROR = SENSE(3, 0x11, 0x00),
	WRITE_ERROR = SENSE(3, 0x0c, 0x00),
	TARGET_FAILURE = SENSE(4, 0x44, 0x00),
	LIST_LENGTH = SENSE(5, 0x1a, 0x00),
	INVALID_COMMAND = SENSE(5, 0x20, 0x00),
	LBA_OUT_OF_RANGE = SENSE(5, 0x21, 0x00),
	INVALID_FIELD = SENSE(5, 0x24, 0x00),
	INVALID_PARAMETER = SENSE(5, 0x26, 0x00),
	NO_SAVED_PAGES = SENSE(5, 0x39, 0x00),
	WAS_RESET = SENSE(6, 0x29, 0x00),
	CAPACITY_CHANGED = SENSE(6, 0x2a, 0x09),
	WRITE_PROTECTED = SENSE(7, 0x27, 0x00),
	NO_SPACE = SENSE(7, 0x27, 0x07),
	MISCOMPARE = SENSE(14, 0x1d, 0x00)
};

enum job_kind {
	JOB_READ,
	JOB_WRITE,
	JOB_FLUSH,
	JOB_STOP,
	JOB_UNMAP,
	JOB_ZEROES,
	JOB_SAME,
	JOB_VERIFY
};

struct disk;

struct job {
	struct bp_blk_request blk;
	struct bp_blk_iov iov[BP_SCSI_MAX_PIECES];
	struct disk *owner;
	struct job *next; /* free ones */
	struct bp_scsi_command *cmd;
	enum job_kind kind;
	uint32_t piece; /* where the next step's data begin */
	size_t piece_at;
	uint64_t offset, left, moves; /* on the disk; bytes of data that the command moves */
	uint32_t segment, segments; /* JOB_UNMAP */
	uint8_t list[UNMAP_MAX * UNMAP_BYTES];
	uint8_t *buffer; /* JOB_SAME, JOB_VERIFY: of BUFFER bytes */
	uint8_t cancelled, compare, unmap, fua;
};

struct disk {
	const struct bp_host *host;
	const struct bp_link *drive;
	const char *serial, *product;
	uint64_t wwn;
	const struct bp_blk *blk; /* the drive's functions, and its self */
	void *blk_self;
	struct bp_blk_info info;
	struct bp_scsi_device device;
	const struct bp_scsi_port *ops;
	void *port;
	struct job *free;
	uint32_t attention; /* enum sense: the unit attention to be told */
	uint8_t stopped, cache, cache_default, closing;
};

/* ---- bytes: big-endian, as SCSI has them ---- */

static inline uint64_t get_be(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | *p++;
	return v;
}

static inline void put_be(uint8_t *p, unsigned bytes, uint64_t v)
{
	while (bytes--) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

/* ---- ends of commands ---- */

/* Fixed format (SPC-4, 4.5.3), 18 bytes. */
void sense_data(uint8_t *out, uint32_t sense);
void refuse(struct bp_scsi_command *c, uint32_t sense); /* CHECK CONDITION with it */
/* Data for the initiator, as many as `allocation` allows. */
void give(struct bp_scsi_command *c, const uint8_t *data, uint64_t len, uint64_t allocation);
/* The first `len` bytes of what the initiator sends: 0, or -1 after BP_SCSI_OVERRUN. */
int take(struct bp_scsi_command *c, uint8_t *out, uint64_t len);

/* ---- commands: what the drive is to do for it, or NULL: it is over ---- */

struct job *cmd_inquiry(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_mode_sense(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_mode_select(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_read(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_write(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_verify(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_write_same(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_unmap(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_sync(struct disk *d, struct bp_scsi_command *c);
struct job *cmd_start_stop(struct disk *d, struct bp_scsi_command *c);

uint32_t inquiry_standard(const struct disk *d, uint8_t *out, uint32_t len);
void job_cancel(struct disk *d, struct job *j);
void jobs_finish(struct disk *d);
void set_cache(struct disk *d, int on);

#endif
