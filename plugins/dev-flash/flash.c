/* SPDX-License-Identifier: MIT */
/* Parallel NOR flash with the Intel/Sharp command set (JEDEC JESD68 Common Flash Interface, vendor
 * command set 0001 as in the data sheets of Intel StrataFlash J3 and P30), one or more equal chips
 * side by side on the bus.
 *
 * The chips work in lockstep: an access that is narrower than the bank is a command to all, and data
 * for its own lanes. Firmware of the boards with this flash needs it: U-Boot finds two 16-bit chips
 * on 32 bits to be one chip, and drives them by 16-bit accesses. Programming and erasing end within
 * the write that starts them, and after the host's disk has the data; so status is always "ready",
 * and it is never a lie. */
#include <backplane/fdt.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAX_BLOCKS = 16384,
	BUFFER_WORDS = 256, /* of the write buffer; their number minus one fits into a byte */
	BUFFER_BYTES = 4 * BUFFER_WORDS,
	QUERY_BYTES = 0x40
};

enum mode { ARRAY, ID, QUERY, STATUS, KEEP }; /* what reads return; KEEP: as before */

enum expect { /* what the next write is */
	COMMAND,
	PROGRAM_DATA,
	BUFFER_COUNT,
	BUFFER_DATA,
	BUFFER_CONFIRM,
	ERASE_CONFIRM,
	LOCK_CONFIRM,
	EXPECTATIONS
};

enum status { /* status register */
	SR_READY = 0x80,
	SR_ERASE = 0x20, /* an erase failed */
	SR_PROGRAM = 0x10, /* a program failed */
	SR_LOCKED = 0x02, /* because the block is locked */
	SR_SEQUENCE = SR_ERASE | SR_PROGRAM, /* wrong command after a set-up */
	SR_CLEARABLE = 0x3a
};

enum { /* second cycles */
	CONFIRM = 0xd0,
	LOCK_SET = 0x01,
	LOCK_CLEAR = 0xd0,
	LOCK_DOWN = 0x2f
};

static const struct command {
	uint8_t code, mode, expect;
} commands[] = {
	{ 0xff, ARRAY, COMMAND },
	{ 0xf0, ARRAY, COMMAND }, /* the other command set's reset, which probing sends first */
	{ 0x90, ID, COMMAND }, { 0x98, QUERY, COMMAND }, { 0x70, STATUS, COMMAND },
	{ 0x50, KEEP, COMMAND }, { 0x10, STATUS, PROGRAM_DATA }, { 0x40, STATUS, PROGRAM_DATA },
	{ 0xe8, STATUS, BUFFER_COUNT }, { 0x20, STATUS, ERASE_CONFIRM },
	{ 0x60, STATUS, LOCK_CONFIRM },
	{ 0xb0, STATUS, COMMAND }, /* suspend: nothing is ever under way */
	{ 0xd0, KEEP, COMMAND }, /* resume: likewise */
};
enum { CLEAR_STATUS = 0x50 };

struct flash {
	const struct bp_host *host;
	uint64_t size, sector;
	uint32_t bank_width, device_width;
	uint32_t manufacturer, device_id;
	const char *file;
	uint8_t readonly, sync, opened, complained;

	uint32_t chips, blocks;
	uint8_t *memory;
	int fd; /* -1: no file */
	uint64_t stored; /* bytes that the file holds */
	uint8_t query[QUERY_BYTES];

	/* state */
	uint32_t mode, expect, status;
	uint32_t block; /* of the command that was begun */
	uint32_t writes, left; /* buffered program: how many were announced, how many are to come */
	uint64_t start, end; /* the bytes that the first of them makes room for */
	uint8_t buffer[BUFFER_BYTES];
	uint8_t locked[MAX_BLOCKS / 8], locked_down[MAX_BLOCKS / 8];
};

struct cycle { /* one write on the bus */
	uint64_t offset;
	unsigned bytes; /* not beyond one word of the bank */
	uint8_t data[4];
};

struct change { /* what one access did to the contents */
	uint64_t from, to; /* bytes of the array, to exclusive; none: both 0 */
	uint32_t bits; /* of the status, to be set if the file can't take it */
};

/* ---- the host's file ---- */

static int write_file(struct flash *f, uint64_t from, uint64_t to)
{
	/* What lies between the end of a short file and the change is erased flash, not zeros. */
	uint64_t at = from < f->stored ? from : f->stored;
	while (at < to) {
		ssize_t n = pwrite(f->fd, f->memory + at, to - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += (uint64_t)n;
		if (at > f->stored)
			f->stored = at;
	}
	return f->sync ? fdatasync(f->fd) : 0;
}

/* Contents changed: tell the host, and the file before the guest. */
static void commit(struct flash *f, const struct change *ch)
{
	if (!ch->to)
		return;
	f->host->region_dirty(f, 0, ch->from, ch->to - ch->from);
	if (f->fd < 0)
		return;
	if (write_file(f, ch->from, ch->to) == 0) {
		f->complained = 0;
		return;
	}
	if (!f->complained)
		f->host->log(f, BP_LOG_ERROR,
			"\"%s\" did not take what the guest wrote (%s); the guest is told that "
			"programming failed",
			f->file, strerror(errno));
	f->complained = 1;
	f->status |= ch->bits;
}

static void changed(struct change *ch, uint64_t from, uint64_t to, uint32_t bits)
{
	if (!ch->to || from < ch->from)
		ch->from = from;
	if (to > ch->to)
		ch->to = to;
	ch->bits |= bits;
}

static int read_file(struct flash *f, bp_error *err)
{
	while (f->stored < f->size) {
		ssize_t n =
			pread(f->fd, f->memory + f->stored, f->size - f->stored, (off_t)f->stored);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return f->host->fail(
				err, "file \"%s\" can't be read: %s", f->file, strerror(errno));
		if (n == 0)
			return 0;
		f->stored += (uint64_t)n;
	}
	return 0;
}

static int open_file(struct flash *f, bp_error *err)
{
	const struct bp_host *h = f->host;
	struct stat st;
	/* O_NONBLOCK: a pipe by mistake must not hang the start. */
	f->fd = open(f->file, (f->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0 && errno == ENOENT)
		return h->fail(err,
			"file \"%s\" does not exist; an empty file is an erased flash, make one "
			"with "
			"`touch`",
			f->file);
	if (f->fd < 0)
		return h->fail(err, "file \"%s\" can't be opened%s: %s", f->file,
			f->readonly ? "" : " for writing (readonly = true needs reading only)",
			strerror(errno));
	if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return h->fail(err, "file \"%s\" is no regular file; name one", f->file);
	if ((uint64_t)st.st_size > f->size)
		return h->fail(err,
			"file \"%s\" has %llu bytes and the flash only %llu; make size larger or "
			"the "
			"file shorter",
			f->file, (unsigned long long)st.st_size, (unsigned long long)f->size);
	/* Not every file system has locks; where they exist, two writers would spoil the contents. */
	if (flock(f->fd, (f->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return h->fail(err,
			"file \"%s\" is in use by another flash; give each its own copy, or "
			"readonly = true to all",
			f->file);
	return read_file(f, err);
}

/* A restored snapshot brings other contents than the file has: write what differs. */
static int store_differences(struct flash *f)
{
	uint8_t was[4096];
	for (uint64_t at = 0; at < f->size; at += sizeof(was)) {
		uint64_t want = f->size - at < sizeof(was) ? f->size - at : sizeof(was);
		ssize_t n = pread(f->fd, was, want, (off_t)at);
		uint64_t have = n < 0 ? 0 : (uint64_t)n;
		memset(was + have, 0xff, sizeof(was) - have);
		if (memcmp(was, f->memory + at, want) != 0 && write_file(f, at, at + want) != 0)
			return -1;
	}
	return 0;
}

/* ---- commands ---- */

static uint32_t block_of(const struct flash *f, uint64_t offset)
{
	return (uint32_t)(offset / f->sector);
}

static int is_set(const uint8_t *map, uint32_t n)
{
	return map[n / 8] >> (n % 8) & 1;
}

static void set(uint8_t *map, uint32_t n, int on)
{
	map[n / 8] = (uint8_t)((map[n / 8] & ~(1u << n % 8)) | (unsigned)on << n % 8);
}

static void end(struct flash *f, uint32_t error)
{
	f->expect = COMMAND;
	f->status |= error;
}

static int refused(struct flash *f, uint32_t error)
{
	if (!f->readonly && !is_set(f->locked, f->block))
		return 0;
	end(f, SR_LOCKED | error);
	return 1;
}

/* Programming only clears bits. */
static void program(
	struct flash *f, uint64_t from, uint64_t to, const uint8_t *data, struct change *ch)
{
	for (uint64_t at = from; at < to; at++)
		f->memory[at] &= *data++;
	changed(ch, from, to, SR_PROGRAM);
}

static void step_command(struct flash *f, const struct cycle *w, struct change *ch)
{
	uint8_t code = w->data[0];
	(void)ch;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (commands[i].code != code)
			continue;
		if (commands[i].mode != KEEP)
			f->mode = commands[i].mode;
		f->expect = commands[i].expect;
		f->block = block_of(f, w->offset);
		if (code == CLEAR_STATUS)
			f->status &= ~(uint32_t)SR_CLEARABLE;
		return;
	}
	f->host->log(f, BP_LOG_GUEST, "0x%02x is no command that this flash knows", code);
	f->mode = ARRAY;
}

static void step_program(struct flash *f, const struct cycle *w, struct change *ch)
{
	f->block = block_of(f, w->offset);
	if (refused(f, SR_PROGRAM))
		return;
	end(f, 0);
	program(f, w->offset, w->offset + w->bytes, w->data, ch);
}

static void step_count(struct flash *f, const struct cycle *w, struct change *ch)
{
	(void)ch;
	f->writes = f->left = w->data[0] + 1u;
	f->expect = BUFFER_DATA;
	memset(f->buffer, 0xff, sizeof(f->buffer));
}

/* The first write says where the buffer goes and how wide they are; the others fill it, in any order,
 * inside the block. */
static void step_data(struct flash *f, const struct cycle *w, struct change *ch)
{
	(void)ch;
	if (f->left == f->writes) {
		f->start = w->offset;
		f->end = w->offset + (uint64_t)f->writes * w->bytes;
	}
	if (w->offset < f->start || w->offset + w->bytes > f->end ||
		block_of(f, f->start) != f->block || block_of(f, f->end - 1) != f->block) {
		end(f, SR_SEQUENCE);
		return;
	}
	memcpy(f->buffer + (w->offset - f->start), w->data, w->bytes);
	if (--f->left == 0)
		f->expect = BUFFER_CONFIRM;
}

static void step_buffer(struct flash *f, const struct cycle *w, struct change *ch)
{
	if (w->data[0] != CONFIRM) {
		end(f, SR_SEQUENCE);
		return;
	}
	if (refused(f, SR_PROGRAM))
		return;
	end(f, 0);
	program(f, f->start, f->end, f->buffer, ch);
}

static void step_erase(struct flash *f, const struct cycle *w, struct change *ch)
{
	uint64_t from;
	f->block = block_of(f, w->offset);
	if (w->data[0] != CONFIRM) {
		end(f, SR_SEQUENCE);
		return;
	}
	if (refused(f, SR_ERASE))
		return;
	end(f, 0);
	from = f->block * f->sector;
	memset(f->memory + from, 0xff, f->sector);
	changed(ch, from, from + f->sector, SR_ERASE);
}

static void step_lock(struct flash *f, const struct cycle *w, struct change *ch)
{
	uint32_t block = block_of(f, w->offset);
	uint8_t code = w->data[0];
	(void)ch;
	if (code == LOCK_SET || code == LOCK_DOWN)
		set(f->locked, block, 1);
	else if (code == LOCK_CLEAR && !is_set(f->locked_down, block))
		set(f->locked, block, 0);
	if (code == LOCK_DOWN)
		set(f->locked_down, block, 1);
	end(f, code == LOCK_SET || code == LOCK_CLEAR || code == LOCK_DOWN ? 0 : SR_SEQUENCE);
}

static void (*const steps[EXPECTATIONS])(
	struct flash *f, const struct cycle *w, struct change *ch) = {
	[COMMAND] = step_command,
	[PROGRAM_DATA] = step_program,
	[BUFFER_COUNT] = step_count,
	[BUFFER_DATA] = step_data,
	[BUFFER_CONFIRM] = step_buffer,
	[ERASE_CONFIRM] = step_erase,
	[LOCK_CONFIRM] = step_lock,
};

/* ---- the bus ---- */

static uint32_t read_id(const struct flash *f, uint64_t word, uint32_t block)
{
	switch (word) {
	case 0: return f->manufacturer;
	case 1: return f->device_id;
	case 2: return (uint32_t)(is_set(f->locked, block) | is_set(f->locked_down, block) << 1);
	default: return 0;
	}
}

/* What each of the chips shows, when it is not the array. */
static uint32_t chip_word(const struct flash *f, uint64_t offset)
{
	uint64_t word = offset % f->sector / f->bank_width;
	switch (f->mode) {
	case ID: return read_id(f, word, block_of(f, offset));
	case QUERY: return word < QUERY_BYTES ? f->query[word] : 0;
	default: return f->status;
	}
}

static int bus_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	const struct flash *f = self;
	(void)how;
	*value = 0;
	for (unsigned i = 0; i < bytes; i++) {
		uint64_t at = offset + i;
		uint8_t byte = f->mode == ARRAY
			? f->memory[at]
			: (uint8_t)(chip_word(f, at) >> 8 * (at % f->device_width));
		*value |= (uint64_t)byte << 8 * i;
	}
	return BP_OK;
}

static int bus_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct flash *f = self;
	struct change ch = { 0 };
	if (how->flags & BP_ACCESS_DEBUG) { /* a debugger patches code: contents, not commands */
		for (unsigned i = 0; i < bytes; i++)
			f->memory[offset + i] = (uint8_t)(value >> 8 * i);
		f->host->region_dirty(f, 0, offset, bytes);
		return BP_OK;
	}
	while (bytes) { /* what is wider than the bank is several cycles */
		struct cycle w = { .offset = offset, .bytes = bytes };
		if (w.bytes > f->bank_width)
			w.bytes = f->bank_width;
		for (unsigned i = 0; i < w.bytes; i++, value >>= 8)
			w.data[i] = (uint8_t)value;
		steps[f->expect](f, &w, &ch);
		offset += w.bytes;
		bytes -= w.bytes;
	}
	commit(f, &ch);
	f->host->region_direct(f, 0, f->mode == ARRAY);
	return BP_OK;
}

/* ---- the query table (JESD68.01, table 1; extended part: AP-646, "Common Flash Interface and
 * command sets", Intel primary algorithm) ---- */

static unsigned log2_up(uint64_t n)
{
	unsigned bits = 0;
	while (bits < 63 && UINT64_C(1) << bits < n)
		bits++;
	return bits;
}

static void make_query(struct flash *f)
{
	static const uint8_t fixed[QUERY_BYTES] = {
		[0x10] = 'Q',
		[0x11] = 'R',
		[0x12] = 'Y',
		[0x13] = 0x01,
		[0x14] = 0x00, /* primary command set */
		[0x15] = 0x31,
		[0x16] = 0x00, /* address of its extended table */
		[0x1b] = 0x27,
		[0x1c] = 0x36, /* supply voltage 2.7 V to 3.6 V */
		/* typical times: word 2^6 us, buffer 2^7 us, block erase 2^10 ms, no chip erase;
		 * at most 2^4 times as long */
		[0x1f] = 6,
		[0x20] = 7,
		[0x21] = 10,
		[0x22] = 0,
		[0x23] = 4,
		[0x24] = 4,
		[0x25] = 4,
		[0x26] = 0,
		[0x2c] = 1, /* erase regions: all blocks are alike */
		[0x31] = 'P',
		[0x32] = 'R',
		[0x33] = 'I',
		[0x34] = '1',
		[0x35] = '0',
		[0x36] = 0x20, /* features: each block can be locked at once, and nothing else */
		[0x3b] = 0x03, /* block status bits: locked, locked down */
		[0x3d] = 0x30, /* best supply voltage 3.0 V */
	};
	/* Interface: 8 bits, 16 bits, 32 bits. */
	static const uint8_t interface[] = { [1] = 0, [2] = 1, [4] = 3 };
	uint64_t block = f->sector / f->chips;
	uint8_t *q = f->query;
	memcpy(q, fixed, sizeof(fixed));
	q[0x00] = (uint8_t)f->manufacturer;
	q[0x01] = (uint8_t)f->device_id;
	q[0x27] = (uint8_t)log2_up(f->size / f->chips);
	q[0x28] = interface[f->device_width];
	q[0x2a] = (uint8_t)log2_up((uint64_t)BUFFER_WORDS * f->device_width);
	q[0x2d] = (uint8_t)(f->blocks - 1);
	q[0x2e] = (uint8_t)((f->blocks - 1) >> 8);
	q[0x2f] = (uint8_t)(block / 256);
	q[0x30] = (uint8_t)(block / 256 >> 8);
}

/* ---- life ---- */

static int check_geometry(struct flash *f, bp_error *err)
{
	const struct bp_host *h = f->host;
	uint32_t w = f->bank_width, d = f->device_width;
	if ((w != 1 && w != 2 && w != 4) || (d != 1 && d != 2 && d != 4) || d > w)
		return h->fail(err,
			"bank-width %u with device-width %u is not possible; both are 1, 2 or 4 "
			"bytes, "
			"and a chip is not wider than the bank",
			w, d);
	f->chips = w / d;
	uint64_t unit = (uint64_t)256 * f->chips;
	if (!f->sector || f->sector % unit || f->sector / unit > UINT16_MAX)
		return h->fail(err,
			"sector-length is %llu bytes; it must be a multiple of %llu, at most %llu",
			(unsigned long long)f->sector, (unsigned long long)unit,
			(unsigned long long)(unit * UINT16_MAX));
	if (!f->size || f->size % f->sector || f->size / f->sector > MAX_BLOCKS)
		return h->fail(err,
			"size is %llu bytes; it must be a multiple of sector-length (%llu), at "
			"most "
			"%d times as much",
			(unsigned long long)f->size, (unsigned long long)f->sector, MAX_BLOCKS);
	f->blocks = (uint32_t)(f->size / f->sector);
	return 0;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct flash *f = self;
	f->host = host;
	f->fd = -1;
	f->opened = 1;
	if (check_geometry(f, err) != 0)
		return -1;
	f->memory = host->region_memory(f, 0);
	if (!f->memory)
		return host->fail(err, "the host gave no memory for the contents");
	make_query(f);
	return f->file ? open_file(f, err) : 0;
}

/* Blocks come up unlocked: firmware of the boards with this flash relies on it. */
static void reset(void *self, int step)
{
	struct flash *f = self;
	if (step != BP_RESET_ENTER)
		return;
	f->mode = ARRAY;
	f->expect = COMMAND;
	f->status = SR_READY;
	f->block = f->writes = f->left = 0;
	f->start = f->end = 0;
	memset(f->buffer, 0, sizeof(f->buffer));
	memset(f->locked, 0, sizeof(f->locked));
	memset(f->locked_down, 0, sizeof(f->locked_down));
	f->host->region_direct(f, 0, 1);
}

static void destroy(void *self)
{
	struct flash *f = self;
	if (!f || !f->opened || f->fd < 0)
		return;
	if (!f->readonly && !f->sync && fdatasync(f->fd) != 0)
		f->host->log(f, BP_LOG_ERROR, "\"%s\": %s; what the guest wrote may be lost",
			f->file, strerror(errno));
	close(f->fd);
}

/* A snapshot may come from anywhere: nothing in it may lead beyond the arrays. */
static int possible(const struct flash *f)
{
	if (f->mode > STATUS || f->expect >= EXPECTATIONS || f->block >= f->blocks)
		return 0;
	if (f->expect != BUFFER_DATA && f->expect != BUFFER_CONFIRM)
		return 1;
	if (!f->writes || f->writes > BUFFER_WORDS || f->left > f->writes ||
		(f->expect == BUFFER_CONFIRM) != (f->left == 0))
		return 0;
	return f->left == f->writes ||
		(f->start < f->end && f->end - f->start <= BUFFER_BYTES && f->end <= f->size);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct flash *f = self;
	(void)from_version;
	if (!possible(f))
		return f->host->fail(err,
			"the snapshot has a state that a flash can't be in (mode %u, expecting %u, "
			"block %u of %u)",
			f->mode, f->expect, f->block, f->blocks);
	if (f->fd >= 0 && !f->readonly && store_differences(f) != 0)
		return f->host->fail(err, "file \"%s\" did not take the snapshot's contents: %s",
			f->file, strerror(errno));
	f->host->region_direct(f, 0, f->mode == ARRAY);
	return 0;
}

static const char *const compatible[] = { "cfi-flash", NULL };

static void describe(void *self, const struct bp_fdt_writer *w, void *node)
{
	w->u32s(node, "bank-width", &((struct flash *)self)->bank_width, 1);
}

static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.name = "flash",
	.compatible = compatible,
	.describe = describe,
	.flags = BP_FDT_BANKS,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

#define PROP(m, t, n) BP_PROP(struct flash, m, t, n)
static const struct bp_field props[] = {
	{ PROP(size, BP_SIZE, "size"), .help = "bytes of all chips together", .flags = BP_F_RANGE,
		.def = 32 << 20, .min = 256, .max = 1 << 30 },
	{ PROP(sector, BP_SIZE, "sector-length"), .help = "bytes erased together, of all chips",
		.flags = BP_F_RANGE, .def = 256 << 10, .min = 256, .max = 1 << 30 },
	{ PROP(bank_width, BP_U32, "bank-width"), .help = "bytes of a bus word: 1, 2 or 4",
		.def = 4 },
	{ PROP(device_width, BP_U32, "device-width"), .help = "bytes of a chip's word: 1, 2 or 4",
		.def = 2 },
	{ PROP(manufacturer, BP_U32, "manufacturer"), .help = "manufacturer code",
		.flags = BP_F_RANGE, .def = 0x89, .max = 0xffff },
	{ PROP(device_id, BP_U32, "device-id"), .help = "device code", .flags = BP_F_RANGE,
		.def = 0x18, .max = 0xffff },
	{ PROP(file, BP_STR, "file"),
		.help = "keeps the contents; a shorter file is padded with 0xff" },
	{ PROP(sync, BP_BOOL, "sync"),
		.help = "the disk has the data before the guest is told; false: the host's cache",
		.def = 1 },
	{ PROP(readonly, BP_BOOL, "readonly"), .help = "the guest can't program or erase" },
	{ 0 },
};

#define FIELD(m, t) BP_FIELD(struct flash, m, t)
static const struct bp_field state[] = {
	/* the contents are the region's memory */
	{ FIELD(mode, BP_U32) },
	{ FIELD(expect, BP_U32) },
	{ FIELD(status, BP_U32) },
	{ FIELD(block, BP_U32) },
	{ FIELD(writes, BP_U32) },
	{ FIELD(left, BP_U32) },
	{ FIELD(start, BP_U64) },
	{ FIELD(end, BP_U64) },
	{ FIELD(buffer, BP_BYTES), .count = BUFFER_BYTES, .flags = BP_F_WHOLE },
	{ FIELD(locked, BP_BYTES), .count = MAX_BLOCKS / 8, .flags = BP_F_WHOLE },
	{ FIELD(locked_down, BP_BYTES), .count = MAX_BLOCKS / 8, .flags = BP_F_WHOLE },
	{ 0 },
};

static const struct bp_region regions[] = {
	{ .name = "array",
		.size_offset = (uint32_t)offsetof(struct flash, size),
		.flags = BP_REGION_MEMORY,
		.min_access = 1,
		.max_access = 4,
		.fill = 0xff, /* erased */
		.read = bus_read,
		.write = bus_write },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct flash),
	.threads = BP_SERIAL_DEVICE, /* the disk may be slow: nobody else need wait */
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.create = create,
	.reset = reset,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "cfi-flash", "parallel NOR flash, Intel command set", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_flash) = {
	BP_PLUGIN_HEAD,
	.name = "dev-flash",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
