// Two namespaces of consumer groups: a stage's group has the stage's name, a readers' group has the prefix
// `readers.`. So a reader of any name can neither take lanes from a stage nor move a stage's positions.
import { FlotillaError } from '../errors.ts'

/** `stage`: its members own lanes. `readers`: they only share a topic's records. */
export type GroupKind = 'stage' | 'readers'

const READERS = 'readers'
const namePattern = /^[A-Za-z0-9._-]{1,100}$/

/** The group's name below the fleet's prefix. Throws REQUEST_INVALID for an invalid reader's name. */
export function groupName(kind: GroupKind, name: string): string {
  if (kind === 'readers') return `${READERS}.${checked(name)}`
  if (namesReaders(name)) throw new FlotillaError('INTERNAL', `${name} is no name for the group of a stage`)
  return name
}

/** Whether a part of this name or prefix is `readers`: groups under it could be those of readers. */
export function namesReaders(name: string): boolean {
  return name.split('.').includes(READERS)
}

function checked(name: string): string {
  if (namePattern.test(name) && name !== '.' && name !== '..') return name
  const shown = JSON.stringify(name.slice(0, 100))
  throw new FlotillaError(
    'REQUEST_INVALID',
    `a readers' group may be named with 1 to 100 letters, digits, dots, dashes and underscores, not ${shown}`,
  )
}
