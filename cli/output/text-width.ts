// How many columns of a terminal a text takes: East Asian characters and emoji take two, marks on a character none.
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Halfwidth forms of the same scripts take one. */
const WIDE =
  /^(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f|(?![\uff61-\uffdc])[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Bopo}\p{scx=Yi}]|[\u3000-\u303e\uff01-\uff60\uffe0-\uffe6])/u
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u

const columnsOf = (grapheme: string): number => (NO_WIDTH.test(grapheme) ? 0 : WIDE.test(grapheme) ? 2 : 1)

const ASCII = /^[\x20-\x7e]*$/

export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += columnsOf(segment)
  return width
}

/** The text in lines of at most this many columns, broken between words; a longer word has a line of its own. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && widthOf(last) + 1 + widthOf(word) <= columns)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

const LEAST_ROOM = 24

/**
 * The text behind `head`; on a terminal in lines that fit, broken between words, each below the first. `indent`:
 * columns of `head`, which may have colours.
 */
export function beside(
  head: string,
  indent: number,
  text: string,
  { isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>,
): string {
  const room = isTTY ? Math.max(LEAST_ROOM, columns - indent) : Infinity
  return `${head}${wrapped(text, room).join(`\n${' '.repeat(indent)}`)}`
}

/** The text, or its beginning with an ellipsis, in at most this many columns. */
export function cutTo(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let [cut, width] = ['', 0]
  for (const { segment } of graphemes.segment(text)) {
    width += columnsOf(segment)
    if (width > columns - 1) break
    cut += segment
  }
  return `${cut}…`
}
