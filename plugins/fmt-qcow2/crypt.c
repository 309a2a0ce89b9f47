/* SPDX-License-Identifier: MIT */
#include "crypt.h"
#include <errno.h>
#include <gcrypt.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>

enum vector { NONE, PLAIN, PLAIN64, ESSIV };
enum { BLOCK_MAX = 16 };

static const struct cipher {
	const char *alg, *name; /* in options; in headers */
	uint32_t bytes; /* of its key */
	int algo;
} ciphers[] = {
	{ "aes-128", "aes", 16, GCRY_CIPHER_AES128 },
	{ "aes-192", "aes", 24, GCRY_CIPHER_AES192 },
	{ "aes-256", "aes", 32, GCRY_CIPHER_AES256 },
	{ "cast5-128", "cast5", 16, GCRY_CIPHER_CAST5 },
	{ "serpent-128", "serpent", 16, GCRY_CIPHER_SERPENT128 },
	{ "serpent-192", "serpent", 24, GCRY_CIPHER_SERPENT192 },
	{ "serpent-256", "serpent", 32, GCRY_CIPHER_SERPENT256 },
	{ "twofish-128", "twofish", 16, GCRY_CIPHER_TWOFISH128 },
	{ "twofish-256", "twofish", 32, GCRY_CIPHER_TWOFISH },
};
static const struct {
	const char *name;
	int mode;
} modes[] = { { "ecb", GCRY_CIPHER_MODE_ECB }, { "cbc", GCRY_CIPHER_MODE_CBC },
	{ "xts", GCRY_CIPHER_MODE_XTS } };

struct handles { /* for one thread at a time */
	gcry_cipher_hd_t data, vector;
	struct handles *next;
};

struct crypt {
	struct crypt_kind kind;
	size_t block; /* bytes of the cipher's */
	uint8_t key[CRYPT_KEY_MAX];
	pthread_mutex_t lock;
	struct handles *idle;
};

static void init_library(void)
{
	/* Whoever loaded the library first may have done it. */
	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return;
	gcry_check_version(NULL);
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

static void use_library(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, init_library);
}

/* ---- names ---- */

const char *crypt_cipher(const char *alg, bool xts, const char **name, uint32_t *key_bytes)
{
	for (unsigned n = 0; n < G_N_ELEMENTS(ciphers); n++)
		if (!strcmp(ciphers[n].alg, alg)) {
			*name = ciphers[n].name;
			*key_bytes = ciphers[n].bytes * (xts ? 2 : 1);
			return NULL;
		}
	return "aes-128, aes-192, aes-256, cast5-128, serpent-128, serpent-192, serpent-256, "
	       "twofish-128 or twofish-256 is expected as the cipher";
}

static int find_cipher(const char *name, uint32_t bytes)
{
	for (unsigned n = 0; n < G_N_ELEMENTS(ciphers); n++)
		if (!strcmp(ciphers[n].name, name) && ciphers[n].bytes == bytes)
			return ciphers[n].algo;
	return 0;
}

int crypt_hash(const char *name)
{
	use_library();
	return gcry_md_map_name(name);
}

size_t crypt_hash_bytes(int hash)
{
	return gcry_md_get_algo_dlen(hash);
}

void crypt_digest(int hash, void *out, const void *data, size_t len)
{
	gcry_md_hash_buffer(hash, out, data, len);
}

bool crypt_stretch(int hash, const void *secret, size_t secret_len, const void *salt,
	size_t salt_len, uint32_t iterations, void *out, size_t len)
{
	return gcry_kdf_derive(secret, secret_len, GCRY_KDF_PBKDF2, hash, salt, salt_len,
		       iterations, len, out) == 0;
}

void crypt_forget(void *secret, size_t len)
{
	explicit_bzero(secret, len);
}

static const char *take_vector(struct crypt_kind *k, const char *cipher, const char *text)
{
	if (k->mode == GCRY_CIPHER_MODE_ECB) {
		k->vector = NONE; /* whatever the header names beside it */
		return NULL;
	}
	if (!text)
		return "its mode needs a vector";
	if (!strcmp(text, "plain") || !strcmp(text, "plain64")) {
		k->vector = text[5] ? PLAIN64 : PLAIN;
		return NULL;
	}
	if (strncmp(text, "essiv:", 6) != 0)
		return "its vectors are none of plain, plain64, essiv:HASH";
	k->vector = ESSIV;
	k->vector_hash = crypt_hash(text + 6);
	if (!k->vector_hash)
		return "the hash of its vectors is not known";
	k->vector_algo = find_cipher(cipher, (uint32_t)crypt_hash_bytes(k->vector_hash));
	return k->vector_algo ? NULL : "the hash of its vectors gives no key for its cipher";
}

const char *crypt_kind(struct crypt_kind *k, const char *name, const char *mode, uint32_t key_bytes)
{
	char **half = g_strsplit(mode, "-", 2);
	const char *wrong = "its mode is none of ecb, cbc, xts";
	*k = (struct crypt_kind){ .key_bytes = key_bytes };
	use_library();
	for (unsigned n = 0; half[0] && n < G_N_ELEMENTS(modes); n++)
		if (!strcmp(half[0], modes[n].name)) {
			k->mode = modes[n].mode;
			wrong = NULL;
		}
	bool xts = k->mode == GCRY_CIPHER_MODE_XTS;
	if (!wrong && (key_bytes > CRYPT_KEY_MAX || (xts && key_bytes % 2)))
		wrong = "its key's length is not possible";
	k->algo = wrong ? 0 : find_cipher(name, xts ? key_bytes / 2 : key_bytes);
	if (!wrong && !k->algo)
		wrong = "there is no such cipher with a key of this length";
	if (!wrong && xts && gcry_cipher_get_algo_blklen(k->algo) != BLOCK_MAX)
		wrong = "xts needs a cipher of 16-byte blocks";
	if (!wrong)
		wrong = take_vector(k, name, half[1]);
	g_strfreev(half);
	return wrong;
}

/* ---- sectors ---- */

static void free_handles(struct handles *h)
{
	if (h && h->data)
		gcry_cipher_close(h->data);
	if (h && h->vector)
		gcry_cipher_close(h->vector);
	g_free(h);
}

static bool open_vector(const struct crypt *c, struct handles *h)
{
	uint8_t key[CRYPT_KEY_MAX];
	size_t len = crypt_hash_bytes(c->kind.vector_hash);
	if (len > sizeof(key))
		return false;
	crypt_digest(c->kind.vector_hash, key, c->key, c->kind.key_bytes);
	bool good = !gcry_cipher_open(&h->vector, c->kind.vector_algo, GCRY_CIPHER_MODE_ECB, 0) &&
		!gcry_cipher_setkey(h->vector, key, len);
	crypt_forget(key, sizeof(key));
	return good;
}

static struct handles *open_handles(const struct crypt *c)
{
	struct handles *h = g_new0(struct handles, 1);
	if (!gcry_cipher_open(&h->data, c->kind.algo, c->kind.mode, 0) &&
		!gcry_cipher_setkey(h->data, c->key, c->kind.key_bytes) &&
		(c->kind.vector != ESSIV || open_vector(c, h)))
		return h;
	free_handles(h);
	return NULL;
}

static struct handles *take_handles(struct crypt *c)
{
	pthread_mutex_lock(&c->lock);
	struct handles *h = c->idle;
	if (h)
		c->idle = h->next;
	pthread_mutex_unlock(&c->lock);
	return h ? h : open_handles(c);
}

static void give_handles(struct crypt *c, struct handles *h)
{
	pthread_mutex_lock(&c->lock);
	h->next = c->idle;
	c->idle = h;
	pthread_mutex_unlock(&c->lock);
}

struct crypt *crypt_new(const struct crypt_kind *kind, const void *key)
{
	struct crypt *c = g_new0(struct crypt, 1);
	c->kind = *kind;
	c->block = gcry_cipher_get_algo_blklen(kind->algo);
	memcpy(c->key, key, kind->key_bytes);
	pthread_mutex_init(&c->lock, NULL);
	struct handles *first = open_handles(c);
	if (first) {
		give_handles(c, first);
		return c;
	}
	crypt_free(c);
	return NULL;
}

void crypt_free(struct crypt *c)
{
	if (!c)
		return;
	for (struct handles *h = c->idle, *next; h; h = next) {
		next = h->next;
		free_handles(h);
	}
	crypt_forget(c->key, sizeof(c->key));
	pthread_mutex_destroy(&c->lock);
	g_free(c);
}

/* plain: 32 bits of the number, plain64: 64, little end first; essiv: the same encrypted. */
static bool set_vector(const struct crypt *c, const struct handles *h, uint64_t sector)
{
	uint8_t v[BLOCK_MAX] = { 0 };
	uint64_t number = c->kind.vector == PLAIN ? (uint32_t)sector : sector;
	if (c->kind.vector == NONE)
		return true;
	number = GUINT64_TO_LE(number);
	memcpy(v, &number, sizeof(number));
	if (c->kind.vector == ESSIV && gcry_cipher_encrypt(h->vector, v, c->block, NULL, 0))
		return false;
	return !gcry_cipher_setiv(h->data, v, c->block);
}

int crypt_sectors(struct crypt *c, bool encrypt, uint64_t sector, void *data, size_t len)
{
	struct handles *h = take_handles(c);
	bool good = h;
	char *p = data;
	for (size_t at = 0; good && at < len; at += CRYPT_SECTOR, sector++)
		good = set_vector(c, h, sector) &&
			!(encrypt ? gcry_cipher_encrypt(h->data, p + at, CRYPT_SECTOR, NULL, 0)
				  : gcry_cipher_decrypt(h->data, p + at, CRYPT_SECTOR, NULL, 0));
	if (h)
		give_handles(c, h);
	return good ? 0 : -EIO;
}
