import type { DatasetDefinition } from 'flotilla/evaluation'

export default {
  scorers: ['normalised', ({ text }) => ({ score: text.length < 200 ? 1 : 0, reason: 'it is long' })],
  cases: [{ input: 'Capital of France, in one word?', expected: 'Paris' }],
} satisfies DatasetDefinition
