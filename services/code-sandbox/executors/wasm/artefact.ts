// The shipped interpreter: one compressed file, unpacked at first use.
//
// 1. The shipped file's SHA-256 is in artefact.json; a file that does not match is refused.
// 2. Unpacking is atomic (a directory renamed into place), so processes may race.
// 3. An unpacked directory is used only if we own it and each file's hash matches: another user may have put
//    it there.
import { createHash } from 'node:crypto'
import { mkdtemp, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { constants, zstdDecompress } from 'node:zlib'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { makeDirectory } from '../../../../runtime/make-directory.ts'

export interface ArtefactManifest {
  /** Hash of the compressed file. */
  readonly sha256: string
  /**
   * Hash of ../python, build/python, build/wit and the pinned tools: shows whether the artefact is up to
   * date.
   */
  readonly sources: string
  readonly tools: Readonly<Record<string, string>>
  /** In packing order. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[]
}

export const PACKED = new URL('./artefact/python.bin.zst', import.meta.url)
export const MANIFEST = new URL('./artefact/artefact.json', import.meta.url)
const READ_BYTES = 262_144
/** Window of the long-range matches in the packed file. */
export const WINDOW_LOG = 25

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Through one small buffer: as a whole the interpreter would stay for a while, 32 MB, in a process that never runs it. */
async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  await using file = await open(path)
  for (;;) {
    const { bytesRead } = await file.read(buffer)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(buffer.subarray(0, bytesRead))
  }
}

export async function readManifest(): Promise<ArtefactManifest> {
  return JSON.parse(await readFile(MANIFEST, 'utf8')) as ArtefactManifest
}

/** The directory that holds the unpacked interpreter. */
export async function unpack(cacheDir: string): Promise<string> {
  const manifest = await readManifest()
  const directory = join(cacheDir, `flotilla-python-${manifest.sha256.slice(0, 16)}`)
  if (await isIntact(directory, manifest)) return directory
  const files = await readPacked(manifest)
  makeDirectory(cacheDir)
  const fresh = await mkdtemp(join(cacheDir, '.flotilla-python-'))
  for (const [name, bytes] of files) await writeFile(join(fresh, name), bytes, { mode: 0o400 })
  await moveIntoPlace(fresh, directory, manifest)
  return directory
}

async function moveIntoPlace(fresh: string, directory: string, manifest: ArtefactManifest): Promise<void> {
  try {
    await rename(fresh, directory)
  } catch (error) {
    if (await isIntact(directory, manifest)) return await rm(fresh, { recursive: true, force: true })
    const aside = join(dirname(directory), `.stale-${basename(fresh)}`)
    await rename(directory, aside).catch((cause: unknown) => {
      throw new FlotillaError(
        'SANDBOX_UNAVAILABLE',
        `unpacking the interpreter: ${directory} is damaged or not ours; remove it or set FLOTILLA_CACHE to another directory`,
        { cause: cause ?? error },
      )
    })
    await rename(fresh, directory)
    await rm(aside, { recursive: true, force: true })
  }
}

async function isIntact(directory: string, manifest: ArtefactManifest): Promise<boolean> {
  try {
    const owner = (await stat(directory)).uid
    if (process.getuid && owner !== process.getuid()) return false
    if ((await readdir(directory)).length !== manifest.files.length) return false
    for (const file of manifest.files)
      if ((await sha256OfFile(join(directory, file.name))) !== file.sha256) return false
    return true
  } catch {
    return false
  }
}

async function readPacked(manifest: ArtefactManifest): Promise<Map<string, Uint8Array>> {
  const packed = await readFile(PACKED)
  if (sha256(packed) !== manifest.sha256)
    throw new FlotillaError(
      'SANDBOX_UNAVAILABLE',
      'the shipped interpreter does not fit its checksum; install again',
    )
  const bytes = await promisify(zstdDecompress)(packed, {
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
  })
  let at = 0
  return new Map(manifest.files.map((file) => [file.name, bytes.subarray(at, (at += file.bytes))]))
}
