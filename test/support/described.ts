// Whether an answer of a gateway is one that the API's description has: its status, its fields and no others.
import assert from 'node:assert/strict'
import { z } from 'zod'
import { allRoutes } from '../../api/routes.ts'
import { errorAnswer } from '../../api/schemas/errors.ts'
import { compileSchema } from './json-schema.ts'

const isOn = (path: string, url: string): boolean => {
  const pattern = path.replaceAll(/:\w+/g, '[^/]+').replaceAll('.', '\\.')
  return new RegExp(`^${pattern}$`).test(url.split('?')[0] ?? '')
}

interface Got {
  readonly status: number
  readonly body: unknown
}

/** Paths that no route has are not described. */
export function assertDescribed(method: string, url: string, { status, body }: Got): void {
  const own = allRoutes.filter((route) => isOn(route.path, url) && route.method === method)
  // A literal path goes before one with parameters.
  const route = own.toSorted((a, b) => a.path.split(':').length - b.path.split(':').length)[0]
  if (!route) return
  const answer = Object.entries(route.answers).find(([code]) => Number(code) === status)?.[1]
  const schemas = [answer?.schema, status >= 400 ? errorAnswer : undefined].filter(
    (each) => each !== undefined,
  )
  const name = `${method} ${url} answered ${status}`
  if (schemas.length === 0) return assert.ok(answer && body === null, `${name}, which is not described`)
  const problems = schemas.map((schema) => compileSchema(strict(schema))(body))
  assert.ok(problems.includes(null), `${name}: ${problems.join('; ')}\n${JSON.stringify(body).slice(0, 500)}`)
}

/** Objects have no fields that their schema lacks. */
const strict = (schema: z.ZodType): object => z.toJSONSchema(schema, { io: 'output' })
