/* SPDX-License-Identifier: MIT */
/* Devices: windows into address spaces, named registers, wires. */
#ifndef BACKPLANE_DEVICE_H
#define BACKPLANE_DEVICE_H
#include <backplane/bus.h>
#ifdef __cplusplus
extern "C" {
#endif

enum bp_region_flags {
	BP_REGION_MEMORY = 1, /* the host allocates `size` bytes; reads may go straight there */
	BP_REGION_BIG_ENDIAN = 2, /* registers are big-endian on this bus */
	BP_REGION_UNALIGNED = 4, /* the device takes accesses that are not naturally aligned */
	BP_REGION_STRICT = 8 /* sizes outside min..max are BP_BAD_SIZE; else split or widened */
};

/* A window that the machine file can map (`at`). Either regs, or read and write, or memory.
 * Accesses that reach read and write are aligned, of min_access..max_access bytes and inside the
 * region: the host splits wider ones (low address first) and widens narrower ones (a narrow write
 * to a wider register reads it first unless the bank says otherwise). */
struct bp_region { /* table ends with a NULL name */
	const char *name;
	uint64_t size; /* bytes; 0: the uint64_t at size_offset in the instance */
	uint32_t size_offset, flags; /* enum bp_region_flags */
	uint8_t min_access, max_access; /* bytes, powers of two, 1..16; 0: 1 and 8 */
	uint8_t fill; /* BP_REGION_MEMORY: what each byte is before create; pages that nobody
		       * has written take neither time nor memory, whatever it is */
	uint8_t reserved[5];
	/* Return enum bp_status. value is little-endian host order in the low bytes. [cpu] */
	int (*read)(void *self, uint64_t offset, unsigned bytes, uint64_t *value,
		const struct bp_access *how);
	int (*write)(void *self, uint64_t offset, unsigned bytes, uint64_t value,
		const struct bp_access *how);
	const struct bp_reg *regs;
};

enum bp_reg_flags {
	BP_REG_READ_ONLY = 1, /* writes are ignored */
	BP_REG_WRITE_ONLY = 2, /* reads give 0 */
	BP_REG_NARROW_OK = 4 /* narrower accesses reach the part they name; else they are widened */
};

/* A named register. The host keeps it in the instance, applies the masks, resets, traces, saves
 * and fuzzes it; hooks see the register's index in its bank. Offsets inside the region that belong
 * to no register read as 0 and ignore writes. */
struct bp_reg { /* table ends with a NULL name */
	const char *name;
	const char *help;
	uint32_t offset; /* in the region */
	uint32_t field; /* offset of its storage in the instance (uint8_t..uint64_t by bytes);
				 * ~0: no storage, the hooks do it all */
	uint8_t bytes, flags, reserved[2]; /* 1, 2, 4 or 8; enum bp_reg_flags */
	uint32_t count, stride; /* a bank: name0, name1, ...; 0 means 1; storage is an array */
	uint32_t count_offset; /* a uint32_t in the instance that says how many exist; 0: all */
	uint64_t reset; /* applied by the host at BP_RESET_ENTER, before reset() */
	uint64_t writable; /* bits that a write changes */
	uint64_t w1c; /* bits that a write of 1 clears */
	uint64_t rc; /* bits that a read clears */
	/* Optional. read: what the guest sees, given what is stored. [cpu]
	 * write: `was` and `now` are the storage before and after the masks; `raw` is what the guest
	 * wrote. With debug accesses neither is called. */
	uint64_t (*read)(void *self, unsigned n, uint64_t stored);
	void (*write)(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw);
};
#define BP_REG_NO_FIELD UINT32_MAX

/* Wires. An output is a bp_line *[count] in the instance that the host fills (NULL: not
 * connected). An input is a function; lines that drive the same input are OR-ed by the host. */
struct bp_pin { /* table ends with a NULL name */
	const char *name;
	uint32_t offset, count; /* outputs: where the bp_line * array (or, with a count from a
					 * property, the bp_line ** that the host allocates) lies */
	uint32_t
		count_offset; /* a uint32_t property that gives the count; 0: .count. At most 4096 */
	uint32_t flags; /* enum bp_pin_flags */
	void (*set)(void *self, unsigned n, int level); /* inputs. [owner] */
};
enum bp_pin_flags {
	BP_PIN_COUNT_FROM_LINKS = 1, /* outputs: as many as the machine file connects; count_offset
					 * is where the host writes the number */
	BP_PIN_FROM_ONE = 2 /* inputs: numbered 1 to count, as interrupt controllers do */
};

#ifdef __cplusplus
}
#endif
#endif
