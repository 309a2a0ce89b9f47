/* SPDX-License-Identifier: MIT */
/* Sectors of 512 bytes, each encrypted for itself with a vector that its number gives. */
#ifndef FMT_QCOW2_CRYPT_H
#define FMT_QCOW2_CRYPT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRYPT_SECTOR = 512, CRYPT_KEY_MAX = 64 };

struct crypt_kind {
	int algo, mode; /* of the library */
	int vector; /* enum of crypt.c */
	int vector_algo, vector_hash; /* essiv */
	uint32_t key_bytes; /* both keys of xts */
};
/* By the words of a LUKS header ("aes", "xts-plain64"); NULL, or what is wrong. */
const char *crypt_kind(
	struct crypt_kind *k, const char *name, const char *mode, uint32_t key_bytes);
/* By the words of options; *name and *key_bytes for the header. NULL, or what is wrong. */
const char *crypt_cipher(const char *alg, bool xts, const char **name, uint32_t *key_bytes);
/* 0: there is no such hash. */
int crypt_hash(const char *name);
size_t crypt_hash_bytes(int hash);
void crypt_digest(int hash, void *out, const void *data, size_t len);
/* PBKDF2 (RFC 8018). False: the library refuses. */
bool crypt_stretch(int hash, const void *secret, size_t secret_len, const void *salt,
	size_t salt_len, uint32_t iterations, void *out, size_t len);

struct crypt;
struct crypt *crypt_new(const struct crypt_kind *kind, const void *key); /* NULL: it is refused */
void crypt_free(struct crypt *c);
/* Whole sectors, from this number on. Any thread. 0 or a negated errno. */
int crypt_sectors(struct crypt *c, bool encrypt, uint64_t sector, void *data, size_t len);
void crypt_forget(void *secret, size_t len);

#endif
