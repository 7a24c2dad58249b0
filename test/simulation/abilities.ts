// Features of a seed besides the faults of rates.ts: each is drawn separately, so that most seeds have a few.
import type { Fate } from '../../runtime/testing/simulator/fate.ts'

export const abilities = [
  /** Ids that are other keys, control characters, a megabyte. */
  'hostile ids',
  /** Headers that another client copied, forged or filled. */
  'foreign headers',
  /** Records of last week and of next year. */
  'foreign times',
  /** Output schemas of every kind. */
  'hostile schemas',
  /** Records, and failures of tools, of any size. */
  'any size',
  /** Readers whose group has the name of a stage. */
  'stage-named readers',
  /** Hundreds of control records for one running task. */
  'floods',
  /** Control records of which every second one waits, until positions can no longer encode which. */
  'metadata floods',
  /** A large payload is gone from the blob store, or can't be read for a while. */
  'missing payloads',
  /** A topic is created again, its tail is lost, its head is deleted unread. */
  'offsets go back',
  /** An event whose handling kills its process. */
  'deadly events',
  /** Two versions of every stage running together. */
  'mixed versions',
] as const

export type Ability = (typeof abilities)[number]

const SHARE = 0.15

export function drawAbilities(fate: Fate): ReadonlySet<Ability> {
  return new Set(abilities.filter((ability) => fate.chance(`has ${ability}`, SHARE)))
}
