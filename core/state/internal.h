/* SPDX-License-Identifier: MIT */
/* Shared by the files of state/ alone. */
#ifndef STATE_INTERNAL_H
#define STATE_INTERNAL_H
#include "state.h"
#include <glib.h>

enum {
	FORMAT_VERSION = 1,
	PAGES_MAX = 1 << 20, /* bytes of one run of pages */
	SECTION_MAX = 256 << 20, /* bytes of any section */
	DEPTH_MAX = 8 /* structures inside one another */
};

/* The kind of a section: four letters, the first in the lowest byte. */
#define SECTION(a, b, c, d)                                                                        \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
enum section {
	SECTION_MACHINE = SECTION('M', 'A', 'C', 'H'),
	SECTION_DESCRIPTION = SECTION('D', 'E', 'S', 'C'),
	SECTION_TIME = SECTION('T', 'I', 'M', 'E'),
	SECTION_OBJECT = SECTION('O', 'B', 'J', 'T'),
	SECTION_RANDOM = SECTION('R', 'A', 'N', 'D'),
	SECTION_MEMORY = SECTION('M', 'E', 'M', 'B'),
	SECTION_PAGES = SECTION('P', 'A', 'G', 'E'),
	SECTION_END = SECTION('D', 'O', 'N', 'E')
};
extern const uint8_t state_magic[8];

/* Cheap, and sensitive to order and length; no protection against intent. */
uint64_t state_sum(uint64_t seed, const uint8_t *bytes, size_t len);

struct progress { /* a line on stderr for each tenth, once it takes longer than a moment */
	const char *what;
	uint64_t total, done;
	int64_t began;
	unsigned said;
};
void progress_step(struct progress *p, uint64_t bytes);

/* ---- writing: put_* append to the section that was begun; failures are kept until the end ---- */

struct out {
	const char *path;
	char *aside; /* the file that is written and then renamed */
	int fd, error; /* errno of the first failure */
	uint64_t chain, sections, bytes;
	uint32_t kind;
	GByteArray *section;
};
/* 0, or -1 after an error. */
int out_begin(struct out *o, const char *path, struct error_list *errors);
/* Everything is there: make it the file. Or forget it, when `good` is false. 0, or -1 after an error. */
int out_end(struct out *o, bool good, struct error_list *errors);
void section_begin(struct out *o, uint32_t kind);
void section_end(struct out *o);
void put_number(struct out *o, uint64_t value, unsigned bytes);
void put_bytes(struct out *o, const void *bytes, size_t len);
void put_text(struct out *o, const char *text);
/* Room for a length, filled in by put_length_end with what came behind it. */
guint put_length(struct out *o);
void put_length_end(struct out *o, guint where);

/* ---- reading: take_* consume the current section; beyond its end they give 0 and set `bad` ---- */

struct in {
	const char *path;
	struct error_list *errors;
	int fd;
	bool trusting; /* checksums are not looked at: for the fuzzer */
	uint64_t at_byte, chain, sections;
	uint32_t kind;
	uint8_t *bytes;
	size_t room, length; /* of the buffer */
	size_t at, end; /* of what is still to be taken */
	bool bad;
};
void in_begin(struct in *i, int fd, const char *path, struct error_list *errors);
void in_end(struct in *i);
/* Back to the first section. -1 after an error: no snapshot, or of a later format. */
int in_rewind(struct in *i);
/* 1: a section; 0: the end, and all was there; -1 after an error. */
int in_next(struct in *i);
uint64_t take_number(struct in *i, unsigned bytes);
const uint8_t *take_bytes(struct in *i, size_t len); /* NULL: not so many */
const char *take_text(struct in *i); /* "" when there is none */
/* All of the section was consumed and nothing beyond. False after an error. */
bool in_consumed(struct in *i);

/* ---- fields ---- */

/* A table and what it describes. */
struct record {
	const struct bp_field *table;
	uint32_t stride;
	void *base;
	const char *name; /* of the object, for messages */
};
/* 0, or -1 after an error: a count that does not fit, or a type that cannot be saved. */
int put_fields(struct out *o, const struct record *r, struct error_list *errors);
/* What the file lacks takes its default. */
enum state_result take_fields(struct in *i, const struct record *r);
/* An armed timer of the object that its table does not name, which would be lost. */
bool has_unnamed_timer(const struct object *o);

/* ---- machines ---- */

/* Whether an object belongs to the guest's machine, or to the host's side of it. */
bool is_saved(const struct object *o);
/* What both machines must have in common, a fact a line; to be freed with g_free. */
char *identity(const struct state_machine *m);
/* STATE_GOOD, or STATE_OTHER after an error that names the first difference. */
enum state_result identity_compare(struct in *i, const char *saved, const char *own);

/* The n-th block of memory of the machine, or NULL; region: its number in its object. */
struct bus_ram *ram_at(const struct state_machine *m, unsigned n, const char **region);
void put_ram(struct out *o, struct bus_ram *ram, const char *region, struct progress *p);
/* Load a run of pages at or behind *next, and clear what lies between. -1: it does not fit. */
int take_pages(struct in *i, struct bus_ram *ram, uint64_t *next);
/* Clear the rest. */
void ram_loaded(struct bus_ram *ram, uint64_t next);

extern const struct bp_field state_cpu_fields[];
/* As state_load does; trusting: see struct in. The descriptor stays open. */
enum state_result load_from(const struct state_machine *m, int fd, const char *path, bool trusting,
	struct error_list *errors);

#endif
