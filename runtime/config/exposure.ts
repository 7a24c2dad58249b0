// Finds agents that a hostile page could make leak data: those with text of others, private data and a way
// out.
import type { Fleet, ToolSpec } from './fleet.ts'

/** One sentence for each agent that has all three, naming the tools; for doctor. */
export function exposureWarnings({ agents, tools }: Pick<Fleet, 'agents' | 'tools'>): string[] {
  const specs = tools.map(({ spec }) => spec)
  return Object.entries(agents).flatMap(([agent, { tools: names }]) => {
    const own = specs.filter(({ name }) => names === undefined || names.includes(name))
    const reading = (kind: 'private' | 'untrusted') => named(own.filter(({ reads }) => reads?.includes(kind)))
    // What a person approves is no way out; a rule may let a call pass.
    const sending = named(own.filter(({ sends, approval }) => sends && approval?.rule !== 'always'))
    const [inside, outside] = [reading('private'), reading('untrusted')]
    if (inside === '' || outside === '' || sending === '') return []
    return [
      `agent ${agent} reads private data (${inside}) and text of others (${outside}) and can send (${sending}): a page could make ` +
        `it give data away; give it fewer tools (agents.${agent}.tools), limit hosts (fetchPage({ hosts })), or set requiresApproval`,
    ]
  })
}

const named = (specs: readonly ToolSpec[]): string => specs.map(({ name }) => name).join(', ')
