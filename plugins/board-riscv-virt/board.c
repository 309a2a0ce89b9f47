/* SPDX-License-Identifier: MIT */
/* What the RISC-V "virt" board computes: the boot ROM's code, the device tree, and where firmware,
 * kernel and initial file system go. Everything is put into memory anew at each reset. */
#include "image.h"
#include "tree.h"
#include <backplane/bus.h>
#include <backplane/counter.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Images begin at a boundary of the largest pages that every kernel wants to map them with. */
enum { ALIGN_64 = 2 << 20, ALIGN_32 = 4 << 20, TREE_ROOM = 2 << 20 };
#define TREE_BELOW UINT64_C(0xc0000000) /* firmware of 32 bits reaches it */
#define FILE_MAX   (UINT64_C(1) << 32)

struct blob { /* a file, and its bytes while the machine is being reset */
	const char *option, *path;
	bool is_open;
	int fd;
	struct timespec changed;
	uint8_t *bytes;
	size_t len;
	bool elf;
	struct image image;
};

struct board {
	const struct bp_host *host;
	const struct bp_machine *machine;
	bp_space *memory;
	const char *firmware_file, *kernel_file, *initrd_file, *append, *tree_file, *tree_out;
	const char *ram_name, *rom_name, *cpu_name;
	unsigned bits;
	uint64_t align;
	struct image_window ram;
	uint64_t rom;
	struct blob firmware, kernel, initrd, tree;
	uint64_t initrd_at, tree_at, start;
};

/* All of the file, as it was when it was opened. */
static bool read_all(struct blob *f)
{
	struct stat st;
	size_t done = 0;
	if (fstat(f->fd, &st) != 0 || (uint64_t)st.st_size != f->len ||
		st.st_mtim.tv_sec != f->changed.tv_sec || st.st_mtim.tv_nsec != f->changed.tv_nsec)
		return false;
	f->bytes = malloc(f->len + 1);
	while (f->bytes && done < f->len) {
		ssize_t n = pread(f->fd, f->bytes + done, f->len - done, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return f->bytes && done == f->len;
}

static int read_file(
	struct board *b, const char *option, const char *path, struct blob *out, bp_error *err)
{
	struct stat st;
	out->option = option;
	out->path = path;
	out->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	out->is_open = out->fd >= 0;
	if (!out->is_open || fstat(out->fd, &st) != 0)
		return b->host->fail(err, "%s: %s: %s", option, path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > FILE_MAX)
		return b->host->fail(
			err, "%s: %s: a file of at most 4 GiB is expected", option, path);
	out->len = (size_t)st.st_size;
	out->changed = st.st_mtim;
	if (!read_all(out))
		return b->host->fail(err, "%s: %s: it cannot be read whole", option, path);
	return 0;
}

static void forget_bytes(struct blob *f)
{
	free(f->bytes);
	f->bytes = NULL;
}

static void close_file(struct blob *f)
{
	forget_bytes(f);
	if (f->is_open)
		close(f->fd);
	f->is_open = false;
}

/* Read an ELF file, or raw bytes that go to addr. */
static int read_image(struct board *b, const char *option, const char *path, uint64_t addr,
	struct blob *out, bp_error *err)
{
	if (read_file(b, option, path, out, err) != 0)
		return -1;
	out->elf = image_is_elf(out->bytes, out->len);
	int r = out->elf ? image_elf(&out->image, out->bytes, out->len, b->bits, &b->ram)
			 : image_raw(&out->image, out->bytes, out->len, addr, &b->ram);
	return r ? b->host->fail(err, "%s: %s: %s", option, path, out->image.why) : 0;
}

static uint64_t align_up(const struct board *b, uint64_t v)
{
	return (v + b->align - 1) & ~(b->align - 1);
}

static uint64_t align_down(const struct board *b, uint64_t v)
{
	return v & ~(b->align - 1);
}

/* ---- looking around ---- */

static int find_places(struct board *b, bp_error *err)
{
	struct bp_placement p;
	void *ram = b->machine->find(b, b->ram_name), *rom = b->machine->find(b, b->rom_name);
	void *cpu = b->machine->find(b, b->cpu_name);
	if (!ram || b->machine->placement(ram, 0, &p) != 0)
		return b->host->fail(
			err, "ram: there is no memory \"%s\" with a place", b->ram_name);
	b->ram = (struct image_window){ p.base, p.length };
	if (!rom || b->machine->placement(rom, 0, &p) != 0)
		return b->host->fail(err, "rom: there is no \"%s\" with a place", b->rom_name);
	b->rom = p.base;
	if (!cpu || b->machine->kind(cpu) != BP_KIND_CPU)
		return b->host->fail(err, "cpu: there is no CPU \"%s\"", b->cpu_name);
	b->bits = strstr(b->machine->type(cpu), "32") ? 32 : 64;
	b->align = b->bits == 32 ? ALIGN_32 : ALIGN_64;
	return 0;
}

static uint64_t timebase(struct board *b)
{
	void *cpu = b->machine->find(b, b->cpu_name);
	void *time = b->machine->get_link(cpu, "time");
	const struct bp_counter *c = time ? b->machine->interface_of(time, "bp.counter/1") : NULL;
	return c ? c->frequency(time) : 0;
}

/* ---- laying out ---- */

/* Firmware names what runs first. Without any only a program that is linked for it can be meant. */
static int lay_out_firmware(struct board *b, bp_error *err)
{
	if (!b->firmware_file || !strcmp(b->firmware_file, "none"))
		return 0;
	return read_image(b, "firmware", b->firmware_file, b->ram.base, &b->firmware, err);
}

/* Behind the firmware at the next boundary, which is where firmware that jumps to a fixed address
 * expects it. Alone, at the start of memory. */
static int lay_out_kernel(struct board *b, bp_error *err)
{
	uint64_t at = b->ram.base;
	if (!b->kernel_file)
		return 0;
	if (b->firmware.image.count) {
		uint64_t end = align_up(b, image_end(&b->firmware.image));
		at = end > b->ram.base + b->align ? end : b->ram.base + b->align;
	}
	if (read_image(b, "kernel", b->kernel_file, at, &b->kernel, err) != 0)
		return -1;
	for (unsigned i = 0; i < b->firmware.image.count; i++) {
		const struct image_segment *s = &b->firmware.image.segment[i];
		if (image_touches(&b->kernel.image, s->addr, s->size))
			return b->host->fail(err,
				"kernel: %s overlaps the firmware %s at 0x%" PRIx64, b->kernel_file,
				b->firmware_file, s->addr);
	}
	if (!b->firmware_file && !b->kernel.elf)
		return b->host->fail(err,
			"firmware: none is given, and %s is no program that starts by itself; "
			"--firmware names one, such as OpenSBI's fw_dynamic.bin (or `none`)",
			b->kernel_file);
	return 0;
}

static int free_of_images(const struct board *b, uint64_t at, uint64_t size)
{
	return at >= b->ram.base && !image_touches(&b->firmware.image, at, size) &&
		!image_touches(&b->kernel.image, at, size);
}

/* From the top of memory down: device tree, initial file system. */
static int lay_out_initrd(struct board *b, bp_error *err)
{
	uint64_t top = b->ram.base + b->ram.size;
	if (top > TREE_BELOW && b->ram.base < TREE_BELOW)
		top = TREE_BELOW;
	b->tree_at = top > TREE_ROOM ? align_down(b, top - TREE_ROOM) : 0;
	if (!b->initrd_file)
		return 0;
	if (read_file(b, "initrd", b->initrd_file, &b->initrd, err) != 0)
		return -1;
	if (!b->initrd.len)
		return b->host->fail(err, "initrd: %s: it is empty", b->initrd_file);
	b->initrd_at = b->initrd.len < b->tree_at ? align_down(b, b->tree_at - b->initrd.len) : 0;
	if (!free_of_images(b, b->initrd_at, b->initrd.len))
		return b->host->fail(err,
			"initrd: %s has %zu bytes; the memory of %" PRIu64
			" MiB has no room for it beside firmware and kernel, give more with "
			"--memory",
			b->initrd_file, b->initrd.len, b->ram.size >> 20);
	return 0;
}

static int make_tree(struct board *b, bp_error *err)
{
	const struct tree_options o = { .bootargs = b->append,
		.initrd = b->initrd_at,
		.initrd_end = b->initrd.len ? b->initrd_at + b->initrd.len : 0,
		.ram_base = b->ram.base,
		.ram = b->machine->find(b, b->ram_name),
		.space = b->memory,
		.timebase = timebase(b) };
	struct blob file = { 0 };
	if (!b->tree_file) {
		b->tree.bytes = tree_make(b->machine, b, &o, &b->tree.len);
	} else if (read_file(b, "dtb", b->tree_file, &file, err) != 0) {
		close_file(&file);
		return -1;
	} else {
		b->tree.bytes = tree_adopt(file.bytes, file.len, &o, &b->tree.len);
		close_file(&file);
		if (!b->tree.bytes)
			return b->host->fail(err,
				"dtb: %s is no flattened device tree of at most 2 MiB",
				b->tree_file);
	}
	if (!b->tree.bytes || b->tree.len > TREE_ROOM)
		return b->host->fail(
			err, "the device tree of so many objects does not fit its 2 MiB");
	if (!free_of_images(b, b->tree_at, b->tree.len))
		return b->host->fail(err,
			"the memory of %" PRIu64
			" KiB has no room for a device tree of %zu bytes beside firmware and "
			"kernel, give more with --memory",
			b->ram.size >> 10, b->tree.len);
	return 0;
}

static int write_tree_file(struct board *b, bp_error *err)
{
	int fd = open(b->tree_out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	ssize_t n = fd < 0 ? -1 : write(fd, b->tree.bytes, b->tree.len);
	int why = n < 0 ? errno : ENOSPC;
	if (fd >= 0 && close(fd) != 0 && n >= 0) {
		why = errno;
		n = -1;
	}
	if (n != (ssize_t)b->tree.len)
		return b->host->fail(err, "dumpdtb: %s: %s", b->tree_out, strerror(why));
	b->host->request(b, BP_REQ_QUIT, 0);
	return 0;
}

static int realise(void *self, bp_error *err)
{
	struct board *b = self;
	if (find_places(b, err) != 0 || lay_out_firmware(b, err) != 0 ||
		lay_out_kernel(b, err) != 0 || lay_out_initrd(b, err) != 0 ||
		make_tree(b, err) != 0)
		return -1;
	if (b->tree_out)
		return write_tree_file(b, err);
	if (!b->firmware.image.count && !b->kernel.image.count)
		return b->host->fail(err,
			"there is nothing to run: --firmware names what runs first (such as "
			"OpenSBI's fw_dynamic.bin), --kernel what follows it");
	b->start = b->firmware.image.count ? b->firmware.image.entry : b->kernel.image.entry;
	return 0;
}

/* ---- into memory ---- */

static void put(struct board *b, uint64_t at, const void *bytes, uint64_t len)
{
	const struct bp_access how = {
		.size = sizeof(how), .flags = BP_ACCESS_LOADER, .pasid = UINT32_MAX
	};
	if (len &&
		b->host->space_access(b->memory, at, (void *)(uintptr_t)bytes, len, 1, &how) !=
			BP_OK)
		b->host->log(
			b, BP_LOG_ERROR, "nothing takes %" PRIu64 " bytes at 0x%" PRIx64, len, at);
}

static void put_image(struct board *b, const struct blob *blob)
{
	static const uint8_t zeros[4096];
	for (unsigned i = 0; i < blob->image.count; i++) {
		const struct image_segment *s = &blob->image.segment[i];
		put(b, s->addr, blob->bytes + s->offset, s->bytes);
		/* A raw image says what it needs, not what must be zero: only ELF files do. */
		if (!blob->elf)
			continue;
		for (uint64_t done = s->bytes, n; done < s->size; done += n) {
			n = s->size - done < sizeof(zeros) ? s->size - done : sizeof(zeros);
			put(b, s->addr + done, zeros, n);
		}
	}
}

static void put_word(uint8_t *at, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

/* The reset vector: a0 = hart, a1 = device tree, a2 = OpenSBI's fw_dynamic_info (its
 * docs/firmware/fw_dynamic.md), then to the firmware. */
static void put_rom(struct board *b)
{
	enum { START = 24, TREE = 32, INFO = 40, BYTES = 96 };
	static const uint32_t code64[] = {
		0x00000297, /* auipc t0, 0 */
		0x02828613, /* addi  a2, t0, INFO */
		0xf1402573, /* csrr  a0, mhartid */
		0x0202b583, /* ld    a1, TREE(t0) */
		0x0182b283, /* ld    t0, START(t0) */
		0x00028067, /* jr    t0 */
	};
	static const uint32_t lw_a1 = 0x0202a583, lw_t0 = 0x0182a283; /* RV32's loads */
	const uint64_t info[] = { 0x4942534f /* "OSBI" */, 2 /* version */, b->kernel.image.entry,
		1 /* supervisor mode */, 0 /* options */, 0 /* boot hart */ };
	uint8_t rom[BYTES] = { 0 };
	unsigned word = b->bits / 8;
	for (unsigned i = 0; i < 6; i++)
		put_word(rom + 4 * i, 4,
			b->bits == 32 && i == 3           ? lw_a1
				: b->bits == 32 && i == 4 ? lw_t0
							  : code64[i]);
	put_word(rom + START, 8, b->start);
	put_word(rom + TREE, 8, b->tree_at);
	for (unsigned i = 0; i < 6; i++)
		put_word(rom + INFO + i * word, word, info[i]);
	put(b, b->rom, rom, sizeof(rom));
}

/* The bytes of the files are needed at a reset only, and they are many: between two of them the files
 * keep them. */
static bool read_again(struct board *b)
{
	struct blob *files[] = { &b->firmware, &b->kernel, &b->initrd };
	for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct blob *f = files[i];
		if (!f->is_open || f->bytes || read_all(f))
			continue;
		b->host->log(b, BP_LOG_ERROR,
			"%s: %s has changed since the machine was started, so it cannot be reset; "
			"start it anew",
			f->option, f->path);
		b->host->request(b, BP_REQ_QUIT, 1);
		return false;
	}
	return true;
}

static void reset(void *self, int step)
{
	struct board *b = self;
	if (step != BP_RESET_LEAVE)
		return;
	tree_seed(b->tree.bytes, b->host, b);
	if (read_again(b)) {
		put_image(b, &b->firmware);
		put_image(b, &b->kernel);
		put(b, b->initrd_at, b->initrd.bytes, b->initrd.len);
	}
	forget_bytes(&b->firmware);
	forget_bytes(&b->kernel);
	forget_bytes(&b->initrd);
	put(b, b->tree_at, b->tree.bytes, b->tree.len);
	put_rom(b);
}

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct board *b = self;
	b->host = host;
	b->machine = host->interface("bp.machine/1");
	return b->machine ? 0 : host->fail(err, "this core does not tell about the machine");
}

static void destroy(void *self)
{
	struct board *b = self;
	close_file(&b->firmware);
	close_file(&b->kernel);
	close_file(&b->initrd);
	free(b->tree.bytes);
}

#define FIELD(m) (uint32_t) offsetof(struct board, m)
static const char *const space_link[] = { "bp.space/1", NULL };
static const struct bp_field props[] = {
	{ "memory", "the address space to load into", FIELD(memory), BP_LINK, BP_F_REQUIRED,
		.names = space_link },
	{ "firmware",
		"what runs first: raw at the start of memory, or ELF; none: the kernel itself",
		FIELD(firmware_file), BP_STR },
	{ "kernel", "what the firmware starts: Linux Image, ELF, or raw", FIELD(kernel_file),
		BP_STR },
	{ "initrd", "the kernel's initial file system", FIELD(initrd_file), BP_STR },
	{ "append", "the kernel's command line", FIELD(append), BP_STR },
	{ "dtb", "a device tree instead of the one made from the objects", FIELD(tree_file),
		BP_STR },
	{ "dumpdtb", "write the device tree to this file and quit", FIELD(tree_out), BP_STR },
	{ "ram", "the name of the memory object", FIELD(ram_name), BP_STR, .def_str = "ram" },
	{ "rom", "the name of the boot ROM object", FIELD(rom_name), BP_STR, .def_str = "rom" },
	{ "cpu", "the name of the CPUs", FIELD(cpu_name), BP_STR, .def_str = "cpu" },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct board),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.realise = realise,
	.reset = reset,
	.destroy = destroy,
};

static const struct bp_type types[] = {
	{ "board-riscv-virt", "boot ROM, device tree and images of the RISC-V virt board",
		BP_KIND_BOARD, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(board_riscv_virt) = {
	BP_PLUGIN_HEAD,
	.name = "board-riscv-virt",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
