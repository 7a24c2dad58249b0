// A ZIP archive in memory: deflated entries with names in UTF-8, in the order given. Without ZIP64.
import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipEntry {
  readonly name: string
  readonly text: string
}

const MAX_ENTRIES = 65_535
const MAX_BYTES = 4_294_967_295
/** 1 January 1980, the first that the format knows: the same entries give the same bytes. */
const DATE = 0x21
const DEFLATED = 8
const UTF8 = 0x800

/** Throws a RangeError if the entries are too many or too large for the format. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  if (entries.length > MAX_ENTRIES) throw new RangeError(`more than ${MAX_ENTRIES} entries`)
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const entry of entries) {
    const name = Buffer.from(entry.name)
    const data = Buffer.from(entry.text)
    const deflated = deflateRawSync(data)
    const shared = sharedFields(data, deflated.length, name.length)
    parts.push(header(0x04034b50, shared, name), deflated)
    directory.push(header(0x02014b50, shared, name, offset))
    offset += 30 + name.length + deflated.length
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0)
  if (offset + size > MAX_BYTES) throw new RangeError('more than 4 GiB')
  return Buffer.concat([...parts, ...directory, endOf(entries.length, size, offset)])
}

/** From the needed version to the length of the name: alike in both headers of an entry. */
function sharedFields(data: Buffer, deflatedBytes: number, nameBytes: number): Buffer {
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(20, 0)
  fields.writeUInt16LE(UTF8, 2)
  fields.writeUInt16LE(DEFLATED, 4)
  fields.writeUInt16LE(DATE, 8)
  fields.writeUInt32LE(crc32(data), 10)
  fields.writeUInt32LE(deflatedBytes, 14)
  fields.writeUInt32LE(data.length, 18)
  fields.writeUInt16LE(nameBytes, 22)
  return fields
}

/** With an offset, the directory's header, else the one before the data. */
function header(signature: number, shared: Buffer, name: Buffer, offset?: number): Buffer {
  const mark = Buffer.alloc(4)
  mark.writeUInt32LE(signature)
  if (offset === undefined) return Buffer.concat([mark, shared, name])
  const version = Buffer.from([20, 0])
  const rest = Buffer.alloc(14)
  rest.writeUInt32LE(offset, 10)
  return Buffer.concat([mark, version, shared, rest, name])
}

function endOf(entries: number, bytes: number, offset: number): Buffer {
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50)
  end.writeUInt16LE(entries, 8)
  end.writeUInt16LE(entries, 10)
  end.writeUInt32LE(bytes, 12)
  end.writeUInt32LE(offset, 16)
  return end
}
