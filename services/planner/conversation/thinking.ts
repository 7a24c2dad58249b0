// Removes what a model thought from its answer, in the marks of the model families, and the mark of its end,
// which some servers leave in the text.
import { withoutAtEnd } from '../text-end.ts'

const OPENS = String.raw`<(?:think(?:ing)?|thoughts?|reasoning|scratchpad)>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|channel\|>analysis<\|message\|>`
const CLOSES = String.raw`</(?:think(?:ing)?|thoughts?|reasoning|scratchpad)>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>`
const MARK = new RegExp(`${OPENS}|${CLOSES}`)
const MARKS = new RegExp(`(?<opens>${OPENS})|${CLOSES}`, 'g')
const BEGINS = new RegExp(`^\\s*(?:${OPENS})`)
const CLOSING = new RegExp(CLOSES)
const ALL_CLOSING = new RegExp(CLOSES, 'g')

type Ranges = readonly (readonly [from: number, to: number])[]

/**
 * Removes thoughts, including text before a lone closing mark: some servers leave out the opening one. Marks
 * within code are text. `codeIn`: where a text's code stands.
 */
export function withoutThoughts(text: string, codeIn: (text: string) => Ranges): string {
  return withoutAtEnd(withoutThinking(text, codeIn).trim(), END, END_WITHIN_CHARS)
}

const END =
  /(?:\s*(?:<\|(?:im_end|eot_id|eom_id|end|return|endoftext|end_of_text|end_of_turn)\|>|<\/s>|<end_of_turn>|<｜end▁of▁sentence｜>))+$/
const END_WITHIN_CHARS = 100

function withoutThinking(text: string, codeIn: (text: string) => Ranges): string {
  if (!MARK.test(text)) return text
  const lastClosing = lastClosingIn(text)
  const answer = afterFirstThought(text)
  const offset = text.length - answer.length
  const isText = within(lastClosing < 0 ? [] : codeIn(answer), offset)
  let kept: string[] = []
  let from = offset
  let isThinking = false
  for (const mark of text.matchAll(MARKS)) {
    const { index } = mark
    if (index < offset || isText(index)) continue
    const closes = mark.groups?.['opens'] === undefined
    if (closes && !isThinking) kept = []
    else if (!isThinking) kept.push(text.slice(from, index))
    // An unclosed mark is text, unless there is nothing but thought: then it was cut off.
    const opens: boolean =
      !closes && (isThinking || index < lastClosing || kept.every((part) => part.trim() === ''))
    from = closes || opens ? index + mark[0].length : index
    isThinking = opens
  }
  return [...kept, isThinking ? '' : text.slice(from)].join('')
}

const lastClosingIn = (text: string): number =>
  CLOSING.test(text) ? (Array.from(text.matchAll(ALL_CLOSING), ({ index }) => index).at(-1) ?? -1) : -1

/** Whether a position lies in one of the ascending ranges; positions are asked for in ascending order. */
function within(ranges: Ranges, offset: number): (at: number) => boolean {
  let next = 0
  return (at) => {
    while ((ranges[next]?.[1] ?? Infinity) + offset <= at) next++
    return (ranges[next]?.[0] ?? Infinity) + offset <= at
  }
}

/** A thought at the very beginning ends at its first closing mark, even within quotes. */
function afterFirstThought(text: string): string {
  if (!BEGINS.test(text)) return text
  const closing = CLOSING.exec(text)
  return closing ? text.slice(closing.index + closing[0].length) : ''
}

/** A text that is one thought, never closed, without its mark; empty if it is none. */
export const openThought = (text: string): string =>
  BEGINS.test(text) && !CLOSING.test(text) ? text.replace(BEGINS, '') : ''
