// Finds the Python in a model's answer, in all the forms that models use.
//
// 1. Python's own grammar decides where a block ends: a fence within a string is text (python-text.ts).
// 2. Blocks marked as Python count; only if there are none, unmarked ones that could be Python. A block in
//    another language never does: it is data. Several blocks are one program, in order. A block that is not
//    closed reaches to the end.
// 3. An observation behind code was imagined, and so is a turn of somebody else: nothing from there on is run, or
//    kept as the model's own words (imagined.ts).
// 4. A model's thoughts (<think>) are not its answer (../conversation/thinking.ts).
// 5. Prompts of an interactive Python are removed, and the results between them.
import { codeInCall } from './in-calls.ts'
import { isImagined, isImaginedInCode, isImaginedOutput, isTurnMark, TURN_MARKS } from './imagined.ts'
import { openThought, withoutThoughts } from '../conversation/thinking.ts'
import { withoutPrompts } from './python-prompts.ts'
import { codeEnd, looksLikePython, statementEnd } from './python-text.ts'

const PYTHON = /^(?:i?python|py)[\d.]*(?:[-_]?(?:repl|code))?$|^(?:pycon|tool_code)$/
/** Languages that say nothing about the language. */
const UNMARKED = new Set(['', 'code', 'jupyter', 'repl'])

export interface FoundCode {
  readonly code: string
  /** The model's text without its thoughts, up to the end of the part that counts. */
  readonly said: string
  /** The model continued with an imagined observation. */
  readonly imagined: boolean
}

interface Block {
  readonly language: string
  readonly code: string
  /** Its end in the text, including the fence. */
  readonly end: number
  /** It continues into an observation. */
  readonly imagined: boolean
}

/** The program in an answer; null if it holds none. */
export function readCode(text: string): FoundCode | null {
  const answer = withoutThinking(unquote(text.replaceAll(/\r\n?/g, '\n').replaceAll('\uFEFF', '')))
  const { blocks, end, imagined } = readBlocks(answer)
  const full = blocks.filter(({ code }) => code.trim() !== '')
  const marked = full.filter(({ language }) => PYTHON.test(language))
  const chosen = marked.length > 0 ? marked : likely(full.filter(({ language }) => UNMARKED.has(language)))
  const said = imagined ? answer.slice(0, end).trimEnd() : answer
  if (chosen.length > 0)
    return { code: chosen.map(({ code }) => withoutPrompts(dedent(code))).join('\n\n'), said, imagined }
  const bare = codeInCall(answer) ?? (blocks.length === 0 ? bareCode(answer) : null)
  return bare === null ? null : { code: bare, said: answer, imagined: false }
}

/**
 * The program at the end of a thought whose closing mark the model forgot. The answer must be whole: one that
 * was cut off may have ended in a draft.
 */
export function codeBehindThought(text: string): FoundCode | null {
  const open = openThought(text)
  const { blocks, imagined } = readBlocks(open.replaceAll(/\r\n?/g, '\n'))
  const last = blocks.at(-1)
  const isLast = last !== undefined && open.slice(last.end).trim() === ''
  if (!isLast || imagined || !PYTHON.test(last.language) || last.code.trim() === '') return null
  const code = withoutPrompts(dedent(last.code))
  return { code, said: `\`\`\`python\n${code}\n\`\`\``, imagined: false }
}

/** Removes quotation marks (`>`) if all the code is quoted. */
const unquote = (text: string): string =>
  /^[ \t]*>[ \t]*(?:`{3}|~{3})/m.test(text) && !/^[ \t]*(?:`{3}|~{3})/m.test(text)
    ? text.replaceAll(/^[ \t]*> ?/gm, '')
    : text

/**
 * Unmarked blocks that could be Python; if none could, those that look like an attempt, so that the model
 * sees their error.
 */
function likely(unmarked: readonly Block[]): readonly Block[] {
  const plausible = unmarked.filter(({ code }) => looksLikePython(dedent(code)))
  return plausible.length > 0 ? plausible : unmarked.filter(({ code }) => STATEMENT.test(code))
}

const STATEMENT =
  /^[ \t]*(?:[A-Za-z_]\w*[ \t]*[+\-*/]?=[^=]|(?:import|from|def|for|while|if|print)\b.*[:(]|import \w|final_answer[ \t]*\()/m

/** The answer without its thoughts. Marks within code are text. */
export const withoutThinking = (text: string): string =>
  withoutThoughts(text, (answer) => readBlocks(answer).ranges)

interface Blocks {
  readonly blocks: readonly Block[]
  /** Ranges of the text that the blocks take. */
  readonly ranges: readonly (readonly [from: number, to: number])[]
  /** End of the part that counts: the imagined observation, or the end of the text. */
  readonly end: number
  readonly imagined: boolean
}

const OPENING =
  /^[ \t]*(?:[-*][ \t]+|\d+[.)][ \t]+)?(?<fence>`{3,}|~{3,})[ \t]*\{?\.?(?<language>[\w+#.-]*)\}?(?<rest>[^\n]*)$/
/** Behind words on their line; only if the fence names Python and nothing follows. */
const LATE_OPENING = /[^`](?<fence>`{3,})[ \t]*(?<language>python3?|py)(?<rest>[ \t]*)$/i
const TAGS = String.raw`<(?:code|python|python_code|tool_code|execute_i?python|execute|\|python_tag\|)(?:\s[^<>\n]{0,200})?>|\[PYTHON\]`
const TAG = new RegExp(`^[ \\t]*(?:<pre>\\s*)?(?:${TAGS})`)
const INLINE_TAG = new RegExp(TAGS)

/** An answer that is being read. */
interface Reading {
  readonly text: string
  /** Multi-line strings that never end. */
  endless: number
}

/** After so many of them quotes are text: each costs a search through the rest of the answer. */
const MAX_ENDLESS = 8

function readBlocks(text: string): Blocks {
  const reading: Reading = { text, endless: 0 }
  const blocks: Block[] = []
  const ranges: [number, number][] = []
  let hasRun = false
  const hasFence = /^[ \t]*(?:[-*][ \t]+|\d+[.)][ \t]+)?(?:`{3}|~{3})/m.test(text)
  for (let at = 0; at < text.length;) {
    const next = lineEndOf(text, at)
    const line = text.slice(at, next)
    if (hasRun && isTurnMark(line))
      return { blocks, ranges, end: at, imagined: text.slice(at).replaceAll(TURN_MARKS, '').trim() !== '' }
    if (hasRun && isImagined(line)) return { blocks, ranges, end: at, imagined: true }
    const block = blockAt(reading, at, line, hasFence)
    if (block === null) {
      at = next + 1
      continue
    }
    if (hasRun && isImaginedOutput(block.language)) return { blocks, ranges, end: at, imagined: true }
    blocks.push(block)
    hasRun ||= isRun(block)
    ranges.push([at, block.end])
    if (block.imagined) return { blocks, ranges, end: block.end, imagined: true }
    at = Math.max(block.end, at + 1)
  }
  return { blocks, ranges, end: text.length, imagined: false }
}

const isRun = ({ language, code }: Block): boolean =>
  code.trim() !== '' && (UNMARKED.has(language) || PYTHON.test(language))

function blockAt(reading: Reading, at: number, line: string, hasFence: boolean): Block | null {
  const { text } = reading
  const fence = (OPENING.exec(line) ?? LATE_OPENING.exec(line))?.groups
  if (fence !== undefined) return fencedBlock(reading, at, line, fence)
  const tag = (hasFence ? TAG : INLINE_TAG).exec(line)
  if (tag === null) return null
  const from = at + tag.index + tag[0].length
  // A fence within tags starts a block of its own.
  if (/^\s*(?:`{3}|~{3})/.test(text.slice(from, from + 1_000))) return null
  return pythonBlock(reading, from, 'python', null)
}

function fencedBlock(
  reading: Reading,
  at: number,
  line: string,
  groups: Record<string, string | undefined>,
): Block {
  const { text } = reading
  const { fence = '', rest = '' } = groups
  const language = (groups['language'] ?? '').toLowerCase()
  const restAt = at + line.length - rest.length
  const closedAt = rest.indexOf(fence)
  if (!PYTHON.test(language) && closedAt >= 0)
    return { language, code: rest.slice(0, closedAt), end: restAt + closedAt + fence.length, imagined: false }
  if (!UNMARKED.has(language) && !PYTHON.test(language))
    return otherBlock(text, at + line.length + 1, language, fence)
  const from = rest.trim() !== '' && !isInfo(rest) ? restAt : Math.min(text.length, at + line.length + 1)
  return pythonBlock(reading, from, language, fence)
}

/** Text behind the language of a fence: the block's name, not its first line. */
const INFO =
  /^(?:(?:\w+=(?:"[^"]*"|[^\s"]\S*)[ \t]+)*\w+=(?:"[^"]*"|[^\s"]\S*)|:?[\w./-]+\.py|code|script|[23](?:\.\d+)*|\{.*)$/i
const MAX_INFO_CHARS = 1_000

const isInfo = (rest: string): boolean => rest.length <= MAX_INFO_CHARS && INFO.test(rest.trim())

/** A block of data ends with a line that is nothing but its fence. */
function otherBlock(text: string, from: number, language: string, fence: string): Block {
  for (let at = from; at < text.length;) {
    const end = lineEndOf(text, at)
    if (isClosing(text.slice(at, end), fence))
      return { language, code: text.slice(from, at), end, imagined: false }
    at = end + 1
  }
  return { language, code: text.slice(from), end: text.length, imagined: false }
}

const isClosing = (line: string, fence: string): boolean => {
  const marks = line
    .trim()
    .replace(/<(?:end_code|\/code)>$/, '')
    .trim()
  return marks.length >= fence.length && [...marks].every((char) => char === fence[0])
}

function pythonBlock(reading: Reading, from: number, language: string, fence: string | null): Block {
  const { text } = reading
  const end = pythonEnd(reading, from, fence)
  const code = text.slice(from, end)
  const line = text.slice(end, lineEndOf(text, end))
  const marks = fence !== null && line.startsWith(fence) ? (/^[`~]+/.exec(line)?.[0].length ?? 0) : 0
  // "```python" in place of a closing fence opens the next block.
  const opensNext = marks > 0 && isLineStart(text, end) && /^[`~]{3,}[ \t]*(?:python3?|py)\b/.test(line)
  if (marks > 0) return { language, code, end: opensNext ? end : end + marks, imagined: false }
  const tag = /^(?:<\/?[\w|]*>?|\[\/PYTHON\])/.exec(line)?.[0].length ?? 0
  // A mark of another turn is looked at with the text behind it.
  const behind = isTurnMark(line) ? end : end + tag
  return { language, code, end: behind, imagined: isLineStart(text, end) && isImaginedInCode(line) }
}

function pythonEnd(reading: Reading, from: number, fence: string | null): number {
  const { text } = reading
  if (reading.endless < MAX_ENDLESS) {
    const end = codeEnd(text, from, (at) => endsCode(text, at, fence))
    if (end !== null) return end
    reading.endless++
  }
  return firstEnd(text, from, fence)
}

/** Whether Python ends here: at a fence, a closing tag, an observation. */
function endsCode(text: string, at: number, fence: string | null): boolean {
  const char = text.charAt(at)
  if (fence !== null && char === fence[0] && text.startsWith(fence, at))
    return char === '`' || isLineStart(text, at)
  if (char === '<' && /^<(?:\/[A-Za-z]|\|)/.test(text.slice(at, at + 3))) return true
  if (char === '[' && text.startsWith('[/PYTHON]', at)) return true
  return isLineStart(text, at) && isImaginedInCode(text.slice(at, Math.min(at + 200, lineEndOf(text, at))))
}

/** If a string never ends, quotes are ignored: the first line that closes a fence. */
function firstEnd(text: string, from: number, fence: string | null): number {
  for (let at = from; at < text.length;) {
    const end = lineEndOf(text, at)
    const line = text.slice(at, end)
    if (fence === null ? /^\s*<\//.test(line) : isClosing(line, fence))
      return at + line.length - line.trimStart().length
    at = end + 1
  }
  return text.length
}

const lineEndOf = (text: string, from: number): number => {
  const at = text.indexOf('\n', from)
  return at < 0 ? text.length : at
}

/** True if only blanks precede it on its line, and it is not a blank itself. */
function isLineStart(text: string, at: number): boolean {
  if (BLANK.test(text.charAt(at))) return false
  let before = at
  while (before > 0 && BLANK.test(text.charAt(before - 1))) before--
  return before === 0 || text.charAt(before - 1) === '\n'
}

const BLANK = /[ \t]/

/** Also behind a label, and in quotes: `Action: final_answer(1)`. */
const CALL =
  /^(?<before>[ \t]*(?:(?:final )?(?:action|answer|code|call):[ \t]*)?`?(?:await |return )?)final_answer[ \t]*\(/im
const DOES_SOMETHING = /^[ \t]*(?:[A-Za-z_]\w*[ \t]*=[^=]|import \w|from \w|[\w.]+[ \t]*\(.*\)[ \t]*$)/m
const MAX_BARE_CHARS = 100_000

/**
 * Without any block: a text that is Python from its first line to its last, or from some line to the end of
 * a final_answer() call.
 */
function bareCode(text: string): string | null {
  if (text.length > MAX_BARE_CHARS) return null
  if (DOES_SOMETHING.test(text) && looksLikePython(text)) return text.trim()
  const call = CALL.exec(text)
  if (call === null) return null
  const { before = '' } = call.groups ?? {}
  const start = before.trim() === '' ? call.index : call.index + before.length
  const last = statementEnd(text, start)
  if (start > call.index) return text.slice(start, last).replace(/`\s*$/, '').trim()
  let from = start
  while (from > 0) {
    const before = text.lastIndexOf('\n', from - 2) + 1
    if (!looksLikePython(text.slice(before, from))) break
    from = before
  }
  return dedent(text.slice(from, last)).trim()
}

/**
 * Removes the indent of blocks within lists, which Python refuses; lines of a string may stand further left.
 */
function dedent(code: string): string {
  const lines = code
    .replace(/^(?:[ \t]*\n)+/, '')
    .trimEnd()
    .split('\n')
  const first = /^[ \t]*/.exec(lines[0] ?? '')?.[0].length ?? 0
  return lines.map((line) => line.slice(Math.min(first, /^[ \t]*/.exec(line)?.[0].length ?? 0))).join('\n')
}
