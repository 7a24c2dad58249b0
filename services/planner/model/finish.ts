// How an answer ended, from the providers' words for it.
//
// An answer that was broken off or withheld is never a success, in any wording: these are recognised by their
// stems. A unknown word is a good end, because self-hosted servers have many for it ("eos", "end_turn",
// "complete").

export type End = 'good' | 'length' | 'withheld' | 'malformed' | 'broken'

const ends: readonly { readonly end: End; readonly says: RegExp }[] = [
  { end: 'malformed', says: /malformed|invalid_(tool|function)|unexpected_tool_call|too_many_tool_calls/ },
  {
    end: 'withheld',
    says: /filter|safety|sensitive|refus|recitation|prohibited|blocklist|blocked|spii|guardrail|moderat|policy|flagged|toxic|language|image_other/,
  },
  { end: 'length', says: /length|max_(output_|new_|completion_)?tokens|token_limit|context_window|truncat/ },
  {
    end: 'broken',
    says: /error|abort|cancel|fail|interrupt|insufficient|network|time_?out|overload|disconnect|crash|unavailable|preempt|shutdown|evict|kill|incomplete|(?:^|_)oom(?:_|$)|out_of_memory|rate_limit|quota|^other$/,
  },
]

/** The reasons of nearly all answers: no pattern is tried. */
const good: ReadonlySet<string> = new Set(['stop', 'tool_calls'])

export function endOf(finishReason: string): End {
  if (good.has(finishReason)) return 'good'
  const word = finishReason.toLowerCase().replaceAll(/[\s-]+/g, '_')
  return ends.find(({ says }) => says.test(word))?.end ?? 'good'
}
