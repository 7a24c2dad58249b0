// The fields of a task, as the schema of TaskSubmitted has them: what clients check, and what commands offer.
import type { TaskSubmitted } from './generated/events.ts'
import { schemas } from './generated/schemas.ts'
import { shapeOf, type FieldShape } from './record.ts'

export type TaskFieldKind = 'text' | 'whole number' | 'number' | 'object' | 'list' | readonly string[]

export interface TaskField {
  readonly name: keyof TaskSubmitted
  /** A list: one of these values. */
  readonly kind: TaskFieldKind
  readonly doc: string
}

/** JSON fields that hold a list. */
const lists: ReadonlySet<string> = new Set(['history'])

export const taskFields: readonly TaskField[] = schemas.TaskSubmitted.fields
  .map(shapeOf)
  .map(({ name, doc, value, values }) => ({
    name: name as keyof TaskSubmitted,
    kind: values ?? (lists.has(name) ? 'list' : kindOf(value)),
    doc,
  }))

/** The allowed values of a field that has a list of them. */
export function valuesOf<Name extends keyof TaskSubmitted>(
  name: Name,
): readonly NonNullable<TaskSubmitted[Name]>[] {
  const kind = taskFields.find((field) => field.name === name)?.kind
  return (Array.isArray(kind) ? kind : []) as readonly NonNullable<TaskSubmitted[Name]>[]
}

/** A submission in which nothing is given: the text is empty, every other field null. */
export const emptyTask = Object.fromEntries(
  taskFields.map(({ name }) => [name, name === 'text' ? '' : null]),
) as unknown as TaskSubmitted

function kindOf(value: FieldShape['value']): TaskFieldKind {
  switch (value) {
    case 'string':
      return 'text'
    case 'int':
    case 'long':
      return 'whole number'
    case 'double':
      return 'number'
    default:
      return 'object'
  }
}
