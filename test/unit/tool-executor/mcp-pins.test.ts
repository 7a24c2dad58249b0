// What a reviewer of the lock file could not see is not pinned.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describedTool, whyLeftOut } from '../../../services/tool-executor/tools/mcp/pins.ts'

type Listed = Parameters<typeof describedTool>[0]

const why = (own: Partial<Listed>): string | null => {
  const tool: Listed = { name: 'add', description: 'Adds.', inputSchema: { type: 'object' }, ...own }
  return whyLeftOut(tool, describedTool(tool))
}

const hidden: [what: string, character: string][] = [
  ['an escape sequence', '\u001b[8m'],
  ['a control that JSON escapes', '\u0000'],
  ['a backspace', '\b'],
  ['half of a pair', '\ud800'],
  ['a direction override', '\u202e'],
  ['a tag', '\u{e0041}'],
  ['a variation selector behind no emoji', 'a\ufe01'],
  ['a variation selector of ideographs', '\u{e0100}'],
  ['a filler', '\u3164'],
  ['joiners in a row', '😀\u200d\u200d'],
  ['a line separator', '\u2028'],
]
for (const [what, text] of hidden)
  test(`${what}: left out, in a description, a name, or a schema`, () => {
    const reason = /^its text holds an invisible character \(U\+[0-9A-F]{4,5}\)$/
    assert.match(String(why({ description: `Adds${text} two numbers.` })), reason)
    assert.match(String(why({ name: `add${text}` })), reason)
    assert.match(String(why({ inputSchema: { type: 'object', title: `a${text}` } })), reason)
    const properties = { [`a${text}`]: { type: 'number' } }
    assert.match(String(why({ inputSchema: { type: 'object', properties } as never })), reason)
  })

test('line breaks and tabs, emoji and their families: pinned; a line break in a name: not', () => {
  assert.equal(why({ description: 'Adds\r\n\ttwo numbers. ❤️ 👨‍👩‍👧 🏳️‍🌈 1️⃣ क्‍ष \\u0000' }), null)
  assert.match(String(why({ name: 'add\nall' })), /U\+000A/)
})
