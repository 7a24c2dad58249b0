// Finds agents that a hostile page could make leak data: those with text of others, private data and a way
// out.
import type { Fleet, ToolSpec } from './fleet.ts'

/** A sentence for each set of tools with which agents have all three, naming agents and tools; for doctor. */
export function exposureWarnings({ agents, tools }: Pick<Fleet, 'agents' | 'tools'>): string[] {
  const specs = tools.map(({ spec }) => spec)
  const exposed = Object.entries(agents).flatMap(([agent, { tools: names }]) => {
    const own = specs.filter(({ name }) => names === undefined || names.includes(name))
    const reading = (kind: 'private' | 'untrusted') => named(own.filter(({ reads }) => reads?.includes(kind)))
    // What a person approves is no way out; a rule may let a call pass.
    const sending = named(own.filter(({ sends, approval }) => sends && approval?.rule !== 'always'))
    const [inside, outside] = [reading('private'), reading('untrusted')]
    if (inside === '' || outside === '' || sending === '') return []
    return [
      { agent, way: `private data (${inside}), read text of others (${outside}) and send (${sending})` },
    ]
  })
  return [...Map.groupBy(exposed, ({ way }) => way)].map(([way, alike]) => {
    const who = alike.map(({ agent }) => agent).join(', ')
    return `${alike.length === 1 ? 'agent' : 'agents'} ${who} can read ${way}: a page could make an agent give data away`
  })
}

const named = (specs: readonly ToolSpec[]): string => specs.map(({ name }) => name).join(', ')
