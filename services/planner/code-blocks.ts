// Finds the Python in what a model wrote, as models really write it.
//
// 1. Blocks marked as Python count; only where there are none do unmarked ones. A block in another language never does:
//    it is data, or output that the model imagined.
// 2. Several blocks are one program, in order. A block that is not closed reaches to the end.
//    Where it goes on into an observation that the model imagined, it ends there.
// 3. What a model thinks aloud (<think>) is not its answer.

const python = new Set(['python', 'py', 'python3', 'ipython', 'tool_code'])

interface Block {
  language: string
  code: string
}

/** The program; null where the text holds none. */
export function findCode(text: string): string | null {
  const answer = withoutThinking(text.replaceAll('\r\n', '\n'))
  const blocks = [...fencedBlocks(answer), ...taggedBlocks(answer)].filter(
    (block) => block.code.trim() !== '',
  )
  const marked = blocks.filter((block) => python.has(block.language))
  const chosen = marked.length > 0 ? marked : blocks.filter((block) => block.language === '')
  if (chosen.length > 0) return chosen.map((block) => dedent(block.code)).join('\n\n')
  return blocks.length === 0 && isBareCode(answer) ? answer.trim() : null
}

export function withoutThinking(text: string): string {
  // Some servers leave out the opening tag: what stands before a lone closing one is thought too.
  const parts = text.split(/<\/(?:think(?:ing)?|thought|reasoning)>/)
  const last = parts.pop() ?? ''
  const before = parts.map((part) => /^([\s\S]*?)<(?:think(?:ing)?|thought|reasoning)>/.exec(part)?.[1] ?? '')
  // Cut off while thinking: there is no answer yet.
  const answer = /^\s*<(?:think(?:ing)?|thought|reasoning)>/.test(last) ? '' : last
  return [...before, answer].join('').trim()
}

const opening = /^\s*(?<fence>`{3,}|~{3,})\s*(?<language>[\w+#-]*)(?<rest>.*)$/

function fencedBlocks(text: string): Block[] {
  const blocks: Block[] = []
  let open: { fence: string; language: string; lines: string[] } | null = null
  for (const line of text.split('\n')) {
    if (open === null) {
      const found = opening.exec(line)?.groups
      if (found === undefined) continue
      const { fence = '', language = '', rest = '' } = found
      const closedAt = rest.indexOf(fence)
      if (closedAt >= 0) blocks.push({ language: language.toLowerCase(), code: rest.slice(0, closedAt) })
      else open = { fence, language: language.toLowerCase(), lines: [] }
    } else if (closes(line, open.fence)) {
      blocks.push({ language: open.language, code: open.lines.join('\n') })
      open = null
    } else open.lines.push(line)
  }
  if (open !== null) blocks.push({ language: open.language, code: untilImagined(open.lines).join('\n') })
  return blocks
}

function closes(line: string, fence: string): boolean {
  const rest = line
    .trim()
    .replace(/<(end_code|\/code)>$/, '')
    .trim()
  return rest.length >= fence.length && [...rest].every((char) => char === fence[0])
}

/** No Python begins a line so. */
function untilImagined(lines: readonly string[]): readonly string[] {
  const at = lines.findIndex((line) => /^(observations?|outputs?|results?|execution logs):\s*$/i.test(line))
  return at < 0 ? lines : lines.slice(0, at)
}

const openingTag = /<(?:code|python|execute_python|execute|\|python_tag\|)>/
const closingTag = /<(?:\/code|\/python|\/execute_python|\/execute|\|eom_id\||\|eot_id\|)>/

/** `<code>…</code>` and the tags that some models were trained on instead, outside of fences. */
function taggedBlocks(text: string): Block[] {
  // Not \s: from each of many blank lines it would run to the end of them.
  if (/^[ \t]*(`{3,}|~{3,})/m.test(text)) return []
  const [, ...tagged] = text.split(openingTag)
  return tagged.map((part) => ({ language: 'python', code: part.split(closingTag, 1)[0] ?? '' }))
}

/** Without any block: only where the text plainly ends the task in code. */
function isBareCode(text: string): boolean {
  return /^final_answer\s*\(/m.test(text)
}

/** Blocks within lists are indented as a whole, which Python refuses. */
function dedent(code: string): string {
  const lines = code.replace(/^\n+/, '').trimEnd().split('\n')
  const indents = lines
    .filter((line) => line.trim() !== '')
    .map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0)
  const indent = indents.reduce((least, each) => Math.min(least, each), Infinity)
  return lines.map((line) => line.slice(Math.min(indent, line.length))).join('\n')
}
