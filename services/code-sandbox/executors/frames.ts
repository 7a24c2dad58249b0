// Frames from an interpreter. Nothing in them is trusted: size, shape, tool names and counts are checked
// here.
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../runtime/json/depth.ts'
import type { Json } from '../../../schemas/json.ts'

export interface ToolCallFrame {
  readonly name: string
  readonly arguments: { [key: string]: Json }
}

export interface PythonError {
  readonly code: string
  readonly class: string
  readonly message: string
  readonly traceback: string
}

export type Frame =
  | { readonly t: 'ready' }
  | { readonly t: 'out'; readonly text: string }
  | { readonly t: 'calls'; readonly calls: readonly ToolCallFrame[] }
  | {
      readonly t: 'finished'
      readonly value: Json
      readonly final: boolean
      readonly answer: Json
      readonly error: PythonError | null
      readonly dropped: number
      /** The step failed before or after its own program. */
      readonly broken: boolean
      /** The program asked for a new session. */
      readonly reset: boolean
    }
  | { readonly t: 'trap'; readonly message: string; readonly full: boolean }

/** The largest frame that an interpreter may send. */
export const MAX_FRAME_BYTES = 8_000_000
/**
 * Calls in one frame. A step's limit is lower; a step somewhat above it is refused by a message, not killed.
 */
const MAX_CALLS = 10_000
const LENGTH_BYTES = 4

export class ProtocolBroken extends Error {
  override readonly name = 'ProtocolBroken'
}

/** Cuts a byte stream into frames. Chunks are joined once per frame, not once per chunk. */
export class FrameReader {
  #chunks: Buffer[] = []
  #size = 0
  #needed = LENGTH_BYTES

  /** Frames completed by this chunk. Throws ProtocolBroken. */
  add(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    const frames: Frame[] = []
    while (this.#size >= this.#needed) {
      const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
      const end = this.#take(bytes, frames)
      this.#chunks = [bytes.subarray(end)]
      this.#size = bytes.length - end
      if (end === 0) break
    }
    return frames
  }

  /** Takes one frame off the front; returns the start of the rest, 0 if more bytes are needed. */
  #take(bytes: Buffer, frames: Frame[]): number {
    const length = bytes.readUInt32LE(0)
    if (length > MAX_FRAME_BYTES) throw new ProtocolBroken(`a frame of ${length} bytes`)
    if (bytes.length < LENGTH_BYTES + length) {
      this.#needed = LENGTH_BYTES + length
      return 0
    }
    this.#needed = LENGTH_BYTES
    frames.push(parseFrame(bytes.toString('utf8', LENGTH_BYTES, LENGTH_BYTES + length)))
    return LENGTH_BYTES + length
  }
}

/** The same for a text-only channel: a line is a frame. */
export class LineReader {
  #parts: string[] = []
  #size = 0

  /** Frames completed by this text. Throws ProtocolBroken. */
  add(text: string): Frame[] {
    const lines = text.split('\n')
    const rest = lines.pop() ?? ''
    const frames = lines.map((line, index) => parseFrame(index === 0 ? this.#take() + line : line))
    this.#parts.push(rest)
    this.#size += rest.length
    if (this.#size > MAX_FRAME_BYTES) throw new ProtocolBroken('a line without end')
    return frames
  }

  #take(): string {
    const begun = this.#parts.join('')
    this.#parts = []
    this.#size = 0
    return begun
  }
}

export function frameBytes(frame: object): Buffer {
  const body = Buffer.from(JSON.stringify(frame))
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt32LE(body.length)
  return Buffer.concat([length, body])
}

/** A frame without its length: in JSON there is no line break. */
export const frameBody = (bytes: Buffer): Buffer => bytes.subarray(LENGTH_BYTES)

type Fields = { readonly [key: string]: Json }

export function parseFrame(text: string): Frame {
  const frame = fields(parseJson(text), 'the frame')
  switch (frame['t']) {
    case 'ready':
      return { t: 'ready' }
    case 'out':
      return { t: 'out', text: string(frame, 'text') }
    case 'trap':
      return { t: 'trap', message: string(frame, 'message'), full: frame['full'] === true }
    case 'calls':
      return { t: 'calls', calls: callsIn(frame['calls']).map(toolCall) }
    case 'finished':
      return parseFinished(fields(frame['result'], 'result'), frame['dropped'])
    default:
      throw new ProtocolBroken('a frame of unknown kind')
  }
}

function parseFinished(result: Fields, dropped: Json | undefined): Frame {
  const error = result['error'] ?? null
  return {
    t: 'finished',
    value: result['value'] ?? null,
    final: result['final'] === true,
    answer: result['answer'] ?? null,
    error: error === null ? null : pythonError(fields(error, 'error')),
    dropped: typeof dropped === 'number' && dropped > 0 ? Math.floor(dropped) : 0,
    broken: result['broken'] === true,
    reset: result['reset'] === true,
  }
}

function pythonError(error: Fields): PythonError {
  return {
    code: string(error, 'code'),
    class: string(error, 'class'),
    message: string(error, 'message'),
    traceback: string(error, 'traceback'),
  }
}

function toolCall(value: Json): ToolCallFrame {
  const call = fields(value, 'a call')
  return { name: string(call, 'name'), arguments: { ...fields(call['arguments'], 'arguments') } }
}

function parseJson(text: string): Json {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    throw new ProtocolBroken('a frame that is not JSON')
  }
  // The frame itself adds three levels.
  if (isDeeperThan(value, MAX_JSON_DEPTH + 3))
    throw new ProtocolBroken(`values nested more than ${MAX_JSON_DEPTH} deep`)
  return value
}

function fields(value: Json | undefined, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ProtocolBroken(`${what} is not an object`)
  return value
}

function callsIn(value: Json | undefined): Json[] {
  if (!Array.isArray(value) || value.length === 0) throw new ProtocolBroken('a frame of calls without calls')
  if (value.length > MAX_CALLS) throw new ProtocolBroken(`a frame of ${value.length} calls`)
  return value
}

function string(of: Fields, name: string): string {
  const value = of[name]
  if (typeof value !== 'string') throw new ProtocolBroken(`${name} is not a string`)
  return value
}
