// Records that the answers on the page go without, by what was asked.
import { signal } from '@preact/signals'
import { OMITTED_HEADER, omissionsIn } from '../../../api/omitted.ts'

type Omissions = ReturnType<typeof omissionsIn>

const byPath = signal<ReadonlyMap<string, Omissions>>(new Map())

/** One of each topic, as the answer has it that omits the most. */
export function omittedNow(): Omissions {
  const all = [...byPath.value.values()].flat()
  const byTopic = Map.groupBy(all, ({ topic }) => topic)
  return [...byTopic].map(([topic, each]) => ({
    topic,
    undecodable: Math.max(...each.map(({ undecodable }) => undecodable)),
    unread: Math.max(...each.map(({ unread }) => unread)),
  }))
}

/** The newest answer of a path with its query counts. */
export function takeOmitted(path: string, headers: Headers): void {
  const omissions = omissionsIn(headers.get(OMITTED_HEADER))
  if (omissions.length === 0 && !byPath.value.has(path)) return
  const others = [...byPath.value].filter(([other]) => other !== path)
  byPath.value = new Map(omissions.length === 0 ? others : [...others, [path, omissions]])
}

/** For the next page. */
export const forgetOmitted = (): void => void (byPath.value = new Map())
