/* SPDX-License-Identifier: MIT */
#include "disk.h"
#include <string.h>

enum { STANDARD = 96, PAGE_MAX = 256, SERIAL_MAX = 36, VENDOR = 8, PRODUCT = 16 };
enum { WP = 0x80, DPOFUA = 0x10, WCE = 4, CACHING = 0x08, ALL_PAGES = 0x3f };

/* ---- INQUIRY (SPC-4, 6.6) ---- */

static void text(uint8_t *out, size_t len, const char *s)
{
	size_t n = strnlen(s, len);
	memset(out, ' ', len);
	memcpy(out, s, n);
}

static void names(const struct disk *d, uint8_t *out)
{
	text(out, VENDOR, "BCKPLANE");
	text(out + VENDOR, PRODUCT, d->product ? d->product : "disk");
}

uint32_t inquiry_standard(const struct disk *d, uint8_t *out, uint32_t len)
{
	uint8_t b[STANDARD] = { 0 };
	b[2] = 6; /* SPC-4 */
	b[3] = 0x12; /* HiSup, format 2 */
	b[4] = STANDARD - 5;
	b[7] = 2; /* CmdQue */
	names(d, b + 8);
	text(b + 32, 4, "1");
	/* SAM-5, SPC-4, SBC-3, as SPC-4's table of version descriptors has them. */
	put_be(b + 58, 2, 0x00a0);
	put_be(b + 60, 2, 0x0460);
	put_be(b + 62, 2, 0x04c0);
	len = len < sizeof(b) ? len : sizeof(b);
	memcpy(out, b, len);
	return len;
}

static const char *serial_of(const struct disk *d)
{
	return d->serial ? d->serial : d->host->name_of(d);
}

/* Vital product data: each writes what is behind the header, and returns its length. */

static uint32_t vpd_serial(const struct disk *d, uint8_t *p)
{
	uint32_t n = (uint32_t)strnlen(serial_of(d), SERIAL_MAX);
	memcpy(p, serial_of(d), n);
	return n;
}

/* SPC-4, 7.8.5: vendor, product and serial number; and a name of IEEE's, where it is given. */
static uint32_t vpd_identification(const struct disk *d, uint8_t *p)
{
	uint32_t n = (uint32_t)strnlen(serial_of(d), SERIAL_MAX), at;
	p[0] = 2; /* ASCII */
	p[1] = 1; /* T10 vendor id, of the unit */
	names(d, p + 4);
	memcpy(p + 4 + VENDOR + PRODUCT, serial_of(d), n);
	p[3] = (uint8_t)(VENDOR + PRODUCT + n);
	at = 4u + p[3];
	if (d->wwn) {
		p[at] = 1; /* binary */
		p[at + 1] = 3; /* NAA */
		p[at + 3] = 8;
		put_be(p + at + 4, 8, d->wwn);
		at += 12;
	}
	return at;
}

static uint64_t at_most(uint64_t v, uint64_t most)
{
	return v < most ? v : most;
}

static uint32_t vpd_limits(const struct disk *d, uint8_t *p) /* SBC-3, 6.5.3 */
{
	const struct bp_blk_info *i = &d->info;
	uint32_t size = i->block_size;
	p -= 4; /* offsets as the standard counts them */
	p[4] = 1; /* WSNZ */
	put_be(p + 6, 2, at_most(i->physical_size / size, UINT16_MAX));
	put_be(p + 12, 4, i->optimal_size / size);
	if (i->flags & BP_BLK_CAN_DISCARD) {
		put_be(p + 20, 4, at_most(i->max_discard / size, UINT32_MAX));
		put_be(p + 24, 4, UNMAP_MAX);
		put_be(p + 28, 4, i->discard_align / size);
	}
	if (!(i->flags & BP_BLK_READ_ONLY))
		put_be(p + 36, 8, at_most(i->max_zeroes / size, UINT32_MAX));
	return 60;
}

static uint32_t vpd_characteristics(const struct disk *d, uint8_t *p) /* SBC-3, 6.5.2 */
{
	put_be(p, 2, d->info.flags & BP_BLK_ROTATES ? 7200 : 1);
	return 60;
}

static uint32_t vpd_provisioning(const struct disk *d, uint8_t *p) /* SBC-3, 6.5.4 */
{
	int thin = (d->info.flags & BP_BLK_CAN_DISCARD) != 0;
	p[1] = thin ? 0xe0 : 0; /* UNMAP, WRITE SAME (16) and (10) may unmap */
	p[2] = thin ? 2 : 0;
	return 4;
}

static const struct vpd {
	uint8_t page;
	uint32_t (*write)(const struct disk *d, uint8_t *p);
} vpd[] = {
	{ 0x80, vpd_serial },
	{ 0x83, vpd_identification },
	{ 0xb0, vpd_limits },
	{ 0xb1, vpd_characteristics },
	{ 0xb2, vpd_provisioning },
};

struct job *cmd_inquiry(struct disk *d, struct bp_scsi_command *c)
{
	uint8_t b[PAGE_MAX] = { 0 };
	uint8_t *cdb = c->cdb;
	uint64_t allocation = get_be(cdb + 3, 2);
	uint32_t len = 0;
	b[1] = cdb[2];
	if (!(cdb[1] & 1)) {
		if (cdb[2])
			refuse(c, INVALID_FIELD);
		else
			give(c, b, inquiry_standard(d, b, sizeof(b)), allocation);
		return NULL;
	}
	for (size_t n = 0; n < sizeof(vpd) / sizeof(vpd[0]); n++)
		if (!cdb[2])
			b[5 + len++] = vpd[n].page; /* and page 0 itself before them */
		else if (vpd[n].page == cdb[2])
			len = vpd[n].write(d, b + 4);
	if (!cdb[2])
		len++;
	if (!len && cdb[2] != 0x80) {
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	put_be(b + 2, 2, len);
	give(c, b, 4 + len, allocation);
	return NULL;
}

/* ---- mode pages (SPC-4, 7.5; SBC-3, 6.4) ---- */

static const struct mode_page {
	uint8_t page, len; /* len: with its header of 2 bytes */
	uint8_t fixed[20], changeable[20];
} mode_pages[] = {
	{ 0x01, 12, { 0 }, { 0 } }, /* read-write error recovery */
	{ CACHING, 20, { 0 }, { [2] = WCE } },
	{ 0x0a, 12, { [3] = 0x10 }, { 0 } }, /* control: commands in any order */
};
enum { MODE_PAGES = sizeof(mode_pages) / sizeof(mode_pages[0]) };

enum control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

static uint32_t mode_page(
	const struct disk *d, const struct mode_page *m, enum control control, uint8_t *p)
{
	memcpy(p, control == CHANGEABLE ? m->changeable : m->fixed, m->len);
	if (m->page == CACHING && control != CHANGEABLE)
		p[2] |= (control == DEFAULT ? d->cache_default : d->cache) ? WCE : 0;
	p[0] = m->page;
	p[1] = m->len - 2;
	return m->len;
}

static void block_descriptor(const struct disk *d, uint8_t *p)
{
	put_be(p, 4, at_most(d->info.bytes / d->info.block_size, UINT32_MAX));
	put_be(p + 5, 3, d->info.block_size);
}

struct job *cmd_mode_sense(struct disk *d, struct bp_scsi_command *c)
{
	uint8_t b[PAGE_MAX] = { 0 };
	int ten = c->cdb[0] >= 0x20;
	enum control control = c->cdb[2] >> 6;
	uint32_t page = c->cdb[2] & 0x3f, sub = c->cdb[3], header = ten ? 8 : 4, len = header;
	if (control == SAVED) {
		refuse(c, NO_SAVED_PAGES);
		return NULL;
	}
	if (!(c->cdb[1] & 8)) { /* DBD */
		block_descriptor(d, b + len);
		b[header - 1] = 8;
		len += 8;
	}
	uint32_t before = len;
	for (unsigned n = 0; n < MODE_PAGES; n++)
		if ((page == mode_pages[n].page && !sub) ||
			(page == ALL_PAGES && (!sub || sub == 0xff)))
			len += mode_page(d, &mode_pages[n], control, b + len);
	if (len == before) {
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	b[ten ? 3 : 2] = (d->info.flags & BP_BLK_READ_ONLY ? WP : 0) | DPOFUA;
	put_be(b, ten ? 2 : 1, len - (ten ? 2 : 1));
	give(c, b, len, ten ? get_be(c->cdb + 7, 2) : c->cdb[4]);
	return NULL;
}

/* A page as the initiator wants it: 0, or the sense data; *wce: what it says of the cache. */
static uint32_t select_page(const struct disk *d, const uint8_t *p, uint64_t left, int *wce)
{
	uint8_t now[20];
	if (left < 2 || left < 2u + p[1])
		return LIST_LENGTH;
	for (unsigned n = 0; n < MODE_PAGES; n++) {
		const struct mode_page *m = &mode_pages[n];
		if ((p[0] & 0x7f) != m->page)
			continue;
		if (p[1] != m->len - 2)
			break;
		mode_page(d, m, CURRENT, now);
		for (unsigned i = 2; i < m->len; i++)
			if ((p[i] ^ now[i]) & ~m->changeable[i])
				return INVALID_PARAMETER;
		if (m->page == CACHING)
			*wce = (p[2] & WCE) != 0;
		return 0;
	}
	return INVALID_PARAMETER;
}

struct job *cmd_mode_select(struct disk *d, struct bp_scsi_command *c)
{
	uint8_t b[PAGE_MAX] = { 0 }, descriptor[8] = { 0 };
	int ten = c->cdb[0] >= 0x20, wce = d->cache;
	uint64_t len = ten ? get_be(c->cdb + 7, 2) : c->cdb[4];
	uint32_t header = ten ? 8 : 4, sense = 0;
	if (!len)
		return NULL;
	if ((c->cdb[1] & 0x11) != 0x10) { /* PF set, SP not */
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	if (len > sizeof(b) || len < header) {
		refuse(c, LIST_LENGTH);
		return NULL;
	}
	if (take(c, b, len) != 0)
		return NULL;
	uint64_t at = header, descriptors = ten ? get_be(b + 6, 2) : b[3];
	block_descriptor(d, descriptor);
	if (descriptors &&
		(descriptors != 8 || at + 8 > len || memcmp(b + at + 5, descriptor + 5, 3)))
		sense = INVALID_PARAMETER;
	for (at += descriptors; !sense && at < len;) {
		sense = select_page(d, b + at, len - at, &wce);
		at += sense ? 0 : 2u + b[at + 1];
	}
	if (sense)
		refuse(c, sense);
	else if (wce != d->cache)
		set_cache(d, wce);
	c->moved = sense ? 0 : len;
	return NULL;
}
