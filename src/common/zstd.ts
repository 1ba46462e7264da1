import { constants, zstdCompressSync } from 'node:zlib'

const params = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 }

/** A Zstandard frame (RFC 8878) with a checksum, made fast; what is in the dictionary too takes next to nothing. */
export const compress = (value: Uint8Array, dictionary?: Uint8Array): Buffer => zstdCompressSync(value, { params, dictionary })
