// The header that says which records an answer goes without: a list of topics with counts, as RFC 8941 has it.
// `dead-letters;undecodable=2, ops.health;unread=1200`. Browsers read it too.
import type { Omission } from '../runtime/omitted.ts'

export const OMITTED_HEADER = 'flotilla-omitted'

/** Header of the answers that are read from the log. */
export const omittedHeaders = {
  [OMITTED_HEADER]:
    'Records that the answer goes without, by topic: `undecodable` ones that another program wrote, older ones that are `unread`. Absent: it is whole.',
} as const

export function omittedHeader(omissions: readonly Omission[]): string {
  return omissions
    .map(({ topic, undecodable, unread }) => {
      const counts = Object.entries({ undecodable, unread }).filter(([, count]) => count > 0)
      return [topic, ...counts.map(([name, count]) => `${name}=${count}`)].join(';')
    })
    .join(', ')
}

/** None for a header that is absent or says something else. */
export function omissionsIn(header: string | null): Omission[] {
  return (header ?? '').split(',').flatMap((each) => {
    const [topic = '', ...counts] = each.split(';').map((part) => part.trim())
    const countOf = (name: string) => {
      const [, digits = '0'] = counts.map((part) => part.split('=')).find(([of]) => of === name) ?? []
      return /^\d{1,15}$/.test(digits) ? Number(digits) : 0
    }
    const omission = { topic, undecodable: countOf('undecodable'), unread: countOf('unread') }
    return topic !== '' && omission.undecodable + omission.unread > 0 ? [omission] : []
  })
}

/** A sentence for people. */
export function omissionText({ topic, undecodable, unread }: Omission): string {
  const records = (count: number, what: string) => `${count} ${what}record${count === 1 ? '' : 's'}`
  const parts = [
    ...(undecodable > 0
      ? [`${records(undecodable, '')} that another program wrote and that can't be decoded`]
      : []),
    ...(unread > 0 ? [`${records(unread, 'older ')} that ${unread === 1 ? 'was' : 'were'} not read`] : []),
  ]
  return `Not shown of ${topic}: ${parts.join(', and ')}.`
}
