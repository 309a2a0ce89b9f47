/* SPDX-License-Identifier: MIT */
/* Compressed clusters: raw deflate (RFC 1951) or zstd frames (RFC 8878). */
#include "image.h"
#include <zlib.h>
#include <zstd.h>

enum { WINDOW_BITS = 12, ZSTD = 1 };

static ssize_t pack_zlib(const void *cluster, size_t len, void *out, size_t room)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)cluster,
		.avail_in = (uInt)len,
		.next_out = out,
		.avail_out = (uInt)room };
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WINDOW_BITS, 9,
		    Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	int r = deflate(&z, Z_FINISH);
	ssize_t n = (ssize_t)(room - z.avail_out);
	deflateEnd(&z);
	return r == Z_STREAM_END ? n : r == Z_OK || r == Z_BUF_ERROR ? 0 : -1;
}

ssize_t pack(const struct image *i, const void *cluster, void *out, size_t room)
{
	if (i->h.compression != ZSTD)
		return pack_zlib(cluster, i->cluster_size, out, room);
	size_t n = ZSTD_compress(out, room, cluster, i->cluster_size, ZSTD_CLEVEL_DEFAULT);
	return ZSTD_isError(n) ? 0 : (ssize_t)n;
}

static int unpack_zlib(const void *packed, size_t len, void *cluster, size_t size)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)packed,
		.avail_in = (uInt)len,
		.next_out = cluster,
		.avail_out = (uInt)size };
	if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return -ENOMEM;
	int r = inflate(&z, Z_FINISH);
	bool whole = !z.avail_out && (r == Z_STREAM_END || r == Z_BUF_ERROR || r == Z_OK);
	inflateEnd(&z);
	return whole ? 0 : -EIO;
}

static int unpack_zstd(const void *packed, size_t len, void *cluster, size_t size)
{
	ZSTD_inBuffer in = { packed, len, 0 };
	ZSTD_outBuffer out = { cluster, size, 0 };
	ZSTD_DCtx *z = ZSTD_createDCtx();
	int r = z ? 0 : -ENOMEM;
	while (!r && out.pos < size) {
		size_t before = in.pos + out.pos, n = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(n) || in.pos + out.pos == before)
			r = -EIO;
	}
	ZSTD_freeDCtx(z);
	return r;
}

int unpack(const struct image *i, const void *packed, size_t len, void *cluster)
{
	return i->h.compression == ZSTD ? unpack_zstd(packed, len, cluster, i->cluster_size)
					: unpack_zlib(packed, len, cluster, i->cluster_size);
}
