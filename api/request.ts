// A request to a described route, typed by its schemas.
import { pathWith, type BodyOf, type QueryOf, type Route, type Sent } from './route.ts'

export interface Asked<R extends Route> {
  readonly params?: Readonly<Record<string, string>>
  /** As text, so a value of any kind. */
  readonly query?: { readonly [Name in keyof QueryOf<R>]?: string | number | boolean | undefined }
  readonly body?: Sent<BodyOf<R>>
}

/** The path and query that reach the route. */
export function pathOf<R extends Route>({ path }: R, { params, query }: Asked<R> = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) search.set(name, String(value))
  return `${pathWith(path, params)}${search.size === 0 ? '' : `?${search}`}`
}

/** Method and body. */
export function initOf<R extends Route>({ method }: R, { body }: Asked<R> = {}): RequestInit {
  return method === 'GET' ? {} : { method, body: JSON.stringify(body ?? {}) }
}
