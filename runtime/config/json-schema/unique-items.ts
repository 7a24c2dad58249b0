// Finds two equal items of a list in time linear in its JSON: comparing each with each takes hours for a list that
// a server may send.
import type { Json } from '../../../schemas/json.ts'
import { sortedJson } from '../../json/sorted.ts'

/** Places of the first two items that are equal, whatever the order of their properties; null if none are. */
export function equalItems(items: readonly Json[]): readonly [number, number] | null {
  const places = new Map<string, number>()
  for (const [place, item] of items.entries()) {
    const text = sortedJson(item)
    const before = places.get(text)
    if (before !== undefined) return [before, place]
    places.set(text, place)
  }
  return null
}
