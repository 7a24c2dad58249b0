// Batches that are compressed: unpacked up to a limit, so that a small one can't fill the memory.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { createClient } from '../../../../runtime/log/kafka/connection/client.ts'

interface Codec {
  decompress(packed: Buffer): Promise<Buffer>
}

const { CompressionCodecs, CompressionTypes } = createRequire(import.meta.url)('kafkajs') as {
  CompressionCodecs: Record<number, () => Codec>
  CompressionTypes: Record<'GZIP' | 'ZSTD', number>
}
const packers = { GZIP: gzipSync, ZSTD: zstdCompressSync } as const

for (const [name, pack] of Object.entries(packers))
  test(`${name} is unpacked up to 64 MB`, async () => {
    assert.ok(createClient)
    const codec = CompressionCodecs[CompressionTypes[name as keyof typeof packers]]?.()
    assert.ok(codec)
    const some = Buffer.from('compressible '.repeat(1_000))
    assert.deepEqual(await codec.decompress(pack(some)), some)
    const bomb = pack(Buffer.alloc(64 * 1024 * 1024 + 1))
    assert.ok(bomb.length < 100_000)
    await assert.rejects(codec.decompress(bomb), { code: 'ERR_BUFFER_TOO_LARGE' })
  })
