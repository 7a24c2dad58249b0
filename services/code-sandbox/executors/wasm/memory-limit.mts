// Sets a maximum in the memory section of a WebAssembly module, so that the engine itself refuses to grow
// beyond it.
const MEMORY_SECTION = 5
const PAGE_BYTES = 65_536
const HEADER_BYTES = 8

export function limitMemory(module: Uint8Array, maxMb: number): Uint8Array {
  for (let at = HEADER_BYTES; at < module.length;) {
    const id = module[at]
    const [length, start] = readNumber(module, at + 1)
    if (id === MEMORY_SECTION) {
      const section = withMaximum(module, start, (maxMb * 1_048_576) / PAGE_BYTES)
      return concat([module.subarray(0, at), section, module.subarray(start + length)])
    }
    at = start + length
  }
  return module
}

/** One memory: count, flags (bit 0: has a maximum), minimum, maximum. */
function withMaximum(module: Uint8Array, start: number, maxPages: number): Uint8Array {
  const [count, flagsAt] = readNumber(module, start)
  if (count !== 1) throw new Error(`a module with ${count} memories can't be limited`)
  const [minimum] = readNumber(module, flagsAt + 1)
  const flags = (module[flagsAt] ?? 0) | 1
  const body = [1, flags, ...number(minimum), ...number(Math.max(minimum, Math.floor(maxPages)))]
  return Uint8Array.from([MEMORY_SECTION, ...number(body.length), ...body])
}

/** LEB128. */
function readNumber(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] ?? 0
    value |= (byte & 127) << shift
    if (byte < 128) return [value >>> 0, at]
  }
}

function number(value: number): number[] {
  const bytes: number[] = []
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128)
  return [...bytes, value]
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
