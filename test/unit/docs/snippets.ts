// The pieces of code in pages, by what they are for.

export interface Snippet {
  /** `page:line` of its first line. */
  readonly place: string
  readonly language: string
  readonly text: string
  /** `<!-- path -->` before it: the block is that file. */
  readonly file: string | null
}

/** Fenced blocks of a page. */
export function fencedBlocks(path: string, page: string): Snippet[] {
  const blocks = page.matchAll(/(?:<!-- ([\w./-]+) -->\s*)?^( *)```(\w*)[^\n`]*\n([\s\S]*?)^\2```/gm)
  return [...blocks].map(({ 0: whole, 1: file, 3: language = '', 4: text = '', index }) => {
    const line = page.slice(0, index + whole.indexOf('```')).split('\n').length + 1
    return { place: `${path}:${line}`, language, text, file: file ?? null }
  })
}

export interface Line {
  readonly place: string
  readonly text: string
  /** Within a sentence: it may be the name of a command, without what the command needs. */
  readonly isProse: boolean
}

/** Lines for a shell: of `sh` blocks, continued ones joined, and code within a sentence. */
export function shellLines(path: string, page: string): Line[] {
  const blocks = fencedBlocks(path, page)
    .filter(({ language }) => ['sh', 'bash'].includes(language))
    .flatMap(({ place, text }) => {
      const lines = text.replaceAll(/\\\n\s*/g, '').split('\n')
      return lines.map((line) => ({ place, text: line, isProse: false }))
    })
  const prose = page.replaceAll(/^ *```[\s\S]*?^ *```/gm, (block) => block.replaceAll(/[^\n]/g, ''))
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(({ 1: text = '', index }) => ({
    place: `${path}:${prose.slice(0, index).split('\n').length}`,
    text: text.replaceAll(/\s+/g, ' '),
    isProse: true,
  }))
  return [...blocks, ...spans]
}

/** Words of one simple command; quotes are taken off, comments, redirections and what follows them left out. */
export function words(command: string): string[] {
  const found = command.matchAll(/\s+#.*$|(?:"[^"]*"|'[^']*'|[^\s"'|&;<>()]|<[^<>\n]*>|\$\([^)]*\))+|[|&;<>()]+/g)
  const list: string[] = []
  for (const [word] of found) {
    if (/^\s+#/.test(word) || (/^[|&;<>()]+$/.test(word) && list.length > 0)) break
    list.push(word.replaceAll(/^["']|["']$/g, ''))
  }
  return list
}

/** Arguments of each `npx flotilla` or `flotilla`, that stands at the beginning of a command. */
export function flotillaCommands({ text }: Line): string[][] {
  const starts = text.matchAll(/(?:^|[|&;(]|\s)\s*(?:npx |exec gateway node cli\/)?(?:flotilla|main\.ts) (?=[a-z-])/g)
  return [...starts]
    .filter(({ index }) => /^$|(?:^|\s)(?:[A-Z_]+=\S+|[A-Z]+=\$\(|\$|[|&;(]|gateway|npx)$/.test(text.slice(0, index).trimEnd()))
    .map(({ 0: lead, index }) => words(text.slice(index + lead.length)))
}
