import type { AgentDefinition } from 'flotilla'

export const clerk: AgentDefinition = {
  description: 'Answers questions about parcels.',
  // tools: JSON tool calls. code: the model writes Python, in which each tool is a function.
  mode: 'tools',
  instructions: 'Answer in one sentence, with the price in euros.',
  tools: ['shipping_cost'],
  // A task may name its model: flotilla run --model …
  overrides: { model: true },
}
