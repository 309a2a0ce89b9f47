/* SPDX-License-Identifier: MIT */
/* A host that does what a test says: time stands still until the test moves it, wires remember their
 * level, byte streams are buffers. One plugin is linked statically into each test. */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H
#include <backplane/chr.h>
#include <backplane/plugin.h>
#include <glib.h>

/* What the host was asked last, and what the test tells it. */
extern struct fake {
	int64_t now_ns; /* of every clock */
	int request, code; /* of the last request, 0: none */
	char message[512]; /* of the last fail() or log() */
	unsigned events; /* bits of chr_event: 1 << enum bp_chr_event */
	GString *sent; /* what chr_write took */
	size_t room; /* how much it takes still */
	int attached; /* back ends under test: whether a device uses it */
	unsigned ready; /* calls of chr_ready */
	GByteArray *received; /* what chr_receive gave to the front */
	struct bp_chr_info info; /* what chr_info says */
	size_t front_room; /* back ends under test: how much the front takes still */
} fake;

struct bp_line {
	int level;
	unsigned rises;
};

/* An object with its properties' defaults. */
void *fake_new(const struct bp_plugin *plugin, const char *type);
const struct bp_object *fake_type(const void *self);
/* Before fake_create. */
void fake_set(void *self, const char *prop, uint64_t value);
/* Connect n wires to an output whose count follows the links, or one to a fixed output. */
void fake_wire(void *self, const char *pin, unsigned n, bp_line *lines);
/* 0, or -1 with fake.message set. Then all three steps of a reset. */
int fake_create(void *self);
void fake_reset(void *self);
void fake_free(void *self);

/* Through the declared registers or the functions of a window, as the bus would. */
uint64_t fake_read(void *self, const char *region, uint64_t offset, unsigned bytes);
void fake_write(void *self, const char *region, uint64_t offset, unsigned bytes, uint64_t value);
uint64_t fake_peek(void *self, const char *region, uint64_t offset, unsigned bytes);
void fake_input(void *self, const char *pin, unsigned n, int level);
/* Move the clocks forward and fire what becomes due, in order. */
void fake_pass(int64_t ns);
/* Earliest timer, INT64_MAX: none. */
int64_t fake_next(void);
/* Serve watched descriptors and posted work once, as the main loop would; milliseconds to wait. */
void fake_serve(int ms);

/* The front of a byte stream: receive and events. */
size_t fake_receive(const void *buf, size_t len);
void fake_chr_event(int event);
/* The stream that a property of type bp_chr * names. */
bp_chr *fake_stream(void);

#endif
