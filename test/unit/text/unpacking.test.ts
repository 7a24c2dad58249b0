// Bodies as servers and proxies send them: packed otherwise than named, not at all, byte by byte, in several frames.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import {
  brotliCompressSync,
  createBrotliCompress,
  createDeflateRaw,
  createGzip,
  createZstdCompress,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
  type InputType,
} from 'node:zlib'
import type { Encoding } from '../../../runtime/text/packing.ts'
import { isUnpackingError, Unpacking } from '../../../runtime/text/unpacking.ts'

/** The pieces as one, each of which arrives for itself. */
async function unpacked(named: Encoding, pieces: readonly Buffer[]): Promise<Buffer> {
  const found: Buffer[] = []
  await pipeline(Readable.from(pieces), new Unpacking(named), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) found.push(chunk)
  })
  return Buffer.concat(found)
}

/** The first bytes, and the rest. */
const cutAt = (bytes: Buffer, first: number): Buffer[] =>
  [bytes.subarray(0, first), bytes.subarray(first)].filter(({ length }) => length > 0)

const packers: Readonly<Record<string, (body: InputType) => Buffer>> = {
  nothing: (body) => Buffer.from(body as Buffer),
  gzip: gzipSync,
  zlib: deflateSync,
  zstd: zstdCompressSync,
}
const bodies = [
  '{"choices":[{"message":{"content":"a b a b a b"}}]}',
  '{}',
  '\n\n: ping\n\n',
  'é',
  '8,9\n1,2',
  'x^2 + 1',
]

for (const [packed, pack] of Object.entries(packers))
  for (const named of ['gzip', 'x-gzip', 'deflate', 'br', 'zstd'] as const)
    test(`a body packed with ${packed} and named ${named} is read, however it arrives`, async () => {
      for (const body of bodies.map((text) => Buffer.from(text)))
        for (const first of [1, 2, 3, 5, 10, 16, 10_000])
          assert.equal(
            String(await unpacked(named, cutAt(pack(body), first))),
            String(body),
            `${String(body)} behind ${first} bytes`,
          )
    })

for (const [named, pack] of [
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
] as const)
  test(`${named} that shows by no mark is read, however it arrives`, async () => {
    for (let length = 1; length < 400; length += 7) {
      const body = Buffer.from('data: {"text":"Zwölf Boxkämpfer"}\n\n'.repeat(20)).subarray(0, length)
      for (const first of [1, 2, 3, 10, 16, 17, 10_000])
        assert.deepEqual(await unpacked(named, cutAt(pack(body), first)), body, `${length}, ${first}`)
    }
  })

test('frames of zstd and members of gzip are one body, wherever they are cut', async () => {
  for (const [named, pack] of [
    ['zstd', zstdCompressSync],
    ['gzip', gzipSync],
  ] as const) {
    const [one, two] = [Buffer.alloc(3_000, 'abc'), Buffer.alloc(5_000, 'xy')]
    const empty = pack(Buffer.alloc(0))
    const packed = Buffer.concat([pack(one), empty, pack(two), pack(one)])
    for (let first = 1; first < packed.length; first += 3)
      assert.deepEqual(await unpacked(named, cutAt(packed, first)), Buffer.concat([one, two, one]), named)
  }
})

test('what follows the last frame, or the end of brotli and deflate, is ignored', async () => {
  const body = Buffer.from('{"a":[1,2,3]}')
  for (const [named, pack] of [
    ['zstd', zstdCompressSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
  ] as const)
    for (const more of ['junk', ' '.repeat(100_000)]) {
      const packed = pack(body)
      const pieces = [Buffer.concat([packed, Buffer.from(more)]), Buffer.from(more), Buffer.from(more)]
      assert.deepEqual(await unpacked(named, pieces), body, named)
    }
})

test('a body that is cut yields what had arrived; an empty one nothing', async () => {
  const body = Buffer.from(Array.from({ length: 20_000 }, (_, at) => (at * at * 31) % 251))
  for (const [named, pack] of [
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    const packed = pack(body)
    const found = await unpacked(named, [packed.subarray(0, packed.length - 5)])
    assert.deepEqual(found, body.subarray(0, found.length), named)
    assert.deepEqual(await unpacked(named, []), Buffer.alloc(0))
    assert.deepEqual(await unpacked(named, [packed.subarray(0, 2)]), Buffer.alloc(0))
  }
})

test('what is neither text nor packed is an error of unpacking', async () => {
  const picture = Buffer.from([
    0x89,
    0x50,
    0x4e,
    0x47,
    0x0d,
    0x0a,
    0x1a,
    0x0a,
    ...Array.from({ length: 40 }, () => 0),
  ])
  for (const named of ['gzip', 'zstd', 'br'] as const)
    await assert.rejects(unpacked(named, [picture]), isUnpackingError, named)
})

for (const [named, create] of [
  ['gzip', createGzip],
  ['br', createBrotliCompress],
  ['zstd', createZstdCompress],
  ['deflate', createDeflateRaw],
] as const)
  test(
    `an event within ${named} is passed on before the next one is sent`,
    { timeout: 60_000 },
    async (context) => {
      const [packer, stage] = [create(), new Unpacking(named)]
      context.after(() => [packer, stage].forEach((each) => each.destroy()))
      packer.pipe(stage)
      let found = ''
      for (const event of ['data: {"n":1}\n\n', 'data: {"n":2}\n\n']) {
        const sent = found + event
        packer.write(event)
        packer.flush()
        while (found !== sent) found += String((await once(stage, 'data'))[0])
      }
    },
  )

test('no more is unpacked than is read', async () => {
  const bomb = brotliCompressSync(Buffer.alloc(100_000_000))
  const stage = new Unpacking('br')
  stage.end(bomb)
  await once(stage, 'readable')
  let most = 0
  for (let turn = 0; turn < 50; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    most = Math.max(most, stage.readableLength)
  }
  assert.ok(most <= 2_000_000, `${most} bytes wait`)
  stage.destroy()
})
