/* SPDX-License-Identifier: MIT */
/* The header of LUKS version 1 ("LUKS On-Disk Format Specification" 1.2.3; "LUKS" below) as qcow2
 * images carry it: header and key slots in clusters that a header extension names. A slot has the
 * master key, spread over 4,000 stripes and encrypted with what PBKDF2 makes of the secret. */
#include "crypt.h"
#include "image.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	HEADER = 592,
	CIPHER_AT = 8,
	MODE_AT = 40,
	HASH_AT = 72,
	WORD = 32,
	PAYLOAD_AT = 104,
	KEY_BYTES_AT = 108,
	DIGEST_AT = 112,
	DIGEST = 20,
	DIGEST_SALT_AT = 132,
	SALT = 32,
	DIGEST_ITERATIONS_AT = 164,
	UUID_AT = 168,
	SLOTS_AT = 208,
	SLOT = 48, /* state, iterations, salt, where its material is, stripes */
	SLOTS = 8,
	STRIPES = 4000,
	MATERIAL_AT = 4096,
	SECRET_MAX = 1 << 20,
	ITERATIONS_MIN = 1000,
	MEASURED = 20000 /* iterations for a guess of how fast this host is */
};
#define ACTIVE   UINT32_C(0x00ac71f3)
#define INACTIVE UINT32_C(0x0000dead)

struct secret {
	uint8_t *bytes;
	size_t len;
};

static void secret_finish(struct secret *s)
{
	if (s->bytes)
		crypt_forget(s->bytes, s->len);
	g_free(s->bytes);
}

/* "file:NAME" or "data:TEXT". */
static int secret_read(
	const struct bp_host *host, const char *from, struct secret *s, bp_error *err)
{
	*s = (struct secret){ 0 };
	if (!strncmp(from, "data:", 5)) {
		s->bytes = (uint8_t *)g_strdup(from + 5);
		s->len = strlen(from + 5);
		return 0;
	}
	if (strncmp(from, "file:", 5) != 0)
		return host->fail(err,
			"encrypt.key-secret: file:NAME or data:TEXT is expected, or, for "
			"`backplane "
			"img`, the id of an --object secret");
	int fd = open(from + 5, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	s->bytes = g_malloc(SECRET_MAX + 1);
	ssize_t n = fd < 0 ? -1 : read(fd, s->bytes, SECRET_MAX + 1);
	int error = errno;
	if (fd >= 0)
		close(fd);
	if (n >= 0 && n <= SECRET_MAX) {
		s->len = (size_t)n;
		return 0;
	}
	secret_finish(s);
	return n < 0 ? host->fail(err, "the secret's file %s: %s", from + 5, g_strerror(error))
		     : host->fail(err, "the secret's file %s has more than %d bytes", from + 5,
			       SECRET_MAX);
}

/* ---- stripes (LUKS, "Anti-forensic information splitting") ---- */

static void diffuse(int hash, uint8_t *block, size_t len)
{
	uint8_t in[4 + 64], out[64];
	size_t digest = crypt_hash_bytes(hash);
	for (uint32_t n = 0; n * digest < len; n++) {
		size_t piece = MIN(digest, len - n * digest);
		put32(in, n);
		memcpy(in + 4, block + n * digest, piece);
		crypt_digest(hash, out, in, 4 + piece);
		memcpy(block + n * digest, out, piece);
	}
}

/* All stripes but the last, mixed: with the last one it gives the key, and with the key the last. */
static void mix(int hash, const uint8_t *stripes, size_t len, uint8_t *out)
{
	memset(out, 0, len);
	for (unsigned n = 0; n < STRIPES - 1; n++) {
		for (size_t k = 0; k < len; k++)
			out[k] ^= stripes[n * len + k];
		diffuse(hash, out, len);
	}
}

/* ---- reading ---- */

static int bad(const struct image *i, bp_error *err, const char *what)
{
	return i->host->fail(err, "its encryption header (LUKS): %s", what);
}

static const char *text_at(const uint8_t *header, unsigned at, char out[WORD + 1])
{
	memcpy(out, header + at, WORD);
	out[WORD] = 0;
	return out;
}

static uint64_t material_bytes(uint32_t key_bytes)
{
	return round_up((uint64_t)key_bytes * STRIPES, CRYPT_SECTOR);
}

static const char *check_slots(const struct image *i, const uint8_t *h, uint32_t key_bytes)
{
	for (unsigned n = 0; n < SLOTS; n++) {
		const uint8_t *slot = h + SLOTS_AT + n * SLOT;
		uint64_t at = (uint64_t)get32(slot + 40) * CRYPT_SECTOR;
		if (get32(slot) != ACTIVE && get32(slot) != INACTIVE)
			return "a key slot is neither used nor unused";
		if (get32(slot) == INACTIVE)
			continue;
		if (get32(slot + 44) != STRIPES)
			return "a key slot without 4000 stripes";
		if (at < HEADER || at > i->crypt_len ||
			material_bytes(key_bytes) > i->crypt_len - at)
			return "a key slot does not lie in it";
	}
	return NULL;
}

/* The key of a slot, if the secret opens it. */
static int try_slot(struct image *i, const uint8_t *h, const uint8_t *slot, const struct secret *s,
	uint8_t *key)
{
	int hash = i->crypt_hash;
	uint32_t len = i->crypt_kind.key_bytes;
	size_t bytes = material_bytes(len);
	uint8_t stretched[CRYPT_KEY_MAX], digest[DIGEST];
	uint8_t *material = g_malloc(bytes);
	int r = image_pread(i, i->file, i->crypt_offset + (uint64_t)get32(slot + 40) * CRYPT_SECTOR,
		material, bytes);
	struct crypt *c = NULL;
	if (!r &&
		crypt_stretch(
			hash, s->bytes, s->len, slot + 8, SALT, get32(slot + 4), stretched, len))
		c = crypt_new(&i->crypt_kind, stretched);
	r = r ? r : c ? crypt_sectors(c, false, 0, material, bytes) : -EIO;
	if (!r) {
		mix(hash, material, len, key);
		for (uint32_t k = 0; k < len; k++)
			key[k] ^= material[(size_t)(STRIPES - 1) * len + k];
		bool good = crypt_stretch(hash, key, len, h + DIGEST_SALT_AT, SALT,
			get32(h + DIGEST_ITERATIONS_AT), digest, DIGEST);
		r = good && !memcmp(digest, h + DIGEST_AT, DIGEST) ? 0 : -EACCES;
	}
	crypt_free(c);
	crypt_forget(material, bytes);
	crypt_forget(stretched, sizeof(stretched));
	g_free(material);
	return r;
}

static int unlock(struct image *i, const uint8_t *h, bp_error *err)
{
	uint8_t key[CRYPT_KEY_MAX];
	struct secret s;
	uint64_t iterations = get32(h + DIGEST_ITERATIONS_AT);
	for (unsigned n = 0; n < SLOTS; n++)
		if (get32(h + SLOTS_AT + n * SLOT) == ACTIVE)
			iterations += get32(h + SLOTS_AT + n * SLOT + 4);
	if (iterations > i->crypt_iterations)
		return i->host->fail(err,
			"its key needs %llu iterations, encrypt.iterations-max allows %llu",
			(unsigned long long)iterations, (unsigned long long)i->crypt_iterations);
	if (secret_read(i->host, i->key_secret, &s, err) != 0)
		return -1;
	int r = -EACCES;
	for (unsigned n = 0; n < SLOTS && r; n++)
		if (get32(h + SLOTS_AT + n * SLOT) == ACTIVE)
			r = try_slot(i, h, h + SLOTS_AT + n * SLOT, &s, key);
	if (!r)
		i->crypt = crypt_new(&i->crypt_kind, key);
	crypt_forget(key, sizeof(key));
	secret_finish(&s);
	return i->crypt ? 0 : bad(i, err, "the secret opens none of its key slots");
}

int luks_open(struct image *i, bool key, bp_error *err)
{
	uint8_t h[HEADER];
	char cipher[WORD + 1], mode[WORD + 1], hash[WORD + 1];
	uint64_t end;
	int r = i->layer->bytes(i->file, &end);
	if (!r &&
		(i->crypt_offset % i->cluster_size || i->crypt_offset > end ||
			i->crypt_len > end - i->crypt_offset || i->crypt_len < HEADER))
		return bad(i, err, "it does not lie in the file");
	r = r ? r : image_pread(i, i->file, i->crypt_offset, h, sizeof(h));
	if (r)
		return bad(i, err, g_strerror(-r));
	if (memcmp(h, "LUKS\xba\xbe\0\1", 8) != 0)
		return bad(i, err, "it is not of version 1");
	uint32_t key_bytes = get32(h + KEY_BYTES_AT);
	const char *wrong = crypt_kind(&i->crypt_kind, text_at(h, CIPHER_AT, cipher),
		text_at(h, MODE_AT, mode), key_bytes);
	i->crypt_hash = crypt_hash(text_at(h, HASH_AT, hash));
	if (!wrong &&
		(!i->crypt_hash || !crypt_hash_bytes(i->crypt_hash) ||
			crypt_hash_bytes(i->crypt_hash) > 64))
		wrong = "its hash is not known";
	if (!wrong)
		wrong = check_slots(i, h, key_bytes);
	if (wrong)
		return bad(i, err, wrong);
	i->crypt_words = g_strdup_printf("%s-%u %s %s", cipher, key_bytes * 8, mode, hash);
	if (!i->key_secret && !key)
		return 0;
	return i->key_secret ? unlock(i, h, err)
			     : i->host->fail(err,
				       "it is encrypted, and its secret is not given "
				       "(encrypt.key-secret)");
}

/* ---- new ones ---- */

static int random_bytes(void *out, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = getrandom((char *)out + at, len - at, 0);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* So many iterations take about so long here. */
static uint32_t iterations_for(int hash, uint32_t key_bytes, uint64_t ms)
{
	uint8_t salt[SALT] = { 0 }, out[CRYPT_KEY_MAX];
	gint64 began = g_get_monotonic_time();
	crypt_stretch(hash, "secret", 6, salt, sizeof(salt), MEASURED, out, key_bytes);
	uint64_t took = (uint64_t)MAX(g_get_monotonic_time() - began, 1);
	uint64_t n = MIN(ms, 60000) * 1000 * MEASURED / took;
	return (uint32_t)CLAMP(n, ITERATIONS_MIN, CRYPT_ITERATIONS_MAX / 2);
}

uint64_t luks_bytes(const struct create_options *o)
{
	const char *name;
	uint32_t key_bytes = 0;
	if (crypt_cipher(o->cipher_alg, !strcmp(o->cipher_mode, "xts"), &name, &key_bytes))
		return 0;
	return MATERIAL_AT + SLOTS * round_up(material_bytes(key_bytes), MATERIAL_AT);
}

static int fill_slot(struct image *i, uint8_t *h, const struct secret *s, const uint8_t *key)
{
	uint8_t *slot = h + SLOTS_AT, stretched[CRYPT_KEY_MAX];
	uint32_t len = i->crypt_kind.key_bytes, last = (STRIPES - 1) * len;
	uint8_t *material = h + MATERIAL_AT;
	put32(slot, ACTIVE);
	int r = random_bytes(slot + 8, SALT);
	r = r ? r : random_bytes(material, last);
	mix(i->crypt_hash, material, len, material + last);
	for (uint32_t k = 0; k < len; k++)
		material[last + k] ^= key[k];
	bool good = crypt_stretch(
		i->crypt_hash, s->bytes, s->len, slot + 8, SALT, get32(slot + 4), stretched, len);
	struct crypt *c = good ? crypt_new(&i->crypt_kind, stretched) : NULL;
	r = r ? r : c ? crypt_sectors(c, true, 0, material, material_bytes(len)) : -EIO;
	crypt_free(c);
	crypt_forget(stretched, sizeof(stretched));
	return r;
}

static int fill_header(struct image *i, uint8_t *h, const struct secret *s, uint64_t ms)
{
	uint8_t key[CRYPT_KEY_MAX], u[16];
	uint32_t len = i->crypt_kind.key_bytes;
	uint64_t step = round_up(material_bytes(len), MATERIAL_AT);
	uint32_t iterations = iterations_for(i->crypt_hash, len, ms);
	int r = random_bytes(key, len);
	r = r ? r : random_bytes(u, sizeof(u));
	r = r ? r : random_bytes(h + DIGEST_SALT_AT, SALT);
	u[6] = (u[6] & 0x0f) | 0x40; /* RFC 9562: version 4 */
	u[8] = (u[8] & 0x3f) | 0x80;
	snprintf((char *)h + UUID_AT, 40,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		u[15]);
	put32(h + PAYLOAD_AT, (uint32_t)(i->crypt_len / CRYPT_SECTOR));
	put32(h + KEY_BYTES_AT, len);
	put32(h + DIGEST_ITERATIONS_AT, MAX(iterations / 8, ITERATIONS_MIN));
	for (unsigned n = 0; n < SLOTS; n++) {
		uint8_t *slot = h + SLOTS_AT + n * SLOT;
		put32(slot, INACTIVE);
		put32(slot + 4, n ? 0 : iterations);
		put32(slot + 40, (uint32_t)((MATERIAL_AT + n * step) / CRYPT_SECTOR));
		put32(slot + 44, STRIPES);
	}
	if (!r &&
		!crypt_stretch(i->crypt_hash, key, len, h + DIGEST_SALT_AT, SALT,
			get32(h + DIGEST_ITERATIONS_AT), h + DIGEST_AT, DIGEST))
		r = -EIO;
	r = r ? r : fill_slot(i, h, s, key);
	if (!r && !(i->crypt = crypt_new(&i->crypt_kind, key)))
		r = -EIO;
	crypt_forget(key, sizeof(key));
	return r;
}

/* "cbc" and "essiv" and "sha256" are "cbc-essiv:sha256" in a header. */
static char *mode_words(const struct create_options *o)
{
	bool essiv = !strcmp(o->ivgen_alg, "essiv");
	return g_strdup_printf("%s-%s%s%s", o->cipher_mode, o->ivgen_alg, essiv ? ":" : "",
		essiv ? o->ivgen_hash_alg ? o->ivgen_hash_alg : "sha256" : "");
}

int luks_create(struct image *i, const struct create_options *o, uint8_t **header, bp_error *err)
{
	const char *name = "";
	uint32_t key_bytes = 0;
	struct secret s;
	char *mode = mode_words(o);
	const char *wrong =
		crypt_cipher(o->cipher_alg, !strcmp(o->cipher_mode, "xts"), &name, &key_bytes);
	if (!wrong)
		wrong = crypt_kind(&i->crypt_kind, name, mode, key_bytes);
	i->crypt_hash = wrong ? 0 : crypt_hash(o->hash_alg);
	if (!wrong &&
		(!i->crypt_hash || crypt_hash_bytes(i->crypt_hash) > 64 ||
			crypt_hash_bytes(i->crypt_hash) < DIGEST))
		wrong = "encrypt.hash-alg is no hash that is known here";
	if (!wrong && (strlen(mode) >= WORD || strlen(o->hash_alg) >= WORD))
		wrong = "its words are too long";
	if (!wrong && key_bytes * STRIPES % CRYPT_SECTOR)
		wrong = "a key of 24 bytes fills no whole sectors, which others do not open; use "
			"another cipher";
	if (!wrong && !o->key_secret)
		wrong = "encrypt.key-secret is not given";
	int r = wrong ? bad(i, err, wrong) : secret_read(i->host, o->key_secret, &s, err);
	if (!r) {
		i->crypt_len = luks_bytes(o);
		*header = g_malloc0(round_up(i->crypt_len, i->cluster_size));
		memcpy(*header, "LUKS\xba\xbe\0\1", 8);
		g_strlcpy((char *)*header + CIPHER_AT, name, WORD);
		g_strlcpy((char *)*header + MODE_AT, mode, WORD);
		g_strlcpy((char *)*header + HASH_AT, o->hash_alg, WORD);
		int failed = fill_header(i, *header, &s, o->iter_time);
		r = failed ? bad(i, err, g_strerror(-failed)) : 0;
		secret_finish(&s);
	}
	g_free(mode);
	return r;
}
