// Assembles the tool calls of an answer, from the pieces of a stream or from a whole message.
//
// 1. A whole message has one entry per call, whatever their ids.
// 2. The index of a piece identifies its call; it is not a position, because gateways count other blocks too.
// 3. Only a piece with a name begins a call. An id alone proves nothing: some servers give none, one to all
//    calls, or a new one with every piece. A piece without a name continues the call of its index, of its id,
//    or the last one.
// 4. A named piece continues a call only while that call's arguments are incomplete.
// 5. The same id, name and arguments twice in one answer are one call.
// 6. Pieces that make no JSON together may each repeat the one before, or follow empty arguments: then the last
//    one, or the rest, is what the model wrote.
// 7. Work for a piece does not grow with the number of calls.
import { attachedTo, isKept } from './attached.ts'
import type { Attached, ModelToolCall } from '../call.ts'
import { isJson } from '../result/json-text.ts'
import { countOf, hasFields, shapeOf, textOf } from './shapes.ts'

interface Growing {
  id: string
  name: string
  argumentsText: string
  attached: Attached
  /** The last piece of its arguments, while each has begun with the one before; else null. */
  repeated: string | null
}

interface Piece extends Omit<Growing, 'repeated'> {
  readonly index: number | null
}

/**
 * Characters of one answer parsed to check whether arguments are complete: a server may repeat a name
 * endlessly.
 */
const MAX_PARSED_CHARS = 16_000_000

export class CallReader {
  readonly #calls: Growing[] = []
  readonly #byIndex = new Map<number, Growing>()
  readonly #byId = new Map<string, Growing>()
  #parsedChars = 0
  #nameChars = 0

  /** Adds an entry of a message. Returns its text, to be counted. */
  whole(value: unknown): string {
    const piece = pieceOf(value)
    this.#begin(piece)
    return piece.argumentsText
  }

  /** Adds an entry of a chunk. Returns its text, to be counted. */
  piece(value: unknown): string {
    const piece = pieceOf(value)
    const candidate = this.#candidate(piece)
    if (candidate !== undefined && this.#repeats(candidate, piece)) return piece.argumentsText
    if (candidate === undefined || !this.#goesOn(candidate, piece)) this.#begin(piece)
    else this.#extend(candidate, piece)
    return piece.argumentsText
  }

  get count(): number {
    return this.#calls.length
  }

  /** Characters of all names and ids. */
  get nameChars(): number {
    return this.#nameChars
  }

  /** `cutOff`: the answer reached a limit, so a last call without arguments has lost them. */
  calls(cutOff: boolean): ModelToolCall[] {
    const last = this.#calls.at(-1)
    for (const call of this.#calls) call.argumentsText = writtenArguments(call)
    const calls = this.#calls.length > 1 ? withoutRepeated(this.#calls) : this.#calls
    return calls.map((call, index) => ({
      name: call.name,
      id: call.id || `call_${index}`,
      argumentsText: cutOff && call === last ? call.argumentsText || '(cut off)' : call.argumentsText,
      ...(hasFields(call.attached) && isKept(call.attached) ? { attached: call.attached } : {}),
    }))
  }

  #candidate({ index, id, name }: Piece): Growing | undefined {
    const byIndex = index === null ? undefined : this.#byIndex.get(index)
    const byId = id === '' ? undefined : this.#byId.get(id)
    if (byIndex !== undefined) return byIndex
    // Under a new index a name begins a call.
    if (index !== null && name !== '') return undefined
    return byId ?? this.#calls.at(-1)
  }

  #goesOn(call: Growing, piece: Piece): boolean {
    if (piece.name === '') return true
    const otherId = piece.id !== '' && call.id !== '' && piece.id !== call.id
    // Its arguments came before its name.
    if (call.name === '') return !otherId && (piece.argumentsText === '' || !this.#isComplete(call))
    // A name in pieces comes before any arguments of a call that has an id.
    if (piece.name !== call.name) return !otherId && call.id !== '' && call.argumentsText === ''
    if (otherId && piece.argumentsText === '') return false
    return piece.argumentsText === '' || !this.#isComplete(call)
  }

  /** Some servers send a finished call once more at the end. */
  #repeats(call: Growing, piece: Piece): boolean {
    const { id, name, argumentsText } = piece
    const isSame = id !== '' && id === call.id && name === call.name && argumentsText === call.argumentsText
    return isSame && argumentsText !== '' && this.#isComplete(call)
  }

  #isComplete({ argumentsText }: Growing): boolean {
    if (!/[}\]]\s*$/.test(argumentsText.slice(-20)) || this.#parsedChars > MAX_PARSED_CHARS) return false
    this.#parsedChars += argumentsText.length
    return isJson(argumentsText)
  }

  #begin(piece: Piece): void {
    const { id, name, argumentsText, index, attached } = piece
    const call = { id, name, argumentsText, attached, repeated: argumentsText }
    this.#calls.push(call)
    this.#nameChars += id.length + name.length
    if (id !== '') this.#byId.set(id, call)
    if (index !== null) this.#byIndex.set(index, call)
  }

  #extend(call: Growing, { id, name, argumentsText, index, attached }: Piece): void {
    Object.assign(call.attached, attached)
    if (call.id === '' && id !== '') {
      call.id = id
      this.#byId.set(id, call)
    }
    if (name !== call.name) {
      call.name += name
      this.#nameChars += name.length
    }
    const repeats = call.repeated !== null && argumentsText.startsWith(call.repeated)
    call.repeated = repeats ? argumentsText : null
    call.argumentsText += argumentsText
    if (index !== null) this.#byIndex.set(index, call)
  }
}

function withoutRepeated(calls: readonly Growing[]): Growing[] {
  const seen = new Set<string>()
  return calls.filter(({ id, name, argumentsText }) => {
    const key = JSON.stringify([id, name, argumentsText])
    const isRepeated = id !== '' && seen.has(key)
    seen.add(key)
    return !isRepeated
  })
}

/** Some servers begin a call with empty arguments, or send all that they have with each piece. */
function writtenArguments({ argumentsText, repeated }: Growing): string {
  if (isJson(argumentsText)) return argumentsText
  const behindEmpty = argumentsText.replace(/^\s*(?:\{\s*\}|null)/, '')
  return [repeated ?? '', behindEmpty].find(isJson) ?? argumentsText
}

function pieceOf(value: unknown): Piece {
  const shape = shapeOf(value)
  const name = textOf(shape['function'])
  // Servers of the older API name the function at the top; some give its name alone.
  const inner = shape['function'] ?? shape['custom']
  const wanted = name !== '' || inner === undefined ? shape : shapeOf(inner)
  const given = ['arguments', 'parameters', 'input', 'args'].find((field) => saysSomething(wanted[field]))
  const written = given === undefined ? '' : wanted[given]
  return {
    index: countOf(shape['index']),
    id: typeof shape['id'] === 'number' ? String(shape['id']) : textOf(shape['id']),
    name: name || textOf(wanted['name']),
    // Some servers send the arguments as an object instead of its text.
    argumentsText: typeof written === 'string' ? written : JSON.stringify(written),
    attached: { ...attachedTo(wanted), ...attachedTo(shape) },
  }
}

const saysSomething = (value: unknown): boolean => value !== undefined && value !== null
